#pragma once
/// \file
/// Internal: what the losses check alike.

#include <algorithm>
#include <optional>
#include <span>
#include <string>

#include "../core/error.hpp"
#include "../core/tape.hpp"
#include "losses.hpp"

namespace unroll::detail {

inline std::string loss_message(const char* op, const std::string& text) {
  return "[" + std::string(op) + "] " + text;
}

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
const T* copy_weights(const char* op, const char* what, std::span<const T> values, Index expected,
                      Tape<T>& tape) {
  if (values.empty()) return nullptr;
  if (static_cast<Index>(values.size()) != expected)
    throw ShapeError(loss_message(
        op, std::to_string(values.size()) + " " + what + ", expected " + std::to_string(expected)));
  T* copy = tape.template allocate<T>(expected);
  std::copy_n(values.data(), expected, copy);
  return copy;
}

/// 1 / what a mean divides by; 0 when nothing counts; 1 for the other reductions. `counted`: the divisor that
/// the elements at hand would give.
inline double inverse_denominator(const char* op, Reduction reduction, std::optional<double> given,
                                  double counted) {
  if (given && reduction != Reduction::mean)
    throw ValueError(
        loss_message(op, "a denominator is given and the reduction is not mean; expected Reduction::mean"));
  if (given && !(*given > 0) && !(*given == 0 && counted == 0))
    throw ValueError(
        loss_message(op, "denominator " + std::to_string(*given) + ", expected a positive number"));
  if (reduction != Reduction::mean) return 1;
  const double d = given ? *given : counted;
  return d == 0 ? 0 : 1 / d;
}

}  // namespace unroll::detail
