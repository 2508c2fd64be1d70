// linear and matmul: values against plain loops, gradients for every way an operand can lie in memory, and the weight
// gradient that waits for the other time steps.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "op_check.hpp"
#include "unroll/core/loop.hpp"
#include "unroll/nn/check/gradcheck.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/linear.hpp"

using namespace unroll;
using test::check_op;
using test::normal;
using Vars = std::vector<Variable<double>>;

namespace {

template <class T>
std::vector<T> random(const Shape& shape, std::uint64_t seed) {
  std::vector<T> v(static_cast<std::size_t>(shape.size()));
  Rng rng(seed);
  for (T& x : v) x = static_cast<T>(rng.normal());
  return v;
}

template <class T>
double distance(const std::vector<T>& a, const std::vector<T>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(double(a[i]) - double(b[i])));
  return worst;
}

/// Element (r, c) of a matrix of `cols` columns, or of its transpose.
template <class T>
T element(const std::vector<T>& m, std::size_t at, Index rows, Index cols, bool transposed, Index r, Index c) {
  return m[at + static_cast<std::size_t>(transposed ? c * rows + r : r * cols + c)];
}

template <class T>
Variable<T> columns(Variable<T> x, Index from, Index cols) {
  return narrow(x, -1, from, cols);
}

Parameter<double> parameter(const Shape& shape, std::uint64_t seed) {
  Parameter<double> p(shape);
  Rng rng(seed);
  for (double& v : p.mutable_values()) v = rng.normal();
  return p;
}

std::vector<double> gradient(const Parameter<double>& p) { return {p.grads().begin(), p.grads().end()}; }

}  // namespace

TEST_CASE_TEMPLATE("linear: values against plain loops, every rank and size", T, float, double) {
  Tape<T> tape;
  const double tolerance = std::is_same_v<T, float> ? 2e-5 : 1e-13;
  for (const bool recording : {true, false})
    for (const Shape& shape : {Shape{3}, Shape{1, 1}, Shape{2, 5}, Shape{0, 4}, Shape{4, 0}, Shape{17, 33},
                               Shape{60, 7}, Shape{2, 3, 5}, Shape{2, 1, 3, 4}})
      for (const Index out : {Index{0}, Index{1}, Index{4}, Index{31}})
        for (const bool with_bias : {true, false}) {
          const Index in = shape.cols(), rows = shape.rows();
          const auto x = random<T>(shape, 1), w = random<T>(Shape{out, in}, 2), b = random<T>(Shape{out}, 3);
          std::vector<T> want;
          for (Index r = 0; r < rows; ++r)
            for (Index o = 0; o < out; ++o) {
              double sum = with_bias ? double(b[static_cast<std::size_t>(o)]) : 0;
              for (Index i = 0; i < in; ++i)
                sum +=
                    double(x[static_cast<std::size_t>(r * in + i)]) * double(w[static_cast<std::size_t>(o * in + i)]);
              want.push_back(static_cast<T>(sum));
            }
          const auto look = [&] {
            // Twice: from the second use on a Recording may multiply with a transposed copy of the weight.
            Parameter<T> weight(Shape{out, in});
            std::ranges::copy(w, weight.mutable_values().begin());
            for (int again = 0; again < 3; ++again) {
              const Variable<T> y = linear(input(x, shape), again == 2 ? input(w, Shape{out, in}) : use(weight),
                                           with_bias ? input(b, Shape{out}) : Variable<T>());
              CHECK(y.shape() == shape.with(-1, out));
              CHECK(distance(y.to_vector(), want) <= tolerance);
            }
          };
          if (recording) {
            Recording<T> scope(tape);
            look();
          } else {
            Evaluation<T> scope(tape);
            look();
          }
        }
}

TEST_CASE_TEMPLATE("matmul: values against plain loops, transposed and in batches", T, float, double) {
  Tape<T> tape;
  Evaluation<T> scope(tape);
  const double tolerance = std::is_same_v<T, float> ? 2e-5 : 1e-13;
  for (const bool ta : {false, true})
    for (const bool tb : {false, true})
      for (const Index batch : {-1, 0, 1, 3})
        for (const auto& [m, n, k] : std::vector<std::array<Index, 3>>{
                 {2, 3, 4}, {1, 1, 1}, {5, 1, 7}, {1, 6, 2}, {0, 3, 2}, {2, 0, 3}, {2, 3, 0}, {19, 33, 18}}) {
          const auto shape = [&](Index r, Index c) { return batch < 0 ? Shape{r, c} : Shape{batch, r, c}; };
          const Shape sa = ta ? shape(k, m) : shape(m, k), sb = tb ? shape(n, k) : shape(k, n);
          const auto a = random<T>(sa, 1), b = random<T>(sb, 2);
          std::vector<T> want;
          for (Index s = 0; s < (batch < 0 ? 1 : batch); ++s)
            for (Index i = 0; i < m; ++i)
              for (Index j = 0; j < n; ++j) {
                double sum = 0;
                for (Index l = 0; l < k; ++l)
                  sum += double(element(a, static_cast<std::size_t>(s * m * k), m, k, ta, i, l)) *
                         double(element(b, static_cast<std::size_t>(s * k * n), k, n, tb, l, j));
                want.push_back(static_cast<T>(sum));
              }
          const Variable<T> c = matmul(input(a, sa), input(b, sb), {.transpose_a = ta, .transpose_b = tb});
          CHECK(c.shape() == shape(m, n));
          CHECK(distance(c.to_vector(), want) <= tolerance);
        }
}

TEST_CASE("linear: gradients, operands as they may lie") {
  const auto with_bias = [](const Vars& v) { return linear(v[0], v[1], v[2]); };
  const auto without = [](const Vars& v) { return linear(v[0], v[1]); };
  for (const Shape& x :
       {Shape{2, 3}, Shape{3}, Shape{1, 3}, Shape{20, 3}, Shape{2, 2, 3}, Shape{1, 2, 2, 3}, Shape{0, 3}}) {
    CHECK(check_op(with_bias, {normal(x, 1), normal(Shape{4, 3}, 2), normal(Shape{4}, 3)}));
    CHECK(check_op(without, {normal(x, 1), normal(Shape{4, 3}, 2)}));
  }
  CHECK(check_op(without, {normal(Shape{2, 1}, 1), normal(Shape{1, 1}, 2)}));
  CHECK(check_op(with_bias, {normal(Shape{2, 0}, 1), normal(Shape{4, 0}, 2), normal(Shape{4}, 3)}));
  // Slices with rows apart: input, weight, both of one tensor.
  CHECK(check_op([](const Vars& v) { return linear(columns(v[0], 2, 3), v[1]); },
                 {normal(Shape{4, 7}, 1), normal(Shape{4, 3}, 2)}));
  CHECK(check_op([](const Vars& v) { return linear(v[0], columns(v[1], 1, 3), v[2]); },
                 {normal(Shape{4, 3}, 1), normal(Shape{5, 6}, 2), normal(Shape{5}, 3)}));
  CHECK(check_op([](const Vars& v) { return linear(columns(v[0], 0, 3), columns(v[0], 2, 3)); },
                 {normal(Shape{4, 5}, 1)}));
  CHECK(check_op([](const Vars& v) { return linear(at(v[0], 1), narrow(v[1], 0, 1, 3)); },
                 {normal(Shape{3, 4, 2}, 1), normal(Shape{5, 2}, 2)}));
  // One tensor as input and weight, as weight and (a row of it) bias, and used beside.
  CHECK(check_op([](const Vars& v) { return linear(v[0], v[0]); }, {normal(Shape{3, 4}, 1)}));
  CHECK(check_op([](const Vars& v) { return linear(v[0], v[1], at(v[1], 0)); },
                 {normal(Shape{2, 3}, 1), normal(Shape{3, 3}, 2)}));
  CHECK(check_op([](const Vars& v) { return linear(linear(v[0], v[1]), v[1]) + v[0]; },
                 {normal(Shape{2, 3}, 1), normal(Shape{3, 3}, 2)}));
}

TEST_CASE("matmul: gradients, transposed, in batches, slices, one operand twice") {
  for (const bool ta : {false, true})
    for (const bool tb : {false, true}) {
      const MatmulOptions how{.transpose_a = ta, .transpose_b = tb};
      const auto f = [&](const Vars& v) { return matmul(v[0], v[1], how); };
      CHECK(check_op(f, {normal(ta ? Shape{3, 2} : Shape{2, 3}, 1), normal(tb ? Shape{4, 3} : Shape{3, 4}, 2)}));
      CHECK(check_op(
          f, {normal(ta ? Shape{2, 3, 2} : Shape{2, 2, 3}, 1), normal(tb ? Shape{2, 4, 3} : Shape{2, 3, 4}, 2)}));
      CHECK(check_op(f, {normal(ta ? Shape{3, 0} : Shape{0, 3}, 1), normal(tb ? Shape{4, 3} : Shape{3, 4}, 2)}));
      const auto slices = [&](const Vars& v) {
        return matmul(columns(v[0], 1, ta ? 2 : 3), columns(v[1], 2, tb ? 3 : 4), how);
      };
      CHECK(check_op(slices, {normal(ta ? Shape{3, 4} : Shape{2, 4}, 1), normal(tb ? Shape{4, 6} : Shape{3, 6}, 2)}));
      CHECK(check_op(
          slices, {normal(ta ? Shape{2, 3, 4} : Shape{2, 2, 4}, 1), normal(tb ? Shape{2, 4, 6} : Shape{2, 3, 6}, 2)}));
      CHECK(check_op([&](const Vars& v) { return matmul(v[0], v[0], how); }, {normal(Shape{3, 3}, 1)}));
      CHECK(check_op([&](const Vars& v) { return matmul(columns(v[0], 0, 3), columns(v[0], 1, 3), how); },
                     {normal(Shape{2, 3, 4}, 1)}));
    }
}

namespace {

struct Loops {
  Parameter<double> w = parameter(Shape{3, 3}, 1), b = parameter(Shape{3}, 2), b2 = parameter(Shape{3}, 3);
  using scalar = double;
  void each(auto&& visit) { visit("w", w), visit("b", b), visit("b2", b2); }
};

/// h_t = tanh(W h_{t-1} + b) over `steps` steps of `rows` rows, in a Loop or outside of one, and what `more` adds.
template <class More>
Variable<double> recur(Variable<double> h, Index steps, bool in_loop, bool reverse, const More& more) {
  Tape<double>& tape = *current_tape<double>;
  std::vector<Variable<double>> all(static_cast<std::size_t>(steps));
  const auto run = [&](Loop<double>* loop) {
    for (Index i = 0; i < steps; ++i) {
      const Index t = reverse ? steps - 1 - i : i;
      if (loop) loop->step(t * h.dim(0), h.dim(0));
      h = all[static_cast<std::size_t>(t)] = tanh(more(i, h));
    }
  };
  if (in_loop) {
    Loop<double> loop(tape, steps * h.dim(0));
    run(&loop);
  } else {
    run(nullptr);
  }
  return join<double>(all);
}

}  // namespace

TEST_CASE("the weight gradient that waits: in loops and outside, forwards and backwards, whatever the bias") {
  const Loops p;
  using Step = std::function<Variable<double>(Index, Variable<double>)>;
  const std::vector<std::pair<std::string, Step>> kinds = {
      {"no bias", [&](Index, auto h) { return linear(h, use(p.w)); }},
      {"one bias", [&](Index, auto h) { return linear(h, use(p.w), use(p.b)); }},
      {"two biases in turn", [&](Index i, auto h) { return linear(h, use(p.w), i % 2 ? use(p.b) : use(p.b2)); }},
      {"a bias only later",
       [&](Index i, auto h) { return i < 2 ? linear(h, use(p.w)) : linear(h, use(p.w), use(p.b)); }},
      {"a bias only at first",
       [&](Index i, auto h) { return i < 2 ? linear(h, use(p.w), use(p.b)) : linear(h, use(p.w)); }},
      {"a computed bias", [&](Index, auto h) { return linear(h, use(p.w), use(p.b) * use(p.b2)); }},
      {"the weight elsewhere", [&](Index, auto h) { return linear(h, use(p.w)) + matmul(h, use(p.w)) * use(p.b); }},
      {"twice a step", [&](Index, auto h) { return linear(linear(h, use(p.w), use(p.b)), use(p.w), use(p.b)); }},
      {"a row of the weight", [&](Index, auto h) { return linear(h, use(p.w), at(use(p.w), 1)); }},
      {"some steps left out", [&](Index i, auto h) { return i % 3 == 1 ? h * 0.5 : linear(h, use(p.w), use(p.b)); }},
      {"a constant input once",
       [&](Index i, auto h) { return linear(i == 2 ? full(h.shape(), 0.3) : h, use(p.w), use(p.b)); }},
      {"zeros once",
       [&](Index i, auto h) { return h + linear(i == 1 ? zeros<double>(h.shape()) : h, use(p.w), use(p.b)); }},
  };
  for (const auto& kind : kinds)
    for (const Index rows : {1, 2, 17})
      for (const bool in_loop : {true, false})
        for (const bool reverse : {false, true}) {
          CAPTURE(kind.first);
          CAPTURE(rows);
          CAPTURE(in_loop);
          CAPTURE(reverse);
          CHECK(gradcheck([&](auto h0) { return recur(h0, 4, in_loop, reverse, kind.second); }, p,
                          check_input("h0", Shape{rows, 3}, 5, 0.5)));
        }
}

TEST_CASE("waiting products add to a gradient from earlier Recordings, and start afresh after it is cleared") {
  Loops p;
  Tape<double> tape;
  const auto run = [&](Index rows) {
    Recording<double> scope(tape);
    const auto h = input(random<double>(Shape{rows, 3}, 7), Shape{rows, 3});
    const auto y = recur(h, 3, true, false, [&](Index, auto v) { return linear(v, use(p.w), use(p.b)); });
    tape.backward(detail::weighted_sum({y}));
  };
  for (const Index rows : {2, 20}) {
    p.w.clear_grad(), p.b.clear_grad();
    run(rows);
    const auto w = gradient(p.w), b = gradient(p.b);
    run(rows);
    for (std::size_t i = 0; i < w.size(); ++i) CHECK(gradient(p.w)[i] == doctest::Approx(2 * w[i]).epsilon(1e-14));
    for (std::size_t i = 0; i < b.size(); ++i) CHECK(gradient(p.b)[i] == doctest::Approx(2 * b[i]).epsilon(1e-14));
    p.w.clear_grad(), p.b.clear_grad();
    run(rows);
    CHECK(gradient(p.w) == w);
    CHECK(gradient(p.b) == b);
  }
}

TEST_CASE("frozen weights, frozen biases, inputs that want no gradient") {
  Loops p;
  Tape<double> tape;
  const auto run = [&] {
    Recording<double> scope(tape);
    const auto h = input(random<double>(Shape{2, 3}, 7), Shape{2, 3});
    const auto y = recur(h, 3, true, false, [&](Index, auto v) { return linear(v, use(p.w), use(p.b)); });
    tape.backward(detail::weighted_sum({y}));
    const auto result = std::pair(gradient(p.w), gradient(p.b));
    p.w.clear_grad(), p.b.clear_grad();
    return result;
  };
  const auto both = run();
  p.w.freeze();
  CHECK(distance(run().second, both.second) < 1e-14);
  CHECK_FALSE(p.w.has_grad());
  CHECK(run().first == std::vector<double>(9));
  p.w.freeze(false);
  p.b.freeze();
  CHECK(distance(run().first, both.first) < 1e-14);
  CHECK(run().second == std::vector<double>(3));
}

TEST_CASE("a weight changed between two Recordings is used as it is") {
  Loops p;
  Tape<double> tape;
  for (int i = 0; i < 3; ++i) {
    p.w.mutable_values()[4] += 1;
    Recording<double> scope(tape);
    const auto x = input(random<double>(Shape{4, 3}, 1), Shape{4, 3});
    const auto first = linear(x, use(p.w)).to_vector();
    CHECK(distance(first, linear(x, use(p.w)).to_vector()) < 1e-14);
    CHECK(distance(first, linear(x, use(p.w)).to_vector()) < 1e-14);
    p.w.mutable_values()[4] += 1;  // inside a Recording too
    CHECK(linear(x, use(p.w)).to_vector()[1] == doctest::Approx(first[1] + x.to_vector()[1]).epsilon(1e-13));
  }
}

TEST_CASE("zeros as an input: the bias alone") {
  Tape<double> tape;
  const Loops p;
  Recording<double> scope(tape);
  const auto z = zeros<double>(Shape{2, 3});
  CHECK(linear(z, use(p.w)).to_vector() == std::vector<double>(6));
  const auto y = linear(z, use(p.w), use(p.b)).to_vector();
  for (std::size_t i = 0; i < 6; ++i) CHECK(y[i] == p.b.values()[i % 3]);
  CHECK(linear(narrow(z, 0, 1, 1), use(p.w), use(p.b)).to_vector() ==
        std::vector<double>(p.b.values().begin(), p.b.values().end()));
  tape.backward(detail::weighted_sum({linear(z, use(p.w), use(p.b))}));
  CHECK(gradient(p.w) == std::vector<double>(9));
}

TEST_CASE("every error of linear and matmul") {
  Tape<double> tape;
  const auto make = [](std::initializer_list<Index> dims) { return full(Shape(dims), 1.0); };
  CHECK_THROWS_AS(linear(Variable<double>(), Variable<double>()), EmptyVariableError);
  Recording<double> scope(tape);
  CHECK_THROWS_WITH_AS(linear(make({2, 5}), make({3, 4})), "[linear] input (2,5) has 5 features, weight (3,4) takes 4",
                       ShapeError);
  CHECK_THROWS_WITH_AS(linear(make({}), make({3, 4})), "[linear] input () has 0 features, weight (3,4) takes 4",
                       ShapeError);
  CHECK_THROWS_WITH_AS(linear(make({2, 4}), make({4})), "[linear] weight (4) is not a matrix (outputs, inputs)",
                       ShapeError);
  CHECK_THROWS_WITH_AS(linear(make({2, 4}), make({3, 4}), make({4})),
                       "[linear] bias (4) does not fit weight (3,4), which makes 3 outputs", ShapeError);
  CHECK_THROWS_WITH_AS(linear(make({2, 4}), make({3, 4}), make({1, 3})),
                       "[linear] bias (1,3) does not fit weight (3,4), which makes 3 outputs", ShapeError);
  CHECK_THROWS_WITH_AS(matmul(make({2, 3}), make({4, 5})),
                       "[matmul] a (2,3) and b (4,5) do not fit: inner dimensions 3 and 4 differ", ShapeError);
  CHECK_THROWS_WITH_AS(matmul(make({2, 3}), make({3, 5}), {.transpose_a = true, .transpose_b = true}),
                       "[matmul] a (2,3) transposed and b (3,5) transposed do not fit: inner dimensions 2 and 5 differ",
                       ShapeError);
  CHECK_THROWS_WITH_AS(matmul(make({2, 3, 4}), make({3, 4, 5})),
                       "[matmul] a (2,3,4) and b (3,4,5) do not fit: batches of 2 and 3", ShapeError);
  for (const auto& [a, b] : {std::pair(make({3}), make({3, 4})), std::pair(make({2, 3}), make({2, 3, 4})),
                             std::pair(make({1, 2, 3, 4}), make({1, 2, 4, 3}))})
    CHECK_THROWS_WITH_AS(
        matmul(a, b),
        doctest::Contains("do not fit: expected two matrices, or two batches of matrices (S,M,K) and (S,K,N)"),
        ShapeError);
  Rng rng(1);
  CHECK_THROWS_WITH_AS(Linear<float>(0, 3, rng), "[Linear] input_size is 0; expected at least 1", ValueError);
  CHECK_THROWS_WITH_AS(Linear<float>(3, -2, rng), "[Linear] output_size is -2; expected at least 1", ValueError);
}

TEST_CASE("Linear: PyTorch's start, with and without bias") {
  Rng rng(1);
  const Linear<double> layer(400, 300, rng), plain(4, 3, rng, {.bias = false});
  CHECK(layer.weight.shape() == Shape{300, 400});
  double largest = 0, mean = 0;
  for (const double v : layer.weight.values()) largest = std::max(largest, std::abs(v)), mean += v / 120000;
  CHECK(largest <= 0.05);
  CHECK(largest > 0.0499);
  CHECK(std::abs(mean) < 5e-4);
  for (const double v : layer.bias.values()) CHECK(std::abs(v) <= 0.05);
  CHECK_FALSE(plain.bias.defined());
  CHECK(plain.input_size() == 4);
  CHECK(plain.output_size() == 3);
  CHECK(gradcheck(plain, check_input("x", Shape{2, 4}, 1)));
  CHECK(gradcheck(Linear<double>(4, 3, rng), check_input("x", Shape{2, 3, 4}, 1)));
}
