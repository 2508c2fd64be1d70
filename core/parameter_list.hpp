#pragma once
/// \file
/// What `parameters(module)` gives and optimizers take.

#include <memory>
#include <string>
#include <vector>

#include "parameter.hpp"

namespace unroll {

/// A trainable tensor and the dotted name a module knows it by ("encoder.cell.weight_ih"). Shares ownership.
template <class T>
struct NamedParameter {
  std::string name;
  std::shared_ptr<ParameterStorage<T>> storage;
};

/// Trainable tensors in the order in which modules name them, each once.
template <class T>
using ParameterList = std::vector<NamedParameter<T>>;

}  // namespace unroll
