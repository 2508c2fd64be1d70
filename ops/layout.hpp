#pragma once
/// \file
/// Operations that change where elements are seen, not what they are: slices, reshapes, joins, transposes.
///
/// Slices along the first and the last axis and reshapes are views: they share value and adjoint with what
/// they were cut from, cost a few nanoseconds and record nothing. What cannot be a view is a copy whose
/// backward hands the adjoint back. None of these functions takes memory from the heap, except those that
/// return a std::vector.

#include <array>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <vector>

#include "../core/variable.hpp"

namespace unroll {

/// `x` itself when its rows are adjacent in memory, else a recorded copy whose rows are. For code that reads
/// values as one span.
template <class T>
Variable<T> contiguous(const Variable<T>& x);

/// The elements of `x` in row-major order, seen as `shape`. One dimension may be -1 in `reshape(x, {-1, 8})`:
/// it is worked out from the others.
///
/// A view, unless `x` is a slice with rows apart and the last dimension changes: then a copy.
/// Throws ShapeError when the number of elements is another.
template <class T>
Variable<T> reshape(const Variable<T>& x, const Shape& shape);
template <class T>
Variable<T> reshape(const Variable<T>& x, std::initializer_list<Index> dims);

/// y_ji = x_ij for `x` (I,J): a copy of shape (J,I). Products take transposed operands without one: see
/// matmul. Throws ShapeError unless `x` has two dimensions.
template <class T>
Variable<T> transpose(const Variable<T>& x);
/// `x` with the axes `a` and `b` swapped, as a copy; any rank, negative axes count from the end.
template <class T>
Variable<T> transpose(const Variable<T>& x, int a, int b);

/// x[t] along the first axis, which disappears: (T,B,F) gives (B,F). A view. Negative `t` counts from the
/// end. Throws ShapeError for a scalar, ValueError when `t` is out of range.
template <class T>
Variable<T> at(const Variable<T>& x, Index t);

/// x[..., start : start + length, ...] along `axis`, which stays. A view along the first and the last axis, a
/// copy along others. Throws ShapeError on a wrong axis, ValueError when the range does not lie in it.
template <class T>
Variable<T> narrow(const Variable<T>& x, int axis, Index start, Index length);

/// Cuts `x` along `axis` into pieces of the given sizes, one after the other, which must add up to the
/// dimension.
///
/// Views along the first and the last axis, copies along others. The first cut of a tensor makes parts: they
/// cover it without overlap, so backward writes their adjoints without zeroing memory first. Throws
/// ShapeError unless the sizes add up, ValueError for a negative one.
template <class T>
std::vector<Variable<T>> split(const Variable<T>& x, std::span<const Index> sizes, int axis = 0);
template <class T>
UNROLL_PER_ISA std::vector<Variable<T>> split(const Variable<T>& x, std::initializer_list<Index> sizes, int axis = 0) {
  return split(x, std::span<const Index>(sizes.begin(), sizes.size()), axis);
}
/// The same into `pieces`, which are as many as `sizes`; takes nothing from the heap.
template <class T>
void split_into(const Variable<T>& x, std::span<const Index> sizes, int axis, std::span<Variable<T>> pieces);

/// Cuts `x` along `axis` into pieces.size() equal pieces; takes nothing from the heap.
/// Throws ShapeError when the dimension is not a multiple.
template <class T>
void chunk_into(const Variable<T>& x, int axis, std::span<Variable<T>> pieces);
/// `n` equal pieces of `x` along `axis`, as split() does. Throws ShapeError when the dimension is not a
/// multiple of n.
template <class T>
std::vector<Variable<T>> chunk(const Variable<T>& x, int n, int axis = -1);
/// `N` equal pieces, for the gates of a cell: `auto [i, f, g, o] = chunk<4>(gates);` with `gates` (B,4H).
template <int N, class T>
UNROLL_PER_ISA std::array<Variable<T>, static_cast<std::size_t>(N)> chunk(const Variable<T>& x, int axis = -1) {
  static_assert(N > 0, "chunk<N> takes at least one piece");
  std::array<Variable<T>, static_cast<std::size_t>(N)> pieces;
  chunk_into(x, axis, std::span<Variable<T>>(pieces));
  return pieces;
}

/// The tensors `list`, equal in all dimensions but `axis`, one after the other along it.
///
/// Along the first axis a view when they lie one after the other in the same memory already (steps of a Loop,
/// pieces of one split), else a copy. Throws ShapeError when they do not fit, ValueError for an empty list.
template <class T>
Variable<T> concat(std::span<const Variable<T>> list, int axis = 0);
template <class T>
UNROLL_PER_ISA Variable<T> concat(std::initializer_list<Variable<T>> list, int axis = 0) {
  return concat(std::span<const Variable<T>>(list.begin(), list.size()), axis);
}
template <class T>
UNROLL_PER_ISA Variable<T> concat(const std::vector<Variable<T>>& list, int axis = 0) {
  return concat(std::span<const Variable<T>>(list), axis);
}
template <class T, std::size_t N>
UNROLL_PER_ISA Variable<T> concat(const std::array<Variable<T>, N>& list, int axis = 0) {
  return concat(std::span<const Variable<T>>(list), axis);
}

/// The steps of a time loop, `steps[0..n)` of shapes (B_t, ...), as one tensor (sum of B_t, ...): `concat` along the
/// first axis under its own name, a view of what a Loop laid side by side.
template <class T>
Variable<T> join(std::span<const Variable<T>> steps);

/// T tensors of one shape (B,F) as one of shape (T,B,F): a view when they lie one after the other in the same
/// memory already, else a copy. Throws ShapeError when the shapes differ or have four dimensions, ValueError
/// for an empty list.
template <class T>
Variable<T> stack(std::span<const Variable<T>> list);
template <class T>
UNROLL_PER_ISA Variable<T> stack(std::initializer_list<Variable<T>> list) {
  return stack(std::span<const Variable<T>>(list.begin(), list.size()));
}
template <class T>
UNROLL_PER_ISA Variable<T> stack(const std::vector<Variable<T>>& list) {
  return stack(std::span<const Variable<T>>(list));
}
template <class T, std::size_t N>
UNROLL_PER_ISA Variable<T> stack(const std::array<Variable<T>, N>& list) {
  return stack(std::span<const Variable<T>>(list));
}

/// `x` with the first axis reversed, as a copy: y[t] = x[T-1-t]. Throws ShapeError for a scalar.
template <class T>
Variable<T> flip(const Variable<T>& x);

}  // namespace unroll
