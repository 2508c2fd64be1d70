#include "singular_values.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "../../core/error.hpp"

namespace unroll {
namespace {

constexpr int max_sweeps = 60;  // far beyond what any matrix takes; a bound all the same

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Turns the columns a and b in their plane until they are orthogonal; false when they are.
bool rotate(std::span<double> a, std::span<double> b) {
  const double aa = dot(a, a), bb = dot(b, b), ab = dot(a, b);
  if (!(std::abs(ab) > std::numeric_limits<double>::epsilon() * std::sqrt(aa) * std::sqrt(bb))) return false;
  const double zeta = (bb - aa) / (2 * ab);
  const double t = std::copysign(1.0, zeta) / (std::abs(zeta) + std::hypot(1.0, zeta));
  const double c = 1 / std::hypot(1.0, t), s = c * t;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    a[i] = c * x - s * y;
    b[i] = s * x + c * y;
  }
  return true;
}

}  // namespace

std::vector<double> singular_values(std::span<const double> matrix, Index rows, Index cols) {
  if (rows < 0 || cols < 0 || static_cast<Index>(matrix.size()) != rows * cols)
    throw ShapeError("[singular_values] ", matrix.size(), " elements for a matrix of ", rows, " rows and ", cols,
                     " columns");
  double largest = 0;
  for (const double x : matrix) {
    if (!std::isfinite(x)) throw ValueError("[singular_values] the matrix has an element that is not finite");
    largest = std::max(largest, std::abs(x));
  }
  const auto length = static_cast<std::size_t>(std::max(rows, cols)),
             count = static_cast<std::size_t>(std::min(rows, cols));
  std::vector<double> values(count, 0.0);
  if (largest == 0) return values;

  // Column after column, those of the transpose where that has fewer; scaled so that no square overflows or vanishes.
  const int exponent = std::ilogb(largest);
  std::vector<double> columns(length * count);
  for (std::size_t j = 0; j < count; ++j)
    for (std::size_t i = 0; i < length; ++i)
      columns[j * length + i] = std::scalbn(rows >= cols ? matrix[i * count + j] : matrix[j * length + i], -exponent);
  const auto column = [&](std::size_t j) { return std::span(columns).subspan(j * length, length); };
  bool turned = true;
  for (int sweep = 0; turned && sweep < max_sweeps; ++sweep) {
    turned = false;
    for (std::size_t p = 0; p + 1 < count; ++p)
      for (std::size_t q = p + 1; q < count; ++q) turned = rotate(column(p), column(q)) || turned;
  }
  for (std::size_t j = 0; j < count; ++j) values[j] = std::scalbn(std::sqrt(dot(column(j), column(j))), exponent);
  std::ranges::sort(values, std::greater<>());
  return values;
}

}  // namespace unroll
