// Initial values: ranges and moments, orthogonality, blocks, fans.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "unroll/core/error.hpp"
#include "unroll/nn/init.hpp"

using namespace unroll;

namespace {

struct Moments {
  double mean = 0, deviation = 0, low = 1e300, high = -1e300;
};

template <class T>
Moments moments(const Parameter<T>& p) {
  Moments m;
  const double n = double(p.size());
  for (const T v : p.values())
    m.mean += double(v) / n, m.low = std::min(m.low, double(v)), m.high = std::max(m.high, double(v));
  for (const T v : p.values()) m.deviation += (double(v) - m.mean) * (double(v) - m.mean) / n;
  m.deviation = std::sqrt(m.deviation);
  return m;
}

template <class T>
void check_uniform(const Parameter<T>& p, double low, double high) {
  const Moments m = moments(p);
  const double width = high - low;
  CHECK(m.low >= low - 1e-6 * width);
  CHECK(m.high <= high + 1e-6 * width);
  CHECK(m.low < low + 0.001 * width);
  CHECK(m.high > high - 0.001 * width);
  CHECK(std::abs(m.mean - (low + high) / 2) < 0.005 * width);
  CHECK(m.deviation == doctest::Approx(width / std::sqrt(12.0)).epsilon(0.01));
}

template <class T>
void check_normal(const Parameter<T>& p, double mean, double deviation) {
  const Moments m = moments(p);
  CHECK(std::abs(m.mean - mean) < 0.01 * deviation);
  CHECK(m.deviation == doctest::Approx(deviation).epsilon(0.01));
  Index within = 0, beyond = 0;
  for (const T v : p.values()) {
    within += std::abs(double(v) - mean) < deviation;
    beyond += std::abs(double(v) - mean) > 3 * deviation;
  }
  CHECK(double(within) / double(p.size()) == doctest::Approx(0.6827).epsilon(0.01));
  CHECK(beyond > 0);
}

/// Largest difference of the rows (or columns) of block `b` from gain times an orthonormal set.
template <class T>
double orthogonality(const Parameter<T>& p, double gain, Index blocks, Index b) {
  const Index rows = p.shape()[0] / blocks, cols = p.shape()[1];
  const auto at = [&](Index r, Index c) {
    return double(p.values()[static_cast<std::size_t>((b * rows + r) * cols + c)]);
  };
  const bool wide = rows <= cols;
  double worst = 0;
  for (Index i = 0; i < (wide ? rows : cols); ++i)
    for (Index j = 0; j < (wide ? rows : cols); ++j) {
      double dot = 0;
      for (Index k = 0; k < (wide ? cols : rows); ++k) dot += wide ? at(i, k) * at(j, k) : at(k, i) * at(k, j);
      worst = std::max(worst, std::abs(dot - (i == j ? gain * gain : 0)));
    }
  return worst;
}

}  // namespace

TEST_CASE_TEMPLATE("zeros, constant, uniform, normal", T, float, double) {
  Parameter<T> p(Shape{200, 300});
  Rng rng(1);
  init::constant(p, T(2.5));
  CHECK(std::ranges::all_of(p.values(), [](T v) { return v == T(2.5); }));
  init::zeros(p);
  CHECK(std::ranges::all_of(p.values(), [](T v) { return v == T(0); }));
  init::uniform(p, rng, T(-1), T(3));
  check_uniform(p, -1, 3);
  init::normal(p, rng);
  check_normal(p, 0, 1);
  init::normal(p, rng, T(5), T(0.1));
  check_normal(p, 5, 0.1);
  // Every filling is seen by whoever keeps a copy derived from the value.
  const auto version = p.storage().version;
  init::zeros(p);
  CHECK(p.storage().version > version);
}

TEST_CASE_TEMPLATE("Glorot and He: the fans decide", T, float, double) {
  Rng rng(2);
  Parameter<T> p(Shape{200, 300});
  init::glorot_uniform(p, rng);
  check_uniform(p, -std::sqrt(6.0 / 500), std::sqrt(6.0 / 500));
  init::glorot_uniform(p, rng, 2);
  check_uniform(p, -2 * std::sqrt(6.0 / 500), 2 * std::sqrt(6.0 / 500));
  init::glorot_normal(p, rng, 0.5);
  check_normal(p, 0, 0.5 * std::sqrt(2.0 / 500));
  init::he_uniform(p, rng);
  check_uniform(p, -std::sqrt(6.0 / 300), std::sqrt(6.0 / 300));
  init::he_normal(p, rng);
  check_normal(p, 0, std::sqrt(2.0 / 300));
  Parameter<T> tall(Shape{600, 100});  // not the other way round
  init::he_normal(tall, rng);
  check_normal(tall, 0, std::sqrt(2.0 / 100));
}

TEST_CASE("fan") {
  CHECK(init::fan(Shape{4, 3}).in == 3);
  CHECK(init::fan(Shape{4, 3}).out == 4);
  CHECK(init::fan(Shape{4, 3, 2}).in == 6);
  CHECK(init::fan(Shape{4, 3, 2}).out == 4);
  CHECK(init::fan(Shape{5}).in == 5);
  CHECK(init::fan(Shape{5}).out == 5);
  CHECK(init::fan(Shape{}).in == 1);
}

TEST_CASE("orthogonal: rows or columns orthonormal times the gain, block by block") {
  Rng rng(3);
  for (const Shape& shape :
       {Shape{1, 1}, Shape{5, 5}, Shape{3, 8}, Shape{8, 3}, Shape{60, 60}, Shape{1, 7}, Shape{7, 1}})
    for (const double gain : {1.0, 1.7}) {
      Parameter<double> p(shape);
      init::orthogonal(p, rng, gain);
      CHECK(orthogonality(p, gain, 1, 0) < 1e-12);
    }
  Parameter<double> gates(Shape{4 * 6, 6});
  init::orthogonal(gates, rng, 1, 4);
  for (Index b = 0; b < 4; ++b) CHECK(orthogonality(gates, 1, 4, b) < 1e-12);
  // Blocks differ.
  CHECK(gates.values()[0] != gates.values()[36]);
  Parameter<float> f(Shape{20, 20});
  init::orthogonal(f, rng);
  CHECK(orthogonality(f, 1, 1, 0) < 1e-6);
  // Uniform over the group: diagonal elements of either sign, mean zero, variance 1/n.
  double mean = 0, square = 0;
  for (int i = 0; i < 4000; ++i) {
    Parameter<double> q(Shape{3, 3});
    init::orthogonal(q, rng);
    mean += q.values()[8] / 4000, square += q.values()[8] * q.values()[8] / 4000;
  }
  CHECK(std::abs(mean) < 0.03);
  CHECK(square == doctest::Approx(1.0 / 3).epsilon(0.05));
}

TEST_CASE("identity: ones on the diagonal times the scale, of any matrix") {
  for (const Shape& shape : {Shape{3, 3}, Shape{2, 4}, Shape{4, 2}}) {
    Parameter<double> p(shape);
    init::constant(p, 7.0);
    init::identity(p, 0.5);
    for (Index r = 0; r < shape[0]; ++r)
      for (Index c = 0; c < shape[1]; ++c)
        CHECK(p.values()[static_cast<std::size_t>(r * shape[1] + c)] == (r == c ? 0.5 : 0));
  }
}

TEST_CASE("the same seed gives the same values") {
  Parameter<double> a(Shape{5, 6}), b(Shape{5, 6});
  const auto check = [&](auto fill) {
    Rng first(11), second(11), third(12);
    fill(a, first), fill(b, second);
    CHECK(std::ranges::equal(a.values(), b.values()));
    fill(b, third);
    CHECK_FALSE(std::ranges::equal(a.values(), b.values()));
  };
  check([](auto& p, Rng& r) { init::glorot_uniform(p, r); });
  check([](auto& p, Rng& r) { init::he_normal(p, r); });
  check([](auto& p, Rng& r) { init::orthogonal(p, r); });
}

TEST_CASE("shapes that do not do") {
  Rng rng(4);
  Parameter<float> v(Shape{4}), m(Shape{5, 2});
  CHECK_THROWS_WITH_AS(init::orthogonal(v, rng), "[orthogonal] shape (4); expected a matrix (outputs, inputs)",
                       ShapeError);
  CHECK_THROWS_WITH_AS(init::identity(v), "[identity] shape (4); expected a matrix (outputs, inputs)", ShapeError);
  CHECK_THROWS_WITH_AS(init::orthogonal(m, rng, 1, 3), "[orthogonal] shape (5,2) does not divide into 3 blocks of rows",
                       ShapeError);
  CHECK_THROWS_AS(init::orthogonal(m, rng, 1, 0), ShapeError);
}
