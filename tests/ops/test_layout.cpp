#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

#include "op_check.hpp"
#include "unroll/core/loop.hpp"
#include "unroll/ops/layout.hpp"

using namespace unroll;
using namespace unroll::test;
using V = std::vector<double>;
using Vars = std::vector<Variable<double>>;

namespace {

// 0, 1, 2, ...
Variable<double> counted(const Shape& shape, double from = 0) {
  V values(static_cast<std::size_t>(shape.size()));
  std::iota(values.begin(), values.end(), from);
  return input(values, shape, requires_grad);
}

// True when y shares memory with x.
bool is_view(const Variable<double>& y, const Variable<double>& x) {
  const auto *a = &detail::read(y, "test"), *b = &detail::read(x, "test");
  const Index end = (b->rows() - 1) * b->row_stride + b->cols();
  return a->value >= b->value && a->value < b->value + end;
}

}  // namespace

TEST_CASE("values, shapes and what is a view") {
  Tape<double> tape;
  const auto run = [&] {
    const auto x = counted(Shape{2, 3, 4});
    CHECK(at(x, 1).to_vector() == V{12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23});
    CHECK(at(x, -2).shape() == Shape{3, 4});
    CHECK(at(at(at(x, -1), 0), 2).item() == 14);
    CHECK(is_view(at(x, 1), x));
    CHECK(narrow(x, 0, 1, 1).to_vector() == at(x, 1).to_vector());
    CHECK(narrow(x, 1, 1, 2).to_vector() == V{4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19, 20, 21, 22, 23});
    CHECK_FALSE(is_view(narrow(x, 1, 1, 2), x));
    const auto last = narrow(x, -1, 1, 2);
    CHECK(last.to_vector() == V{1, 2, 5, 6, 9, 10, 13, 14, 17, 18, 21, 22});
    CHECK(is_view(last, x));
    CHECK_THROWS_AS(last.values(), ShapeError);
    CHECK(at(last, 1).to_vector() == V{13, 14, 17, 18, 21, 22});
    CHECK(narrow(last, 0, 1, 1).to_vector() == V{13, 14, 17, 18, 21, 22});
    CHECK(narrow(last, 1, 2, 1).to_vector() == V{9, 10, 21, 22});
    CHECK(contiguous(last).values()[2] == 5);
    CHECK(is_view(contiguous(x), x));
    CHECK(is_view(reshape(last, {6, 2}), x));  // rows stay rows
    CHECK_FALSE(is_view(reshape(last, {12}), x));
    CHECK(reshape(last, {-1}).to_vector() == last.to_vector());
    CHECK(reshape(x, {-1, 8}).shape() == Shape{3, 8});
    CHECK(reshape(at(at(at(x, 0), 0), 0), {1, 1}).shape() == Shape{1, 1});
    CHECK(transpose(counted(Shape{2, 3})).to_vector() == V{0, 3, 1, 4, 2, 5});
    CHECK(transpose(narrow(counted(Shape{2, 3}), 1, 1, 2)).to_vector() == V{1, 4, 2, 5});
    CHECK(transpose(x, 0, 1).to_vector() ==
          V{0, 1, 2, 3, 12, 13, 14, 15, 4, 5, 6, 7, 16, 17, 18, 19, 8, 9, 10, 11, 20, 21, 22, 23});
    CHECK(transpose(x, 0, 2).shape() == Shape{4, 3, 2});
    CHECK(transpose(x, 0, -1).to_vector()[1] == 12);
    CHECK(flip(counted(Shape{3})).to_vector() == V{2, 1, 0});
    CHECK(flip(x).to_vector()[0] == 12);
    CHECK(flip(last).to_vector() == V{13, 14, 17, 18, 21, 22, 1, 2, 5, 6, 9, 10});

    const auto parts = split(x, {1, 2}, 1);
    CHECK(parts[0].shape() == Shape{2, 1, 4});
    CHECK(parts[1].to_vector() == V{4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19, 20, 21, 22, 23});
    const auto [a, b] = chunk<2>(x);
    CHECK(b.to_vector() == V{2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23});
    CHECK(is_view(b, x));
    CHECK(chunk(x, 3, 1)[2].to_vector() == V{8, 9, 10, 11, 20, 21, 22, 23});
    CHECK(concat({b, a}, -1).to_vector()[0] == 2);
    CHECK(concat({narrow(x, 1, 0, 1), narrow(x, 1, 1, 2)}, 1).to_vector() == x.to_vector());
    CHECK(stack({counted(Shape{2}), counted(Shape{2}, 5)}).to_vector() == V{0, 1, 5, 6});
    CHECK(stack({at(counted(Shape{2}), 1), at(counted(Shape{2}), 0)}).to_vector() == V{1, 0});
  };
  SUBCASE("recording") {
    Recording step(tape);
    run();
  }
  SUBCASE("evaluation") {
    Evaluation step(tape);
    run();
  }
}

TEST_CASE("what lies together is joined without a copy, and only that") {
  Tape<double> tape;
  Recording step(tape);
  const auto x = counted(Shape{4, 2, 3});
  const auto rows = split(x, {1, 1, 2});
  CHECK(is_view(concat(rows), x));
  CHECK(concat(rows).to_vector() == x.to_vector());
  CHECK(is_view(stack({at(x, 1), at(x, 2)}), x));
  CHECK(stack({at(x, 1), at(x, 2)}).to_vector() == narrow(x, 0, 1, 2).to_vector());
  const auto half = narrow(x, 2, 1, 2);
  CHECK(is_view(stack({at(half, 1), at(half, 2)}), x));
  CHECK(stack({at(half, 1), at(half, 2)}).to_vector() == narrow(half, 0, 1, 2).to_vector());
  CHECK_FALSE(is_view(stack({at(x, 2), at(x, 1)}), x));  // other order
  CHECK_FALSE(is_view(stack({at(x, 0), at(x, 2)}), x));  // a gap
  CHECK_FALSE(is_view(concat({rows[0], rows[2]}), x));   // a gap
  CHECK_FALSE(is_view(concat({at(x, 0), at(half, 1)}, 1), x));
  CHECK(is_view(stack({at(reshape(x, {24}), 3), at(reshape(x, {24}), 4)}), x));
  CHECK(is_view(join(std::span<const Variable<double>>(rows).subspan(1)), x));
  CHECK(&detail::read(concat({x}), "test") == &detail::read(x, "test"));

  Loop<double> loop(tape, 5);
  Vars states;
  for (const auto& [first, n] : {std::pair<Index, Index>{0, 3}, {3, 2}}) {
    loop.step(first, n);
    states.push_back(counted(Shape{n, 2}, static_cast<double>(2 * first)));
  }
  const auto all = join(std::span<const Variable<double>>(states));
  CHECK(is_view(all, states[0]));
  CHECK(is_view(narrow(all, 0, 3, 2), states[1]));
  CHECK(all.to_vector() == V{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(is_view(
      join(std::span<const Variable<double>>(Vars{reshape(states[0], {3, 2, 1}), reshape(states[1], {2, 2, 1})})),
      states[0]));
}

TEST_CASE("gradients") {
  const auto square = [](const Variable<double>& v) {  // something dense behind and before a layout operation
    detail::Op<double> op("square");
    auto* x = op.use(v);
    auto* y = op.result(x->shape);
    for (Index r = 0; r < x->rows(); ++r)
      for (Index c = 0; c < x->cols(); ++c) y->value[r * x->cols() + c] = std::pow(x->value[r * x->row_stride + c], 2);
    return op.done(y, [=](const double* dy) {
      double* dx = x->touch_add();
      for (Index r = 0; r < x->rows(); ++r)
        for (Index c = 0; c < x->cols(); ++c)
          dx[r * x->row_stride + c] += 2 * x->value[r * x->row_stride + c] * dy[r * x->cols() + c];
    });
  };
  const Input x = normal(Shape{2, 3, 4}, 1), m = normal(Shape{3, 5}, 2);
  const auto check = [&](const Input& in, const std::function<Variable<double>(Variable<double>)>& f) {
    CHECK(check_op([&](const Vars& v) { return f(v[0]); }, {in}));
    CHECK(check_op([&](const Vars& v) { return square(f(square(v[0]))); }, {in}));
    // The operand is used elsewhere too.
    CHECK(check_op(
        [&](const Vars& v) {
          return concat({reshape(square(f(v[0])), {-1}), reshape(square(v[0]), {-1})});
        },
        {in}));
  };
  check(m, [](auto v) { return transpose(v); });
  check(m, [](auto v) { return transpose(narrow(v, 1, 1, 3)); });
  check(x, [](auto v) { return transpose(v, 0, 1); });
  check(x, [](auto v) { return transpose(narrow(v, 2, 1, 2), 0, 2); });
  check(x, [](auto v) { return contiguous(narrow(v, 2, 1, 2)); });
  check(x, [](auto v) { return reshape(narrow(v, 2, 1, 2), {-1}); });
  check(x, [](auto v) { return at(v, 1); });
  check(x, [](auto v) { return at(narrow(v, 2, 1, 2), 0); });
  check(x, [](auto v) { return narrow(v, 1, 1, 2); });
  check(x, [](auto v) { return narrow(v, 1, 0, 3); });
  check(x, [](auto v) { return narrow(narrow(v, 2, 0, 3), 1, 0, 2); });
  check(x, [](auto v) { return flip(v); });
  check(x, [](auto v) { return flip(narrow(v, 2, 2, 2)); });
  check(x, [](auto v) { return concat(split(v, {2, 2}, 2), 0); });
  check(x, [](auto v) { return concat({narrow(v, 1, 0, 2), v, narrow(v, 1, 2, 1)}, 1); });
  check(x, [](auto v) { return concat({narrow(v, 2, 0, 3), narrow(v, 2, 1, 3)}, 2); });
  check(x, [](auto v) { return concat({narrow(v, 2, 0, 3), narrow(v, 2, 1, 3)}, 1); });
  check(x, [](auto v) { return stack({narrow(v, 2, 0, 3), narrow(v, 2, 1, 3)}); });
  check(x, [](auto v) { return stack({at(v, 1), at(v, 0), at(v, 1)}); });
  check(x, [&](auto v) { return stack({at(v, 0), square(at(v, 0)), at(v, 1)}); });
  check(m, [&](auto v) {
    const auto parts = split(v, {2, 3}, 1);
    return concat({square(parts[1]), parts[0], parts[1]}, 1);
  });
}

TEST_CASE("empty and tiny tensors") {
  Tape<float> tape;
  Recording step(tape);
  const auto none = input(std::vector<float>{}, Shape{0, 3}, requires_grad);
  CHECK(concat({none, none}).shape() == Shape{0, 3});
  CHECK(concat({none, input(std::vector<float>{1, 2, 3}, Shape{1, 3})}).to_vector() == std::vector<float>{1, 2, 3});
  CHECK(transpose(none).shape() == Shape{3, 0});
  CHECK(flip(none).shape() == Shape{0, 3});
  CHECK(split(none, {0, 0})[1].shape() == Shape{0, 3});
  CHECK(chunk(none, 3, 1)[2].shape() == Shape{0, 1});
  CHECK(narrow(none, 0, 0, 0).size() == 0);
  CHECK(stack({none, none}).shape() == Shape{2, 0, 3});
  CHECK(reshape(none, Shape{3, 0}).shape() == Shape{3, 0});
}

TEST_CASE("errors say what was given and what fits") {
  Tape<float> tape;
  Recording step(tape);
  const auto x = input(std::vector<float>(24), Shape{2, 3, 4});
  const auto m = input(std::vector<float>(6), Shape{2, 3});
  const auto s = input(std::vector<float>(1), Shape{});
  std::vector<Variable<float>> none;
  std::array<Variable<float>, 2> two;
  const Index sizes[] = {1, 1, 1};
  CHECK_THROWS_WITH_AS(reshape(x, {5, 5}), "[reshape] input (2,3,4) has 24 elements, shape (5,5) takes 25", ShapeError);
  CHECK_THROWS_WITH_AS(
      reshape(x, {-1, 5}),
      "[reshape] input (2,3,4) as (-1,5); expected one -1 at most, and dimensions whose product divides 24",
      ShapeError);
  CHECK_THROWS_AS(reshape(x, {-1, -1}), ShapeError);
  CHECK_THROWS_AS(reshape(x, {-1, 0}), ShapeError);
  CHECK_THROWS_WITH_AS(transpose(x), "[transpose] input (2,3,4) has 3 dimensions; expected 2, or the two axes to swap",
                       ShapeError);
  CHECK_THROWS_WITH_AS(transpose(x, 0, 3), "[transpose] axis 3 of an input (2,3,4); expected -3 to 2", ShapeError);
  CHECK_THROWS_WITH_AS(at(x, 2), "[at] index 2 of an input (2,3,4); expected -2 to 1", ValueError);
  CHECK_THROWS_AS(at(x, -3), ValueError);
  CHECK_THROWS_WITH_AS(at(s, 0), "[at] index 0 of a scalar; expected at least one axis", ShapeError);
  CHECK_THROWS_WITH_AS(narrow(x, 1, 2, 2),
                       "[narrow] start 2, length 2 on axis 1 of an input (2,3,4); expected a range in 0 to 3",
                       ValueError);
  CHECK_THROWS_AS(narrow(x, 1, -1, 2), ValueError);
  CHECK_THROWS_AS(narrow(x, 1, 0, -1), ValueError);
  CHECK_THROWS_WITH_AS(narrow(s, 0, 0, 1), "[narrow] axis 0 of an input (); expected an input with at least one axis",
                       ShapeError);
  CHECK_THROWS_WITH_AS(split(x, {1, 1}, 1), "[split] sizes add up to 2, axis 1 of input (2,3,4) has 3", ShapeError);
  CHECK_THROWS_WITH_AS(split(x, {-1, 4}, 1), "[split] size -1 of an input (2,3,4); expected at least 0", ValueError);
  CHECK_THROWS_WITH_AS(split_into(x, std::span<const Index>(sizes), 1, std::span<Variable<float>>(two)),
                       "[split] 3 sizes for 2 pieces", ValueError);
  CHECK_THROWS_WITH_AS(chunk<3>(x), "[chunk] axis 2 of input (2,3,4) has 4, which is no multiple of 3 pieces",
                       ShapeError);
  CHECK_THROWS_WITH_AS(chunk(x, 0), "[chunk] 0 pieces; expected at least 1", ValueError);
  CHECK_THROWS_WITH_AS(concat({x, m}, 1),
                       "[concat] tensor 1 is (2,3), tensor 0 is (2,3,4); expected all dimensions but axis 1 equal",
                       ShapeError);
  CHECK_THROWS_AS(concat({m, narrow(m, 0, 0, 1)}, 1), ShapeError);
  CHECK_THROWS_WITH_AS(concat(none), "[concat] got an empty list; expected at least one tensor", ValueError);
  CHECK_THROWS_WITH_AS(join(std::span<const Variable<float>>(none)),
                       "[join] got an empty list; expected at least one tensor", ValueError);
  CHECK_THROWS_WITH_AS(stack(none), "[stack] got an empty list; expected at least one tensor", ValueError);
  CHECK_THROWS_WITH_AS(stack({x, m}), "[stack] tensor 1 is (2,3), tensor 0 is (2,3,4); expected one shape", ShapeError);
  const auto four = reshape(x, {1, 2, 3, 4});
  CHECK_THROWS_WITH_AS(stack({four, four}), "[stack] tensors (1,2,3,4) have four dimensions; expected at most three",
                       ShapeError);
  CHECK_THROWS_AS(stack({four}), ShapeError);
  CHECK_THROWS_WITH_AS(flip(s), "[flip] axis 0 of an input (); expected an input with at least one axis", ShapeError);
}
