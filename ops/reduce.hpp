#pragma once
/// \file
/// Sums, means, extrema and log-sum-exp, over all elements or along one axis.

#include <vector>

#include "operand.hpp"

namespace unroll {

/// How a reduction along an axis leaves the shape.
struct ReduceOptions {
  bool keep_dims = false;  ///< true: the axis stays, with dimension 1; false: it is removed
};

namespace detail {

enum class ReduceOp { sum, mean, max, min, logsumexp };

template <class T>
Variable<T> reduce_all(ReduceOp op, const Variable<T>& x);
template <class T>
Variable<T> reduce_along(ReduceOp op, const Variable<T>& x, int axis, ReduceOptions options);

}  // namespace detail

// Every reduction has two forms. `f(x)`: over all elements, result of shape (). `f(x, axis)`: along `axis`,
// which may count from the end with a negative number; (T, B, F) gives (B, F) for axis 0, (T, B) for axis -1.
// Throws ShapeError when x has no such axis.

/// Sum of the elements; 0 of none. Accumulated so that rounding does not grow with their number: the float
/// sum of 20,000,000 ones is 20,000,000.
template <Tensor X>
UNROLL_PER_ISA auto sum(const X& x) {
  return detail::reduce_all<ScalarOf<X>>(detail::ReduceOp::sum, detail::operand(x));
}
template <Tensor X>
UNROLL_PER_ISA auto sum(const X& x, int axis, ReduceOptions options = {}) {
  return detail::reduce_along<ScalarOf<X>>(detail::ReduceOp::sum, detail::operand(x), axis, options);
}

/// Sum divided by the number of elements; NaN of none.
template <Tensor X>
UNROLL_PER_ISA auto mean(const X& x) {
  return detail::reduce_all<ScalarOf<X>>(detail::ReduceOp::mean, detail::operand(x));
}
template <Tensor X>
UNROLL_PER_ISA auto mean(const X& x, int axis, ReduceOptions options = {}) {
  return detail::reduce_along<ScalarOf<X>>(detail::ReduceOp::mean, detail::operand(x), axis, options);
}

/// The largest element; NaN if one is NaN. The gradient goes to the first of several that are largest, in
/// row-major order (as PyTorch's max(dim) does with the one it picks; its amax shares the gradient among
/// them). `max(x, 0)` is the maximum along axis 0: the larger of x and the number 0 is `maximum(x, 0)`.
/// Throws ShapeError of no elements.
template <Tensor X>
UNROLL_PER_ISA auto max(const X& x) {
  return detail::reduce_all<ScalarOf<X>>(detail::ReduceOp::max, detail::operand(x));
}
template <Tensor X>
UNROLL_PER_ISA auto max(const X& x, int axis, ReduceOptions options = {}) {
  return detail::reduce_along<ScalarOf<X>>(detail::ReduceOp::max, detail::operand(x), axis, options);
}

/// The smallest element; otherwise as `max`.
template <Tensor X>
UNROLL_PER_ISA auto min(const X& x) {
  return detail::reduce_all<ScalarOf<X>>(detail::ReduceOp::min, detail::operand(x));
}
template <Tensor X>
UNROLL_PER_ISA auto min(const X& x, int axis, ReduceOptions options = {}) {
  return detail::reduce_along<ScalarOf<X>>(detail::ReduceOp::min, detail::operand(x), axis, options);
}

/// log sum_j exp(x_j), without overflow; -inf, with gradient 0, of no elements or of -inf only.
template <Tensor X>
UNROLL_PER_ISA auto logsumexp(const X& x) {
  return detail::reduce_all<ScalarOf<X>>(detail::ReduceOp::logsumexp, detail::operand(x));
}
template <Tensor X>
UNROLL_PER_ISA auto logsumexp(const X& x, int axis, ReduceOptions options = {}) {
  return detail::reduce_along<ScalarOf<X>>(detail::ReduceOp::logsumexp, detail::operand(x), axis, options);
}

/// Position, in row-major order, of the first of the largest elements; of the first NaN if there is one. A
/// plain number, nothing is recorded. Throws ShapeError of no elements.
template <class T>
Index argmax(const Variable<T>& x);
/// The same along `axis`: positions on that axis, in row-major order of the other axes.
template <class T>
std::vector<Index> argmax(const Variable<T>& x, int axis);

}  // namespace unroll
