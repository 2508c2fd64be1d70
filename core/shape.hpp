#pragma once
/// \file
/// The shape of a tensor: up to four dimensions, row-major.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "simd/per_isa.hpp"

namespace unroll {

/// A count of elements or an offset in elements.
using Index = std::int64_t;
static_assert(sizeof(std::size_t) == sizeof(Index), "unroll takes a 64-bit platform: a std::size_t holds every Index");

/// Dimensions of a row-major tensor of rank 0 (a scalar) to 4. A plain value: copied freely, never allocates.
///
/// The library reads every tensor as `rows()` rows of `cols()` contiguous elements: `cols()` is the last
/// dimension, `rows()` the product of the others; a scalar is one row of one element.
class Shape {
 public:
  static constexpr int max_rank = 4;
  static constexpr Index max_dim = 2147483647;

  /// The scalar shape `()`.
  constexpr Shape() = default;
  /// `Shape{T, B, F}`. Throws ShapeError on more than four dimensions, a negative one, or one above 2^31 - 1.
  Shape(std::initializer_list<Index> dims) : Shape(dims.begin(), static_cast<int>(dims.size())) {}
  /// The `rank` numbers at `dims`. Throws as the other constructor does.
  Shape(const Index* dims, int rank);

  constexpr int rank() const { return rank_; }
  /// Dimension `axis`; negative counts from the end, so `shape[-1]` is the last. Throws ShapeError outside the rank.
  UNROLL_PER_ISA Index operator[](int axis) const { return dims()[checked_axis(axis)]; }
  /// `axis` counted from the front, 0 .. rank-1. Throws ShapeError outside the rank.
  UNROLL_PER_ISA int checked_axis(int axis) const {
    const int a = axis < 0 ? axis + rank_ : axis;
    if (a < 0 || a >= rank_) throw_axis(axis);
    return a;
  }

  /// Number of elements; 1 for a scalar.
  constexpr Index size() const { return rows() * cols(); }
  constexpr Index cols() const { return dims_[max_rank - 1]; }
  constexpr Index rows() const { return Index{dims_[0]} * dims_[1] * dims_[2]; }

  /// This shape with dimension `axis` replaced by `dim`. Throws as the constructor does.
  UNROLL_PER_ISA Shape with(int axis, Index dim) const {
    Shape s = *this;
    const int at = checked_axis(axis);
    s.dims_[max_rank - rank_ + at] = checked_dim(at, dim);
    return s;
  }
  /// This shape without dimension `axis`.
  Shape without(int axis) const;
  /// This shape with a new dimension `dim` before `axis` (0 .. rank).
  Shape insert(int axis, Index dim) const;
  /// The dimensions from `axis` (0 .. rank) on.
  Shape from(int axis) const;

  /// `(T,B,F)` as in the messages: `(2,5)`, `(3)`, `()`.
  std::string str() const;

  friend UNROLL_PER_ISA bool operator==(const Shape& a, const Shape& b) {
    return a.rank_ == b.rank_ && __builtin_memcmp(a.dims_, b.dims_, sizeof a.dims_) == 0;
  }

 private:
  [[noreturn]] void throw_axis(int axis) const;
  [[noreturn]] static void throw_dim(int axis, Index dim);
  UNROLL_PER_ISA static std::int32_t checked_dim(int axis, Index dim) {
    if (dim < 0 || dim > max_dim) throw_dim(axis, dim);
    return static_cast<std::int32_t>(dim);
  }
  const std::int32_t* dims() const { return dims_ + max_rank - rank_; }

  // The last dimension stands last and ones stand before the first, so that sizes are products without a loop.
  std::int32_t dims_[max_rank] = {1, 1, 1, 1};
  std::int32_t rank_ = 0;
};

}  // namespace unroll
