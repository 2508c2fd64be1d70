#pragma once
/// \file
/// Internal: what the losses check alike.

#include <algorithm>
#include <optional>
#include <span>
#include <string>

#include "../core/op.hpp"

namespace unroll::detail {

/// Element `i` of a tensor, row-major, as `(2,0,1)`.
inline std::string position(const Shape& shape, Index i) {
  std::string s = ")";
  for (int a = shape.rank() - 1; a >= 0; --a) {
    s = std::to_string(i % shape[a]) + s;
    i /= shape[a];
    if (a > 0) s = "," + s;
  }
  return "(" + s;
}

/// A copy of `values` on the tape, or null for an empty span. Throws ShapeError unless there are `expected`.
template <class T>
const T* copy_weights(Op<T>& op, const char* what, std::span<const T> values, Index expected) {
  if (values.empty()) return nullptr;
  if (static_cast<Index>(values.size()) != expected)
    throw ShapeError(op.message(values.size(), " ", what, ", expected ", expected));
  T* copy = op.template allocate<T>(expected);
  std::copy_n(values.data(), expected, copy);
  return copy;
}

/// 1 / what a mean divides by; 0 when nothing counts; 1 for the other reductions. `counted`: the divisor that
/// the elements at hand would give.
inline double inverse_denominator(const char* op, bool mean, std::optional<double> given, double counted) {
  if (given && !mean)
    throw ValueError(message(op, "a denominator is given and the reduction is not mean; expected a mean"));
  if (given && !(*given > 0) && !(*given == 0 && counted == 0))
    throw ValueError(message(op, "denominator ", *given, "; expected a positive number"));
  const double d = given.value_or(counted);
  return !mean ? 1 : d == 0 ? 0 : 1 / d;
}

}  // namespace unroll::detail
