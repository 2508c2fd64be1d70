#pragma once
/// \file
/// Layers on top of each other.

#include <string>
#include <vector>

#include "../ops/dropout.hpp"
#include "../ops/elementwise.hpp"
#include "kernels/cell_steps.hpp"
#include "linear.hpp"
#include "rnn.hpp"
#include "sizes_detail.hpp"

namespace unroll {

/// What a layer of a stack puts beside its own output y, given its input x of the same width.
enum class Link {
  none,      ///< y
  residual,  ///< y + x (He et al., 2016)
  highway,   ///< g * y + (1 - g) * x, g = sigmoid(W x + b), b = -1 at the start (Srivastava et al., 2015)
};

struct StackOptions {
  Index layers = 1;
  double dropout = 0;      ///< on the outputs of every layer but the last, while training
  Link link = Link::none;  ///< around every layer whose input and output are of one width
};

/// What a stack or a pyramid gives: the states of each layer, first layer first.
template <class State, class Outputs>
using StackResult = LayerResult<std::vector<State>, Outputs>;

/// Layers of one kind, each reading the outputs of the one below (a "deep" RNN): with Link::none the same as PyTorch's
/// num_layers. Takes and gives tensors (T, B, F) or Sequences.
template <class L>
class UNROLL_PER_ISA Stack {
 public:
  static_assert(detail::check_is_layer<L>());
  using Layer = detail::LayerOrNone<L>;
  using scalar = typename Layer::scalar;
  using state = typename Layer::states;  ///< of one layer
  using states = std::vector<state>;
  static constexpr bool runs_forward = detail::runs_forward<Layer>;

  /// Builds `options.layers` layers from (input_size, hidden_size, rng), (width of the layer below, hidden_size,
  /// rng)... Throws ValueError on fewer than one layer or a dropout outside 0 .. 1.
  Stack(Index input_size, Index hidden_size, Rng& rng, StackOptions options = {})
      : dropout(options.dropout), link(options.link) {
    detail::check_sizes("Stack", {{"layers", options.layers}});
    detail::check_probability("Stack", "dropout", dropout);
    layers.reserve(static_cast<std::size_t>(options.layers));
    for (Index i = 0; i < options.layers; ++i) {
      const Index width = i == 0 ? input_size : layers.back().output_size();
      layers.emplace_back(width, hidden_size, rng);
      if (link != Link::highway || layers.back().output_size() != width) continue;
      gates.emplace_back(width, width, rng);
      for (scalar& b : gates.back().bias.mutable_values()) b = -1;
    }
  }

  /// Outputs, from the layers' own initial states.
  template <SequenceLike<scalar> X>
  X operator()(const X& x) const {
    return run(x).outputs;
  }
  /// Outputs and final states, from the layers' own initial states.
  template <SequenceLike<scalar> X>
  StackResult<state, X> run(const X& x) const {
    return run_layers(x, nullptr);
  }
  /// Outputs and final states, from given states, one a layer. Throws ShapeError on another number of states.
  template <SequenceLike<scalar> X>
  StackResult<state, X> run(const X& x, const states& initial) const {
    detail::check_states("Stack", initial, layers);
    return run_layers(x, &initial);
  }

  Index output_size() const { return layers.back().output_size(); }
  states initial_states(Index batch) const { return detail::initial_states_of(layers, batch); }
  Variable<scalar> output_in(const Variable<scalar>& x, const states& s) const {
    Variable<scalar> y = x;
    std::size_t gate = 0;
    for (std::size_t i = 0; i < layers.size(); ++i) y = linked(y, detail::output_in(layers[i], y, s[i]), gate);
    return y;
  }
  void check_runs_forward(const char* op) const {
    for (const Layer& one : layers) detail::check_runs_forward(op, one);
  }
  void each(auto&& visit) {
    visit("layers", layers), visit("gates", gates), visit("dropout", dropout), visit("link", link);
  }

  std::vector<Layer> layers;
  std::vector<Linear<scalar>> gates;  ///< of highway links, one for each layer that has one
  double dropout;
  Link link;

 private:
  template <class X>
  StackResult<state, X> run_layers(const X& x, const states* initial) const {
    StackResult<state, X> result{x, {}};
    result.final_states.reserve(layers.size());
    std::size_t gate = 0;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const X below = between(i, result.outputs);
      const auto r = initial ? layers[i].run(below, (*initial)[i]) : detail::run_layer("Stack", layers[i], below);
      result.outputs = linked(below, r.outputs, gate);
      result.final_states.push_back(final_states(r));
    }
    return result;
  }

  template <class X>
  X between(std::size_t layer, const X& x) const {
    if (layer == 0 || dropout == 0) return x;
    return on_rows(x, [&](const Variable<scalar>& rows) { return unroll::dropout(rows, dropout); });
  }

  template <class X>
  X linked(const X& below, const X& y, std::size_t& gate) const {
    if (link == Link::none) return y;
    const Variable<scalar> x = rows_of(below);
    return on_rows(y, [&](const Variable<scalar>& rows) {
      if (rows.dim(-1) != x.dim(-1)) return rows;
      if (link == Link::residual) return rows + x;
      return detail::highway_link(gates[gate++](x), rows, x);
    });
  }
  static Variable<scalar> rows_of(const Variable<scalar>& x) { return x; }
  static Variable<scalar> rows_of(const Sequence<scalar>& x) { return x.rows; }
};

}  // namespace unroll
