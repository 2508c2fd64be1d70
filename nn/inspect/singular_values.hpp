#pragma once
/// \file
/// Singular values of small dense matrices.

#include <span>
#include <vector>

#include "../../core/shape.hpp"

namespace unroll {

/// The singular values of `matrix` (rows, cols), row-major: the min(rows, cols) square roots of the eigenvalues of
/// A^T A, from large to small.
///
/// One-sided Jacobi rotations (Hestenes, 1958), which find small singular values to as many digits as large ones where
/// methods that first make the matrix bidiagonal lose them (Demmel and Veselic, 1992): of a product of many Jacobians
/// the small ones are what one looks for. O(rows cols^2) a sweep, some 6 to 10 sweeps: for hundreds of columns.
/// Throws ShapeError when the number of elements is not rows * cols, ValueError when one is not finite.
std::vector<double> singular_values(std::span<const double> matrix, Index rows, Index cols);

}  // namespace unroll
