#pragma once
/// \file
/// How an operation along one axis walks over a tensor.

#include "../core/op.hpp"

namespace unroll::detail {

/// The tensor as `groups` panels. Along the last axis (`rows`): a panel is one row of `n` numbers. Along
/// another one: a panel is `n` rows of `width` numbers, `inner * row_stride` apart, whose columns are
/// independent of each other.
struct AxisWalk {
  bool rows;
  Index groups, n, width, inner;

  /// Where panel `g` starts in memory with this row stride, and the distance between its rows.
  Index start(Index g, Index row_stride) const {
    return (rows ? g : (g / inner) * n * inner + g % inner) * row_stride;
  }
  Index step(Index row_stride) const { return inner * row_stride; }
  /// Numbers left of a panel when the axis is gone.
  Index reduced() const { return rows ? 1 : width; }
};

/// Everything as one row; `x` must be contiguous.
template <class T>
AxisWalk walk_over_all(const Node<T>& x) {
  return {true, 1, x.shape.size(), 1, 1};
}

/// The row stride that AxisWalk wants for memory of this layout: panels of contiguous tensors are one row
/// wide.
template <class T>
Index row_stride_of(const AxisWalk& walk, const Node<T>& x) {
  return walk.rows || walk.width == x.cols() ? x.row_stride : walk.width;
}

/// Throws ShapeError when `axis` (negative counts from the end) is none of the shape's.
inline int checked_axis(const char* name, const Shape& shape, int axis) {
  const int rank = shape.rank(), a = axis < 0 ? axis + rank : axis;
  if (a >= 0 && a < rank) return a;
  if (rank == 0)
    throw ShapeError(message(name, "axis ", axis, " of an input (); expected an input with at least one axis"));
  throw ShapeError(message(name, "axis ", axis, " of an input ", shape, "; expected ", -rank, " to ", rank - 1));
}

/// The walk along `axis`, counted from the front.
template <class T>
AxisWalk walk_along(const Node<T>& x, int axis) {
  const Shape& s = x.shape;
  const int last = s.rank() - 1;
  if (axis == last) return {true, s.rows(), s.cols(), 1, 1};
  Index outer = 1, inner = 1;
  for (int i = 0; i < axis; ++i) outer *= s[i];
  for (int i = axis + 1; i < last; ++i) inner *= s[i];
  if (x.contiguous()) return {false, outer, s[axis], inner * s.cols(), 1};
  return {false, outer * inner, s[axis], s.cols(), inner};
}

}  // namespace unroll::detail
