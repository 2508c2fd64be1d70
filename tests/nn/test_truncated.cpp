// Truncated back-propagation through time: every k1 steps an update that goes back k2 steps.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "unroll/nn/bptt/truncated.hpp"
#include "unroll/nn/cells/cell_wrappers.hpp"
#include "unroll/nn/embedding.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/reduce.hpp"
#include "unroll/optim/adam.hpp"
#include "unroll/optim/sgd.hpp"

using namespace unroll;

namespace {

constexpr Index kBatch = 2, kInputs = 3, kHidden = 4;

struct Data {
  explicit Data(Index steps) : x(static_cast<std::size_t>(steps * kBatch * kInputs)), weight(x.size() * 2) {
    Rng rng(7);
    rng.fill_normal(std::span(x));
    rng.fill_normal(std::span(weight));
  }
  Variable<double> operator()(Index from, Index count) const {
    const Index row = kBatch * kInputs;
    return input(std::span(x).subspan(static_cast<std::size_t>(from * row), static_cast<std::size_t>(count * row)),
                 Shape{count, kBatch, kInputs});
  }
  /// A loss that treats every element of every step differently, and is not linear.
  Variable<double> loss(const Variable<double>& y, Index from) const {
    const Index row = kBatch * y.dim(-1);
    const auto w =
        input(std::span(weight).subspan(static_cast<std::size_t>(from * row), static_cast<std::size_t>(y.dim(0) * row)),
              y.shape());
    return sum(square(y - w));
  }
  std::vector<double> x, weight;
};

template <class M>
std::vector<std::vector<double>> values_of(const M& model) {
  std::vector<std::vector<double>> all;
  for (const auto& p : parameters(model)) {
    const double* v = p.storage->value;
    all.emplace_back(v, v + p.storage->shape.size());
  }
  return all;
}
template <class M>
std::vector<std::vector<double>> take_gradients(const M& model) {
  std::vector<std::vector<double>> all;
  for (const auto& p : parameters(model)) {
    all.emplace_back(static_cast<std::size_t>(p.storage->shape.size()));
    if (p.storage->has_grad) std::copy_n(p.storage->grad, all.back().size(), all.back().begin());
    p.storage->clear_grad();
  }
  return all;
}
template <class M>
void put_gradients(const M& model, const std::vector<std::vector<double>>& gradients) {
  const auto list = parameters(model);
  for (std::size_t p = 0; p < list.size(); ++p) {
    list[p].storage->ensure_grad();
    std::copy(gradients[p].begin(), gradients[p].end(), list[p].storage->grad);
    list[p].storage->touched_densely();
  }
}
double difference(const std::vector<std::vector<double>>& a, const std::vector<std::vector<double>>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    REQUIRE(a[i].size() == b[i].size());
    for (std::size_t j = 0; j < a[i].size(); ++j) largest = std::max(largest, std::abs(a[i][j] - b[i][j]));
  }
  return largest;
}

/// Checks every update of truncated_bptt against the definition: the gradient of the newest losses with the state
/// before the window a constant. The states come from a loop of the test's own, which keeps all of them.
template <class Layer>
void check_against_definition(const Layer& initial, Index steps, const TruncatedBpttOptions& options) {
  CAPTURE(steps);
  CAPTURE(options.k1);
  CAPTURE(options.k2);
  const Data data(steps);
  Layer layer = clone(initial), oracle = clone(initial);
  SGD<double> sgd(parameters(layer), {.lr = 0.02}), oracle_sgd(parameters(oracle), {.lr = 0.02});
  Tape<double> tape;
  std::vector<std::vector<std::vector<double>>> gradients;
  double total = truncated_bptt(
      tape, layer, steps, options, data,
      [&](const auto& y, Index from, Index count) {
        CHECK(y.dim(0) == count);
        return data.loss(y, from);
      },
      [&] {
        gradients.push_back(take_gradients(layer));
        put_gradients(layer, gradients.back());
        sgd.step();
      });

  Tape<double> own;
  // Carries that hold the state before each window, made one step at a time.
  std::vector<Carry<detail::StatesOf<Layer>>> before(static_cast<std::size_t>(steps + 1));
  std::size_t update = 0;
  for (Index done = 0; done < steps; ++update) {
    CAPTURE(done);
    const Index end = std::min(done + options.k1, steps), begin = std::max<Index>(0, done + options.k1 - options.k2);
    const Index next = end == steps ? steps : std::max<Index>(0, end + options.k1 - options.k2);
    const auto walk = [&](bool record) {  // from `begin`, with the weights of now; keeps the state before `next`
      auto& start = before[static_cast<std::size_t>(begin)];
      auto states = start.state(initial_states(oracle, kBatch));
      Variable<double> loss;
      for (Index t = begin; t < end; ++t) {
        const auto r = oracle.run(data(t, 1), states);
        states = final_states(r);
        if (t + 1 == next) before[static_cast<std::size_t>(next)].assign(states);
        if (!record || t < done) continue;
        const auto l = data.loss(r.outputs, t);
        loss = loss.defined() ? loss + l : l;
      }
      if (!record) return;
      total -= loss.item();
      own.backward(loss);
    };
    {
      const Recording<double> scope(own);
      walk(true);
    }
    REQUIRE(update < gradients.size());
    const auto expected = take_gradients(oracle);
    CHECK(difference(gradients[update], expected) < 1e-12);
    put_gradients(oracle, expected);
    oracle_sgd.step();
    if (options.carried == CarriedState::recomputed && next > begin) {
      const Evaluation<double> scope(own);
      walk(false);
    }
    done = end;
  }
  CHECK(update == gradients.size());
  CHECK(std::abs(total) < 1e-11);
  CHECK(difference(values_of(layer), values_of(oracle)) < 1e-12);
}

}  // namespace

TEST_CASE("every update is the gradient of the newest losses with the state k2 steps back a constant") {
  Rng rng(3);
  const Rnn<RNNCell<double>> rnn(kInputs, kHidden, rng);
  Rnn<TrainableInitialState<LSTMCell<double>>> trained(kInputs, kHidden, rng);
  const Stack<Rnn<LSTMCell<double>>> stack(kInputs, kHidden, rng, {.layers = 2, .link = Link::highway});
  for (const auto carried : {CarriedState::as_computed, CarriedState::recomputed}) {
    for (const auto& [steps, k1, k2] : {std::array<Index, 3>{7, 1, 1},
                                        {7, 1, 3},
                                        {7, 2, 3},
                                        {7, 2, 5},
                                        {8, 2, 4},
                                        {7, 3, 100},
                                        {7, 7, 7},
                                        {7, 9, 9},
                                        {1, 2, 3}})
      check_against_definition(rnn, steps, {.k1 = k1, .k2 = k2, .carried = carried});
    check_against_definition(trained, 7, {.k1 = 2, .k2 = 3, .carried = carried});
    check_against_definition(stack, 7, {.k1 = 2, .k2 = 5, .carried = carried});
  }
}

TEST_CASE("k1 = k2 = k is the loop over chunks with a Carry, to the bit") {
  Rng rng(4);
  constexpr Index steps = 11, k = 3;
  const Data data(steps);
  Rnn<LSTMCell<double>> layer(kInputs, kHidden, rng), loop = clone(layer);
  for (const auto carried : {CarriedState::as_computed, CarriedState::recomputed}) {
    Adam<double> adam(parameters(layer), {.lr = 0.01}), loop_adam(parameters(loop), {.lr = 0.01});
    Tape<double> tape;
    Carry<LSTMState<double>> carry, loop_carry;
    const double total = truncated_bptt(
        tape, layer, carry, steps, {.k1 = k, .k2 = k, .carried = carried}, data,
        [&](const auto& y, Index from, Index) { return data.loss(y, from); }, adam);
    double loop_total = 0;
    for (Index t = 0; t < steps; t += k) {
      const Index count = std::min(k, steps - t);
      const auto run = [&] { return loop.run(data(t, count), loop_carry.state(initial_states(loop, kBatch))); };
      {
        const Recording<double> step(tape);
        const auto r = run();
        const auto loss = data.loss(r.outputs, t);
        tape.backward(loss);
        loop_total += loss.item();
        if (carried == CarriedState::as_computed) loop_carry.assign(r.final_state);
      }
      loop_adam.step();
      if (carried == CarriedState::recomputed) loop_carry.refresh(tape, [&] { return run().final_state; });
    }
    CHECK(total == loop_total);
    CHECK(values_of(layer) == values_of(loop));
    const Evaluation<double> scope(tape);
    CHECK(carry.state().h.to_vector() == loop_carry.state().h.to_vector());
    CHECK(carry.state().c.to_vector() == loop_carry.state().c.to_vector());
  }
}

TEST_CASE("k1 = T and k2 >= T is ordinary back-propagation through time, to the bit") {
  Rng rng(5);
  constexpr Index steps = 6;
  const Data data(steps);
  const Rnn<TrainableInitialState<LSTMCell<double>>> layer(kInputs, kHidden, rng);
  Tape<double> tape;
  std::vector<std::vector<double>> expected;
  double loss = 0;
  {
    const Recording<double> scope(tape);
    const auto l = data.loss(layer(data(0, steps)), 0);
    tape.backward(l);
    loss = l.item();
    expected = take_gradients(layer);
  }
  for (const Index k2 : {steps, 2 * steps}) {
    int updates = 0;
    const double total = truncated_bptt(
        tape, layer, steps, {.k1 = steps, .k2 = k2}, data,
        [&](const auto& y, Index from, Index) { return data.loss(y, from); }, [&] { ++updates; });
    CHECK(updates == 1);
    CHECK(total == loss);
    CHECK(take_gradients(layer) == expected);
  }
}

TEST_CASE("without updates the updates' gradients of k2 >= T add up to that of the whole sequence") {
  Rng rng(6);
  constexpr Index steps = 9;
  const Data data(steps);
  const Stack<Rnn<LSTMCell<double>>> layer(kInputs, kHidden, rng, {.layers = 2});
  Tape<double> tape;
  std::vector<std::vector<double>> expected;
  double loss = 0;
  {
    const Recording<double> scope(tape);
    const auto l = data.loss(layer(data(0, steps)), 0);
    tape.backward(l);
    loss = l.item();
    expected = take_gradients(layer);
  }
  std::vector<int> counted(steps);
  const double total = truncated_bptt(
      tape, layer, steps, {.k1 = 2, .k2 = 10}, data,
      [&](const auto& y, Index from, Index count) {
        for (Index t = from; t < from + count; ++t) ++counted[static_cast<std::size_t>(t)];
        return data.loss(y, from);
      },
      [] {});
  CHECK(counted == std::vector<int>(steps, 1));
  CHECK(total == doctest::Approx(loss).epsilon(1e-13));
  CHECK(difference(take_gradients(layer), expected) < 1e-11);
}

TEST_CASE("a call goes on where the last one ended; restarted rows begin anew") {
  Rng rng(7);
  constexpr Index steps = 8;
  const Data data(steps);
  const Rnn<LSTMCell<double>> layer(kInputs, kHidden, rng);
  Tape<double> tape;
  Carry<LSTMState<double>> carry;
  std::vector<double> outputs, whole;
  const auto run = [&](Index from, Index count) {
    truncated_bptt(
        tape, layer, carry, count, {.k1 = 1, .k2 = 2}, [&](Index t, Index n) { return data(from + t, n); },
        [&](const Variable<double>& y, Index, Index) {
          for (const double v : y.to_vector()) outputs.push_back(v);
          return sum(y);
        },
        [] {});
  };
  run(0, 3), run(3, 0), run(3, 2);
  carry.restart({1});
  run(5, 3);
  const Evaluation<double> scope(tape);
  const auto all = layer(data(0, steps)), anew = layer(data(5, 3));
  for (Index t = 0; t < steps; ++t)
    for (Index b = 0; b < kBatch; ++b)
      for (const double v : at(at(b == 1 && t >= 5 ? anew : all, b == 1 && t >= 5 ? t - 5 : t), b).to_vector())
        whole.push_back(v);
  REQUIRE(outputs.size() == whole.size());
  for (std::size_t i = 0; i < whole.size(); ++i) CHECK(outputs[i] == doctest::Approx(whole[i]).epsilon(1e-14));
}

TEST_CASE("an embedding in the input is trained through the window") {
  Rng rng(8);
  const std::vector<Index> ids{0, 1, 2, 3, 4, 5};  // each word once
  const Embedding<double> embed(6, kInputs, rng);
  const Rnn<RNNCell<double>> rnn(kInputs, kHidden, rng);
  Tape<double> tape;
  std::vector<std::vector<bool>> reached;
  truncated_bptt(
      tape, rnn, 6, {.k1 = 2, .k2 = 3},
      [&](Index from, Index count) {
        return reshape(embed(std::span(ids).subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(count))),
                       Shape{count, 1, kInputs});
      },
      [](const auto& y, Index, Index) { return sum(y); },
      [&] {
        const auto g = take_gradients(embed)[0];
        reached.emplace_back();
        for (std::size_t word = 0; word < 6; ++word) reached.back().push_back(g[word * kInputs] != 0);
      });
  using Row = std::vector<bool>;
  CHECK(reached == std::vector<Row>{Row{1, 1, 0, 0, 0, 0}, Row{0, 1, 1, 1, 0, 0}, Row{0, 0, 0, 1, 1, 1}});
}

TEST_CASE("what makes no sense is refused with the numbers") {
  Rng rng(9);
  const Data data(4);
  const Rnn<RNNCell<double>> layer(kInputs, kHidden, rng), backward(kInputs, kHidden, rng, {.reverse = true});
  Tape<double> tape;
  const auto train = [&](const auto& l, Index steps, TruncatedBpttOptions options, auto in) {
    return truncated_bptt(
        tape, l, steps, options, in, [](const auto& y, Index, Index) { return sum(y); }, [] {});
  };
  CHECK(train(layer, 0, {.k1 = 2, .k2 = 3}, data) == 0);
  CHECK_THROWS_WITH_AS(train(layer, 4, {.k1 = 0, .k2 = 3}, data),
                       "[truncated_bptt] k1 = 0 steps between updates; expected 1 or more", ValueError);
  CHECK_THROWS_WITH_AS(train(layer, 4, {.k1 = 3, .k2 = 2}, data),
                       "[truncated_bptt] an update every k1 = 3 steps goes back k2 = 2: the losses of the others would "
                       "teach nothing; expected k2 >= k1",
                       ValueError);
  CHECK_THROWS_WITH_AS(train(layer, -1, {}, data), "[truncated_bptt] -1 steps; expected 0 or more", ValueError);
  CHECK_THROWS_WITH_AS(train(backward, 4, {}, data),
                       "[truncated_bptt] the layer runs from the last step to the first; expected one that can be run "
                       "piece by piece, in the order of time",
                       ValueError);
  CHECK_THROWS_WITH_AS(train(Stack<Rnn<RNNCell<double>>>(kInputs, kHidden, rng), 4, {.k1 = 2, .k2 = 2},
                             [&](Index, Index) { return data(0, 3); }),
                       "[truncated_bptt] the input of steps 0 to 1 is (3,2,3); expected 2 steps", ShapeError);
  CHECK_THROWS_WITH_AS(train(layer, 4, {}, [&](Index, Index) { return at(data(0, 1), 0); }),
                       "[truncated_bptt] input (2,3); expected (T,B,F): steps, batch, features", ShapeError);
  CHECK_THROWS_AS(truncated_bptt(
                      tape, layer, 4, {}, data, [](const auto& y, Index, Index) { return y; }, [] {}),
                  NonScalarError);
}
