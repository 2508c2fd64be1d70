// Eigenvectors: orthogonal, and putting the matrix together again.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "unroll/core/error.hpp"
#include "unroll/core/random.hpp"
#include "unroll/optim/extra/symmetric_eigen.hpp"

using namespace unroll;

namespace {

struct Errors {
  double orthogonality = 0, matrix = 0;  // the second relative to the largest eigenvalue
};

Errors errors_of(const std::vector<double>& a, Index n, const SymmetricEigen& eigen) {
  const auto size = static_cast<std::size_t>(n);
  double largest = 1e-300;
  for (const double x : eigen.values) largest = std::max(largest, std::abs(x));
  Errors errors;
  for (std::size_t i = 0; i < size; ++i)
    for (std::size_t j = 0; j < size; ++j) {
      double dot = i == j ? -1 : 0, sum = -a[std::max(i, j) * size + std::min(i, j)];
      for (std::size_t k = 0; k < size; ++k) {
        dot += eigen.vectors[i * size + k] * eigen.vectors[j * size + k];
        sum += eigen.values[k] * eigen.vectors[k * size + i] * eigen.vectors[k * size + j];
      }
      errors.orthogonality = std::max(errors.orthogonality, std::abs(dot));
      errors.matrix = std::max(errors.matrix, std::abs(sum) / largest);
    }
  return errors;
}

std::vector<double> random_symmetric(Index n, Rng& rng) {
  std::vector<double> a(static_cast<std::size_t>(n * n));
  rng.fill_normal(std::span<double>(a));
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < i; ++j) a[static_cast<std::size_t>(j * n + i)] = a[static_cast<std::size_t>(i * n + j)];
  return a;
}

}  // namespace

TEST_CASE("random matrices of all sizes") {
  Rng rng(3);
  for (const Index n : {1, 2, 3, 4, 5, 8, 13, 40, 90})
    for (const double scale : {1.0, 1e-160, 1e150}) {
      CAPTURE(n);
      CAPTURE(scale);
      std::vector<double> a = random_symmetric(n, rng);
      for (double& x : a) x *= scale;
      const SymmetricEigen eigen = symmetric_eigen(a, n);
      CHECK(std::ranges::is_sorted(eigen.values));
      const Errors errors = errors_of(a, n, eigen);
      CHECK(errors.orthogonality < 1e-13);
      CHECK(errors.matrix < 1e-14 * static_cast<double>(n + 3));
    }
}

TEST_CASE("matrices with equal, zero and very different eigenvalues") {
  CHECK(symmetric_eigen({}, 0).values.empty());
  const SymmetricEigen two = symmetric_eigen(std::vector<double>{2, 99, 1, 2}, 2);  // the upper triangle is not read
  CHECK(two.values[0] == doctest::Approx(1).epsilon(1e-15));
  CHECK(two.values[1] == doctest::Approx(3).epsilon(1e-15));

  Rng rng(4);
  const Index n = 24;
  for (const int kind : {0, 1, 2, 3, 4}) {
    CAPTURE(kind);
    const SymmetricEigen basis = symmetric_eigen(random_symmetric(n, rng), n);
    std::vector<double> wanted, a(static_cast<std::size_t>(n * n));
    for (Index i = 0; i < n; ++i) {
      const auto x = static_cast<double>(i);
      wanted.push_back(kind == 0   ? 1
                       : kind == 1 ? std::pow(10, x / 2 - 12)
                       : kind == 2 ? (i < 12 ? 0 : 1)
                       : kind == 3 ? 0
                                   : (i < 20 ? -1 : 7));
    }
    for (std::size_t k = 0; k < 24; ++k)
      for (std::size_t i = 0; i < 24; ++i)
        for (std::size_t j = 0; j < 24; ++j)
          a[i * 24 + j] += wanted[k] * basis.vectors[k * 24 + i] * basis.vectors[k * 24 + j];
    const SymmetricEigen eigen = symmetric_eigen(a, n);
    for (std::size_t k = 0; k < 24; ++k) CHECK(std::abs(eigen.values[k] - wanted[k]) < 1e-14 * 10);
    const Errors errors = errors_of(a, n, eigen);
    CHECK(errors.orthogonality < 1e-13);
    CHECK((kind == 3 || errors.matrix < 1e-13));
  }
}

TEST_CASE("errors") {
  CHECK_THROWS_WITH_AS(symmetric_eigen(std::vector<double>(5), 2),
                       "[symmetric_eigen] 5 elements for a matrix of 2 rows and columns", ShapeError);
  CHECK_THROWS_WITH_AS(symmetric_eigen(std::vector<double>{1, 2, std::numeric_limits<double>::quiet_NaN(), 4}, 2),
                       "[symmetric_eigen] the matrix has an element that is not finite", ValueError);
}
