#pragma once
/// \file
/// Data that lies where the caller put it.

#include <span>
#include <vector>

#include "variable.hpp"

namespace unroll {

/// A constant over the caller's memory, without a copy: PyTorch's `from_blob`. For large inputs that stay where they
/// are, as a batch that was read once and is met in every epoch; `input` copies.
///
///     std::vector<float> x = read(...);               // outlives the Recording
///     const auto y = model(from_blob(x, Shape{T, B, F}));
///
/// The memory must stay there, and its numbers as they are, until the scope is closed and what was computed is no longer
/// read: backward() reads them again. Nobody can check that. The library never writes to it.
///
/// Throws ShapeError unless there are as many numbers as the shape takes, NoScopeError outside a scope.
template <class T>
Variable<T> from_blob(std::span<const T> values, const Shape& shape);
template <class T>
UNROLL_PER_ISA Variable<T> from_blob(const std::vector<T>& values, const Shape& shape) {
  return from_blob(std::span<const T>(values), shape);
}
/// A temporary would be gone before it is read.
template <class T>
Variable<T> from_blob(const std::vector<T>&& values, const Shape& shape) = delete;

extern template Variable<float> from_blob(std::span<const float>, const Shape&);
extern template Variable<double> from_blob(std::span<const double>, const Shape&);

}  // namespace unroll
