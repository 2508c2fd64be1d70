#pragma once
/// \file
/// Eigenvalues and eigenvectors of small symmetric matrices.

#include <span>
#include <vector>

#include "../../core/shape.hpp"

namespace unroll {

/// A = sum_i values[i] v_i v_i^T.
struct SymmetricEigen {
  std::vector<double> values;   ///< (n), from small to large
  std::vector<double> vectors;  ///< (n, n) row-major: row i is v_i, of length 1, orthogonal to the others
};

/// The eigendecomposition of a symmetric matrix (n, n), row-major; only its lower triangle is read.
///
/// Householder reflections to a tridiagonal matrix, then QL steps with implicit shifts (Bowdler, Martin, Reinsch and
/// Wilkinson, "The QR and QL algorithms for symmetric matrices", Numerische Mathematik 11, 1968): about 9 n^3
/// operations on one thread, without LAPACK: for hundreds of rows. Errors of the values are of the order of the largest
/// one's rounding. Throws ShapeError when the number of elements is not n * n, ValueError when one is not finite.
SymmetricEigen symmetric_eigen(std::span<const double> matrix, Index n);

}  // namespace unroll
