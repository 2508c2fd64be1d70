// States carried from one chunk of a sequence to the next, cut off from what made them.

#include <doctest/doctest.h>

#include <vector>

#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/bptt/carry.hpp"
#include "unroll/nn/cells/cell_wrappers.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/reduce.hpp"
#include "unroll/optim/sgd.hpp"

using namespace unroll;

namespace {

constexpr Index kSteps = 6, kBatch = 2, kInputs = 3, kHidden = 4;

std::vector<double> random_values(Index n, std::uint64_t seed) {
  std::vector<double> values(static_cast<std::size_t>(n));
  Rng(seed).fill_normal(std::span(values));
  return values;
}

Variable<double> steps_of(const std::vector<double>& x, Index from, Index count) {
  const Index row = kBatch * kInputs;
  return input(std::span(x).subspan(static_cast<std::size_t>(from * row), static_cast<std::size_t>(count * row)),
               Shape{count, kBatch, kInputs});
}

}  // namespace

TEST_CASE("chunks with a carried state give what the whole sequence gives") {
  Rng rng(1);
  const Rnn<LSTMCell<double>> rnn(kInputs, kHidden, rng);
  const auto x = random_values(kSteps * kBatch * kInputs, 2);
  Tape<double> tape;
  std::vector<double> whole, last_h, last_c;
  {
    const Evaluation scope(tape);
    const auto r = rnn.run(steps_of(x, 0, kSteps));
    whole = r.outputs.to_vector(), last_h = r.final_state.h.to_vector(), last_c = r.final_state.c.to_vector();
  }
  for (const bool records : {false, true}) {
    CAPTURE(records);
    Carry<LSTMState<double>> carry;
    std::vector<double> joined;
    const auto chunk = [&](Index from, Index count) {
      const auto in = steps_of(x, from, count);
      const auto r = carry.empty() ? rnn.run(in) : rnn.run(in, carry.state());
      carry.assign(r.final_state);
      for (const double y : r.outputs.to_vector()) joined.push_back(y);
    };
    for (const auto& [from, count] : {std::pair<Index, Index>{0, 2}, {2, 1}, {3, 3}}) {
      if (records) {
        const Recording scope(tape);
        chunk(from, count);
      } else {
        const Evaluation scope(tape);
        chunk(from, count);
      }
    }
    CHECK(joined == whole);
    const Evaluation scope(tape);
    CHECK(carry.state().h.to_vector() == last_h);
    CHECK(carry.state().c.to_vector() == last_c);
  }
}

TEST_CASE("no gradient passes from a chunk to the one before") {
  Rng rng(1);
  Rnn<RNNCell<double>> rnn(kInputs, kHidden, rng);
  const auto x = random_values(kSteps * kBatch * kInputs, 3);
  Tape<double> tape;
  Carry<Variable<double>> carry;
  const auto gradient_of_second_chunk = [&](const std::vector<double>& state) {
    const Recording scope(tape);
    const auto h = input(state, Shape{kBatch, kHidden});
    tape.backward(reshape(narrow(reshape(rnn.run(steps_of(x, 3, 3), h).outputs, {-1, 1}), 0, 7, 1), Shape{}));
    const auto g = rnn.cell.weight_hh.grads();
    std::vector<double> copy(g.begin(), g.end());
    for (auto& p : parameters(rnn)) p.storage->clear_grad();
    return copy;
  };
  std::vector<double> state;
  {
    const Recording scope(tape);
    carry.assign(rnn.run(steps_of(x, 0, 3)).final_state);
    CHECK_FALSE(carry.state().requires_grad());
    state = carry.state().to_vector();
  }
  const auto expected = gradient_of_second_chunk(state);
  {
    const Recording scope(tape);
    tape.backward(
        reshape(narrow(reshape(rnn.run(steps_of(x, 3, 3), carry.state()).outputs, {-1, 1}), 0, 7, 1), Shape{}));
    const auto g = rnn.cell.weight_hh.grads();
    CHECK(std::vector<double>(g.begin(), g.end()) == expected);
  }
}

TEST_CASE("a state leaves by copy: what happens to its tape does not matter") {
  Carry<Variable<double>> carry;
  const std::vector<double> values = {1, 2, 3, 4, 5, 6};
  {
    Tape<double> gone;
    const Recording scope(gone);
    carry.assign(input(values, Shape{2, 3}));
  }
  Tape<double> tape;
  {
    const Recording scope(tape);
    CHECK(carry.state().to_vector() == values);
    CHECK(carry.state().shape() == Shape{2, 3});
  }
  const Evaluation scope(tape);
  CHECK(carry.state().to_vector() == values);
}

TEST_CASE("it can be read after its Recording ended, until the next scope begins") {
  Tape<double> tape;
  Carry<Variable<double>> carry;
  Variable<double> v;
  {
    const Recording scope(tape);
    v = input(std::vector<double>{1, 2}, Shape{1, 2});
  }
  carry.assign(v);
  const Evaluation scope(tape);
  CHECK(carry.state().to_vector() == std::vector<double>{1, 2});
  CHECK_THROWS_AS(carry.assign(v), StaleVariableError);
}

TEST_CASE("slices with rows apart, empty states, lists of states, other shapes later") {
  Tape<double> tape;
  const Evaluation scope(tape);
  Carry<Variable<double>> one;
  const auto wide = input(std::vector<double>{1, 2, 3, 4, 5, 6}, Shape{2, 3});
  one.assign(narrow(wide, 1, 1, 2));
  CHECK(one.state().to_vector() == std::vector<double>{2, 3, 5, 6});
  one.assign(zeros<double>(Shape{0, 4}));
  CHECK(one.state().shape() == Shape{0, 4});
  one.assign(wide);
  CHECK(one.state().to_vector() == wide.to_vector());

  Carry<std::vector<LSTMState<double>>> list;
  list.assign({{wide, narrow(wide, 0, 0, 1)}, {narrow(wide, 0, 1, 1), wide}});
  CHECK(list.state().size() == 2);
  CHECK(list.state()[0].c.to_vector() == std::vector<double>{1, 2, 3});
  CHECK(list.state()[1].h.to_vector() == std::vector<double>{4, 5, 6});
  list.assign({{wide, wide}});
  CHECK(list.state().size() == 1);
}

TEST_CASE("nothing to carry is an error that says what to ask") {
  Carry<Variable<float>> carry;
  CHECK(carry.empty());
  CHECK_THROWS_WITH_AS(carry.state(),
                       "[Carry] state() before any assign(); ask empty() and start from an initial state", ValueError);
  Tape<float> tape;
  {
    const Evaluation scope(tape);
    carry.assign(zeros<float>(Shape{1, 2}));
  }
  CHECK_FALSE(carry.empty());
  CHECK_THROWS_AS(carry.state(), NoScopeError);
  carry.clear();
  CHECK(carry.empty());
}

namespace {

// Row b of every step of an output (T, B, F).
std::vector<double> row_of(const Variable<double>& y, Index b) { return narrow(y, 1, b, 1).to_vector(); }

template <class State>
std::vector<double> all_values(const State& state) {
  std::vector<double> all;
  if constexpr (detail::is_list<State>) {
    for (const auto& s : state)
      for (const double x : all_values(s)) all.push_back(x);
  } else {
    detail::visit_state(state, [&](const char*, const auto& v) {
      for (const double x : v.to_vector()) all.push_back(x);
    });
  }
  return all;
}

// Three chunks of two steps; in row 1 a new sequence begins with the third. Row 0 is one sequence of six steps, row 1
// one of four and one of two.
template <class Layer>
void check_restart(const Layer& layer) {
  const auto x = random_values(kSteps * kBatch * kInputs, 5);
  Tape<double> tape;
  std::vector<double> rows[2], expected[2], final_states;
  Carry<detail::StatesOf<Layer>> carry;
  for (Index chunk = 0; chunk < 3; ++chunk) {
    const Recording<double> scope(tape);
    if (chunk == 2) carry.restart({1});
    const auto r = layer.run(steps_of(x, 2 * chunk, 2), carry.state(initial_states(layer, kBatch)));
    carry.assign(unroll::final_states(r));
    for (const Index b : {0, 1})
      for (const double y : row_of(r.outputs, b)) rows[b].push_back(y);
    final_states = all_values(unroll::final_states(r));
  }
  const Recording<double> scope(tape);
  const auto whole = steps_of(x, 0, kSteps);
  expected[0] = row_of(layer.run(whole).outputs, 0);
  expected[1] = row_of(layer.run(narrow(whole, 0, 0, 4)).outputs, 1);
  for (const double y : row_of(layer.run(narrow(whole, 0, 4, 2)).outputs, 1)) expected[1].push_back(y);
  CHECK(rows[0] == expected[0]);
  CHECK(rows[1] == expected[1]);
  CHECK(all_values(carry.state()) == final_states);
}

}  // namespace

TEST_CASE("a sequence that begins inside the batch begins like one by itself; the others carry on") {
  Rng rng(1);
  check_restart(Rnn<RNNCell<double>>(kInputs, kHidden, rng));
  check_restart(Rnn<LSTMCell<double>>(kInputs, kHidden, rng));
  check_restart(Stack<Rnn<LSTMCell<double>>>(kInputs, kHidden, rng, {.layers = 2}));
  check_restart(Stack<Stack<Rnn<RNNCell<double>>>>(kInputs, kHidden, rng, {.layers = 2}));
  Rnn<TrainableInitialState<LSTMCell<double>>> trained(kInputs, kHidden, rng);
  for (auto& p : trained.cell.initial)
    for (double& v : p.mutable_values()) v = 0.5;
  check_restart(trained);
  check_restart(Rnn<VariationalDropout<LSTMCell<double>>>(
      VariationalDropout<LSTMCell<double>>(kInputs, kHidden, rng, {.states = 0})));
}

TEST_CASE("sequences that end inside a chunk: ragged chunks, the next one begins with the next chunk") {
  Rng rng(1);
  const Rnn<LSTMCell<double>> rnn(kInputs, kHidden, rng);
  const auto x = random_values(kSteps * kBatch * kInputs, 6);
  Tape<double> tape;
  Carry<LSTMState<double>> carry;
  std::vector<double> h[2];
  {
    const Evaluation<double> scope(tape);  // sequence 1 has two of the three steps
    carry.assign(rnn.run(sequence(steps_of(x, 0, 3), {3, 2}), carry.state(initial_states(rnn, kBatch))).final_state);
    h[0] = narrow(carry.state().h, 0, 1, 1).to_vector();
    CHECK(h[0] == narrow(rnn.run(steps_of(x, 0, 2)).final_state.h, 0, 1, 1).to_vector());
  }
  carry.restart(std::vector<bool>{false, true});
  const Evaluation<double> scope(tape);
  const auto r = rnn.run(steps_of(x, 3, 3), carry.state(initial_states(rnn, kBatch)));
  CHECK(row_of(r.outputs, 1) == row_of(rnn.run(steps_of(x, 3, 3)).outputs, 1));
  const auto c = narrow(r.final_state.c, 0, 0, 1).to_vector();
  const auto whole = narrow(rnn.run(steps_of(x, 0, 6)).final_state.c, 0, 0, 1).to_vector();
  for (std::size_t i = 0; i < c.size(); ++i) CHECK(c[i] == doctest::Approx(whole[i]).epsilon(1e-13));
}

TEST_CASE("zeros where nothing else is said, several restarts before one assign, and what forgets them") {
  Tape<double> tape;
  const Evaluation<double> scope(tape);
  Carry<BothStates<LSTMState<double>>> both;
  const auto v = input(std::vector<double>{1, 2, 3, 4, 5, 6}, Shape{3, 2});
  both.restart({7});  // nothing is carried: all rows begin anew anyhow
  both.assign({{v, v}, {v, v}});
  both.restart({2});
  both.restart(std::vector<Index>{0, 2});
  for (const auto& state : {both.state().fwd, both.state().bwd}) {
    CHECK(state.h.to_vector() == std::vector<double>{0, 0, 3, 4, 0, 0});
    CHECK(state.c.to_vector() == std::vector<double>{0, 0, 3, 4, 0, 0});
  }
  const auto nine = full(Shape{3, 2}, 9.0);
  CHECK(both.state({{nine, nine}, {nine, nine}}).bwd.c.to_vector() == std::vector<double>{9, 9, 3, 4, 9, 9});
  both.assign({{v, v}, {v, v}});
  CHECK(both.state({{nine, nine}, {nine, nine}}).bwd.c.to_vector() == v.to_vector());
  both.restart({1});
  both.clear();
  CHECK(both.state({{nine, nine}, {nine, nine}}).fwd.h.to_vector() == nine.to_vector());

  Carry<std::vector<BothStates<std::vector<Variable<double>>>>> deep;  // of a stack of both directions of stacks
  deep.assign({{{v, v}, {v}}});
  deep.restart(std::vector<bool>{false, true, false});
  CHECK(deep.state()[0].fwd[1].to_vector() == std::vector<double>{1, 2, 0, 0, 5, 6});
  CHECK(deep.state()[0].bwd[0].to_vector() == std::vector<double>{1, 2, 0, 0, 5, 6});
}

TEST_CASE("an initial state that is learned gets a gradient from the sequences that begin, and from no other") {
  Rng rng(1);
  using Cell = TrainableInitialState<LSTMCell<double>>;
  Rnn<Cell> rnn(kInputs, kHidden, rng);
  const auto x = random_values(kSteps * kBatch * kInputs, 8);
  Tape<double> tape;
  Carry<LSTMState<double>> carry;
  const auto loss_of = [&](const Variable<double>& y, Index b) { return sum(tanh(narrow(y, 1, b, 1))); };
  const auto gradients = [&] {
    std::vector<std::vector<double>> all;
    for (const auto& p : parameters(rnn)) {
      all.emplace_back(p.storage->shape.size());
      if (p.storage->has_grad) std::copy_n(p.storage->grad, all.back().size(), all.back().begin());
      p.storage->clear_grad();
    }
    return all;
  };
  const auto carried_on = [&](auto restart) {
    const Recording<double> scope(tape);
    carry.clear();
    carry.assign(rnn.run(steps_of(x, 0, 3)).final_state);
    restart();
    const auto y = rnn.run(steps_of(x, 3, 3), carry.state(initial_states(rnn, kBatch))).outputs;
    tape.backward(loss_of(y, 0) + loss_of(y, 1));
    return gradients();
  };
  const auto with = carried_on([&] { carry.restart({1}); });
  const auto without = carried_on([] {});
  std::vector<std::vector<double>> expected;  // sequence 1 from the beginning, sequence 0 from a constant
  {
    const Recording<double> scope(tape);
    const auto first = rnn.run(steps_of(x, 0, 3)).final_state;
    const LSTMState<double> constant{stop_gradient(first.h), stop_gradient(first.c)};
    const auto y0 = rnn.run(steps_of(x, 3, 3), constant).outputs, y1 = rnn.run(steps_of(x, 3, 3)).outputs;
    tape.backward(loss_of(y0, 0) + loss_of(y1, 1));
    expected = gradients();
  }
  const auto list = parameters(rnn);
  for (std::size_t p = 0; p < list.size(); ++p) {
    CAPTURE(list[p].name);
    for (std::size_t i = 0; i < expected[p].size(); ++i) {
      CHECK(with[p][i] == doctest::Approx(expected[p][i]).epsilon(1e-12));
      if (list[p].name.starts_with("cell.initial")) {
        CHECK(with[p][i] != 0);
        CHECK(without[p][i] == 0);
      }
    }
  }
}

TEST_CASE("refresh carries the state that the updated weights make") {
  Rng rng(1);
  Stack<Rnn<LSTMCell<double>>> stack(kInputs, kHidden, rng, {.layers = 2});
  const auto x = random_values(kSteps * kBatch * kInputs, 9);
  SGD<double> sgd(parameters(stack), {.lr = 0.5});
  Tape<double> tape;
  Carry<std::vector<LSTMState<double>>> as_computed, recomputed;
  for (Index chunk = 0; chunk < 3; ++chunk) {
    CAPTURE(chunk);
    if (chunk == 2) as_computed.restart({0}), recomputed.restart({0});
    const auto run = [&](auto& carry) {
      return stack.run(steps_of(x, 2 * chunk, 2), carry.state(initial_states(stack, kBatch)));
    };
    std::vector<double> before;
    {
      const Evaluation<double> scope(tape);  // where this chunk begins, to be compared with
      before = all_values(recomputed.state(recomputed.empty() ? initial_states(stack, kBatch) : recomputed.state()));
    }
    std::vector<double> old;
    {
      const Recording<double> step(tape);
      auto r = run(as_computed);
      old = all_values(r.final_states);
      as_computed.assign(r.final_states);
      tape.backward(sum(r.outputs));
    }
    sgd.step();
    recomputed.refresh(tape, [&] { return run(recomputed).final_states; });
    const Evaluation<double> scope(tape);
    CHECK(all_values(as_computed.state()) == old);
    // A fresh run with the new weights, from the state before the chunk.
    auto start = initial_states(stack, kBatch);
    std::size_t at = 0;
    for (auto& s : start)
      for (auto* v : {&s.h, &s.c}) {
        const auto n = static_cast<std::size_t>(v->size());
        *v = input(std::span<const double>(before).subspan(at, n), v->shape());
        at += n;
      }
    const auto fresh = all_values(stack.run(steps_of(x, 2 * chunk, 2), start).final_states);
    CHECK(all_values(recomputed.state()) == fresh);
    CHECK(fresh != old);
  }
}

TEST_CASE("restarts and starts that do not fit are errors, and change nothing") {
  Tape<double> tape;
  const Evaluation<double> scope(tape);
  Carry<Variable<double>> carry;
  const auto v = input(std::vector<double>{1, 2, 3, 4}, Shape{2, 2});
  carry.assign(v);
  CHECK_THROWS_WITH_AS(carry.restart({0, 2}), "[Carry] restart of row 2 of a state (2,2)", ValueError);
  CHECK_THROWS_WITH_AS(carry.restart({-1}), "[Carry] restart of row -1 of a state (2,2)", ValueError);
  CHECK_THROWS_WITH_AS(carry.restart(std::vector<bool>(3)), "[Carry] restart with a mask of 3 rows, the state is (2,2)",
                       ShapeError);
  CHECK(carry.state().to_vector() == v.to_vector());
  CHECK_THROWS_WITH_AS(carry.state(zeros<double>(Shape{3, 2})),
                       "[Carry] an initial state of (3,2) where (2,2) is carried", ShapeError);
  Carry<std::vector<Variable<double>>> list;
  list.assign({v, v});
  CHECK_THROWS_WITH_AS(list.state({v}), "[Carry] an initial state of 1 tensors where 2 are carried", ShapeError);
}
