// Layer normalisation.

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "op_check.hpp"
#include "unroll/nn/check/gradcheck.hpp"
#include "unroll/nn/norm.hpp"
#include "unroll/nn/sequence.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/reduce.hpp"

using namespace unroll;
using test::check_op;
using test::normal;

TEST_CASE_TEMPLATE("layer_norm is PyTorch's formula, row by row", T, float, double) {
  Rng rng(1);
  std::vector<T> x(5 * 7), w(7), b(7);
  for (auto* v : {&x, &w, &b})
    for (T& e : *v) e = static_cast<T>(3 + 2 * rng.normal());
  Tape<T> tape;
  Evaluation<T> scope(tape);
  const auto y = layer_norm(input(x, Shape{5, 7}), input(w, Shape{7}), input(b, Shape{7})).to_vector();
  for (std::size_t r = 0; r < 5; ++r) {
    double mean = 0, variance = 0;
    for (std::size_t c = 0; c < 7; ++c) mean += static_cast<double>(x[r * 7 + c]) / 7;
    for (std::size_t c = 0; c < 7; ++c) variance += std::pow(static_cast<double>(x[r * 7 + c]) - mean, 2) / 7;
    for (std::size_t c = 0; c < 7; ++c) {
      const double expected =
          (static_cast<double>(x[r * 7 + c]) - mean) / std::sqrt(variance + 1e-5) * static_cast<double>(w[c]) +
          static_cast<double>(b[c]);
      CHECK(static_cast<double>(y[r * 7 + c]) == doctest::Approx(expected).epsilon(sizeof(T) == 4 ? 1e-5 : 1e-12));
    }
  }
}

TEST_CASE("layer_norm agrees with torch.nn.functional.layer_norm on a worked example") {
  // torch.nn.functional.layer_norm(torch.tensor([1., 2., 4., 9.]), (4,)): mean 4, variance 9.5.
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto y = layer_norm(input(std::vector<double>{1, 2, 4, 9}, Shape{4})).to_vector();
  const double s = std::sqrt(9.5 + 1e-5);
  CHECK(y[0] == doctest::Approx(-3 / s).epsilon(1e-14));
  CHECK(y[1] == doctest::Approx(-2 / s).epsilon(1e-14));
  CHECK(y[2] == doctest::Approx(0));
  CHECK(y[3] == doctest::Approx(5 / s).epsilon(1e-14));
}

TEST_CASE("the mean is taken out even where it is large beside the deviation") {
  Tape<float> tape;
  Evaluation<float> scope(tape);
  const auto y = layer_norm(input(std::vector<float>{10000, 10001, 10002}, Shape{3}), {}, {}, 0).to_vector();
  CHECK(y[0] == doctest::Approx(-std::sqrt(1.5)).epsilon(1e-5));
  CHECK(y[2] == doctest::Approx(std::sqrt(1.5)).epsilon(1e-5));
}

TEST_CASE("gradients of layer_norm: of all operands, of some, of slices and operands used twice") {
  const auto x = normal(Shape{3, 2, 5}, 1), w = normal(Shape{5}, 2), b = normal(Shape{5}, 3);
  CHECK(check_op([](auto v) { return layer_norm(v[0], v[1], v[2]); }, {x, w, b}));
  CHECK(check_op([](auto v) { return layer_norm(v[0]); }, {x}));
  CHECK(check_op([](auto v) { return layer_norm(v[0], v[1]); }, {x, w}));
  CHECK(check_op([](auto v) { return layer_norm(v[0], {}, v[1], 0.1); }, {x, b}));
  const auto constant = [](const test::Input& in) { return input(in.values, in.shape); };
  CHECK(check_op([=](auto v) { return layer_norm(constant(x), v[0], v[1]); }, {w, b}));
  CHECK(check_op([=](auto v) { return layer_norm(v[0], constant(w), v[1]); }, {x, b}));
  CHECK(check_op(
      [](auto v) {
        const auto [left, right] = chunk<2>(v[0]);
        return layer_norm(right, v[1], v[1]) + left;
      },
      {normal(Shape{4, 10}, 4), w}));
  CHECK(check_op([](auto v) { return layer_norm(v[0], v[1], v[2]) * v[0]; }, {x, w, b}));
  CHECK(check_op([](auto v) { return layer_norm(v[0], v[0]); }, {normal(Shape{5}, 6)}));
}

TEST_CASE("one feature gives the bias, none and no rows nothing, equal ones no infinity") {
  Tape<double> tape;
  Recording<double> scope(tape);
  const auto x = input(std::vector<double>{5, -2}, Shape{2, 1}, requires_grad);
  const auto y = layer_norm(x, input(std::vector<double>{3.0}, Shape{1}), input(std::vector<double>{0.5}, Shape{1}));
  CHECK(y.to_vector() == std::vector<double>{0.5, 0.5});
  CHECK(layer_norm(zeros<double>(Shape{0, 3})).shape() == Shape{0, 3});
  CHECK(layer_norm(zeros<double>(Shape{3, 0})).shape() == Shape{3, 0});
  CHECK(layer_norm(full(Shape{2, 3}, 4.0)).to_vector() == std::vector<double>(6, 0.0));
  tape.backward(sum(y));
  CHECK(x.grad_to_vector() == std::vector<double>{0, 0});
}

TEST_CASE("the layer: names, starting values, gradients, ragged batches") {
  LayerNorm<double> norm(4);
  CHECK(parameters(norm)[0].name == "weight");
  CHECK(parameters(norm)[1].name == "bias");
  CHECK(norm.weight.values()[3] == 1);
  CHECK(norm.bias.values()[3] == 0);
  CHECK(parameters(LayerNorm<double>(4, {.affine = false})).empty());
  CHECK(parameters(LayerNorm<double>(4, {.bias = false})).size() == 1);
  for (double& w : norm.weight.mutable_values()) w = 0.5;
  CHECK(gradcheck([&](auto x) { return norm(x); }, norm, check_input("x", Shape{3, 2, 4}, 5)));
  CHECK(gradcheck([&](auto x) { return norm(sequence(x, {3, 0, 1})); }, norm, check_input("x", Shape{3, 3, 4}, 5)));
}

TEST_CASE("misfits are errors") {
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto x = zeros<double>(Shape{2, 3});
  CHECK_THROWS_WITH_AS(layer_norm(x, zeros<double>(Shape{4})),
                       "[layer_norm] input (2,3) has 3 features, weight (4) takes 4", ShapeError);
  CHECK_THROWS_WITH_AS(layer_norm(x, {}, zeros<double>(Shape{2})),
                       "[layer_norm] input (2,3) has 3 features, bias (2) takes 2", ShapeError);
  CHECK_THROWS_WITH_AS(layer_norm(zeros<double>(Shape{})), "[layer_norm] input () is a scalar; expected (...,F)",
                       ShapeError);
  CHECK_THROWS_AS(layer_norm(x, {}, {}, -1), ValueError);
  CHECK_THROWS_WITH_AS(LayerNorm<double>(4)(x), "[LayerNorm] input (2,3); expected (...,4)", ShapeError);
  CHECK_THROWS_AS(LayerNorm<double>(0), ValueError);
}
