#pragma once
/// \file
/// Operations that take integers: rows of a table (embedding), one-hot rows, one element of each row.

#include <initializer_list>
#include <span>
#include <vector>

#include "../core/parameter.hpp"
#include "../core/variable.hpp"

namespace unroll {

/// A list of integers lent to an operation: `int` or `Index`, from a span, a vector or a braced list. It owns
/// nothing.
class Indices {
 public:
  Indices(std::span<const Index> ids) : wide_(ids.data()), size_(static_cast<Index>(ids.size())) {}
  Indices(std::span<const int> ids) : narrow_(ids.data()), size_(static_cast<Index>(ids.size())) {}
  Indices(const std::vector<Index>& ids) : Indices(std::span<const Index>(ids)) {}
  Indices(const std::vector<int>& ids) : Indices(std::span<const int>(ids)) {}
  /// For `gather_rows(table, {3, 1, 4})`: good until the end of the call.
  Indices(std::initializer_list<Index> ids) : Indices(std::span<const Index>(ids.begin(), ids.size())) {}

  Index size() const { return size_; }
  Index operator[](Index i) const { return wide_ ? wide_[i] : static_cast<Index>(narrow_[i]); }

 private:
  const Index* wide_ = nullptr;
  const int* narrow_ = nullptr;
  Index size_;
};

struct GatherOptions {
  /// Rows of this index are gathered as they are, but get no gradient. Negative: none.
  Index padding_index = -1;
  /// The dimensions of the indices, such as (T,B); their product is the number of indices. (): the flat (N).
  Shape leading = {};
};

/// y[n] = table[ids[n]], an embedding: `table` (V,F), N indices in 0 .. V-1, result (N,F), or (T,B,F) with
/// `{.leading = {T, B}}`.
///
/// Backward adds each row of the adjoint to its row of the table; indices met several times add up. When the
/// table is a parameter only the rows in use are touched: time and memory do not depend on V, nor does
/// clearing the gradient. Throws ShapeError unless the table has two dimensions and the leading ones fit,
/// ValueError for an index out of range.
template <class T>
Variable<T> gather_rows(const Variable<T>& table, const Indices& ids, const GatherOptions& options = {});
template <class T> UNROLL_PER_ISA
Variable<T> gather_rows(const Parameter<T>& table, const Indices& ids, const GatherOptions& options = {}) {
  return gather_rows(use(table), ids, options);
}

/// y[n][c] = 1 where c = ids[n], else 0: a constant (N,classes), or (T,B,classes) with `leading` (T,B).
/// Throws ValueError for an index out of 0 .. classes-1, ShapeError when the leading dimensions do not fit.
template <class T = float>
Variable<T> one_hot(const Indices& ids, Index classes, const Shape& leading = {});

/// y[r] = x[r][ids[r]]: one element of each row of `x` (...,C), as many indices as rows; result (...).
/// Throws ShapeError for a scalar or another number of indices, ValueError for an index out of range.
template <class T>
Variable<T> take_along_last(const Variable<T>& x, const Indices& ids);

}  // namespace unroll
