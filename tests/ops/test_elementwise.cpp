// Elementwise operations: one row of the table an operation, with the function of the standard library that
// it must equal, checked for values in both scalars, gradients, extremes and operands of every allowed
// layout.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "op_check.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/reduce.hpp"

using namespace unroll;
using unroll::test::check_op;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

double phi(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }
double sigma(double x) { return 1 / (1 + std::exp(-x)); }
double density(double x) { return std::exp(-x * x / 2) / std::sqrt(2 * std::acos(-1.0)); }
double cubic(double x) { return 0.79788456080286536 * (x + 0.044715 * x * x * x); }
double gelu_tanh_slope(double x) {
  if (std::fabs(x) > 30) return x > 0 ? 1 : 0;
  const double t = std::tanh(cubic(x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * 0.79788456080286536 * (1 + 3 * 0.044715 * x * x);
}
double sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

/// An operation of one tensor: y = f(x), its value and slope by the standard library, and where it is
/// defined.
struct Unary {
  std::string name;
  Variable<double> (*f)(Variable<double>);
  Variable<float> (*f32)(Variable<float>);
  double (*value)(double);
  double (*slope)(double);
  double low, high;
};

#define OP(name, low, high, f, value, slope)                                                                       \
  {                                                                                                                \
    name, [](Variable<double> x) { return f; }, [](Variable<float> x) { return f; },                               \
        [](double x) -> double { return void(x), value; }, [](double x) -> double { return void(x), slope; }, low, \
        high                                                                                                       \
  }
const Unary unary_ops[] = {
    OP("negate", -inf, inf, -x, -x, -1),
    OP("negate, by name", -inf, inf, negate(x), -x, -1),
    OP("x + c", -inf, inf, x + 0.75, x + 0.75, 1),
    OP("c + x", -inf, inf, 2 + x, 2 + x, 1),
    OP("x - c", -inf, inf, x - 0.75f, x - 0.75, 1),
    OP("c - x", -inf, inf, 0.75 - x, 0.75 - x, -1),
    OP("x * c", -inf, inf, x * 3, x * 3, 3),
    OP("c * x", -inf, inf, -0.5 * x, -0.5 * x, -0.5),
    OP("x / c", -inf, inf, x / 3, x / 3, 1.0 / 3),
    OP("c / x", -inf, inf, 3 / x, 3 / x, -3 / x / x),
    OP("exp", -inf, inf, exp(x), std::exp(x), std::exp(x)),
    OP("log", 0, inf, log(x), std::log(x), 1 / x),
    OP("log1p", -1, inf, log1p(x), std::log1p(x), 1 / (1 + x)),
    OP("sqrt", 0, inf, sqrt(x), std::sqrt(x), 0.5 / std::sqrt(x)),
    OP("abs", -inf, inf, abs(x), std::fabs(x), sign(x)),
    OP("square", -inf, inf, square(x), x* x, 2 * x),
    OP("sin", -1e4, 1e4, sin(x), std::sin(x), std::cos(x)),
    OP("cos", -1e4, 1e4, cos(x), std::cos(x), -std::sin(x)),
    OP("erf", -inf, inf, erf(x), std::erf(x), 1.1283791670955126 * std::exp(-x * x)),
    OP("tanh", -inf, inf, tanh(x), std::tanh(x), 1 - std::tanh(x) * std::tanh(x)),
    OP("sigmoid", -inf, inf, sigmoid(x), sigma(x), sigma(x) * (1 - sigma(x))),
    OP("relu", -inf, inf, relu(x), x > 0 ? x : 0, x > 0 ? 1 : 0),
    OP("leaky_relu", -inf, inf, leaky_relu(x), x > 0 ? x : 0.01 * x, x > 0 ? 1 : 0.01),
    OP("leaky_relu 0.2", -inf, inf, leaky_relu(x, 0.2), x > 0 ? x : 0.2 * x, x > 0 ? 1 : 0.2),
    OP("softplus", -inf, inf, softplus(x), std::fmax(x, 0.0) + std::log1p(std::exp(-std::fabs(x))), sigma(x)),
    OP("gelu", -inf, inf, gelu(x), x* phi(x), phi(x) + (std::fabs(x) > 1e3 ? 0 : x * density(x))),
    OP("gelu_tanh", -inf, inf, gelu_tanh(x), 0.5 * x * (1 + std::tanh(cubic(x))), gelu_tanh_slope(x)),
    OP("pow 2", -inf, inf, pow(x, 2), x* x, 2 * x),
    OP("pow 3.0", -inf, inf, pow(x, 3.0), x* x* x, 3 * x * x),
    OP("pow 0", -inf, inf, pow(x, 0), 1, 0),
    OP("pow 1", -inf, inf, pow(x, 1), x, 1),
    OP("pow -1", -inf, inf, pow(x, -1), 1 / x, -std::pow(x, -2.0)),
    OP("pow -3", -inf, inf, pow(x, -3), std::pow(x, -3.0), -3 * std::pow(x, -4.0)),
    OP("pow 0.5", 0, inf, pow(x, 0.5), std::sqrt(x), 0.5 / std::sqrt(x)),
    OP("pow 2.5", 0, 300, pow(x, 2.5), std::pow(x, 2.5), 2.5 * std::pow(x, 1.5)),
    OP("c^x", -100, 100, pow(1.5, x), std::pow(1.5, x), std::log(1.5) * std::pow(1.5, x)),
    OP("maximum c", -inf, inf, maximum(x, 0.25), std::fmax(x, 0.25), x > 0.25 ? 1 : 0),
    OP("c minimum", -inf, inf, minimum(0.25, x), std::fmin(x, 0.25), x < 0.25 ? 1 : 0),
    OP("clamp", -inf, inf, clamp(x, -0.5, 0.75), std::fmin(std::fmax(x, -0.5), 0.75), x >= -0.5 && x <= 0.75 ? 1 : 0),
};

/// An operation of two tensors.
struct Binary {
  std::string name;
  Variable<double> (*f)(Variable<double>, Variable<double>);
  Variable<float> (*f32)(Variable<float>, Variable<float>);
  double (*value)(double, double);
  double low, high;
};
#define OP2(name, low, high, f, value)                                                                              \
  {                                                                                                                 \
    name, [](Variable<double> a, Variable<double> b) { return f; },                                                 \
        [](Variable<float> a, Variable<float> b) { return f; }, [](double a, double b) { return value; }, low, high \
  }
const Binary binary_ops[] = {
    OP2("+", -3, 3, a + b, a + b),
    OP2("-", -3, 3, a - b, a - b),
    OP2("*", -3, 3, a* b, a* b),
    OP2("/", 0.5, 3, a / b, a / b),
    OP2("add", -3, 3, add(a, b), a + b),
    OP2("sub", -3, 3, sub(a, b), a - b),
    OP2("mul", -3, 3, mul(a, b), a* b),
    OP2("div", 0.5, 3, div(a, b), a / b),
    OP2("pow", 0.2, 3, pow(a, b), std::pow(a, b)),
    OP2("maximum", -3, 3, maximum(a, b), std::fmax(a, b)),
    OP2("minimum", -3, 3, minimum(a, b), std::fmin(a, b)),
};

/// |got - expected|: equal infinities and two NaN agree; results below the smallest normal number may be
/// zero.
template <class T>
bool close(T got, double expected, double tolerance) {
  const T e = static_cast<T>(expected);
  if (std::isnan(e)) return std::isnan(got);
  if (std::isinf(e)) return got == e;
  return std::fabs(double(got) - double(e)) <=
         tolerance * std::fabs(double(e)) + tolerance * 0.1 + 2 * double(std::numeric_limits<T>::min());
}

template <class T>
void check_unary(const Unary& op, Variable<T> (*f)(Variable<T>)) {
  CAPTURE(op.name);
  // The vectors' logarithm of a subnormal double is off in the third digit.
  const bool vector_log = op.name == "log" || op.name == "pow 0.5";
  const auto subnormal = [](double v) { return v != 0 && std::fabs(v) < std::numeric_limits<double>::min(); };
  std::vector<T> x;
  for (const double v : {0.0, 0.1, 0.2, 0.3, 1.0, 3.0, 7.3, 20.0, 30.0, 90.0, 300.0, 1e10, 1e30,
                         double(std::numeric_limits<T>::denorm_min()) * 3, double(std::numeric_limits<T>::min())})
    for (const double s : {v, -v})
      if (s >= op.low && s <= op.high && !(op.low == 0 && std::signbit(s)) && !(vector_log && subnormal(s)))
        x.push_back(static_cast<T>(s));
  Tape<T> tape;
  Recording step(tape);
  const auto in = input(x, {static_cast<Index>(x.size())}, requires_grad);
  const auto y = f(in);
  CHECK(y.shape() == in.shape());
  tape.backward(sum(y));
  const auto values = y.to_vector(), grads = in.grad_to_vector();
  const double tolerance = std::is_same_v<T, float> ? 1e-5 : 1e-13;
  for (std::size_t i = 0; i < x.size(); ++i) {
    CAPTURE(x[i]);
    CAPTURE(values[i]);
    CAPTURE(grads[i]);
    const double at = double(x[i]);
    CHECK(close(values[i], op.value(at), tolerance));
    CHECK(close(grads[i], op.slope(at), tolerance));
  }
}

}  // namespace

TEST_CASE("values and slopes are the standard library's, extremes included") {
  for (const Unary& op : unary_ops) {
    check_unary<double>(op, op.f);
    check_unary<float>(op, op.f32);
  }
}

TEST_CASE("functions of one tensor: gradients, slices, sizes, NaN") {
  const auto nan = std::numeric_limits<double>::quiet_NaN();
  for (const Unary& op : unary_ops) {
    CAPTURE(op.name);
    const double low = std::fmax(op.low + 0.1, -2), high = std::fmin(op.high, 2);
    const auto f = [&](const std::vector<Variable<double>>& x) { return op.f(x[0]); };
    CHECK(check_op(f, {test::uniform({3, 7}, 1, low, high)}));
    CHECK(check_op(f, {test::uniform({}, 2, low, high)}));
    CHECK(check_op([&](const auto& x) { return op.f(narrow(x[0], -1, 2, 3)); }, {test::uniform({4, 9}, 3, low, high)}));

    Tape<double> tape;
    const Evaluation scope(tape);
    CHECK(op.f(input(std::vector<double>{}, {0, 3})).shape() == Shape{0, 3});
    const double y = op.f(input(std::vector{nan}, {1})).item();
    if (op.name == "pow 0") {
      CHECK(y == 1);
    } else {
      CHECK(std::isnan(y));
    }
    CHECK_FALSE(op.f(input(std::vector{0.5}, {1})).requires_grad());
  }
}

TEST_CASE("functions of two tensors: values and gradients of every layout") {
  for (const Binary& op : binary_ops) {
    CAPTURE(op.name);
    const auto random = [&](const Shape& shape, std::uint64_t seed) {
      return test::uniform(shape, seed, op.low, op.high);
    };
    const auto a = random({2, 3, 5}, 1), b = random({2, 3, 5}, 2), vector = random({5}, 3), scalar = random({}, 4);
    struct Case {
      test::Input a, b;
    };
    for (const Case& c : {Case{a, b}, Case{a, vector}, Case{vector, b}, Case{a, scalar}, Case{scalar, b},
                          Case{vector, scalar}, Case{scalar, scalar}, Case{scalar, vector}}) {
      CAPTURE(c.a.shape.str());
      CAPTURE(c.b.shape.str());
      Tape<double> tape;
      Tape<float> tape32;
      const Evaluation scope(tape);
      const Evaluation scope32(tape32);
      const auto y = op.f(input(c.a.values, c.a.shape), input(c.b.values, c.b.shape));
      const std::vector<float> a32(c.a.values.begin(), c.a.values.end()), b32(c.b.values.begin(), c.b.values.end());
      const auto y32 = op.f32(input(a32, c.a.shape), input(b32, c.b.shape));
      CHECK(y.shape() == (c.a.shape.rank() >= c.b.shape.rank() ? c.a.shape : c.b.shape));
      const auto v = y.to_vector();
      const auto v32 = y32.to_vector();
      for (std::size_t i = 0; i < v.size(); ++i) {
        const std::size_t ia = i % c.a.values.size(), ib = i % c.b.values.size();
        CHECK(close(v[i], op.value(c.a.values[ia], c.b.values[ib]), 1e-13));
        CHECK(close(v32[i], op.value(double(a32[ia]), double(b32[ib])), 1e-5));
      }
      CHECK(check_op([&](const auto& x) { return op.f(x[0], x[1]); }, {c.a, c.b}));
    }
    CHECK(check_op([&](const auto& x) { return op.f(narrow(x[0], -1, 1, 3), narrow(x[1], -1, 4, 3)); },
                   {random({4, 5}, 5), random({4, 9}, 6)}));
    // Slices that overlap, of a base that is used beside them.
    CHECK(check_op(
        [&](const auto& x) {
          return op.f(op.f(narrow(x[0], -1, 0, 3), narrow(x[0], -1, 2, 3)),
                      op.f(narrow(x[0], -1, 1, 3), sum(x[0]) * 0.1));
        },
        {random({2, 5}, 7)}));
  }
}

TEST_CASE("one operand used twice") {
  for (const Binary& op : binary_ops) {
    if (op.name == "maximum" || op.name == "minimum") continue;  // kinks everywhere
    CAPTURE(op.name);
    CHECK(check_op([&](const auto& x) { return op.f(x[0], x[0]); }, {test::uniform({2, 5}, 1, op.low, op.high)}));
  }
}

TEST_CASE("slopes at kinks and ties") {
  Tape<double> tape;
  const auto slope = [&](auto f, double at) {
    Recording step(tape);
    const auto x = input(std::vector{at}, {1}, requires_grad);
    tape.backward(f(x));
    return x.grad_to_vector()[0];
  };
  CHECK(slope([](auto x) { return relu(x); }, 0) == 0);
  CHECK(slope([](auto x) { return abs(x); }, 0) == 0);
  CHECK(slope([](auto x) { return leaky_relu(x, 0.1); }, 0) == 0.1);
  CHECK(slope([](auto x) { return clamp(x, -1, 1); }, 1) == 1);
  CHECK(slope([](auto x) { return clamp(x, -1, 1); }, -1) == 1);
  CHECK(slope([](auto x) { return clamp(x, -1, 1); }, 1.5) == 0);
  CHECK(slope([](auto x) { return maximum(x, 2); }, 2) == 0.5);
  CHECK(slope([](auto x) { return minimum(2, x); }, 2) == 0.5);
  CHECK(slope([](auto x) { return maximum(x, x); }, 2) == 1);
  CHECK(slope([](auto x) { return pow(x, 0); }, 0) == 0);
  CHECK(slope([](auto x) { return pow(x, 0.5); }, 0) == inf);
  CHECK(slope([](auto x) { return sqrt(x); }, 0) == inf);
}

TEST_CASE("powers of tensors at zero, of negative numbers, gradients of both sides") {
  Tape<double> tape;
  const auto pair = [&](double at, double exponent) {
    Recording step(tape);
    const auto x = input(std::vector{at}, {1}, requires_grad), y = input(std::vector{exponent}, {1}, requires_grad);
    const auto z = pow(x, y);
    tape.backward(z);
    return std::vector{z.item(), x.grad_to_vector()[0], y.grad_to_vector()[0]};
  };
  CHECK(pair(0, 0) == std::vector<double>{1, 0, 0});
  CHECK(pair(0, 2) == std::vector<double>{0, 0, 0});
  CHECK(pair(0, 1) == std::vector<double>{0, 1, 0});
  CHECK(pair(0, -1)[0] == inf);
  CHECK(pair(-2, 3)[0] == doctest::Approx(-8));
  CHECK(pair(-2, 3)[1] == doctest::Approx(12));
  CHECK(std::isnan(pair(-2, 0.5)[0]));
}

TEST_CASE("parameters are operands, and their gradients add up") {
  Parameter<double> p(Shape{3}), frozen(Shape{3});
  const std::vector<double> values{1, 2, 3};
  std::ranges::copy(values, p.mutable_values().begin());
  std::ranges::copy(values, frozen.mutable_values().begin());
  frozen.freeze();
  Tape<double> tape;
  for (int round = 1; round <= 2; ++round) {
    Recording step(tape);
    const auto x = input(std::vector<double>{1, 1, 1, 2, 2, 2}, {2, 3});
    const auto y = x * p + square(p) + (1 - p) * frozen + p / 2;
    tape.backward(sum(y));
    for (std::size_t i = 0; i < 3; ++i)
      CHECK(p.grads()[i] == doctest::Approx(round * (3 + 2 * (2 * values[i] - values[i] + 0.5))));
  }
  CHECK_FALSE(frozen.has_grad());
}

TEST_CASE("compound assignment sets the handle to a new tensor") {
  Tape<float> tape;
  Recording step(tape);
  const auto x = input(std::vector<float>{1, 2}, {2}, requires_grad);
  auto y = x;
  y += x;
  y *= 3;
  y -= 1;
  y /= x;
  CHECK(y.to_vector() == std::vector<float>{5, 5.5f});
  CHECK(x.to_vector() == std::vector<float>{1, 2});
}

TEST_CASE("plain numbers keep their functions beside using namespace std") {
  using namespace std;
  CHECK(exp(0.0) + tanh(0.0f) + log(1.0) + sqrt(4.0) + abs(-1.0) + max(1.0, 2.0) == 6.0);
  CHECK(abs(-3) == 3);
}

TEST_CASE("errors name the operation") {
  Tape<float> tape;
  {
    Recording step(tape);
    const auto a = input(std::vector<float>(6), {2, 3}), b = input(std::vector<float>(2), {2});
    CHECK_THROWS_WITH_AS(a * b,
                         "[mul] operands (2,3), (2) do not fit; expected one shape for all, vectors of its last "
                         "dimension, or scalars ()",
                         ShapeError);
    CHECK_THROWS_WITH_AS(pow(b, a),
                         "[pow] operands (2), (2,3) do not fit; expected one shape for all, vectors of its last "
                         "dimension, or scalars ()",
                         ShapeError);
    CHECK_THROWS_WITH_AS(clamp(a, 1, -1), "[clamp] bounds 1.000000 and -1.000000; expected low <= high", ValueError);
  }
  const Variable<float> none;
  CHECK_THROWS_AS(tanh(none), EmptyVariableError);
  Variable<float> stale;
  {
    const Evaluation scope(tape);
    stale = zeros<float>({2});
  }
  CHECK_THROWS_AS(-stale, NoScopeError);
}
