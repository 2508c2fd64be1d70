#pragma once
/// \file
/// Rows taken from, and gathered over, tensors of rows: what ragged batches are made of.

#include "../core/variable.hpp"
#include "gather.hpp"

namespace unroll {

/// y[n] = x[ids[n]], or zeros where ids[n] is -1. x (N, F), M ids in -1 .. N-1; result (M, F), or (leading..., F).
///
/// Backward adds each row of the adjoint to the row it came from. Throws ShapeError unless x is a matrix and `leading`
/// fits the ids, ValueError for an id out of range, which it names with its position.
template <class T>
Variable<T> take_rows(const Variable<T>& x, const Indices& ids, const Shape& leading = {});

/// How rows of one segment become one.
enum class Pool { sum, mean, max };

/// y[s] = sum, mean or maximum of the rows n of x with segments[n] == s. x (N, F), N segments in 0 .. count-1; result
/// (count, F), zeros for a segment without rows. The gradient of a maximum goes to the first row that has it.
///
/// Throws ShapeError unless x is a matrix with as many rows as there are segments, ValueError for one out of range.
template <class T>
Variable<T> pool_rows(const Variable<T>& x, const Indices& segments, Index count, Pool pool);

}  // namespace unroll
