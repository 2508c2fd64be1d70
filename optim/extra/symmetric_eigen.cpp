#include "symmetric_eigen.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "../../core/error.hpp"

namespace unroll {
namespace {

using Size = std::size_t;

// A = Q^T tridiagonal(d, e) Q with e[i] beside d[i] and d[i + 1]. On return row i of `q` is row i of Q. Reflections are
// kept in the lower part of `a`, one a row, and applied to the unit matrix at the end.
void tridiagonalise(std::vector<double>& a, Size n, std::vector<double>& d, std::vector<double>& e,
                    std::vector<double>& q) {
  const auto row = [&](Size i) { return a.data() + i * n; };
  std::vector<double> p(n), scale(n, 0.0);  // scale[i]: 2 / |v|^2 of the reflection kept in row i
  for (Size i = n; i-- > 1;) {
    // The reflection takes row i, left of the diagonal, to a multiple of the unit vector i - 1.
    double* v = row(i);
    double norm = 0;
    for (Size k = 0; k < i; ++k) norm = std::hypot(norm, v[k]);
    d[i] = v[i];
    if (norm == 0 || i == 1) {
      e[i - 1] = v[i - 1];
      continue;
    }
    const double alpha = v[i - 1] > 0 ? -norm : norm;
    e[i - 1] = alpha;
    v[i - 1] -= alpha;
    const double s = 1 / (alpha * -v[i - 1]);  // |v|^2 / 2 = alpha (alpha - x_{i-1})
    if (!std::isfinite(s)) {                   // of denormal size: nothing that matters
      e[i - 1] = 0;
      continue;
    }
    scale[i] = s;
    // A' = A - v w^T - w v^T with p = s A v, w = p - (s v.p / 2) v; the lower triangle only.
    std::fill(p.begin(), p.begin() + i, 0.0);
    for (Size j = 0; j < i; ++j) {
      const double* aj = row(j);
      const double vj = v[j];
      double sum = aj[j] * vj;
      for (Size k = 0; k < j; ++k) {
        sum += aj[k] * v[k];
        p[k] += aj[k] * vj;
      }
      p[j] += sum;
    }
    double vp = 0;
    for (Size k = 0; k < i; ++k) {
      p[k] *= s;
      vp += v[k] * p[k];
    }
    for (Size k = 0; k < i; ++k) p[k] -= s * vp / 2 * v[k];
    for (Size j = 0; j < i; ++j) {
      double* aj = row(j);
      const double vj = v[j], wj = p[j];
      for (Size k = 0; k <= j; ++k) aj[k] -= vj * p[k] + wj * v[k];
    }
  }
  d[0] = a[0];
  // Q is the product of the reflections; the last one made, of the fewest numbers, comes first.
  q.assign(n * n, 0.0);
  for (Size i = 0; i < n; ++i) q[i * n + i] = 1;
  for (Size i = 2; i < n; ++i) {
    if (scale[i] == 0) continue;
    const double* v = row(i);
    for (Size j = 0; j < i; ++j) {
      double* qj = q.data() + j * n;
      double sum = 0;
      for (Size k = 0; k < i; ++k) sum += qj[k] * v[k];
      sum *= scale[i];
      for (Size k = 0; k < i; ++k) qj[k] -= sum * v[k];
    }
  }
}

// Diagonalises tridiagonal(d, e) by rotations, which turn the rows of `q` as well: in the end they are the
// eigenvectors.
void diagonalise(std::vector<double>& d, std::vector<double>& e, std::vector<double>& q, Size n) {
  constexpr double eps = std::numeric_limits<double>::epsilon();
  for (Size l = 0; l < n; ++l) {
    for (int iteration = 0; iteration < 100; ++iteration) {
      Size m = l;
      while (m + 1 < n && std::abs(e[m]) > eps * (std::abs(d[m]) + std::abs(d[m + 1]))) ++m;
      if (m == l) break;
      double g = (d[l + 1] - d[l]) / (2 * e[l]), r = std::hypot(g, 1.0);
      g = d[m] - d[l] + e[l] / (g + std::copysign(r, g));
      double s = 1, c = 1, p = 0;
      bool split = false;
      for (Size i = m; i-- > l;) {
        const double f = s * e[i], b = c * e[i];
        r = std::hypot(f, g);
        e[i + 1] = r;
        if (r == 0) {
          d[i + 1] -= p;
          e[m] = 0;
          split = true;
          break;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        double *lower = q.data() + i * n, *upper = lower + n;
        for (Size k = 0; k < n; ++k) {
          const double x = upper[k], y = lower[k];
          upper[k] = s * y + c * x;
          lower[k] = c * y - s * x;
        }
      }
      if (split) continue;
      d[l] -= p;
      e[l] = g;
      e[m] = 0;
    }
  }
}

}  // namespace

SymmetricEigen symmetric_eigen(std::span<const double> matrix, Index n) {
  if (n < 0 || static_cast<Index>(matrix.size()) != n * n)
    throw ShapeError("[symmetric_eigen] ", matrix.size(), " elements for a matrix of ", n, " rows and columns");
  double largest = 0;
  for (const double x : matrix) {
    if (!std::isfinite(x)) throw ValueError("[symmetric_eigen] the matrix has an element that is not finite");
    largest = std::max(largest, std::abs(x));
  }
  const auto size = static_cast<Size>(n);
  // Scaled by a power of two, so that no square overflows or vanishes.
  const int exponent = largest > 0 ? std::ilogb(largest) : 0;
  std::vector<double> a(matrix.begin(), matrix.end()), d(size), e(size + 1), q;
  for (double& x : a) x = std::scalbn(x, -exponent);
  if (n > 0) {
    tridiagonalise(a, size, d, e, q);
    diagonalise(d, e, q, size);
  }
  std::vector<Size> order(size);
  std::iota(order.begin(), order.end(), Size{0});
  std::ranges::sort(order, [&](Size i, Size j) { return d[i] < d[j]; });
  SymmetricEigen result;
  for (const Size i : order) {
    result.values.push_back(std::scalbn(d[i], exponent));
    result.vectors.insert(result.vectors.end(), q.begin() + i * size, q.begin() + ((i + 1) * size));
  }
  return result;
}

}  // namespace unroll
