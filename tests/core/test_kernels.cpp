// The shared loops against plain ones, at sizes around the width of every register.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "unroll/core/random.hpp"
#include "unroll/core/simd/kernels.hpp"

using unroll::Rng;
using unroll::detail::kernels;

namespace {

template <class T>
std::vector<T> random(std::int64_t n, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<T> x(static_cast<std::size_t>(n));
  for (T& v : x) v = static_cast<T>(rng.normal());
  return x;
}

const std::int64_t sizes[] = {0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 64, 65, 130, 1000};

}  // namespace

TEST_CASE_TEMPLATE("kernels of vectors", T, float, double) {
  const auto& k = kernels<T>();
  for (const std::int64_t n : sizes) {
    CAPTURE(n);
    const auto x = random<T>(n, 1), y = random<T>(n, 2);
    // The third number is a guard behind the end.
    auto add = y, axpy = y, scale = y, fill = y;
    for (auto* v : {&add, &axpy, &scale, &fill}) v->push_back(T(77));
    k.add_into(add.data(), x.data(), n);
    k.axpy(axpy.data(), T(0.5), x.data(), n);
    k.scale(scale.data(), T(3), n);
    k.fill(fill.data(), T(4), n);
    double sum = 0, squares = 0, dot = 0;
    T max = -std::numeric_limits<T>::infinity();
    for (std::size_t i = 0; i < x.size(); ++i) {
      CHECK(add[i] == y[i] + x[i]);
      CHECK(axpy[i] == doctest::Approx(y[i] + T(0.5) * x[i]).epsilon(1e-6));
      CHECK(scale[i] == y[i] * T(3));
      CHECK(fill[i] == T(4));
      sum += double(x[i]);
      squares += double(x[i]) * double(x[i]);
      dot += double(x[i]) * double(y[i]);
      max = std::max(max, x[i]);
    }
    for (auto* v : {&add, &axpy, &scale, &fill}) CHECK(v->back() == T(77));
    CHECK(k.sum(x.data(), n) == doctest::Approx(sum).epsilon(1e-12));
    CHECK(k.sum_of_squares(x.data(), n) == doctest::Approx(squares).epsilon(1e-12));
    CHECK(k.dot(x.data(), y.data(), n) == doctest::Approx(dot).epsilon(1e-12));
    CHECK(k.max(x.data(), n) == max);
    for (const std::size_t at : {std::size_t(0), x.size() / 2, x.size() - 1}) {
      if (x.empty()) break;
      auto z = x;
      z[at] = T(9);
      CHECK(k.max(z.data(), n) == T(9));
      z[at] = std::numeric_limits<T>::quiet_NaN();
      CHECK(std::isnan(k.max(z.data(), n)));
    }
  }
}

TEST_CASE_TEMPLATE("kernels of matrices whose rows are apart", T, float, double) {
  const auto& k = kernels<T>();
  for (const std::int64_t rows : {0, 1, 3, 63, 64, 65, 200}) {
    for (const std::int64_t cols : sizes) {
      if (cols > 200) continue;
      CAPTURE(rows);
      CAPTURE(cols);
      const std::int64_t from = cols + 3, to = cols + 1;
      const auto x = random<T>(rows * from, 3), v = random<T>(cols, 4);
      const auto before = random<T>(rows * to, 5);
      auto copy = before, add = before, vector = before;
      k.copy_rows(copy.data(), to, x.data(), from, rows, cols);
      k.add_rows(add.data(), to, x.data(), from, rows, cols);
      k.add_row_vector(vector.data(), v.data(), rows, cols, to);
      auto sum = v, summed = v;
      k.column_sum_into(sum.data(), x.data(), rows, cols, from, true);
      k.column_sum_into(summed.data(), x.data(), rows, cols, from, false);
      std::vector<double> expected(static_cast<std::size_t>(cols));
      bool right = true;
      for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t c = 0; c < to; ++c) {
          const auto i = static_cast<std::size_t>(r * to + c);
          const T xi = x[static_cast<std::size_t>(r * from + c)];
          const bool inside = c < cols;
          right &= copy[i] == (inside ? xi : before[i]);
          right &= add[i] == (inside ? before[i] + xi : before[i]);
          right &= vector[i] == (inside ? before[i] + v[static_cast<std::size_t>(c)] : before[i]);
          if (inside) expected[static_cast<std::size_t>(c)] += double(xi);
        }
      }
      CHECK(right);
      for (std::size_t c = 0; c < v.size(); ++c) {
        CHECK(std::abs(double(sum[c]) - expected[c]) < 2e-5);
        CHECK(std::abs(double(summed[c]) - double(v[c]) - expected[c]) < 2e-5);
      }
    }
  }
}

TEST_CASE("float sums stay accurate over many numbers") {
  const auto& k = kernels<float>();
  const std::int64_t n = 20'000'000;
  const std::vector<float> ones(static_cast<std::size_t>(n), 1.0f);
  CHECK(k.sum(ones.data(), n) == 2e7);
  CHECK(k.sum_of_squares(ones.data(), n) == 2e7);
  for (const std::int64_t cols : {1, 5, 20}) {
    std::vector<float> sums(static_cast<std::size_t>(cols));
    k.column_sum_into(sums.data(), ones.data(), n / cols, cols, cols, true);
    for (const float s : sums) CHECK(s == static_cast<float>(n / cols));
  }
  std::vector<float> tenths(3'000'000, 0.1f), three(3);
  k.column_sum_into(three.data(), tenths.data(), 1'000'000, 3, 3, true);
  for (const float s : three) CHECK(s == doctest::Approx(1e6 * double(0.1f)).epsilon(1e-6));
}
