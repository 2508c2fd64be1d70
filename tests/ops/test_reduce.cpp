// Reductions against plain loops, over every axis of every rank, of contiguous tensors and slices.

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

template <class T>
using AllForm = Variable<T> (*)(const Variable<T>&);
template <class T>
using AxisForm = Variable<T> (*)(const Variable<T>&, int, ReduceOptions);

struct Reduction {
  std::string name;
  AllForm<double> all;
  AxisForm<double> along;
  AllForm<float> all32;
  AxisForm<float> along32;
  double (*reference)(const std::vector<double>&);
};

#define REDUCTION(f) \
#f, [](const Variable<double>& x) { return f(x); },                                                       \
      [](const Variable<double>& x, int axis, ReduceOptions o) { return f(x, axis, o); },                   \
      [](const Variable<float>& x) { return f(x); },                                                        \
      [](const Variable<float>& x, int axis, ReduceOptions o) { return f(x, axis, o); }

double plain_sum(const std::vector<double>& x) {
  double s = 0;
  for (const double v : x) s += v;
  return s;
}

const Reduction reductions[] = {
    {REDUCTION(sum), plain_sum},
    {REDUCTION(mean), [](const std::vector<double>& x) { return plain_sum(x) / static_cast<double>(x.size()); }},
    {REDUCTION(unroll::max), [](const std::vector<double>& x) { return *std::ranges::max_element(x); }},
    {REDUCTION(unroll::min), [](const std::vector<double>& x) { return *std::ranges::min_element(x); }},
    {REDUCTION(logsumexp),
     [](const std::vector<double>& x) {
       double s = 0;
       for (const double v : x) s += std::exp(v);
       return std::log(s);
     }},
};

const Shape shapes[] = {{1}, {7}, {40}, {3, 5}, {5, 3}, {1, 70}, {70, 1}, {3, 4, 5}, {2, 3, 4, 5}, {2, 1, 3, 20}};

/// The numbers that meet along `axis`, for each place of the others in row-major order.
std::vector<std::vector<double>> series(const test::Input& x, int axis) {
  Index outer = 1, inner = 1;
  for (int i = 0; i < axis; ++i) outer *= x.shape[i];
  for (int i = axis + 1; i < x.shape.rank(); ++i) inner *= x.shape[i];
  std::vector<std::vector<double>> all;
  for (Index o = 0; o < outer; ++o)
    for (Index i = 0; i < inner; ++i) {
      all.emplace_back();
      for (Index k = 0; k < x.shape[axis]; ++k)
        all.back().push_back(x.values[static_cast<std::size_t>((o * x.shape[axis] + k) * inner + i)]);
    }
  return all;
}

/// `shape` with `extra` columns more, so that a slice of it has that shape and rows that are apart.
Shape wider(const Shape& shape) { return shape.with(-1, shape[-1] + 4); }

/// The middle of a wider tensor.
test::Input middle(const test::Input& wide) {
  test::Input x{wide.shape.with(-1, wide.shape[-1] - 4), {}};
  for (std::size_t i = 0; i < wide.values.size(); ++i) {
    const Index c = static_cast<Index>(i) % wide.shape[-1];
    if (c >= 1 && c < wide.shape[-1] - 3) x.values.push_back(wide.values[i]);
  }
  return x;
}
template <class T>
Variable<T> middle(const Variable<T>& wide) {
  return narrow(wide, -1, 1, wide.dim(-1) - 4);
}

std::vector<float> to_float(const std::vector<double>& x) { return {x.begin(), x.end()}; }

}  // namespace

TEST_CASE("values over every axis, of slices too") {
  Tape<double> tape;
  Tape<float> tape32;
  for (const Reduction& r : reductions) {
    CAPTURE(r.name);
    for (const Shape& shape : shapes) {
      CAPTURE(shape.str());
      const Evaluation scope(tape);
      const Evaluation scope32(tape32);
      const test::Input x = test::normal(shape, 1), wide = test::normal(wider(shape), 2), cut = middle(wide);
      const auto v = input(x.values, shape);
      const auto v32 = input(to_float(x.values), shape);
      const auto slice = middle(input(wide.values, wide.shape));
      CHECK(r.all(v).shape() == Shape{});
      CHECK(r.all(v).item() == doctest::Approx(r.reference(x.values)).epsilon(1e-12));
      CHECK(r.all(slice).item() == doctest::Approx(r.reference(cut.values)).epsilon(1e-12));
      CHECK(std::fabs(r.all32(v32).item() - r.reference(x.values)) < 1e-5);
      for (int axis = 0; axis < shape.rank(); ++axis) {
        CAPTURE(axis);
        const auto y = r.along(v, axis, {}), of_slice = r.along(slice, axis, {});
        const auto y32 = r.along32(v32, axis, {});
        CHECK(y.shape() == shape.without(axis));
        CHECK(r.along(v, axis - shape.rank(), {.keep_dims = true}).shape() == shape.with(axis, 1));
        const auto expected = series(x, axis), expected_cut = series(cut, axis);
        for (std::size_t i = 0; i < expected.size(); ++i) {
          CHECK(y.to_vector()[i] == doctest::Approx(r.reference(expected[i])).epsilon(1e-12));
          CHECK(of_slice.to_vector()[i] == doctest::Approx(r.reference(expected_cut[i])).epsilon(1e-12));
          CHECK(std::fabs(y32.to_vector()[i] - r.reference(expected[i])) < 1e-5);
        }
      }
    }
  }
}

TEST_CASE("gradients over every axis, of slices, of an operand used elsewhere") {
  for (const Reduction& r : reductions) {
    CAPTURE(r.name);
    for (const Shape& shape : {Shape{}, Shape{5}, Shape{3, 20}, Shape{3, 4, 2}, Shape{2, 3, 2, 3}}) {
      CAPTURE(shape.str());
      CHECK(check_op([&](const auto& x) { return r.all(x[0]); }, {test::normal(shape, 3)}));
      for (int axis = 0; axis < shape.rank(); ++axis) {
        CAPTURE(axis);
        CHECK(check_op([&](const auto& x) { return r.along(x[0], axis, {}); }, {test::normal(shape, 4)}));
        CHECK(check_op([&](const auto& x) { return r.along(middle(x[0]), axis, {.keep_dims = true}); },
                       {test::normal(wider(shape), 5)}));
        // Adjoints that are added: the operand has another use before and after.
        CHECK(check_op([&](const auto& x) { return sum(square(x[0])) + sum(r.along(x[0], axis, {})) * r.all(x[0]); },
                       {test::normal(shape, 6)}));
      }
      if (shape.rank() == 0) continue;
      CHECK(check_op([&](const auto& x) { return r.all(middle(x[0])) * sum(x[0]); }, {test::normal(wider(shape), 7)}));
    }
  }
}

TEST_CASE("float sums of many numbers") {
  Tape<float> tape;
  const Evaluation scope(tape);
  const auto ones = full<float>({20'000'000}, 1.0f);
  CHECK(sum(ones).item() == 2e7f);
  CHECK(mean(ones).item() == 1.0f);
  CHECK(sum(reshape(ones, {5'000'000, 4}), 0).to_vector() == std::vector<float>(4, 5e6f));
  CHECK(logsumexp(ones).item() == doctest::Approx(1 + std::log(2e7)).epsilon(1e-6));
}

TEST_CASE("max and min: the first of equals takes the gradient, NaN wins") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Tape<double> tape;
  Recording step(tape);
  const auto x = input(std::vector<double>{1, 3, 3, -2, 3, -2}, {2, 3}, requires_grad);
  const auto z = input(std::vector<double>{1, 3, 3, -2, 3, -2}, {2, 3}, requires_grad);
  const auto w = input(std::vector<double>{1, nan, nan, 7}, {4});
  CHECK(std::isnan(max(w).item()));
  CHECK(std::isnan(min(w).item()));
  CHECK(argmax(w) == 1);
  CHECK(std::isnan(max(reshape(w, {2, 2}), 0).to_vector()[0]));  // NaN last
  CHECK(std::isnan(max(reshape(w, {2, 2}), 0).to_vector()[1]));  // NaN first
  tape.backward(max(x) + 10 * min(x) + sum(max(z, 0) * input(std::vector<double>{1, 2, 3}, {3})));
  CHECK(x.grad_to_vector() == std::vector<double>{0, 1, 0, 10, 0, 0});
  CHECK(z.grad_to_vector() == std::vector<double>{1, 2, 3, 0, 0, 0});
}

TEST_CASE("argmax") {
  Tape<float> tape;
  const Evaluation scope(tape);
  const auto x = input(std::vector<float>{1, 5, 2, 9, 0, 9, -1, 7, 3, 3, 8, 2}, {3, 4});
  CHECK(argmax(x) == 3);
  CHECK(argmax(x, 0) == std::vector<Index>{2, 1, 2, 0});
  CHECK(argmax(x, -1) == std::vector<Index>{3, 1, 2});
  const auto slice = narrow(x, -1, 1, 2);
  CHECK(argmax(slice) == 2);
  CHECK(argmax(narrow(x, -1, 0, 2)) == 3);
  CHECK(argmax(slice, 0) == std::vector<Index>{1, 2});
  CHECK(argmax(slice, 1) == std::vector<Index>{0, 0, 1});
}

TEST_CASE_TEMPLATE("logsumexp at extremes", T, float, double) {
  Tape<T> tape;
  const auto check = [&](std::vector<T> x, T value, std::vector<T> grads) {
    CAPTURE(value);
    for (const bool columns : {false, true}) {
      Recording step(tape);
      const auto n = static_cast<Index>(x.size());
      const auto v = input(x, columns ? Shape{n, 1} : Shape{n}, requires_grad);
      const auto y = logsumexp(v, 0);
      CHECK((y.to_vector()[0] == value || y.to_vector()[0] == doctest::Approx(value)));
      tape.backward(y);
      for (std::size_t i = 0; i < x.size(); ++i) CHECK(v.grad_to_vector()[i] == doctest::Approx(grads[i]));
    }
  };
  const T big = T(1e30), none = -std::numeric_limits<T>::infinity();
  check({big, -big, 0}, big, {1, 0, 0});
  check({300, 300}, T(300 + std::log(2.0)), {0.5, 0.5});
  check({-300, -300}, T(-300 + std::log(2.0)), {0.5, 0.5});
  check({none, 2, none}, 2, {0, 1, 0});
  check({none, none}, none, {0, 0});
}

TEST_CASE("sizes of zero") {
  Tape<double> tape;
  Recording step(tape);
  const auto x = input(std::vector<double>{}, {0, 3}, requires_grad);
  CHECK(sum(x).item() == 0);
  CHECK(std::isnan(mean(x).item()));
  CHECK(logsumexp(x).item() == -inf);
  CHECK(sum(x, 0).to_vector() == std::vector<double>{0, 0, 0});
  CHECK(sum(x, 1).shape() == Shape{0});
  CHECK(max(x, 1).shape() == Shape{0});
  CHECK(argmax(x, 1).empty());
  CHECK_THROWS_WITH_AS(
      max(x), "[max] an operand of shape (0,3) has nothing to choose from; expected at least one element", ShapeError);
  CHECK_THROWS_WITH_AS(min(x, 0),
                       "[min] an operand of shape (0,3) has nothing to choose from; expected at least one element",
                       ShapeError);
  CHECK_THROWS_AS(argmax(x), ShapeError);
  tape.backward(sum(x) + sum(logsumexp(x, 0) * 0));
}

TEST_CASE("errors, parameters") {
  Tape<double> tape;
  Recording step(tape);
  const auto x = zeros<double>({2, 3});
  CHECK_THROWS_WITH_AS(sum(x, 2), "[sum] axis 2 of an input (2,3); expected -2 to 1", ShapeError);
  CHECK_THROWS_WITH_AS(mean(x, -3), "[mean] axis -3 of an input (2,3); expected -2 to 1", ShapeError);
  CHECK_THROWS_WITH_AS(logsumexp(sum(x), 0), "[logsumexp] axis 0 of an input (); expected an input with at least one axis", ShapeError);
  CHECK_THROWS_WITH_AS(argmax(x, 5), "[argmax] axis 5 of an input (2,3); expected -2 to 1", ShapeError);
  Parameter<double> p(Shape{3});
  tape.backward(sum(p) * 2 + mean(p));
  CHECK(p.grads()[1] == doctest::Approx(2 + 1.0 / 3));
}
