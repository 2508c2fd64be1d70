// xtensor at the rim. This file includes our header first; test_xt_order.cpp includes it last.

#include <doctest/doctest.h>

#include <memory>
#include <type_traits>

#include "unroll/core/xt.hpp"
#include "unroll/core/op.hpp"

#if __has_include(<xtensor/containers/xadapt.hpp>)
#include <xtensor/containers/xtensor.hpp>
#include <xtensor/core/xmath.hpp>
#include <xtensor/generators/xbuilder.hpp>
#include <xtensor/views/xview.hpp>
#else
#include <xtensor/xbuilder.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xtensor.hpp>
#include <xtensor/xview.hpp>
#endif

using namespace unroll;
using Array = xt::xarray<double>;

namespace {

Array affine(const Array& x) { return 2.0 * x + 1.0; }

template <class A>
std::vector<std::size_t> dims(const A& a) {
  return {a.shape().begin(), a.shape().end()};
}

using Dims = std::vector<std::size_t>;

// y = x exp(-x), written in xtensor syntax with its own backward.
Variable<double> bump(const Variable<double>& v) {
  detail::Op<double> op("bump");
  auto* x = op.use(v);
  auto* y = op.result(x->shape);
  const auto in = xt_view<const double>(x->value, x->shape);
  xt_view(y->value, y->shape) = in * xt::exp(-in);
  return op.done(y, [x](const double* dy) {
    const auto from = xt_view<const double>(x->value, x->shape);
    xt_view(x->touch_add(), x->shape) += xt_view(dy, x->shape) * (1.0 - from) * xt::exp(-from);
  });
}

}  // namespace

TEST_CASE("plain xarray arithmetic is right in a C++20 file") {
  const Array a{{1, 2, 3}, {4, 5, 6}}, b{10, 20, 30};
  static_assert(std::is_same_v<xt::temporary_type_t<decltype(a + b)>, Array>);
  static_assert(std::is_same_v<std::decay_t<decltype(xt::eval(a + b))>, Array>);

  Array c = a + b;
  CHECK(dims(c) == Dims{2, 3});
  CHECK(c(1, 2) == 36);
  c = c * 2.0 - a;  // reads what it writes: through a temporary
  CHECK(c(1, 2) == 66);
  c = b + c;  // mixed rank, into one of its operands
  CHECK(dims(c) == Dims{2, 3});
  CHECK(c(0, 0) == 31);
  c += a * b;
  CHECK(c(1, 1) == 20 + 2 * 25 - 5 + 100);
  c = b * 1.0;  // the rank changes
  CHECK(dims(c) == Dims{3});
  c = affine(affine(a));
  CHECK(dims(c) == Dims{2, 3});
  CHECK(c(1, 2) == 27);
  const auto d = xt::eval(xt::exp(a * 0.0) + b);
  CHECK(d(1, 2) == 31);
  CHECK(dims(d) == Dims{2, 3});
  Array five(xt::zeros<double>({1, 2, 1, 2, 1}));
  five = five + 1.0;
  CHECK(dims(five) == Dims{1, 2, 1, 2, 1});
  CHECK(five(0, 1, 0, 1, 0) == 1);
  Array e = a;
  xt::view(e, 0) = xt::view(e, 1) + b;
  CHECK(e(0, 0) == 14);
  const Array rows = xt::sum(a, {1});
  CHECK(rows(1) == 15);
  const Array whole = xt::where(a > 2.0, a, -a);
  CHECK(whole(0, 1) == -2);
  const Array s = b(0) * (a - b) / 10.0;
  CHECK(s(0, 0) == -9);
}

TEST_CASE("input takes any expression; value and grad come back as arrays") {
  Tape<double> tape;
  Recording step(tape);
  const Array a{{1, 2, 3}, {4, 5, 6}}, b{10, 20, 30};
  const auto x = input(a, requires_grad);
  static_assert(std::is_same_v<decltype(x), const Variable<double>>);
  CHECK(x.shape() == Shape{2, 3});
  CHECK(x.requires_grad());
  CHECK(x.value() == a);
  CHECK(input(a + b).value() == Array(a + b));
  CHECK_FALSE(input(a).requires_grad());
  CHECK(input(xt::transpose(a)).value() == Array(xt::transpose(a)));
  CHECK(input(xt::view(a, xt::all(), xt::range(1, 3))).to_vector() == std::vector<double>{2, 3, 5, 6});
  const xt::xarray<double, xt::layout_type::column_major> columns = a;
  CHECK(input(columns).to_vector() == x.to_vector());
  const xt::xtensor<double, 2> fixed = a;
  CHECK(input(fixed).value() == a);
  const Array scalar = 3.0;
  CHECK(input(scalar).shape() == Shape{});
  CHECK(input(scalar).item() == 3);
  CHECK(input(xt::zeros<double>({0, 4})).shape() == Shape{0, 4});
  CHECK(input(xt::ones<double>({2, 2})).to_vector() == std::vector<double>(4, 1));
  CHECK_THROWS_WITH_AS(input(xt::zeros<double>({1, 1, 1, 1, 1})),
                       "[input] expression has 5 dimensions; expected at most four", ShapeError);

  const auto y = bump(x);
  CHECK(xt::allclose(y.value(), a * xt::exp(-a)));
  detail::Op<double> op("sum");
  auto* node = op.use(y);
  auto* loss = op.result(Shape{});
  loss->value[0] = 0;
  tape.backward(op.done(loss, [=](const double*) { xt_view(node->touch_add(), node->shape) += 1.0; }));
  const Array g = x.grad();
  CHECK(dims(g) == Dims{2, 3});
  CHECK(xt::allclose(g, (1.0 - a) * xt::exp(-a)));
}

TEST_CASE("input<T> converts") {
  Tape<float> tape;
  CHECK_THROWS_AS(input(xt::xarray<float>{1, 2}), NoScopeError);
  Evaluation step(tape);
  const Array a{1.5, 2.5};
  const auto x = input<float>(a);
  static_assert(std::is_same_v<decltype(x), const Variable<float>>);
  CHECK(x.to_vector() == std::vector<float>{1.5f, 2.5f});
  const xt::xarray<int> whole{1, 2};
  CHECK(input<float>(whole).to_vector() == std::vector<float>{1, 2});
  CHECK(input<float>(a > 2.0).to_vector() == std::vector<float>{0, 1});
  CHECK(input<float>(whole + 1, requires_grad).value() == xt::xarray<float>{2, 3});
}

TEST_CASE("parameters") {
  Parameter<float> p(Shape{2, 3});
  const xt::xarray<float> v{{1, 2, 3}, {4, 5, 6}};
  const auto version = p.storage().version;
  assign(p, v);
  CHECK(p.storage().version > version);
  CHECK(value_of(p) == v);
  assign(p, value_of(p) * 2.f);
  CHECK(p.values()[5] == 12);
  assign(p, Array{{1, 0, 0}, {0, 1, 0}});
  CHECK(p.values()[4] == 1);
  CHECK(dims(grad_of(p)) == Dims{2, 3});
  CHECK(grad_of(p)(1, 1) == 0);
  p.mutable_grads()[4] = 7;
  CHECK(grad_of(p)(1, 1) == 7);
  CHECK_THROWS_WITH_AS(assign(p, xt::xarray<float>{1, 2, 3}),
                       "[assign] expression (3) to a parameter (2,3); expected one shape", ShapeError);
  CHECK(p.values()[4] == 1);
}

TEST_CASE("views of memory that belongs to others") {
  std::vector<float> memory{1, 2, 3, 4};
  auto m = xt_view(std::span<float>(memory), Shape{2, 2});
  m(0, 1) = 20;
  m += 1.f;
  m *= xt::xarray<float>{1, 10};
  CHECK(memory == std::vector<float>{2, 210, 4, 50});
  const auto c = xt_view(std::span<const float>(memory), Shape{2, 2});
  static_assert(std::is_same_v<decltype(c(0, 0)), const float&>);
  CHECK(c(1, 1) == 50);
  const xt::xarray<float> copy = c + m;
  CHECK(copy(0, 1) == 420);
  m = m - copy;  // through a temporary, into the same memory
  CHECK(memory[1] == -210);
  CHECK(m.data() == memory.data());
  CHECK_THROWS_WITH_AS(xt_view(std::span<float>(memory), Shape{3}), "[xt_view] 4 elements for shape (3), which takes 3",
                       ShapeError);
  CHECK(xt_view(memory.data(), Shape{}).dimension() == 0);
}
