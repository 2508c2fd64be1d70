#include <doctest/doctest.h>

#include "unroll/core/error.hpp"
#include "unroll/core/shape.hpp"

using namespace unroll;

TEST_CASE("a scalar is one row of one element") {
  const Shape s;
  CHECK(s.rank() == 0);
  CHECK(s.size() == 1);
  CHECK(s.rows() == 1);
  CHECK(s.cols() == 1);
  CHECK(s.str() == "()");
}

TEST_CASE("rows are the product of all dimensions but the last") {
  const Shape s{2, 3, 4, 5};
  CHECK(s.rank() == 4);
  CHECK(s.size() == 120);
  CHECK(s.rows() == 24);
  CHECK(s.cols() == 5);
  CHECK(Shape{7}.rows() == 1);
  CHECK(Shape{7}.cols() == 7);
  CHECK(s.str() == "(2,3,4,5)");
}

TEST_CASE("empty dimensions are shapes too") {
  CHECK(Shape{0, 4}.size() == 0);
  CHECK(Shape{0, 4}.rows() == 0);
  CHECK(Shape{4, 0}.cols() == 0);
}

TEST_CASE("axes count from either end and are checked") {
  const Shape s{2, 3, 4};
  CHECK(s[0] == 2);
  CHECK(s[2] == 4);
  CHECK(s[-1] == 4);
  CHECK(s[-3] == 2);
  CHECK(s.checked_axis(-2) == 1);
  CHECK_THROWS_AS(s[3], ShapeError);
  CHECK_THROWS_AS(s[-4], ShapeError);
  CHECK_THROWS_WITH(s[3], "[Shape] axis 3 of shape (2,3,4), which has rank 3");
  CHECK_THROWS_AS(Shape()[0], ShapeError);
}

TEST_CASE("sizes that no tensor has are refused") {
  CHECK_THROWS_AS((Shape{1, 2, 3, 4, 5}), ShapeError);
  CHECK_THROWS_AS((Shape{2, -1}), ShapeError);
  CHECK_THROWS_AS((Shape{Index{1} << 31}), ShapeError);
  CHECK(Shape{(Index{1} << 31) - 1}.size() == 2147483647);
  CHECK(Shape{1 << 20, 1 << 20}.size() == Index{1} << 40);
}

TEST_CASE("shapes made from shapes") {
  const Shape s{2, 3, 4};
  CHECK(s.with(1, 7) == Shape{2, 7, 4});
  CHECK(s.with(-1, 7) == Shape{2, 3, 7});
  CHECK_THROWS_AS(s.with(3, 1), ShapeError);
  CHECK(s.without(0) == Shape{3, 4});
  CHECK(s.without(-1) == Shape{2, 3});
  CHECK(Shape{5}.without(0) == Shape());
  CHECK(s.insert(0, 9) == Shape{9, 2, 3, 4});
  CHECK(s.insert(3, 9) == Shape{2, 3, 4, 9});
  CHECK_THROWS_AS(s.insert(4, 9), ShapeError);
  CHECK_THROWS_AS((Shape{1, 2, 3, 4}.insert(0, 1)), ShapeError);
  CHECK(s.from(0) == s);
  CHECK(s.from(2) == Shape{4});
  CHECK(s.from(3) == Shape());
  CHECK_THROWS_AS(s.from(4), ShapeError);
}

TEST_CASE("equality looks at rank and dimensions") {
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK(Shape{2, 3} != Shape{3, 2});
  CHECK(Shape{2, 3} != Shape{2, 3, 1});
  CHECK(Shape{1} != Shape());
}
