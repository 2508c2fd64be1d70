#pragma once
// Random configurations of test_ragged.cpp, and the cells they choose from.

#include <algorithm>
#include <string>
#include <vector>

#include "unroll/nn/cells/cell_wrappers.hpp"
#include "unroll/nn/cells/layer_norm_lstm.hpp"
#include "unroll/nn/cells/peephole_lstm.hpp"
#include "unroll/nn/cells/projected_lstm.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/pyramid.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/nn/stack.hpp"

namespace unroll::test {

/// A cell of the test's own: a state of two members of different widths, its own start, output and projection, and a
/// gate that looks at both members.
struct OwnCell {
  Linear<double> in, recurrent, gate;
  using scalar = double;
  struct state {
    Variable<double> memory, age;
    void each(auto&& visit) { visit("memory", memory), visit("age", age); }
  };
  OwnCell(Index input_size, Index hidden_size, Rng& rng)
      : in(input_size, hidden_size + 1, rng),
        recurrent(hidden_size + 1, hidden_size + 1, rng),
        gate(1, hidden_size, rng) {}
  Index output_size() const { return gate.output_size(); }
  Variable<double> project(Variable<double> x) const { return in(x); }
  state initial_state(Index batch) const {
    return {full(Shape{batch, output_size() + 1}, 0.25), full(Shape{batch, 1}, 1.0)};
  }
  state step(Variable<double> px, const state& s) const {
    const auto next =
        map([](auto a, auto b, auto old) { return 0.3 * old + tanh(a + b); }, px, recurrent(s.memory), s.memory);
    return {next, map([](auto a) { return 0.9 * a + 0.1; }, s.age)};
  }
  Variable<double> output(const state& s) const {
    return map([](auto m, auto g) { return m * sigmoid(g); }, narrow(s.memory, -1, 1, output_size()), gate(s.age));
  }
  void each(auto&& visit) { visit("in", in), visit("recurrent", recurrent), visit("gate", gate); }
};

/// Calls f(pointer to a cell type) for cell number `kind`.
constexpr int cell_kinds = 12;
inline const char* const cell_names[cell_kinds] = {"own",
                                                   "RNN tanh",
                                                   "RNN relu",
                                                   "LSTM",
                                                   "GRU",
                                                   "peephole LSTM",
                                                   "coupled LSTM",
                                                   "projected LSTM",
                                                   "zoneout LSTM",
                                                   "variational LSTM",
                                                   "own cell, trainable start",
                                                   "layer-normalised LSTM"};
template <class F>
void with_cell(int kind, F&& f) {
  switch (kind) {
    case 0:
      return f(static_cast<const OwnCell*>(nullptr));
    case 1:
      return f(static_cast<const RNNCell<double>*>(nullptr));
    case 2:
      return f(static_cast<const RNNCell<double, Relu>*>(nullptr));
    case 3:
      return f(static_cast<const LSTMCell<double>*>(nullptr));
    case 4:
      return f(static_cast<const GRUCell<double>*>(nullptr));
    case 5:
      return f(static_cast<const PeepholeLSTMCell<double>*>(nullptr));
    case 6:
      return f(static_cast<const CoupledLSTMCell<double>*>(nullptr));
    case 7:
      return f(static_cast<const ProjectedLSTMCell<double>*>(nullptr));
    case 8:
      return f(static_cast<const Zoneout<LSTMCell<double>>*>(nullptr));
    case 9:
      return f(static_cast<const VariationalDropout<LSTMCell<double>>*>(nullptr));
    case 10:
      return f(static_cast<const TrainableInitialState<OwnCell>*>(nullptr));
    case 11:
      return f(static_cast<const LayerNormLSTMCell<double>*>(nullptr));
  }
}

struct Config {
  std::uint64_t seed;
  int cell;
  Index input, hidden, layers, levels, factor, steps;
  JoinFrames join;
  Link link;
  bool both_directions, given_states;
  std::vector<Index> lengths;

  std::string str() const {
    std::string s = "seed " + std::to_string(seed) + ": " + cell_names[cell] + ", input " + std::to_string(input) +
                    ", hidden " + std::to_string(hidden) + ", layers " + std::to_string(layers) + ", link " +
                    std::to_string(static_cast<int>(link)) + ", pyramid " + std::to_string(levels) + " by " +
                    std::to_string(factor) + " join " + std::to_string(static_cast<int>(join)) +
                    (both_directions ? ", both directions" : "") + (given_states ? ", given states" : "") + ", lengths";
    for (const Index n : lengths) s += " " + std::to_string(n);
    return s;
  }
};

inline Config random_config(std::uint64_t seed) {
  Rng rng(seed);
  Config c{};
  c.seed = seed;
  c.cell = static_cast<int>(rng.integer(cell_kinds));
  c.input = 1 + rng.integer(4);
  c.hidden = 1 + rng.integer(5);
  // Rows of one or two numbers are often almost alike; their normalisation enlarges rounding errors a hundredfold.
  if (c.cell == cell_kinds - 1) c.hidden += 4;
  c.layers = 1 + rng.integer(3);
  c.levels = rng.integer(4);
  c.factor = 2 + rng.integer(2);
  c.join = static_cast<JoinFrames>(rng.integer(3));
  c.link = static_cast<Link>(rng.integer(3));
  c.both_directions = rng.bernoulli(0.5);
  c.given_states = rng.bernoulli(0.5);
  c.lengths.resize(static_cast<std::size_t>(1 + rng.integer(5)));
  const Index longest = rng.bernoulli(0.1) ? 1 : 9;
  for (Index& n : c.lengths) {
    n = rng.bernoulli(0.3) ? rng.integer(2) : rng.integer(longest + 1);  // many of 0 and 1
    c.steps = std::max(c.steps, n);
  }
  c.steps += rng.integer(2);  // sometimes padding after the longest
  return c;
}

}  // namespace unroll::test
