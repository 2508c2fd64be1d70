#pragma once
/// \file
/// Where any layer starts: the initial states of its cells.

#include <string>
#include <type_traits>

#include "cell.hpp"
#include "stack_result.hpp"

namespace unroll {

/// The states of B sequences that `layer` starts from, B = `batch`, in the form that its run() takes and ends in: a
/// cell's own, those of the cell of an Rnn, one a layer of a Stack or Pyramid, both of a Bidirectional, those of what a
/// wrapper (Reversed, WeightDrop) has in it. A layer of a user's may have `initial_states(batch)` itself.
///
/// They depend on parameters where a cell learns its start (TrainableInitialState).
template <class Layer>
UNROLL_PER_ISA detail::StatesOf<Layer> initial_states(const Layer& layer, Index batch) {
  if constexpr (requires { layer.initial_states(batch); }) {
    return layer.initial_states(batch);
  } else if constexpr (detail::HasStep<Layer>) {
    return initial_state(layer, batch);
  } else if constexpr (requires { layer.layers; }) {
    detail::StatesOf<Layer> states;
    for (const auto& one : layer.layers) states.push_back(initial_states(one, batch));
    return states;
  } else if constexpr (requires { layer.fwd, layer.bwd; }) {
    return {initial_states(layer.fwd, batch), initial_states(layer.bwd, batch)};
  } else if constexpr (requires { layer.cell; }) {
    return initial_state(layer.cell, batch);
  } else if constexpr (requires { layer.layer; }) {
    return initial_states(layer.layer, batch);
  } else {
    static_assert(detail::not_a_member<Layer>,
                  "initial_states() knows cells, Rnn, Stack, Pyramid, Bidirectional and wrappers of them; a layer of "
                  "another kind has a member initial_states(batch)");
  }
}

template <class Layer>
class UNROLL_PER_ISA Reversed;

namespace detail {

template <class Layer>
inline constexpr bool is_reversed = false;
template <class Layer>
inline constexpr bool is_reversed<Reversed<Layer>> = true;

/// That a layer reads its input from the first step to the last, so that it can be run piece by piece.
template <class Layer>
UNROLL_PER_ISA void check_runs_forward(const char* op, const Layer& layer) {
  if constexpr (HasStep<Layer>) {
    return;
  } else if constexpr (requires { layer.fwd, layer.bwd; }) {
    static_assert(not_a_member<Layer>,
                  "a Bidirectional layer knows the whole sequence at every step: it cannot be run "
                  "piece by piece");
  } else if constexpr (requires { layer.layers, layer.factor; }) {
    static_assert(not_a_member<Layer>, "a Pyramid has fewer steps above than below: it cannot be run piece by piece");
  } else if constexpr (requires { layer.layers; }) {
    for (const auto& one : layer.layers) check_runs_forward(op, one);
  } else if constexpr (is_reversed<Layer>) {
    static_assert(not_a_member<Layer>, "a Reversed layer begins with the last step: it cannot be run piece by piece");
  } else if constexpr (requires { layer.layer; }) {
    check_runs_forward(op, layer.layer);
  } else if constexpr (requires { layer.reverse; }) {
    if (layer.reverse)
      throw ValueError("[" + std::string(op) + "] the layer runs from the last step to the first; expected one that " +
                       "can be run piece by piece, in the order of time");
  }
}

}  // namespace detail
}  // namespace unroll
