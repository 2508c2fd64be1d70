// Every loss against a naive reference in long double, and its gradient against differences: all reductions,
// weights, class counts on both sides of every register width, slices with rows apart, extremes.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "op_check.hpp"
#include "unroll/core/tape.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/losses.hpp"

using namespace unroll;
using test::check_op;
using test::normal;
using test::uniform;

namespace {

using Vars = std::vector<Variable<double>>;
using Reference = std::vector<long double>;
constexpr double inf = std::numeric_limits<double>::infinity();

/// Columns from .. from + cols of a (rows, n) tensor as they lie.
template <class T>
Variable<T> columns(Variable<T> x, Index from, Index cols) {
  detail::Op<T> op("columns");
  detail::Node<T>* n = op.use(x);
  return op.view(n, n->value + from, n->shape.with(-1, cols), n->row_stride);
}

std::vector<Index> classes(Index n, Index c, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<Index> t(static_cast<std::size_t>(n));
  for (Index& i : t) i = rng.integer(c);
  return t;
}

template <class T>
std::vector<T> cast(const std::vector<double>& x) {
  return {x.begin(), x.end()};
}

/// The loss of one row for the distribution u (already weighted): - sum_c u_c log softmax(x)_c.
template <class T>
long double row_loss(const T* x, const std::vector<long double>& u) {
  long double m = -inf, s = 0, loss = 0;
  for (std::size_t c = 0; c < u.size(); ++c) m = std::max<long double>(m, x[c]);
  for (std::size_t c = 0; c < u.size(); ++c) s += std::exp(static_cast<long double>(x[c]) - m);
  for (std::size_t c = 0; c < u.size(); ++c)
    if (u[c] != 0) loss += u[c] * (std::log(s) - (x[c] - m));
  return loss;
}

template <class T>
void check_close(const std::vector<T>& got, const Reference& want, double tolerance) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    INFO(i, ": ", got[i], " for ", static_cast<double>(want[i]));
    CHECK(std::abs(static_cast<long double>(got[i]) - want[i]) <=
          tolerance * (1 + std::abs(static_cast<double>(want[i]))));
  }
}

}  // namespace

TEST_CASE_TEMPLATE("softmax cross-entropy: every class count, value and gradient, adjoint fresh or not", T,
                   float, double) {
  const double tolerance = std::is_same_v<T, float> ? 2e-6 : 1e-14;
  for (const Index c : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 65, 100, 300, 1023}) {
    CAPTURE(c);
    const Index n = 19;
    const auto x = cast<T>(normal(Shape{n, c}, 3, 3).values);
    const auto t = classes(n, c, 5);
    for (const bool again : {false, true}) {
      Tape<T> tape;
      Recording<T> step(tape);
      auto vx = input(x, Shape{n, c}, requires_grad);
      auto loss = softmax_cross_entropy(vx, t);
      Reference want, grad;
      long double sum = 0;
      for (Index r = 0; r < n; ++r) {
        std::vector<long double> u(static_cast<std::size_t>(c));
        u[static_cast<std::size_t>(t[static_cast<std::size_t>(r)])] = 1;
        const T* row = x.data() + r * c;
        sum += row_loss(row, u);
        for (Index k = 0; k < c; ++k) {
          long double p = 0;
          for (Index j = 0; j < c; ++j) p += std::exp(static_cast<long double>(row[j]) - row[k]);
          grad.push_back((1 / p - u[static_cast<std::size_t>(k)]) / n * (again ? 2 : 1));
        }
      }
      check_close(std::vector<T>{loss.item()}, {sum / n}, tolerance);
      if (again) {  // the adjoint of vx holds something when the first loss's turn comes
        auto both = softmax_cross_entropy(vx, t);
        detail::Op<T> op("test");
        detail::Node<T>*a = op.use(loss), *b = op.use(both);
        tape.backward(op.done(op.result(Shape{}), [=](const T* d) {
          *a->touch_add() += *d;
          *b->touch_add() += *d;
        }));
      } else {
        tape.backward(loss);
      }
      check_close(vx.grad_to_vector(), grad, tolerance);
    }
  }
}

TEST_CASE("softmax cross-entropy: gradients by differences, all options") {
  const std::vector<double> v = {0.5, 2, 1, 0, 3}, w = {1, 0.25, 3, 0, 2, 1.5};
  const std::vector<Index> t = {0, 4, 3, 2, 1, 1};
  for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none}) {
    CAPTURE(static_cast<int>(reduction));
    for (int variant = 0; variant < 16; ++variant) {
      CAPTURE(variant);
      CrossEntropyOptions<double> o{.reduction = reduction};
      if (variant & 1) o.class_weights = v;
      if (variant & 2) o.weights = w;
      if (variant & 4) o.label_smoothing = 0.3;
      auto soft = o;
      if (variant & 8) o.ignore_index = 1;
      CHECK(check_op([&](const Vars& x) { return softmax_cross_entropy(x[0], t, o); },
                     {normal(Shape{2, 3, 5}, 1, 2)}));
      CHECK(check_op([&](const Vars& x) { return softmax_cross_entropy(columns(x[0], 2, 5), t, o); },
                     {normal(Shape{6, 9}, 2, 2)}));
      CHECK(check_op([&](const Vars& x) { return softmax_cross_entropy(x[0], x[1], soft); },
                     {normal(Shape{6, 5}, 1, 2), uniform(Shape{6, 5}, 4, 0.1, 1)}));
    }
  }
  // One row of rank 1, many classes, and both operands the same.
  CHECK(check_op([&](const Vars& x) { return softmax_cross_entropy(x[0], std::vector<Index>{37}); },
                 {normal(Shape{70}, 8)}));
  CHECK(
      check_op([&](const Vars& x) { return softmax_cross_entropy(x[0], x[0]); }, {normal(Shape{3, 20}, 9)}));
  CHECK(check_op(
      [&](const Vars& x) { return softmax_cross_entropy(columns(x[0], 0, 20), columns(x[0], 3, 20)); },
      {normal(Shape{3, 40}, 9)}));
}

TEST_CASE("softmax cross-entropy: values of the options") {
  const std::vector<double> x = normal(Shape{4, 3}, 6, 2).values, v = {0.5, 2, 1}, w = {1, 2, 0.5, 3};
  const std::vector<std::int32_t> t = {2, 0, -100, 1};
  Tape<double> tape;
  Recording<double> step(tape);
  auto vx = input(x, Shape{4, 3});
  const auto row = [&](int r, double keep, double spread, bool weighted) {
    std::vector<long double> u(3);
    for (std::size_t c = 0; c < 3; ++c)
      u[c] = (weighted ? v[c] : 1) *
             (spread + (static_cast<std::int32_t>(c) == t[static_cast<std::size_t>(r)] ? keep : 0));
    return row_loss(x.data() + 3 * r, u);
  };
  const auto close = [](Variable<double> y, Reference want) { check_close(y.to_vector(), want, 1e-14); };
  close(softmax_cross_entropy(vx, t, {.ignore_index = -100}),
        {(row(0, 1, 0, false) + row(1, 1, 0, false) + row(3, 1, 0, false)) / 3});
  close(softmax_cross_entropy(vx, t, {.reduction = Reduction::none, .ignore_index = -100}),
        {row(0, 1, 0, false), row(1, 1, 0, false), 0, row(3, 1, 0, false)});
  // PyTorch's weighted mean: divided by the weights that were used.
  close(softmax_cross_entropy(vx, t, {.ignore_index = -100, .class_weights = v}),
        {(row(0, 1, 0, true) + row(1, 1, 0, true) + row(3, 1, 0, true)) / (1 + 0.5 + 2)});
  close(softmax_cross_entropy(vx, t, {.ignore_index = -100, .class_weights = v, .label_smoothing = 0.3}),
        {(row(0, 0.7, 0.1, true) + row(1, 0.7, 0.1, true) + row(3, 0.7, 0.1, true)) / (1 + 0.5 + 2)});
  close(softmax_cross_entropy(vx, t, {.ignore_index = -100, .weights = w}),
        {(row(0, 1, 0, false) + 2 * row(1, 1, 0, false) + 3 * row(3, 1, 0, false)) / 3});
  close(softmax_cross_entropy(vx, t, {.ignore_index = -100, .denominator = 20}),
        {(row(0, 1, 0, false) + row(1, 1, 0, false) + row(3, 1, 0, false)) / 20});
  // A one-hot distribution is the integer target, and its mean divides by all rows.
  const std::vector<double> q = {0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0};
  const std::vector<Index> same = {2, 0, 1, 1};
  CHECK(softmax_cross_entropy(vx, input(q, Shape{4, 3})).item() ==
        doctest::Approx(softmax_cross_entropy(vx, same).item()).epsilon(1e-14));
  CHECK(softmax_cross_entropy(vx, t, {.reduction = Reduction::none, .ignore_index = -100}).shape() ==
        Shape{4});
  Evaluation<double> eval(tape);
  auto y = softmax_cross_entropy(input(x, Shape{2, 2, 3}), same, {.reduction = Reduction::none});
  CHECK(y.shape() == Shape{2, 2});
  CHECK_FALSE(y.requires_grad());
}

TEST_CASE_TEMPLATE("softmax cross-entropy: extremes", T, float, double) {
  Tape<T> tape;
  const auto run = [&](std::vector<T> x, Index target) {
    Recording<T> step(tape);
    const Index c = static_cast<Index>(x.size());
    auto vx = input(x, Shape{1, c}, requires_grad);
    auto y = softmax_cross_entropy(vx, std::vector<Index>{target});
    tape.backward(y);
    std::vector<T> out = vx.grad_to_vector();
    out.insert(out.begin(), y.item());
    return out;
  };
  CHECK(run({10000, -10000, 0}, 0) == std::vector<T>{0, 0, 0, 0});
  CHECK(run({10000, -10000, 0}, 1) == std::vector<T>{20000, 1, -1, 0});
  CHECK(run({10000, 10000}, 1)[0] == doctest::Approx(std::log(2.0)).epsilon(1e-6));
  CHECK(run({-10000, -10000}, 1)[1] == doctest::Approx(0.5).epsilon(1e-6));
  const T minus = -std::numeric_limits<T>::infinity();
  CHECK(run({minus, 3, minus}, 1) == std::vector<T>{0, 0, 0, 0});
  CHECK(run({minus, 3}, 0)[0] == std::numeric_limits<T>::infinity());
  for (const Index n : {3, 40}) {  // NaN stays in its row and does not hide there
    std::vector<T> x(static_cast<std::size_t>(2 * n), T(1));
    x[2] = std::numeric_limits<T>::quiet_NaN();
    Recording<T> step(tape);
    auto vx = input(x, Shape{2, n}, requires_grad);
    const auto y =
        softmax_cross_entropy(vx, std::vector<Index>{0, 0}, {.reduction = Reduction::none}).to_vector();
    CHECK(std::isnan(y[0]));
    CHECK(y[1] == doctest::Approx(std::log(static_cast<double>(n))).epsilon(1e-6));
    const auto ignored = softmax_cross_entropy(vx, std::vector<Index>{-1, 0}, {.ignore_index = -1});
    CHECK(ignored.item() == doctest::Approx(std::log(static_cast<double>(n))).epsilon(1e-6));
    tape.backward(ignored);
    const auto g = vx.grad_to_vector();
    for (Index i = 0; i < n; ++i) CHECK(g[static_cast<std::size_t>(i)] == 0);
  }
  // A soft target of 0 on a class of logit -inf counts nothing.
  Recording<T> step(tape);
  const std::vector<T> x = {minus, 1, 1}, q = {0, T(0.5), T(0.5)};
  CHECK(softmax_cross_entropy(input(x, Shape{1, 3}), input(q, Shape{1, 3})).item() ==
        doctest::Approx(std::log(2.0)).epsilon(1e-6));
}

TEST_CASE("softmax cross-entropy: a hundred thousand classes") {
  const Index c = 100000;
  const auto x = cast<float>(normal(Shape{2, c}, 11).values);
  Tape<float> tape;
  Recording<float> step(tape);
  auto vx = input(x, Shape{2, c}, requires_grad);
  const std::vector<Index> t = {c - 1, 17};
  auto y = softmax_cross_entropy(vx, t);
  long double want = 0;
  for (Index r = 0; r < 2; ++r) {
    long double s = 0;
    for (Index k = 0; k < c; ++k)
      s += std::exp(static_cast<long double>(x[static_cast<std::size_t>(r * c + k)]));
    want += (std::log(s) - x[static_cast<std::size_t>(r * c + t[static_cast<std::size_t>(r)])]) / 2;
  }
  CHECK(y.item() == doctest::Approx(static_cast<double>(want)).epsilon(1e-6));
  tape.backward(y);
  double sum = 0;
  for (const float g : vx.grad_to_vector()) sum += static_cast<double>(g);
  CHECK(std::abs(sum) < 1e-5);
}

TEST_CASE("softmax cross-entropy: nothing counts, nothing there") {
  Tape<double> tape;
  const std::vector<Index> t = {-1, -1};
  for (const auto denominator :
       {std::optional<double>{}, std::optional<double>{0}, std::optional<double>{8}}) {
    Recording<double> step(tape);
    auto x = input(std::vector<double>{1, inf, 2, std::nan("")}, Shape{2, 2}, requires_grad);
    auto y = softmax_cross_entropy(x, t, {.ignore_index = -1, .denominator = denominator});
    CHECK(y.item() == 0);
    tape.backward(y);
    CHECK(x.grad_to_vector() == std::vector<double>{0, 0, 0, 0});
  }
  Recording<double> step(tape);
  auto x = input(std::vector<double>{}, Shape{0, 3}, requires_grad);
  auto y = softmax_cross_entropy(x, std::vector<Index>{});
  CHECK(y.item() == 0);
  CHECK(softmax_cross_entropy(x, std::vector<Index>{}, {.reduction = Reduction::none}).shape() == Shape{0});
  tape.backward(y);
}

TEST_CASE("softmax cross-entropy: shards with the batch's denominator add up to its loss") {
  const auto x = normal(Shape{5, 4}, 1).values;
  const std::vector<Index> t = {3, 1, 0, 2, 2};
  Tape<double> tape;
  Recording<double> step(tape);
  const auto part = [&](std::size_t from, std::size_t to) {
    return softmax_cross_entropy(input(std::span<const double>(x).subspan(4 * from, 4 * (to - from)),
                                       Shape{static_cast<Index>(to - from), 4}),
                                 std::span<const Index>(t).subspan(from, to - from), {.denominator = 5})
        .item();
  };
  CHECK(part(0, 2) + part(2, 5) == doctest::Approx(part(0, 5)).epsilon(1e-14));
  CHECK(part(0, 5) == softmax_cross_entropy(input(x, Shape{5, 4}), t).item());
}

TEST_CASE("softmax cross-entropy: errors") {
  Tape<double> tape;
  Recording<double> step(tape);
  auto x = input(std::vector<double>(12), Shape{2, 2, 3});
  const std::vector<Index> t = {0, 1, 3, 2};
  CHECK_THROWS_WITH_AS(softmax_cross_entropy(x, t),
                       "[softmax_cross_entropy] target at (1,0) is class 3, logits (2,2,3) take 0 .. 2",
                       ValueError);
  CHECK_THROWS_WITH_AS(softmax_cross_entropy(x, std::vector<Index>{0, -100, 0, 0}),
                       "[softmax_cross_entropy] target at (0,1) is class -100, logits (2,2,3) take 0 .. 2",
                       ValueError);
  CHECK_THROWS_WITH_AS(softmax_cross_entropy(x, std::vector<std::int32_t>{0, 1}),
                       "[softmax_cross_entropy] 2 targets for logits (2,2,3), which take 4", ShapeError);
  CHECK_THROWS_WITH_AS(softmax_cross_entropy(x, input(std::vector<double>(3), Shape{3})),
                       "[softmax_cross_entropy] targets (3) for logits (2,2,3), expected the same shape",
                       ShapeError);
  CHECK_THROWS_WITH_AS(softmax_cross_entropy(x, x, {.ignore_index = 1}),
                       "[softmax_cross_entropy] ignore_index with soft targets, expected integer targets",
                       ValueError);
  CHECK_THROWS_WITH_AS(softmax_cross_entropy(full<double>(Shape{}, 1), std::vector<Index>{0}),
                       "[softmax_cross_entropy] logits () have no classes, expected (...,C)", ShapeError);
  CHECK_THROWS_WITH_AS(softmax_cross_entropy(zeros<double>(Shape{1, 0}), std::vector<Index>{0}),
                       "[softmax_cross_entropy] logits (1,0) have no classes, expected at least one",
                       ShapeError);
  const std::vector<Index> good(4);
  const std::vector<double> two(2, 1.0);
  CHECK_THROWS_WITH_AS(softmax_cross_entropy(x, good, {.class_weights = two}),
                       "[softmax_cross_entropy] 2 class weights, expected 3", ShapeError);
  CHECK_THROWS_WITH_AS(softmax_cross_entropy(x, good, {.weights = two}),
                       "[softmax_cross_entropy] 2 weights, expected 4", ShapeError);
  CHECK_THROWS_WITH_AS(softmax_cross_entropy(x, good, {.label_smoothing = 1.5}),
                       "[softmax_cross_entropy] label_smoothing 1.500000, expected 0 .. 1", ValueError);
  CHECK_THROWS_WITH_AS(softmax_cross_entropy(x, good, {.denominator = -1}),
                       "[softmax_cross_entropy] denominator -1.000000; expected a positive number",
                       ValueError);
  CHECK_THROWS_WITH_AS(softmax_cross_entropy(x, good, {.reduction = Reduction::sum, .denominator = 2}),
                       "[softmax_cross_entropy] a denominator is given and the reduction is not mean; "
                       "expected a mean",
                       ValueError);
}

namespace {

/// One elementwise loss by its index, with every option.
struct Options {
  Reduction reduction = Reduction::mean;
  std::span<const double> weights = {};
  std::optional<double> denominator = {};
};
constexpr int losses = 7;

Variable<double> loss(int which, Variable<double> x, Variable<double> t, const Options& o) {
  static const std::vector<double> pos = {0.5, 3, 2, 0.1, 4};
  const LossOptions<double> plain{o.reduction, o.weights, o.denominator};
  switch (which) {
    case 0:
      return squared_error(x, t, plain);
    case 1:
      return absolute_error(x, t, plain);
    case 2:
      return huber_error(
          x, t, {.delta = 0.7, .reduction = o.reduction, .weights = o.weights, .denominator = o.denominator});
    case 3:
      return binary_cross_entropy(x, t, plain);
    case 4:
      return binary_cross_entropy_with_logits(
          x, t, {.reduction = o.reduction, .weights = o.weights, .denominator = o.denominator});
    case 5:
      return binary_cross_entropy_with_logits(
          x, t,
          {.pos_weight = pos, .reduction = o.reduction, .weights = o.weights, .denominator = o.denominator});
    default:
      return binary_cross_entropy_with_logits(x, t,
                                              {.pos_weight = std::span<const double>(pos).first(1),
                                               .reduction = o.reduction,
                                               .weights = o.weights,
                                               .denominator = o.denominator});
  }
}

long double reference(int which, long double x, long double t, Index column) {
  const long double pos[] = {0.5L, 3, 2, 0.1L, 4}, d = x - t;
  const long double w = which == 5 ? pos[column] : which == 6 ? 0.5L : 1;
  switch (which) {
    case 0:
      return d * d;
    case 1:
      return std::abs(d);
    case 2:
      return std::abs(d) <= 0.7L ? d * d / 2 : 0.7L * (std::abs(d) - 0.35L);
    case 3:
      return -t * std::log(x) - (1 - t) * std::log1p(-x);
    default:
      return -w * t * -std::log1p(std::exp(-x)) + (1 - t) * std::log1p(std::exp(x));
  }
}

test::Input operand(int which, const Shape& shape) {
  return which == 3 ? uniform(shape, 21, 0.05, 0.95) : normal(shape, 22, 2);
}

}  // namespace

TEST_CASE("elementwise losses: values, every reduction, weights, denominator, rows apart") {
  const Shape shape{3, 4, 5};
  const auto w = uniform(shape, 30, 0, 2).values;
  for (int which = 0; which < losses; ++which) {
    CAPTURE(which);
    const auto x = operand(which, shape).values, t = uniform(shape, 23, 0, 1).values;
    for (const bool weighted : {false, true}) {
      const std::span<const double> weights =
          weighted ? std::span<const double>(w) : std::span<const double>();
      Reference want;
      long double sum = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        want.push_back((weighted ? w[i] : 1) * reference(which, x[i], t[i], static_cast<Index>(i % 5)));
        sum += want.back();
      }
      Tape<double> tape;
      Evaluation<double> scope(tape);
      const auto vx = input(x, shape), vt = input(t, shape);
      check_close(loss(which, vx, vt, {Reduction::none, weights}).to_vector(), want, 1e-14);
      CHECK(loss(which, vx, vt, {Reduction::none, weights}).shape() == shape);
      check_close(loss(which, vx, vt, {Reduction::sum, weights}).to_vector(), {sum}, 1e-14);
      check_close(loss(which, vx, vt, {Reduction::mean, weights}).to_vector(), {sum / 60}, 1e-14);
      check_close(loss(which, vx, vt, {Reduction::mean, weights, 7}).to_vector(), {sum / 7}, 1e-14);
    }
  }
}

TEST_CASE("elementwise losses: gradients by differences") {
  const auto w = uniform(Shape{6, 5}, 30, 0.1, 2).values;
  for (int which = 0; which < losses; ++which) {
    CAPTURE(which);
    for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none}) {
      for (const bool weighted : {false, true}) {
        const Options o{reduction, weighted ? std::span<const double>(w) : std::span<const double>()};
        CHECK(check_op([&](const Vars& x) { return loss(which, x[0], x[1], o); },
                       {operand(which, Shape{6, 5}), uniform(Shape{6, 5}, 24, 0.1, 0.9)}));
        CHECK(
            check_op([&](const Vars& x) { return loss(which, columns(x[0], 1, 5), columns(x[1], 3, 5), o); },
                     {operand(which, Shape{6, 7}), uniform(Shape{6, 8}, 24, 0.1, 0.9)}));
      }
    }
    // Both operands from one tensor, wholly and overlapping.
    if (which > 2)
      CHECK(check_op([&](const Vars& x) { return loss(which, x[0], x[0], {}); },
                     {uniform(Shape{2, 5}, 3, 0.1, 0.9)}));
    CHECK(check_op([&](const Vars& x) { return loss(which, columns(x[0], 0, 5), columns(x[0], 2, 5), {}); },
                   {uniform(Shape{2, 8}, 3, 0.1, 0.9)}));
  }
}

TEST_CASE("a loss of one's own, counted by reduce_loss, is the built-in one") {
  const auto w = uniform(Shape{6, 5}, 30, 0.1, 2).values;
  for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none})
    for (const bool weighted : {false, true})
      for (const bool given : {false, true}) {
        LossOptions<double> o{.reduction = reduction};
        if (weighted) o.weights = w;
        if (given && reduction == Reduction::mean) o.denominator = 7;
        const auto own = [&](const Vars& x) { return reduce_loss(square(x[0] - x[1]), o); };
        CHECK(check_op(own, {uniform(Shape{6, 5}, 23, -1, 1), uniform(Shape{6, 5}, 24, -1, 1)}));
        Tape<double> tape;
        Recording<double> step(tape);
        const auto x = input(uniform(Shape{6, 5}, 23, -1, 1).values, Shape{6, 5}), t = full<double>(Shape{6, 5}, 0.5);
        const auto got = own({x, t}).to_vector(), want = squared_error(x, t, o).to_vector();
        REQUIRE(got.size() == want.size());
        for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == doctest::Approx(want[i]).epsilon(1e-14));
      }
  Tape<double> tape;
  Recording<double> step(tape);
  CHECK(reduce_loss(full<double>(Shape{0, 3}, 1)).item() == 0);
  CHECK_THROWS_WITH_AS(reduce_loss(full<double>(Shape{2, 3}, 1), {.weights = w}), "[reduce_loss] 30 weights, expected 6",
                       ShapeError);
  CHECK_THROWS_AS(reduce_loss(full<double>(Shape{2, 3}, 1), {.denominator = -1}), ValueError);
}

TEST_CASE("elementwise losses: extremes and kinks") {
  const auto at = [](int which, double x, double t, Reduction reduction = Reduction::mean) {
    Tape<double> tape;
    Recording<double> step(tape);
    auto vx = input(std::vector<double>{x}, Shape{1}, requires_grad);
    auto y = loss(which, vx, input(std::vector<double>{t}, Shape{1}), {reduction});
    tape.backward(y);
    return std::pair(y.to_vector()[0], vx.grad_to_vector()[0]);
  };
  using P = std::pair<double, double>;
  CHECK(at(1, 2, 2) == P(0, 0));
  CHECK(at(2, 2, 2) == P(0, 0));
  CHECK(at(2, 1e300, 0).second == 0.7);
  CHECK(at(4, 1e4, 0) == P(1e4, 1));
  CHECK(at(4, -1e4, 1) == P(1e4, -1));
  CHECK(at(4, 1e4, 1) == P(0, 0));
  CHECK(at(4, -50, 0).first == doctest::Approx(std::exp(-50.0)).epsilon(1e-14));
  CHECK(at(4, -50, 0).second == doctest::Approx(std::exp(-50.0)).epsilon(1e-14));
  CHECK(at(4, 50, 1).second == doctest::Approx(-std::exp(-50.0)).epsilon(1e-14));
  CHECK(at(3, 0, 1).first == 100);  // PyTorch's bounds
  CHECK(at(3, 1, 0).first == 100);
  CHECK(at(3, 0, 0).first == 0);
  CHECK(at(3, 0, 1).second == -1e12);
  CHECK(at(3, 0.25, 1).second == doctest::Approx(-4).epsilon(1e-14));
  CHECK(std::isnan(at(1, std::nan(""), 0).second));
  for (const int which : {4, 6})
    for (const double x : {-30.0, 30.0})
      for (const double t : {0.0, 1.0})
        CHECK(check_op([&](const Vars& v) { return loss(which, v[0], columns(v[1], 0, 1), {}); },
                       {test::Input{Shape{1, 1}, {x}}, test::Input{Shape{1, 1}, {t}}}, {.eps = 1e-2})
                  .tensors[0]
                  .verdict == Verdict::ok);
}

TEST_CASE_TEMPLATE("sums of many floats stay exact", T, float, double) {
  const Index n = 1 << 20;
  Tape<T> tape;
  Evaluation<T> scope(tape);
  CHECK(squared_error(full<T>(Shape{n}, T(0.1)), zeros<T>(Shape{n}), {.reduction = Reduction::sum}).item() ==
        doctest::Approx(static_cast<double>(n) * static_cast<double>(T(0.1) * T(0.1))).epsilon(1e-6));
}

TEST_CASE("root mean square error") {
  const auto w = uniform(Shape{4, 3}, 30, 0.1, 2).values;
  CHECK(check_op([&](const Vars& x) { return root_mean_square_error(x[0], x[1]); },
                 {normal(Shape{4, 3}, 1), normal(Shape{4, 3}, 2)}));
  CHECK(check_op(
      [&](const Vars& x) { return root_mean_square_error(x[0], x[1], {.weights = w, .denominator = 5}); },
      {normal(Shape{4, 3}, 1), normal(Shape{4, 3}, 2)}));
  Tape<double> tape;
  Recording<double> step(tape);
  auto x = input(std::vector<double>{3, 4}, Shape{2}, requires_grad);
  CHECK(root_mean_square_error(x, zeros<double>(Shape{2})).item() ==
        doctest::Approx(std::sqrt(12.5)).epsilon(1e-15));
  auto y = root_mean_square_error(x, stop_gradient(x));
  CHECK(y.item() == 0);
  tape.backward(y);
  CHECK(x.grad_to_vector() == std::vector<double>{0, 0});
  CHECK_THROWS_WITH_AS(root_mean_square_error(x, x, {.reduction = Reduction::sum}),
                       "[root_mean_square_error] the reduction is not mean; expected Reduction::mean",
                       ValueError);
}

TEST_CASE("elementwise losses: empty, and errors") {
  Tape<double> tape;
  Recording<double> step(tape);
  auto none = input(std::vector<double>{}, Shape{0, 3}, requires_grad);
  auto y = squared_error(none, none);
  CHECK(y.item() == 0);
  tape.backward(y);
  auto x = full<double>(Shape{2, 3}, 0.5);
  const std::vector<double> two(2, 1.0);
  CHECK_THROWS_WITH_AS(squared_error(x, full<double>(Shape{3, 2}, 1)),
                       "[squared_error] input (2,3), target (3,2), expected the same shape", ShapeError);
  CHECK_THROWS_WITH_AS(absolute_error(x, x, {.weights = two}), "[absolute_error] 2 weights, expected 6",
                       ShapeError);
  CHECK_THROWS_WITH_AS(huber_error(x, x, {.delta = 0}),
                       "[huber_error] delta 0.000000, expected a positive number", ValueError);
  CHECK_THROWS_WITH_AS(binary_cross_entropy_with_logits(x, x, {.pos_weight = two}),
                       "[binary_cross_entropy_with_logits] 2 pos_weights, expected 3", ShapeError);
  CHECK_THROWS_WITH_AS(binary_cross_entropy(input(std::vector<double>{0, 1, 0.5, 1.5}, Shape{2, 2}),
                                            full<double>(Shape{2, 2}, 1)),
                       "[binary_cross_entropy] probability 1.500000 at (1,1), expected 0 .. 1", ValueError);
  CHECK_THROWS_WITH_AS(squared_error(x, x, {.denominator = 0}),
                       "[squared_error] denominator 0.000000; expected a positive number", ValueError);
  CHECK_THROWS_AS(squared_error(x, x, {.reduction = Reduction::none, .denominator = 3}), ValueError);
}

TEST_CASE("a loss per element hands each its own adjoint; a frozen side costs nothing") {
  Tape<double> tape;
  Recording<double> step(tape);
  auto x = input(std::vector<double>{1, 2}, Shape{2}),
       t = input(std::vector<double>{0, 0}, Shape{2}, requires_grad);
  auto y = squared_error(x, t);
  CHECK(y.requires_grad());
  tape.backward(y);
  CHECK(t.grad_to_vector() == std::vector<double>{-1, -2});
  CHECK(x.grad_to_vector() == std::vector<double>{0, 0});
}
