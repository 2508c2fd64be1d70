#pragma once
/// \file
/// What layers on top of each other give.

#include <vector>

namespace unroll {

/// What a stack or a pyramid gives beside its outputs: the states of each layer, first layer first.
template <class State, class Outputs>
struct StackResult {
  Outputs outputs;                  ///< of the last layer
  std::vector<State> final_states;  ///< one a layer
};

}  // namespace unroll
