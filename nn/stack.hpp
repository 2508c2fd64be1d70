#pragma once
/// \file
/// Layers on top of each other.

#include <string>
#include <vector>

#include "unroll/nn/rnn.hpp"
#include "unroll/nn/sizes_detail.hpp"
#include "unroll/ops/dropout.hpp"

namespace unroll {

struct StackOptions {
  Index layers = 1;
  double dropout = 0;  ///< on the outputs of every layer but the last, while training
};

/// What a stack gives beside its outputs: the states of each layer, first layer first.
template <class State, class T>
struct StackResult {
  Variable<T> outputs;              ///< (T, B, O) of the last layer
  std::vector<State> final_states;  ///< one a layer
};

/// Layers of one kind, each reading the outputs of the one below (a "deep" RNN): the same as PyTorch's num_layers.
template <class Layer>
class Stack {
 public:
  using scalar = typename Layer::scalar;
  using state = typename Layer::state;

  /// Builds `options.layers` layers from (input_size, hidden_size, rng), (width of the layer below, hidden_size, rng)...
  /// Throws ValueError on fewer than one layer or a dropout outside 0 .. 1.
  Stack(Index input_size, Index hidden_size, Rng& rng, StackOptions options = {}) : dropout(options.dropout) {
    detail::check_sizes("Stack", {{"layers", options.layers}});
    if (!(dropout >= 0 && dropout <= 1))
      throw ValueError("[Stack] dropout is " + std::to_string(dropout) + "; expected 0 .. 1");
    layers.reserve(static_cast<std::size_t>(options.layers));
    for (Index i = 0; i < options.layers; ++i)
      layers.emplace_back(i == 0 ? input_size : layers.back().output_size(), hidden_size, rng);
  }

  /// Outputs (T, B, O) for x (T, B, I), from the layers' own initial states.
  Variable<scalar> operator()(Variable<scalar> x) const {
    for (std::size_t i = 0; i < layers.size(); ++i) x = layers[i](between(i, x));
    return x;
  }
  /// Outputs and final states, from the layers' own initial states.
  StackResult<state, scalar> run(Variable<scalar> x) const {
    StackResult<state, scalar> result{x, {}};
    result.final_states.reserve(layers.size());
    for (std::size_t i = 0; i < layers.size(); ++i)
      advance(result, layers[i].run(between(i, result.outputs)));
    return result;
  }
  /// Outputs and final states, from given states, one a layer. Throws ShapeError on another number of states.
  StackResult<state, scalar> run(Variable<scalar> x, const std::vector<state>& initial) const {
    if (initial.size() != layers.size())
      throw ShapeError("[Stack] " + std::to_string(initial.size()) + " initial states for " +
                       std::to_string(layers.size()) + " layers");
    StackResult<state, scalar> result{x, {}};
    result.final_states.reserve(layers.size());
    for (std::size_t i = 0; i < layers.size(); ++i)
      advance(result, layers[i].run(between(i, result.outputs), initial[i]));
    return result;
  }

  Index output_size() const { return layers.back().output_size(); }
  void each(auto&& visit) { visit("layers", layers), visit("dropout", dropout); }

  std::vector<Layer> layers;
  double dropout;

 private:
  Variable<scalar> between(std::size_t layer, const Variable<scalar>& x) const {
    return layer == 0 || dropout == 0 ? x : unroll::dropout(x, dropout);
  }
  static void advance(StackResult<state, scalar>& result, const RnnResult<state, scalar>& r) {
    result.outputs = r.outputs;
    result.final_states.push_back(r.final_state);
  }
};

}  // namespace unroll
