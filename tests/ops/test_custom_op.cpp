// A user's own op with its own backward, in spans and in xtensor's syntax.

#include <doctest/doctest.h>

#include <cmath>

#include "unroll/ops/custom_xt.hpp"
#if __has_include(<xtensor/core/xmath.hpp>)
#include <xtensor/core/xmath.hpp>
#else
#include <xtensor/xmath.hpp>
#endif

#include "op_check.hpp"

using namespace unroll;
using test::check_op;
using test::normal;
using Vars = std::vector<Variable<double>>;

namespace {

template <class T>
Variable<T> softsign(Variable<T> x) {
  return custom_op(
      "softsign", x.shape(),
      [](auto y, auto x) {
        for (std::size_t i = 0; i < y.size(); ++i) y[i] = x[i] / (1 + std::abs(x[i]));
      },
      [](auto dy, auto, auto x, auto dx) {
        for (std::size_t i = 0; i < dx.size(); ++i)
          dx[i] += dy[i] / ((1 + std::abs(x[i])) * (1 + std::abs(x[i])));
      },
      x);
}

template <class T>
Variable<T> softsign_xt(Variable<T> x) {
  return custom_op_xt(
      "softsign", x.shape(), [](auto& y, const auto& x) { xt::noalias(y) = x / (1 + xt::abs(x)); },
      [](const auto& dy, const auto&, const auto& x, auto& dx) { dx += dy / xt::square(1 + xt::abs(x)); }, x);
}

// y = a b^2, by a factor in the capture.
template <class A, class B>
auto product(const A& a, const B& b, double factor = 1) {
  using T = ScalarOf<A>;
  return custom_op(
      "product", a.shape(),
      [factor](std::span<T> y, std::span<const T> a, std::span<const T> b) {
        for (std::size_t i = 0; i < y.size(); ++i) y[i] = a[i] * b[i] * b[i] * static_cast<T>(factor);
      },
      [factor](std::span<const T> dy, std::span<const T>, std::span<const T> a, std::span<const T> b,
               std::span<T> da, std::span<T> db) {
        for (std::size_t i = 0; i < da.size(); ++i) da[i] += dy[i] * b[i] * b[i] * static_cast<T>(factor);
        for (std::size_t i = 0; i < db.size(); ++i) db[i] += dy[i] * 2 * a[i] * b[i] * static_cast<T>(factor);
      },
      a, b);
}

auto product_xt(Variable<double> a, Variable<double> b) {
  return custom_op_xt(
      "product", a.shape(), [](auto& y, const auto& a, const auto& b) { xt::noalias(y) = a * b * b; },
      [](const auto& dy, const auto&, const auto& a, const auto& b, auto& da, auto& db) {
        da += dy * b * b;
        db += 2 * dy * a * b;
      },
      a, b);
}

Variable<double> columns(Variable<double> x, Index from, Index cols) { return narrow(x, -1, from, cols); }

}  // namespace

TEST_CASE("one input: softsign, in spans and in xtensor") {
  for (const Shape& shape : {Shape{}, Shape{5}, Shape{2, 3, 4}, Shape{0, 3}}) {
    CHECK(check_op([](const Vars& x) { return softsign(x[0]); }, {normal(shape, 1, 1, 0.1)}));
    CHECK(check_op([](const Vars& x) { return softsign_xt(x[0]); }, {normal(shape, 1, 1, 0.1)}));
  }
  CHECK(check_op([](const Vars& x) { return softsign(columns(x[0], 1, 3)); },
                 {normal(Shape{4, 5}, 1, 1, 0.1)}));
  CHECK(check_op([](const Vars& x) { return softsign_xt(columns(x[0], 1, 3)); },
                 {normal(Shape{4, 5}, 1, 1, 0.1)}));
  CHECK(
      check_op([](const Vars& x) { return softsign(softsign_xt(x[0])); }, {normal(Shape{4, 5}, 1, 1, 0.1)}));
  Tape<float> tape;
  Evaluation<float> eval(tape);
  auto x = input(std::vector<float>{-3, 1}, Shape{2});
  CHECK(softsign(x).to_vector() == std::vector<float>{-0.75f, 0.5f});
  CHECK(softsign_xt(x).to_vector() == std::vector<float>{-0.75f, 0.5f});
}

TEST_CASE("two inputs, one twice, one without a gradient, a Parameter, an output of another shape") {
  CHECK(check_op([](const Vars& x) { return product(x[0], x[1], 0.5); },
                 {normal(Shape{3, 4}, 1), normal(Shape{3, 4}, 2)}));
  CHECK(check_op([](const Vars& x) { return product_xt(x[0], x[1]); },
                 {normal(Shape{3, 4}, 1), normal(Shape{3, 4}, 2)}));
  CHECK(check_op([](const Vars& x) { return product(x[0], x[0]); }, {normal(Shape{3, 4}, 1)}));
  CHECK(check_op([](const Vars& x) { return product_xt(x[0], x[0]); }, {normal(Shape{3, 4}, 1)}));
  const auto half = [](auto op) {
    return [op](const Vars& x) { return op(full<double>(Shape{2, 2}, 3), x[0]); };
  };
  CHECK(check_op(half([](auto a, auto b) { return product(a, b); }), {normal(Shape{2, 2}, 2)}));
  CHECK(check_op(half([](auto a, auto b) { return product_xt(a, b); }), {normal(Shape{2, 2}, 2)}));
  CHECK(check_op(
      [](const Vars& x) {  // a sum of squares: (N) gives ()
        return custom_op(
            "energy", Shape{},
            [](auto y, auto x) {
              y[0] = 0;
              for (const double v : x) y[0] += v * v;
            },
            [](auto dy, auto, auto x, auto dx) {
              for (std::size_t i = 0; i < dx.size(); ++i) dx[i] += 2 * dy[0] * x[i];
            },
            x[0]);
      },
      {normal(Shape{6}, 2)}));

  Parameter<double> p(Shape{2});
  p.mutable_values()[0] = 3;
  p.mutable_values()[1] = 4;
  Tape<double> tape;
  for (int k = 1; k <= 2; ++k) {  // gradients collect
    Recording<double> step(tape);
    auto x = full<double>(Shape{2}, 5);
    tape.backward(columns(product(x, p), 1, 1));
    CHECK(p.grads()[0] == 0);
    CHECK(p.grads()[1] == k * 2 * 5 * 4);
  }
}

TEST_CASE("a wrong backward is found") {
  const auto wrong = [](const Vars& x) {
    return custom_op(
        "wrong", x[0].shape(), [](auto y, auto x) { y[0] = x[0] * x[0], y[1] = x[1]; },
        [](auto dy, auto, auto x, auto dx) { dx[0] += dy[0] * x[0], dx[1] += dy[1]; }, x[0]);
  };
  const GradcheckReport report = check_op(wrong, {normal(Shape{2}, 3, 1, 0.1)});
  CHECK(report.verdict() == Verdict::wrong);
  CHECK(report.worst()->worst_index == 0);
}

TEST_CASE("misuse names the op") {
  Variable<double> x;
  CHECK_THROWS_WITH_AS(softsign(input(std::vector<double>{1}, Shape{1})),
                       doctest::Contains("no scope is open"), NoScopeError);
  Tape<double> tape;
  Recording<double> step(tape);
  CHECK_THROWS_WITH_AS(custom_op(
                           "mine", Shape{1}, [](auto, auto) {}, [](auto, auto, auto, auto) {}, x),
                       doctest::Contains("[mine] "), EmptyVariableError);
}
