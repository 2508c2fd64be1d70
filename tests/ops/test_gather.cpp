#include <doctest/doctest.h>

#include "op_check.hpp"
#include "unroll/ops/gather.hpp"
#include "unroll/ops/layout.hpp"

using namespace unroll;
using namespace unroll::test;
using V = std::vector<double>;
using Vars = std::vector<Variable<double>>;

namespace {

V grads(const Parameter<double>& p) { return {p.grads().begin(), p.grads().end()}; }

// loss = sum of all elements of v
void backward_sum(const Variable<double>& v) {
  detail::Op<double> op("sum");
  auto* x = op.use(v);
  auto* loss = op.recorder().new_node(Shape{}, true);
  loss->value[0] = 0;
  const auto sum = op.done(loss, [=](const double*) {
    if (!x->requires_grad) return;
    double* d = x->touch_add();
    for (Index r = 0; r < x->rows(); ++r)
      for (Index c = 0; c < x->cols(); ++c) d[r * x->row_stride + c] += 1;
  });
  current_tape<double>->backward(sum);
}

}  // namespace

TEST_CASE("gather_rows: values, shapes, kinds of indices") {
  Tape<double> tape;
  Evaluation step(tape);
  const auto table = input(V{0, 1, 10, 11, 20, 21}, Shape{3, 2});
  const std::vector<int> narrow_ids{2, 0, 2};
  const std::vector<Index> wide_ids{2, 0, 2};
  const V expected{20, 21, 0, 1, 20, 21};
  CHECK(gather_rows(table, narrow_ids).to_vector() == expected);
  CHECK(gather_rows(table, wide_ids).to_vector() == expected);
  CHECK(gather_rows(table, {2, 0, 2}).to_vector() == expected);
  CHECK(gather_rows(table, std::span<const int>(narrow_ids)).shape() == Shape{3, 2});
  CHECK(gather_rows(table, {2, 0, 2, 1, 1, 1}, {.leading = Shape{3, 2}}).shape() == Shape{3, 2, 2});
  CHECK(gather_rows(table, std::vector<int>{}).shape() == Shape{0, 2});
  CHECK(gather_rows(narrow(table, 1, 1, 1), {2, 1}).to_vector() == V{21, 11});
  CHECK(one_hot<double>({1, 0}, 3).to_vector() == V{0, 1, 0, 1, 0, 0});
  CHECK(one_hot<double>({1, 0}, 3, Shape{1, 2}).shape() == Shape{1, 2, 3});
  CHECK_FALSE(one_hot<double>({1, 0}, 3).requires_grad());
  CHECK(take_along_last(table, {1, 0, 1}).to_vector() == V{1, 10, 21});
  CHECK(take_along_last(reshape(table, {1, 3, 2}), {1, 0, 1}).shape() == Shape{1, 3});
  CHECK(take_along_last(reshape(table, {6}), {4}).item() == 20);
}

TEST_CASE("gather_rows and take_along_last: gradients") {
  const Input table = normal(Shape{4, 3}, 1);
  CHECK(check_op([](const Vars& v) { return gather_rows(v[0], {3, 1, 3, 3}); }, {table}));
  CHECK(check_op([](const Vars& v) { return gather_rows(narrow(v[0], 1, 1, 2), {3, 1, 3}); }, {table}));
  CHECK(check_op([](const Vars& v) { return concat({gather_rows(v[0], {2, 0}), v[0]}); }, {table}));
  CHECK(check_op([](const Vars& v) { return take_along_last(v[0], {2, 1, 0, 1}); }, {table}));
  CHECK(check_op([](const Vars& v) { return take_along_last(narrow(v[0], 1, 1, 2), {1, 1, 0, 1}); }, {table}));
  CHECK(check_op([](const Vars& v) { return gather_rows(v[0], std::vector<int>{}); }, {table}));
}

TEST_CASE("a parameter table: only used rows are touched, duplicates add up, padding gets nothing") {
  Tape<double> tape;
  Parameter<double> table(Shape{5, 2});
  {
    Recording step(tape);
    backward_sum(gather_rows(table, {1, 3, 1, 0}, {.padding_index = 0}));
  }
  CHECK(grads(table) == V{0, 0, 2, 2, 0, 0, 1, 1, 0, 0});
  CHECK_FALSE(table.storage().dense);
  CHECK(table.storage().touched_rows == std::vector<Index>{1, 3});
  {
    Recording step(tape);
    backward_sum(gather_rows(table, {3, 4}));
  }
  CHECK(grads(table) == V{0, 0, 2, 2, 0, 0, 2, 2, 1, 1});
  CHECK(table.storage().touched_rows == std::vector<Index>{1, 3, 4});
  table.clear_grad();
  CHECK_FALSE(table.has_grad());
  CHECK(grads(table) == V(10, 0));
  {
    Recording step(tape);
    backward_sum(gather_rows(table, {0, 0}, {.padding_index = 0}));
  }
  CHECK_FALSE(table.has_grad());  // nothing but padding
}

TEST_CASE("a table that is used densely too, as tied output weights are: in either order, after any gradient") {
  for (const bool dense_first : {true, false}) {
    for (const int before : {0, 1, 2, 3}) {  // nothing, dense, sparse, a cleared dense one
      CAPTURE(dense_first);
      CAPTURE(before);
      Tape<double> tape;
      Parameter<double> table(Shape{3, 1});
      V expected{1, 2, 1};
      if (before == 1 || before == 3) {
        for (double& g : table.mutable_grads()) g = 100;
        if (before == 1)
          for (double& g : expected) g += 100;
        if (before == 3) table.clear_grad();
      }
      if (before == 2) {
        Recording step(tape);
        backward_sum(gather_rows(table, {2}));
        expected[2] += 1;
      }
      {
        Recording step(tape);
        // Backward runs last to first.
        const auto dense = [&] { return contiguous(transpose(use(table))); };
        const auto rows = [&] { return reshape(gather_rows(table, {1}), Shape{1, 1}); };
        const auto a = dense_first ? rows() : dense();
        const auto b = dense_first ? dense() : rows();
        backward_sum(concat({a, b}, 1));
      }
      CHECK(grads(table) == expected);
      CHECK(table.storage().dense);
      table.clear_grad();
      CHECK(grads(table) == V(3, 0));
    }
  }
}

TEST_CASE("a frozen table has no gradient") {
  Tape<double> tape;
  Parameter<double> table(Shape{3, 1});
  table.freeze();
  Recording step(tape);
  CHECK_FALSE(gather_rows(table, {1}).requires_grad());
}

TEST_CASE("errors name the position and the value") {
  Tape<float> tape;
  CHECK_THROWS_AS(one_hot({1}, 2), NoScopeError);
  Recording step(tape);
  const Parameter<float> table(Shape{3, 2});
  const auto x = use(table);
  CHECK_THROWS_WITH_AS(gather_rows(x, {0, 2, 3}), "[gather_rows] index 2 is 3; expected one of 3 rows, 0 to 2",
                       ValueError);
  CHECK_THROWS_WITH_AS(gather_rows(x, {0, -1}), "[gather_rows] index 1 is -1; expected one of 3 rows, 0 to 2",
                       ValueError);
  CHECK_THROWS_WITH_AS(gather_rows(at(x, 0), {0}), "[gather_rows] table (2); expected two dimensions, (rows,features)",
                       ShapeError);
  CHECK_THROWS_WITH_AS(gather_rows(x, {0, 1, 2}, {.leading = Shape{2, 2}}),
                       "[gather_rows] 3 indices for leading dimensions (2,2), which take 4", ShapeError);
  CHECK_THROWS_WITH_AS(gather_rows(x, {0}, {.leading = Shape{1, 1, 1, 1}}),
                       "[gather_rows] leading dimensions (1,1,1,1) leave no room for another; expected at most three",
                       ShapeError);
  CHECK_THROWS_WITH_AS(one_hot({0, 5}, 3), "[one_hot] index 1 is 5; expected one of 3 classes, 0 to 2", ValueError);
  CHECK_THROWS_WITH_AS(one_hot({}, -1), "[one_hot] -1 classes; expected at least 0", ValueError);
  CHECK_THROWS_WITH_AS(take_along_last(x, {0, 0, 2}),
                       "[take_along_last] index 2 is 2; expected one of 2 columns, 0 to 1", ValueError);
  CHECK_THROWS_WITH_AS(take_along_last(x, {0}), "[take_along_last] 1 indices for input (3,2), which has 3 rows",
                       ShapeError);
  CHECK_THROWS_AS(take_along_last(reshape(at(at(x, 0), 0), Shape{}), {0}), ShapeError);
}
