#pragma once
/// \file
/// The parameters of a module as a list: what optimizers, checkpoints and gradient checks are given.

#include <memory>
#include <string>
#include <vector>

#include "unroll/core/parameter.hpp"

namespace unroll {

/// A trainable tensor and the dotted path of the members that lead to it ("encoder.cell.weight_ih"). Shares ownership
/// of the tensor: the list stays good when the module moves or dies.
template <class T = float>
struct NamedParameter {
  std::string name;
  std::shared_ptr<ParameterStorage<T>> storage;
};

/// In the order of the members. A tied tensor may be listed under each of its names; whoever steps or counts looks at
/// `storage`.
template <class T = float>
using ParameterList = std::vector<NamedParameter<T>>;

}  // namespace unroll
