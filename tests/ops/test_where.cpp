#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>

#include "op_check.hpp"
#include "unroll/core/tape.hpp"
#include "unroll/ops/where.hpp"

using namespace unroll;
using test::check_op;
using test::normal;
using Vars = std::vector<Variable<double>>;
using Bytes = std::vector<std::uint8_t>;

namespace {
Variable<double> columns(Variable<double> x, Index from, Index cols) {
  detail::Op<double> op("columns");
  detail::Node<double>* n = op.use(x);
  return op.view(n, n->value + from, n->shape.with(-1, cols), n->row_stride);
}
}  // namespace

TEST_CASE_TEMPLATE("where and masked_fill: values by every kind of mask", T, float, double) {
  Tape<T> tape;
  Evaluation<T> scope(tape);
  const Shape shape{2, 3};
  auto a = input(std::vector<T>{1, 2, 3, 4, 5, 6}, shape),
       b = input(std::vector<T>{-1, -2, -3, -4, -5, -6}, shape);
  const Bytes mask = {1, 0, 0, 0, 255, 1};
  const std::array<bool, 6> bools = {true, false, false, false, true, true};
  const std::vector<T> want = {1, -2, -3, -4, 5, 6}, filled = {9, 2, 3, 4, 9, 9};
  auto on_tape = input(std::vector<T>{2, 0, 0, 0, T(-0.5), 1}, shape);
  CHECK(where(mask, a, b).to_vector() == want);
  CHECK(where(bools, a, b).to_vector() == want);
  CHECK(where(on_tape, a, b).to_vector() == want);
  CHECK(masked_fill(a, mask, 9).to_vector() == filled);
  CHECK(masked_fill(a, bools, 9).to_vector() == filled);
  CHECK(masked_fill(a, on_tape, 9).to_vector() == filled);
  CHECK(where(mask, a, b).shape() == shape);
  // One mask for every row.
  CHECK(where(Bytes{0, 1, 0}, a, b).to_vector() == std::vector<T>{-1, 2, -3, -4, 5, -6});
  CHECK(masked_fill(a, Bytes{0, 1, 0}, 9).to_vector() == std::vector<T>{1, 9, 3, 4, 9, 6});
  CHECK(where(Bytes{1}, full<T>(Shape{}, 3), full<T>(Shape{}, 4)).item() == 3);
  CHECK(where(Bytes{}, input(std::vector<T>{}, Shape{0, 2}), input(std::vector<T>{}, Shape{0, 2})).size() ==
        0);
}

TEST_CASE("where and masked_fill: gradients") {
  const Bytes mask = {1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 1, 1}, row = {0, 1, 0, 1};
  for (const Bytes& m : {mask, row}) {
    CHECK(check_op([&](const Vars& x) { return where(m, x[0], x[1]); },
                   {normal(Shape{3, 4}, 1), normal(Shape{3, 4}, 2)}));
    CHECK(check_op([&](const Vars& x) { return where(m, x[0], x[0]); }, {normal(Shape{3, 4}, 1)}));
    CHECK(check_op([&](const Vars& x) { return where(m, columns(x[0], 1, 4), columns(x[0], 3, 4)); },
                   {normal(Shape{3, 8}, 1)}));
    CHECK(check_op([&](const Vars& x) { return masked_fill(x[0], m, 3); }, {normal(Shape{3, 4}, 1)}));
    CHECK(check_op([&](const Vars& x) { return masked_fill(columns(x[0], 2, 4), m, 3); },
                   {normal(Shape{3, 7}, 1)}));
  }
}

TEST_CASE("what was not chosen does no harm") {
  Tape<double> tape;
  Recording<double> step(tape);
  const double inf = std::numeric_limits<double>::infinity();
  auto a = input(std::vector<double>{1, std::nan("")}, Shape{2}, requires_grad);
  auto b = input(std::vector<double>{inf, 2}, Shape{2}, requires_grad);
  auto y = where(Bytes{1, 0}, a, b);
  CHECK(y.to_vector() == std::vector<double>{1, 2});
  auto one = where(Bytes{1}, columns(y, 0, 1), full<double>(Shape{1}, 0));
  tape.backward(one);
  CHECK(a.grad_to_vector() == std::vector<double>{1, 0});
  CHECK(b.grad_to_vector() == std::vector<double>{0, 0});
}

TEST_CASE("where and masked_fill: errors") {
  Tape<double> tape;
  Recording<double> step(tape);
  auto x = zeros<double>(Shape{2, 3});
  CHECK_THROWS_WITH_AS(where(Bytes(6), x, zeros<double>(Shape{3})),
                       "[where] operands (2,3), (3), expected one shape", ShapeError);
  CHECK_THROWS_WITH_AS(where(Bytes(2), x, x),
                       "[where] mask of 2 for shape (2,3), expected 6 or the last dimension's 3", ShapeError);
  CHECK_THROWS_WITH_AS(masked_fill(x, zeros<double>(Shape{3}), 0),
                       "[masked_fill] mask (3) for shape (2,3), expected the same shape", ShapeError);
}
