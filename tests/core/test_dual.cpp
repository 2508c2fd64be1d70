// Dual numbers: every derivative against central differences and formulas, kinks, constants, masks, second
// order.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <utility>

#include "unroll/core/simd/dual.hpp"

using namespace unroll;

namespace {

using D1 = Dual<double, 1>;
using Wide = Lane<double>;

// Derivative of f at x by central differences of the plain-number form, with the error term of second order
// removed.
template <class F>
double slope(F f, double x) {
  const double h = 1e-4 * std::fmax(1, std::fabs(x));
  const auto difference = [&](double s) { return (f(x + s) - f(x - s)) / (2 * s); };
  return (4 * difference(h / 2) - difference(h)) / 3;
}

// The derivative at every x, on a dual of plain numbers and on a dual of lanes.
template <class F>
void check_derivative(const char* name, F f, std::initializer_list<double> at) {
  for (const double x : at) {
    CAPTURE(name);
    CAPTURE(x);
    const double expected = slope(f, x), tolerance = 2e-9 * (1 + std::fabs(expected));
    const D1 plain = f(D1::variable(x, 0));
    CHECK(plain.value == doctest::Approx(f(x)).epsilon(1e-13));
    CHECK(std::fabs(plain.d[0] - expected) <= tolerance);
    CHECK(plain.nonzero == 1u);
    const auto wide = f(Dual<Wide, 3>::variable(Wide(x), 1));
    CHECK(wide.nonzero == 2u);
    for (int i = 0; i < Wide::size; ++i) {
      CHECK(wide.value[i] == doctest::Approx(f(x)).epsilon(1e-12));
      CHECK(std::fabs(wide.d[1][i] - expected) <= tolerance);
      CHECK(wide.d[0][i] == 0);
      CHECK(wide.d[2][i] == 0);
    }
  }
}
#define CHECK_DERIVATIVE(expression, ...) \
  check_derivative(#expression, [](auto x) { return expression; }, {__VA_ARGS__})

template <class F>
double derivative(F f, double x) {
  const double plain = f(D1::variable(x, 0)).d[0];
  const double wide = f(Dual<Wide, 1>::variable(Wide(x), 0)).d[0][Wide::size - 1];
  CHECK(((plain == wide) || std::fabs(plain - wide) <= 1e-14 || (std::isnan(plain) && std::isnan(wide))));
  return wide;
}
#define AT(expression, x0) derivative([](auto x) { return expression; }, x0)

}  // namespace

TEST_CASE("derivatives of one argument") {
  CHECK_DERIVATIVE(exp(x), -20.0, -1.0, 0.0, 0.3, 5.0);
  CHECK_DERIVATIVE(expm1(x), -20.0, -1.0, 0.0, 1e-3, 3.0);
  CHECK_DERIVATIVE(log(x), 0.1, 1.0, 2.5, 100.0);
  CHECK_DERIVATIVE(log1p(x), -0.7, 0.0, 1e-3, 10.0);
  CHECK_DERIVATIVE(sqrt(x), 0.2, 1.0, 30.0);
  CHECK_DERIVATIVE(rsqrt(x), 0.2, 1.0, 30.0);
  CHECK_DERIVATIVE(abs(x), -2.0, -0.1, 0.1, 3.0);
  CHECK_DERIVATIVE(tanh(x), -20.0, -3.0, -0.4, 0.0, 0.6, 4.0, 20.0);
  CHECK_DERIVATIVE(sigmoid(x), -30.0, -3.0, 0.0, 0.6, 4.0, 30.0);
  CHECK_DERIVATIVE(softplus(x), -30.0, -3.0, 0.0, 0.6, 4.0, 30.0);
  CHECK_DERIVATIVE(relu(x), -2.0, -0.1, 0.1, 3.0);
  CHECK_DERIVATIVE(leaky_relu(x), -2.0, -0.1, 0.1, 3.0);
  CHECK_DERIVATIVE(leaky_relu(x, 0.3), -2.0, -0.1, 0.1, 3.0);
  CHECK_DERIVATIVE(gelu(x), -5.0, -1.0, 0.0, 0.7, 4.0);
  CHECK_DERIVATIVE(gelu_tanh(x), -5.0, -1.0, 0.0, 0.7, 4.0);
  CHECK_DERIVATIVE(erf(x), -3.0, -0.5, 0.0, 0.2, 2.0);
  CHECK_DERIVATIVE(sin(x), -3.0, 0.0, 0.2, 2.0);
  CHECK_DERIVATIVE(cos(x), -3.0, 0.0, 0.2, 2.0);
  CHECK_DERIVATIVE(square(x), -3.0, 0.0, 0.2, 2.0);
  CHECK_DERIVATIVE(pow(x, 3), -2.0, 0.0, 0.5);
  CHECK_DERIVATIVE(pow(x, -2), -2.0, 0.5);
  CHECK_DERIVATIVE(pow(x, 1.7), 0.1, 1.0, 5.0);
  CHECK_DERIVATIVE(pow(1.7, x), -2.0, 0.0, 3.0);
  CHECK_DERIVATIVE(pow(x, x), 0.3, 1.0, 2.2);
  CHECK_DERIVATIVE(clamp(x, -1, 1), -1.5, -0.9, 0.0, 0.9, 1.5);
  CHECK_DERIVATIVE(maximum(x, 0.5), 0.4, 0.6);
  CHECK_DERIVATIVE(minimum(0.5, x), 0.4, 0.6);
  CHECK_DERIVATIVE(max(x, x * x), -0.5, 0.5, 1.5);
  CHECK_DERIVATIVE(min(x, 2 - x), 0.5, 1.5);
  CHECK_DERIVATIVE(select(x > 1, x * x, 2 * x), 0.5, 1.5);
  CHECK_DERIVATIVE(select(x > 1, x * x, 3), 0.5, 1.5);
  CHECK_DERIVATIVE(where(x <= 1, 3.5, exp(x)), 0.5, 1.5);
  CHECK_DERIVATIVE(mul_add(x, x, 1), -0.5, 1.5);
  CHECK_DERIVATIVE(mul_add(x, 2, x), -0.5, 1.5);
}

TEST_CASE("arithmetic with constants on either side") {
  CHECK_DERIVATIVE(2 * x + 1, -0.5, 1.5);
  CHECK_DERIVATIVE(1 - x * 3.0f, -0.5, 1.5);
  CHECK_DERIVATIVE(x / 4 - 2, -0.5, 1.5);
  CHECK_DERIVATIVE(1 / x, -0.5, 1.5);
  CHECK_DERIVATIVE(-x / (1 + x * x), -0.5, 0.0, 1.5);
  CHECK_DERIVATIVE((x - 3) / (x + 3), -0.5, 0.0, 1.5);
  CHECK_DERIVATIVE(+x - (x + x), -0.5, 1.5);
  const auto compound = [](auto x) {
    auto y = x;
    y += 2;
    y *= x;
    y -= 3 * x;
    y /= x + 4;
    return y;
  };
  check_derivative("compound assignment", compound, {-0.5, 1.5});
  // A constant lane beside a dual of lanes.
  const auto z = Wide(3) * Dual<Wide, 2>::variable(Wide(2), 0) - Wide(1);
  CHECK(z.value[0] == 5);
  CHECK(z.d[0][0] == 3);
  CHECK(z.nonzero == 1u);
}

TEST_CASE("at kinks the derivative is PyTorch's") {
  CHECK(AT(relu(x), 0) == 0);
  CHECK(AT(abs(x), 0) == 0);
  CHECK(AT(leaky_relu(x, 0.25), 0) == 0.25);
  CHECK(AT(clamp(x, -1, 2), -1) == 1);
  CHECK(AT(clamp(x, -1, 2), 2) == 1);
  CHECK(AT(maximum(x, 1), 1) == 0.5);
  CHECK(AT(minimum(1, x), 1) == 0.5);
  CHECK(AT(maximum(x, x), 1) == 1);
  CHECK(AT(maximum(3 * x, x), 0) == 2);
  CHECK(AT(pow(x, 0.0), 0) == 0);
  CHECK(AT(pow(x, 0), 0) == 0);
  CHECK(AT(pow(x, 1.0), 0) == 1);
  CHECK(AT(pow(x, 2.0), 0) == 0);
  CHECK(AT(pow(0.0, x), 2) == 0);
  CHECK(AT(sqrt(x), 0) == std::numeric_limits<double>::infinity());
}

TEST_CASE("saturated gates keep the digits of their slope") {
  for (const double x0 : {-200.0, -40.0, -19.0, -9.0, -0.3, 0.3, 2.0, 9.0, 19.0, 25.0, 40.0, 200.0}) {
    CAPTURE(x0);
    const double e = std::exp(-std::fabs(x0)), e2 = std::exp(-2 * std::fabs(x0));
    const double of_sigmoid = e / ((1 + e) * (1 + e)), of_tanh = 4 * e2 / ((1 + e2) * (1 + e2));
    const auto close = [](double a, double b) { return std::fabs(a - b) <= 1e-13 * b; };
    CHECK(close(AT(sigmoid(x), x0), of_sigmoid));
    CHECK(close(AT(tanh(x), x0), of_tanh));
    CHECK(close(sigmoid(D1::variable(x0, 0)).d[0], of_sigmoid));
    CHECK(close(tanh(D1::variable(x0, 0)).d[0], of_tanh));
  }
}

TEST_CASE("at extremes derivatives saturate and are finite") {
  for (const double x0 : {50.0, 1000.0, 1e300}) {
    CAPTURE(x0);
    CHECK(std::fabs(AT(tanh(x), x0)) < 1e-40);
    CHECK(std::fabs(AT(tanh(x), -x0)) < 1e-40);
    CHECK(std::fabs(AT(sigmoid(x), x0)) < 1e-20);
    CHECK(std::fabs(AT(sigmoid(x), -x0)) < 1e-20);
    CHECK(AT(softplus(x), x0) == 1);
    CHECK(std::fabs(AT(softplus(x), -x0)) < 1e-20);
    CHECK(AT(gelu(x), x0) == 1);
    CHECK(AT(gelu(x), -x0) == 0);
    CHECK(AT(erf(x), x0) == 0);
    CHECK(AT(relu(x), x0) == 1);
    CHECK(AT(relu(x), -x0) == 0);
  }
  CHECK(AT(exp(x), -1000) == 0);
  CHECK(AT(exp(x), 1000) == std::numeric_limits<double>::infinity());
  CHECK(std::isnan(AT(tanh(x), std::numeric_limits<double>::quiet_NaN())));
}

TEST_CASE("two arguments: every partial, and only those that can be nonzero") {
  using D = Dual<double, 4>;
  const D x = D::variable(0.7, 0), y = D::variable(-1.3, 2), c = 5.0;
  CHECK(c.nonzero == 0);
  const D product = x * y + c * x;
  CHECK(product.nonzero == 5u);
  CHECK(product.d[0] == doctest::Approx(-1.3 + 5));
  CHECK(product.d[1] == 0);
  CHECK(product.d[2] == doctest::Approx(0.7));
  CHECK(product.d[3] == 0);
  const D quotient = x / y;
  CHECK(quotient.d[0] == doctest::Approx(1 / -1.3));
  CHECK(quotient.d[2] == doctest::Approx(-0.7 / (1.3 * 1.3)));
  const D larger = maximum(x, y);
  CHECK(larger.d[0] == 1);
  CHECK(larger.d[2] == 0);
  const D tie = minimum(x, D::variable(0.7, 3));
  CHECK(tie.d[0] == 0.5);
  CHECK(tie.d[3] == 0.5);
  const D chosen = select(x > y, y, c);
  CHECK(chosen.value == -1.3);
  CHECK(chosen.d[2] == 1);
  CHECK(chosen.nonzero == 4u);
  const D power = pow(x, y);
  CHECK(power.d[0] == doctest::Approx(-1.3 * std::pow(0.7, -2.3)));
  CHECK(power.d[2] == doctest::Approx(std::pow(0.7, -1.3) * std::log(0.7)));
  CHECK((x > y));
  CHECK((x != y));
  CHECK_FALSE((x <= y));
  CHECK((c == 5));
}

TEST_CASE("a loop whose mask grows at run time") {
  using D = Dual<double, 3>;
  const D x[3] = {D::variable(2, 0), D::variable(3, 1), D::variable(5, 2)};
  D product = 1;
  for (const D& factor : x) product *= factor;
  CHECK(product.value == 30);
  CHECK(product.d[0] == 15);
  CHECK(product.d[1] == 10);
  CHECK(product.d[2] == 6);
  CHECK(product.nonzero == 7u);
}

TEST_CASE("an LSTM cell: one lambda on numbers, lanes, duals") {
  const auto cell = [](auto i, auto f, auto g, auto o, auto c) {
    auto next = sigmoid(f) * c + sigmoid(i) * tanh(g);
    return std::pair(sigmoid(o) * tanh(next), next);
  };
  const double at[5] = {0.3, -0.8, 1.1, 0.5, -0.6};
  const auto plain = cell(at[0], at[1], at[2], at[3], at[4]);
  using D = Dual<Wide, 5>;
  const auto v = [&](int k) { return D::variable(Wide(at[k]), k); };
  const auto dual = cell(v(0), v(1), v(2), v(3), v(4));
  CHECK(dual.first.value[0] == doctest::Approx(plain.first).epsilon(1e-14));
  CHECK(dual.second.value[0] == doctest::Approx(plain.second).epsilon(1e-14));
  CHECK(dual.second.nonzero == 0b10111u);
  CHECK(dual.first.nonzero == 0b11111u);
  for (int k = 0; k < 5; ++k) {
    const auto moved = [&](double x) {
      double a[5] = {at[0], at[1], at[2], at[3], at[4]};
      a[k] = x;
      return cell(a[0], a[1], a[2], a[3], a[4]);
    };
    CHECK(dual.first.d[k][0] == doctest::Approx(slope([&](double x) { return moved(x).first; }, at[k])).epsilon(1e-9));
    CHECK(dual.second.d[k][0] ==
          doctest::Approx(slope([&](double x) { return moved(x).second; }, at[k])).epsilon(1e-9));
  }
}

TEST_CASE_TEMPLATE("second derivatives by duals of duals", V, double, Lane<double>, Lane<double, scalar_arch>) {
  using Inner = Dual<V, 1>;
  using Outer = Dual<Inner, 1>;
  const auto second = [](auto f, double x) {
    const Outer y = f(Outer::variable(Inner::variable(V(x), 0), 0));
    if constexpr (std::is_same_v<V, double>) {
      return y.d[0].d[0];
    } else {
      return y.d[0].d[0][0];
    }
  };
  const double x = 0.7, t = std::tanh(x), s = 1 / (1 + std::exp(-x)), e = std::exp(x);
  CHECK(second([](auto v) { return tanh(v); }, x) == doctest::Approx(-2 * t * (1 - t * t)));
  CHECK(second([](auto v) { return sigmoid(v); }, x) == doctest::Approx(s * (1 - s) * (1 - 2 * s)));
  CHECK(second([](auto v) { return softplus(v); }, x) == doctest::Approx(s * (1 - s)));
  CHECK(second([](auto v) { return exp(v); }, x) == doctest::Approx(e));
  CHECK(second([](auto v) { return log(v); }, x) == doctest::Approx(-1 / (x * x)));
  CHECK(second([](auto v) { return 1 / v; }, x) == doctest::Approx(2 / (x * x * x)));
  CHECK(second([](auto v) { return sqrt(v); }, x) == doctest::Approx(-0.25 * std::pow(x, -1.5)));
  CHECK(second([](auto v) { return rsqrt(v); }, x) == doctest::Approx(0.75 * std::pow(x, -2.5)));
  CHECK(second([](auto v) { return pow(v, 3); }, x) == doctest::Approx(6 * x));
  CHECK(second([](auto v) { return pow(v, 2.5); }, x) == doctest::Approx(3.75 * std::sqrt(x)));
  CHECK(second([](auto v) { return sin(v) * v; }, x) == doctest::Approx(2 * std::cos(x) - x * std::sin(x)));
  CHECK(second([](auto v) { return select(v > 0, v * v, 1) + maximum(v, 0) + clamp(v, -1, 1); }, x) ==
        doctest::Approx(2));
  CHECK(second([](auto v) { return erf(v); }, x) ==
        doctest::Approx(-2 * x * 2 / std::sqrt(std::acos(-1.0)) * std::exp(-x * x)));
}
