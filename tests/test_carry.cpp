// States carried from one chunk of a sequence to the next, cut off from what made them.

#include <doctest/doctest.h>

#include <vector>

#include "unroll/nn/carry.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/ops/layout.hpp"

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
  return input(
      std::span(x).subspan(static_cast<std::size_t>(from * row), static_cast<std::size_t>(count * row)),
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
    tape.backward(reshape(
        narrow(reshape(rnn.run(steps_of(x, 3, 3), carry.state()).outputs, {-1, 1}), 0, 7, 1), Shape{}));
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
                       "[Carry] state() before any assign(); ask empty() and start from an initial state",
                       ValueError);
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
