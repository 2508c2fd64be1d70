#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "op_check.hpp"
#include "unroll/core/tape.hpp"
#include "unroll/ops/dropout.hpp"

using namespace unroll;
using test::check_op;
using test::normal;
using Vars = std::vector<Variable<double>>;

TEST_CASE_TEMPLATE("dropout keeps the mean, drops the right share, and repeats with the generator's state", T,
                   float, double) {
  Tape<T> tape(7);
  const Rng rng = tape.rng();
  std::vector<T> first;
  for (int k = 0; k < 2; ++k) {
    tape.rng() = rng;
    Recording<T> step(tape);
    const auto y = dropout(full<T>(Shape{100, 101}, 2), 0.25).to_vector();
    double sum = 0;
    int zeros = 0;
    for (const T v : y) {
      CHECK((v == 0 || v == doctest::Approx(2 / 0.75).epsilon(1e-6)));
      sum += static_cast<double>(v);
      zeros += v == 0;
    }
    CHECK(sum / 10100 == doctest::Approx(2).epsilon(0.03));
    CHECK(zeros / 10100.0 == doctest::Approx(0.25).epsilon(0.06));
    if (k == 1) CHECK(y == first);
    first = y;
    CHECK(dropout(full<T>(Shape{100, 101}, 2), 0.25).to_vector() != first);
  }
}

TEST_CASE("dropout asks the scope, and can be told otherwise") {
  Tape<double> tape;
  const std::vector<double> ones(200, 1.0);
  const auto dropped = [](Variable<double> y) { return y.to_vector() != std::vector<double>(200, 1.0); };
  {
    Recording<double> step(tape);
    auto x = input(ones, Shape{200});
    CHECK(dropped(dropout(x, 0.5)));
    CHECK_FALSE(dropped(dropout(x, 0.5, false)));
    const Rng before = tape.rng();
    CHECK_FALSE(dropped(dropout(x, 0)));
    CHECK(tape.rng() == before);
    Evaluation<double> inner(tape);
    CHECK_FALSE(dropped(dropout(x, 0.5)));
    CHECK(dropped(dropout(x, 0.5, true)));
  }
  {
    Recording<double> step(tape, {.training = false});
    CHECK_FALSE(dropped(dropout(input(ones, Shape{200}), 0.5)));
  }
  Evaluation<double> eval(tape, {.training = true});
  CHECK(dropped(dropout(input(ones, Shape{200}), 0.5)));
}

TEST_CASE("dropout: gradients go through the same mask") {
  CHECK(check_op([](const Vars& x) { return dropout(x[0], 0.4); }, {normal(Shape{3, 4, 5}, 1)}));
  CHECK(check_op([](const Vars& x) { return dropout(dropout(x[0], 0.2), 0.2); }, {normal(Shape{31}, 1)}));
  CHECK(check_op(
      [](const Vars& x) {
        detail::Op<double> op("columns");
        detail::Node<double>* n = op.use(x[0]);
        return dropout(op.view(n, n->value + 2, Shape{6, 5}, n->row_stride), 0.4);
      },
      {normal(Shape{6, 9}, 1)}));
  CHECK(check_op([](const Vars& x) { return dropout(x[0], 1); }, {normal(Shape{7}, 1)}));
}

TEST_CASE("dropout: all, none, infinity, empty, scalar, errors") {
  Tape<double> tape;
  Recording<double> step(tape);
  const double inf = std::numeric_limits<double>::infinity();
  auto x = input(std::vector<double>{inf, 1, std::nan("")}, Shape{3}, requires_grad);
  auto y = dropout(x, 1);
  CHECK(y.to_vector() == std::vector<double>{0, 0, 0});
  CHECK(y.requires_grad());
  CHECK(dropout(x, 0).to_vector()[0] == inf);
  CHECK(dropout(input(std::vector<double>{}, Shape{0, 2}), 0.5).shape() == Shape{0, 2});
  const double one = dropout(full<double>(Shape{}, 1), 0.5).item();
  CHECK((one == 0 || one == 2));
  CHECK_THROWS_WITH_AS(dropout(x, -0.1), "[dropout] probability -0.100000, expected 0 .. 1", ValueError);
  CHECK_THROWS_WITH_AS(dropout(x, 1.5), "[dropout] probability 1.500000, expected 0 .. 1", ValueError);
  CHECK_THROWS_AS(dropout(x, std::nan(""), false), ValueError);
}
