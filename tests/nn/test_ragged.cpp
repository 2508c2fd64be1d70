// The promise of ragged batches: a batch of sequences of any lengths equals its sequences one by one. Random cells,
// lengths, layers, directions and pyramids; outputs, final states and every gradient; what lies in the padding of the
// input is NaN, so that whatever looks at it shows.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "ragged_cells.hpp"
#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/pyramid.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/ops/reduce.hpp"

using namespace unroll;

namespace {

using Vector = std::vector<double>;
using test::Config;

Vector normal_values(Index n, Rng& rng) {
  Vector v(static_cast<std::size_t>(n));
  for (double& x : v) x = rng.normal();
  return v;
}

/// All Variables of a final state or a vector of them, in order.
template <class State>
void append_members(const State& state, std::vector<Variable<double>>& list) {
  detail::visit_state(state, [&](const char*, const auto& v) { list.push_back(v); });
}

/// A tensor of B rows as numbers, and some of its rows as an input of the current tape.
struct Rows {
  Shape shape;
  Vector values;
  Variable<double> take(Index from, Index count, bool grad) const {
    const Index row = values.empty() ? 0 : static_cast<Index>(values.size()) / shape[0];
    const Vector part(values.begin() + from * row, values.begin() + (from + count) * row);
    const Shape s = shape.with(0, count);
    return grad ? input(part, s, requires_grad) : input(part, s);
  }
};

/// Layers on each other, then a pyramid on them.
template <class Layer>
struct Model {
  Stack<Layer> stack;
  Pyramid<Layer> pyramid;
  using scalar = double;

  Model(const Config& c, Rng& rng)
      : stack(c.input, c.hidden, rng, {.layers = c.layers, .link = c.link}),
        pyramid(stack.output_size(), c.hidden, rng, {.levels = c.levels, .factor = c.factor, .join = c.join}) {}
  void each(auto&& visit) { visit("stack", stack), visit("pyramid", pyramid); }
};

/// What a run gave: the output steps of each sequence, then the final states (a tensor of B rows each).
struct Seen {
  std::vector<Vector> outputs;  // one a sequence
  std::vector<Rows> final_states;
  Vector input_gradient;
  std::vector<Vector> initial_gradients;
};

/// One batch through the model: sequences `from` .. `from + count` of the configuration.
template <class Layer>
struct Run {
  const Model<Layer>& model;
  const Config& config;
  const Vector& x;                     // (T, B, I), NaN in the padding
  const std::vector<Rows>& initial;    // empty: the layers' own
  const std::vector<Vector>& weights;  // of the outputs of each sequence in the loss
  const std::vector<Rows>& state_weights;

  Seen operator()(Tape<double>& tape, Index from, Index count, bool backward) const {
    std::vector<Index> lengths(config.lengths.begin() + from, config.lengths.begin() + from + count);
    const Index all = static_cast<Index>(config.lengths.size()), steps = config.steps, width = config.input;
    Vector part;
    for (Index t = 0; t < steps; ++t)
      for (Index b = from; b < from + count; ++b) {
        const auto at = x.begin() + (t * all + b) * width;
        part.insert(part.end(), at, at + width);
      }
    const auto xv = input(part, Shape{steps, count, width}, requires_grad);
    const Sequence<double> in = sequence(xv, lengths);
    std::vector<Variable<double>> given;
    const auto middle = [&] {
      if (initial.empty()) return model.stack.run(in);
      std::vector<typename Layer::state> states(model.stack.layers.size());
      for (auto& s : states)
        detail::visit_state(s, [&](const char*, auto& v) {
          v = initial[given.size()].take(from, count, true);
          given.push_back(v);
        });
      return model.stack.run(in, states);
    }();
    const auto top = model.pyramid.run(middle.outputs);

    Seen seen;
    std::vector<Variable<double>> states;
    append_members(middle.final_states, states);
    append_members(top.final_states, states);
    for (const auto& v : states) seen.final_states.push_back({v.shape(), v.to_vector()});
    const Variable<double> rectangle = padded(top.outputs);
    const auto top_lengths = top.outputs.lengths();
    const Index out = model.pyramid.output_size();
    for (Index b = 0; b < count; ++b) {
      const Vector own = narrow(rectangle, 1, b, 1).to_vector();
      seen.outputs.emplace_back(own.begin(), own.begin() + top_lengths[static_cast<std::size_t>(b)] * out);
    }
    if (!backward) return seen;

    const std::vector<Vector> own_weights(weights.begin() + from, weights.begin() + from + count);
    Variable<double> loss = sum(top.outputs.rows * sequence(own_weights, out).rows);
    for (std::size_t m = 0; m < states.size(); ++m)
      loss = loss + sum(states[m] * state_weights[m].take(from, count, false));
    if (loss.requires_grad()) tape.backward(loss);  // sequences of length 0 from constant states lead to nothing
    seen.input_gradient = xv.grad_to_vector();
    for (const auto& v : given) seen.initial_gradients.push_back(v.grad_to_vector());
    return seen;
  }
};

double distance(const Vector& a, const Vector& b, double at_least = 1) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double worst = 0, scale = at_least;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(a[i] - b[i]);
    if (!(d <= worst)) worst = d;  // NaN stays
    scale = std::max(scale, std::abs(b[i]));
  }
  return worst / scale;
}

template <class Layer>
void check(const Config& config) {
  constexpr double tolerance = 1e-12;
  Rng rng(config.seed);
  const Model<Layer> model(config, rng);
  const Index batch = static_cast<Index>(config.lengths.size());
  Vector x = normal_values(config.steps * batch * config.input, rng);
  for (Index t = 0; t < config.steps; ++t)
    for (Index b = 0; b < batch; ++b)
      if (t >= config.lengths[static_cast<std::size_t>(b)])
        std::fill_n(x.begin() + (t * batch + b) * config.input, config.input, std::numeric_limits<double>::quiet_NaN());

  Tape<double> tape(config.seed), other(config.seed);
  std::vector<Rows> initial, state_weights;
  std::vector<Vector> weights;
  {  // A first run shows the shapes of states and outputs.
    const Evaluation<double> scope(tape);
    const Seen shapes = Run<Layer>{model, config, x, {}, {}, {}}(tape, 0, batch, false);
    for (const Rows& s : shapes.final_states) state_weights.push_back({s.shape, normal_values(s.shape.size(), rng)});
    for (const Vector& y : shapes.outputs) weights.push_back(normal_values(static_cast<Index>(y.size()), rng));
    if (config.given_states) {
      const Recording<double> shaped(other, {.training = false});
      const auto r = model.stack.run(sequence(zeros<double>(Shape{1, batch, config.input})));
      std::vector<Variable<double>> list;
      append_members(r.final_states, list);
      for (const auto& v : list) initial.push_back({v.shape(), normal_values(v.size(), rng)});
    }
  }
  const Run<Layer> run{model, config, x, initial, weights, state_weights};
  const auto list = parameters(model);
  const auto gradients = [&] {
    std::vector<Vector> g;
    for (const auto& p : list) {
      p.storage->ensure_grad();
      const auto n = static_cast<std::size_t>(p.storage->shape.size());
      g.push_back(p.storage->has_grad ? Vector(p.storage->grad, p.storage->grad + n) : Vector(n));
      p.storage->clear_grad();
    }
    return g;
  };

  Seen together, evaluated;
  {
    const Recording<double> scope(tape, {.training = false});  // Zoneout as its expectation, no random masks
    together = run(tape, 0, batch, true);
  }
  const auto grads = gradients();
  {
    const Evaluation<double> scope(tape);
    evaluated = run(tape, 0, batch, false);
  }
  for (Index b = 0; b < batch; ++b) {
    CAPTURE(b);
    Seen alone;
    {
      const Recording<double> scope(tape, {.training = false});
      alone = run(tape, b, 1, true);
    }
    const auto i = static_cast<std::size_t>(b);
    CHECK(distance(together.outputs[i], alone.outputs[0]) <= tolerance);
    CHECK(distance(evaluated.outputs[i], alone.outputs[0]) <= tolerance);
    const auto row = [&](const Vector& v, Index rows, Index r) {
      const Index n = static_cast<Index>(v.size()) / rows;
      return Vector(v.begin() + r * n, v.begin() + (r + 1) * n);
    };
    for (std::size_t m = 0; m < alone.final_states.size(); ++m) {
      CHECK(distance(row(together.final_states[m].values, batch, b), alone.final_states[m].values) <= tolerance);
      CHECK(distance(row(evaluated.final_states[m].values, batch, b), alone.final_states[m].values) <= tolerance);
    }
    for (std::size_t m = 0; m < initial.size(); ++m)
      CHECK(distance(row(together.initial_gradients[m], batch, b), alone.initial_gradients[m]) <= tolerance);
    Vector of_batch;
    for (Index t = 0; t < config.steps; ++t) {
      const auto at = together.input_gradient.begin() + (t * batch + b) * config.input;
      of_batch.insert(of_batch.end(), at, at + config.input);
    }
    CHECK(distance(of_batch, alone.input_gradient) <= tolerance);
    const auto real = config.lengths[i] * config.input;
    CHECK(std::all_of(of_batch.begin() + real, of_batch.end(), [](double g) { return g == 0; }));
  }
  const auto summed = gradients();  // every backward added to them
  // Of the model's largest gradient: what layer normalisation makes of a nearly constant row is larger than its parts.
  double largest = 1;
  for (const Vector& g : summed)
    for (const double v : g) largest = std::max(largest, std::abs(v));
  for (std::size_t p = 0; p < list.size(); ++p) {
    INFO(list[p].name);
    CHECK(distance(grads[p], summed[p], largest) <= tolerance);
  }
}

template <class C>
void check_cell_kind(const Config& config) {
  if (config.both_directions) {
    check<Bidirectional<Rnn<C>>>(config);
  } else {
    check<Rnn<C>>(config);
  }
}

}  // namespace

TEST_CASE("ragged batches equal their sequences one by one, 2000 random configurations") {
  // UNROLL_TEST_SEED=n runs the one configuration that a failure has printed.
  const char* only = std::getenv("UNROLL_TEST_SEED");
  const std::uint64_t first = only ? std::strtoull(only, nullptr, 10) : 1, last = only ? first : 2000;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    const Config config = test::random_config(seed);
    INFO(config.str());
    test::with_cell(config.cell, [&]<class C>(const C*) { check_cell_kind<C>(config); });
  }
}
