#pragma once
/// \file
/// Limits on gradients, between backward() and step().

#include "../core/parameter_list.hpp"
#include "optimizer.hpp"

namespace unroll {

struct ClipOptions {
  bool error_if_nonfinite = false;  ///< throw ValueError when the norm is NaN or infinite
};

/// Scales all gradients together by max_norm / (norm + 1e-6) when that is below 1, as PyTorch does, and
/// returns the norm before: the root of the sum of squares over all parameters, added up in double. A tensor
/// that is listed twice counts once; one that is frozen or has no gradient counts nothing.
///
/// A norm that is not finite scales nothing (PyTorch would make every gradient NaN): leave the step out, or
/// ask for an error. Throws ValueError unless 0 <= max_norm. (Pascanu, Mikolov, Bengio, "On the difficulty of
/// training recurrent neural networks", 2013.)
template <class T>
double clip_grad_norm(const ParameterList<T>& parameters, double max_norm, const ClipOptions& options = {});
template <class T>
UNROLL_PER_ISA double clip_grad_norm(const Optimizer<T>& optimizer, double max_norm, const ClipOptions& options = {}) {
  return clip_grad_norm(optimizer.parameters(), max_norm, options);
}

/// Moves every element of the gradients into -limit .. limit; NaN stays. Throws ValueError unless 0 <= limit.
template <class T>
void clip_grad_value(const ParameterList<T>& parameters, double limit);
template <class T>
UNROLL_PER_ISA void clip_grad_value(const Optimizer<T>& optimizer, double limit) {
  clip_grad_value(optimizer.parameters(), limit);
}

}  // namespace unroll
