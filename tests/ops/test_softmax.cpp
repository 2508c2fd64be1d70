// Softmax and log-softmax against plain loops: axes, slices, widths up to a vocabulary's, masks, extremes.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "op_check.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/reduce.hpp"
#include "unroll/ops/softmax.hpp"

using namespace unroll;
using unroll::test::check_op;

namespace {

template <class T>
constexpr T none = -std::numeric_limits<T>::infinity();

/// Along `axis` by the definition, in double.
std::vector<double> reference(const std::vector<double>& x, const Shape& shape, int axis, bool log) {
  Index inner = 1;
  for (int i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
  const Index n = shape[axis];
  std::vector<double> y(x.size());
  for (Index first = 0; first < shape.size(); ++first) {
    if (first / inner % n != 0) continue;
    double total = 0;
    for (Index k = 0; k < n; ++k) total += std::exp(x[static_cast<std::size_t>(first + k * inner)]);
    for (Index k = 0; k < n; ++k) {
      const auto i = static_cast<std::size_t>(first + k * inner);
      y[i] = log ? x[i] - std::log(total) : std::exp(x[i]) / total;
    }
  }
  return y;
}

template <class T>
Variable<T> run(bool log, const Variable<T>& x, int axis) {
  return log ? log_softmax(x, axis) : softmax(x, axis);
}

}  // namespace

TEST_CASE_TEMPLATE("values along every axis, of slices too", T, float, double) {
  Tape<T> tape;
  for (const Shape& shape : {Shape{1}, Shape{7}, Shape{16}, Shape{33}, Shape{3, 5}, Shape{70, 3}, Shape{2, 3, 20},
                             Shape{2, 3, 4, 5}, Shape{4, 1, 1000}}) {
    CAPTURE(shape.str());
    for (const bool log : {false, true}) {
      for (int axis = 0; axis < shape.rank(); ++axis) {
        CAPTURE(axis);
        const test::Input wide = test::normal(shape.with(-1, shape[-1] + 3), 1, 3);
        const Evaluation scope(tape);
        const auto whole = input(std::vector<T>(wide.values.begin(), wide.values.end()), wide.shape);
        const auto slice = narrow(whole, -1, 2, shape[-1]);
        const auto values = slice.to_vector();
        const auto expected = reference({values.begin(), values.end()}, shape, axis, log);
        const auto y = run(log, slice, axis), of_copy = run(log, input(values, shape), axis - shape.rank());
        CHECK(y.shape() == shape);
        double worst = 0, worst_of_copy = 0;
        for (std::size_t i = 0; i < expected.size(); ++i) {
          worst = std::fmax(worst, std::fabs(double(y.to_vector()[i]) - expected[i]));
          worst_of_copy = std::fmax(worst_of_copy, std::fabs(double(of_copy.to_vector()[i]) - expected[i]));
        }
        CHECK(worst < (sizeof(T) == 4 ? 2e-6 : 1e-14));
        CHECK(worst_of_copy < (sizeof(T) == 4 ? 2e-6 : 1e-14));
      }
    }
  }
}

TEST_CASE("gradients along every axis, of slices, of an operand used elsewhere") {
  for (const bool log : {false, true}) {
    CAPTURE(log);
    for (const Shape& shape : {Shape{1}, Shape{5}, Shape{3, 19}, Shape{3, 4, 2}, Shape{2, 3, 2, 3}}) {
      CAPTURE(shape.str());
      for (int axis = 0; axis < shape.rank(); ++axis) {
        CAPTURE(axis);
        CHECK(check_op([&](const auto& x) { return run(log, x[0], axis); }, {test::normal(shape, 1)}));
        CHECK(check_op([&](const auto& x) { return run(log, narrow(x[0], -1, 1, shape[-1]), axis) + sum(x[0]); },
                       {test::normal(shape.with(-1, shape[-1] + 2), 2)}));
        CHECK(check_op([&](const auto& x) { return x[0] * run(log, x[0], axis) + run(log, x[0], axis); },
                       {test::normal(shape, 3, 2)}));
      }
    }
  }
}

TEST_CASE("a vocabulary of 100,000 in float") {
  const Index n = 100'000;
  Tape<float> tape;
  Recording step(tape);
  std::vector<float> x(static_cast<std::size_t>(2 * n));
  Rng(1).fill_normal(std::span<float>(x), 0.0, 2.0);
  const auto in = input(x, {2, n}, requires_grad);
  const auto p = softmax(in), l = log_softmax(in);
  const auto expected = reference({x.begin(), x.end()}, {2, n}, 1, true);
  double worst = 0, worst_log = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    worst = std::fmax(worst, std::fabs(double(p.values()[i]) / std::exp(expected[i]) - 1));
    worst_log = std::fmax(worst_log, std::fabs(double(l.values()[i]) - expected[i]));
  }
  CHECK(worst < 2e-6);
  CHECK(worst_log < 4e-6);
  CHECK(sum(p).item() == doctest::Approx(2).epsilon(1e-6));
  // Adding a number to every x changes nothing: the gradient of each row sums to 0.
  tape.backward(sum(narrow(l, -1, 7, 1)));
  double total = 0;
  for (const float g : in.grad_to_vector()) total += double(g);
  CHECK(std::fabs(total) < 1e-5);
}

TEST_CASE_TEMPLATE("masks and extremes, along rows and columns", T, float, double) {
  Tape<T> tape;
  for (const bool columns : {false, true}) {
    CAPTURE(columns);
    const auto check = [&](std::vector<T> x, std::vector<T> expected) {
      const auto n = static_cast<Index>(x.size());
      const Shape shape = columns ? Shape{n, 1} : Shape{n};
      for (const bool log : {false, true}) {
        CAPTURE(log);
        Recording step(tape);
        const auto in = input(x, shape, requires_grad);
        const auto y = run(log, in, 0);
        const auto values = y.to_vector();
        for (std::size_t i = 0; i < x.size(); ++i) {
          if (log && expected[i] > 0) CHECK(values[i] == doctest::Approx(std::log(expected[i])));
          if (log && expected[i] == 0) CHECK(values[i] < T(-100));
          if (!log) CHECK(values[i] == doctest::Approx(expected[i]));
        }
        // d y_0: y_0 (delta - y_j), and delta - softmax_j for the logarithm.
        tape.backward(sum(narrow(y, 0, 0, 1)));
        const auto grads = in.grad_to_vector();
        for (std::size_t j = 0; j < x.size(); ++j) {
          const T delta = j == 0 ? T(1) : T(0);
          CHECK(grads[j] == doctest::Approx((log ? T(1) : expected[0]) * (delta - expected[j])));
        }
      }
    };
    const T big = T(1e30), tiny = std::numeric_limits<T>::denorm_min();
    check({300, 300, -300}, {0.5, 0.5, 0});
    check({big, -big, 0}, {1, 0, 0});
    check({-big, -big}, {0.5, 0.5});
    check({0, tiny}, {0.5, 0.5});
    check({1, none<T>, 1, none<T>}, {0.5, 0, 0.5, 0});
    check({2, none<T>}, {1, 0});
    check({5}, {1});
  }
}

TEST_CASE_TEMPLATE("a row that is masked as a whole gives 0, and -inf for the logarithm", T, float, double) {
  Tape<T> tape;
  for (int axis = 0; axis < 2; ++axis) {
    Recording step(tape);
    std::vector<T> x{none<T>, none<T>, none<T>, none<T>};
    x[axis == 0 ? 1 : 2] = x[3] = 1;  // the other series is not masked
    const auto in = input(x, {2, 2}, requires_grad);
    const auto p = softmax(in, axis), l = log_softmax(in, axis);
    const std::size_t other = axis == 0 ? 2 : 1;
    CHECK(p.to_vector()[0] == 0);
    CHECK(p.to_vector()[other] == 0);
    CHECK(p.to_vector()[3] == T(0.5));
    CHECK(l.to_vector()[0] == none<T>);
    CHECK(l.to_vector()[other] == none<T>);
    CHECK(l.to_vector()[3] == doctest::Approx(std::log(0.5)));
    tape.backward(sum(square(p + 1)));
    const auto grads = in.grad_to_vector();
    CHECK(grads[0] == 0);
    CHECK(grads[other] == 0);
    CHECK(grads[3] == doctest::Approx(0.0));
  }
}

TEST_CASE("NaN makes its row NaN and no other") {
  Tape<float> tape;
  const Evaluation scope(tape);
  const auto y = softmax(input(std::vector<float>{1, NAN, 2, 3}, {2, 2})).to_vector();
  CHECK(std::isnan(y[0]));
  CHECK(std::isnan(y[1]));
  CHECK(y[2] + y[3] == doctest::Approx(1));
}

TEST_CASE("sizes of zero, errors, parameters") {
  Tape<double> tape;
  Recording step(tape);
  CHECK(softmax(zeros<double>({0, 3})).shape() == Shape{0, 3});
  CHECK(log_softmax(zeros<double>({3, 0})).shape() == Shape{3, 0});
  CHECK(softmax(zeros<double>({0, 3}), 0).shape() == Shape{0, 3});
  CHECK_THROWS_WITH_AS(softmax(zeros<double>({2, 3}), 2), "[softmax] axis 2 of an input (2,3); expected -2 to 1",
                       ShapeError);
  CHECK_THROWS_WITH_AS(log_softmax(zeros<double>({})), "[log_softmax] axis -1 of an input (); expected an input with at least one axis",
                       ShapeError);
  Parameter<double> p(Shape{3});
  tape.backward(sum(square(softmax(p) + 1)));
  CHECK(p.has_grad());
}
