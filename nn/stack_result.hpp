#pragma once
/// \file
/// What layers on top of each other give.

#include <vector>

#include "../core/simd/per_isa.hpp"

namespace unroll {

/// What a stack or a pyramid gives beside its outputs: the states of each layer, first layer first.
template <class State, class Outputs>
struct UNROLL_PER_ISA StackResult {
  Outputs outputs;                  ///< of the last layer
  std::vector<State> final_states;  ///< one a layer
};

namespace detail {

// What a layer's run() begins with and ends in: one state, or one for each of the layers it is made of.
template <class Layer>
struct StatesOfLayer {
  using type = typename Layer::state;
};
template <class Layer>
requires requires { typename Layer::states; }
struct StatesOfLayer<Layer> {
  using type = typename Layer::states;
};
template <class Layer>
using StatesOf = typename StatesOfLayer<Layer>::type;

template <class Result>
UNROLL_PER_ISA const auto& final_states_of(const Result& r) {
  if constexpr (requires { r.final_states; }) {
    return r.final_states;
  } else {
    return r.final_state;
  }
}

}  // namespace detail

}  // namespace unroll
