#pragma once
/// \file
/// Softmax and log-softmax along one axis.

#include "operand.hpp"

namespace unroll {
namespace detail {

template <class T>
Variable<T> softmax_along(const Variable<T>& x, int axis, bool log);

}  // namespace detail

/// y_j = exp(x_j) / sum_k exp(x_k) along `axis` (negative counts from the end; default the last). Same shape
/// as x.
///
/// The largest x is subtracted first, so that nothing overflows. Entries of -inf get 0 (masks); where all are
/// -inf the result is 0 everywhere and so is the gradient, where other libraries give NaN. NaN or +inf makes
/// its whole row NaN. Throws ShapeError when x has no such axis.
template <Tensor X>
UNROLL_PER_ISA auto softmax(const X& x, int axis = -1) {
  return detail::softmax_along<ScalarOf<X>>(detail::operand(x), axis, false);
}

/// y_j = x_j - log sum_k exp(x_k) along `axis` (negative counts from the end; default the last). Same shape
/// as x.
///
/// More exact than log(softmax(x)), whose logarithm may meet 0. Entries of -inf give -inf, also where all are
/// -inf. Throws ShapeError when x has no such axis.
template <Tensor X>
UNROLL_PER_ISA auto log_softmax(const X& x, int axis = -1) {
  return detail::softmax_along<ScalarOf<X>>(detail::operand(x), axis, true);
}

}  // namespace unroll
