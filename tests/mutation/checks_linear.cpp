// linear and matmul: products put off and products made at once, transposes, batches, strided operands.

#include "checks.hpp"
#include "unroll/core/loop.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/linear.hpp"

namespace unroll::mutation {
namespace {

// Rows on both sides of the limit up to which a weight gradient waits for the other uses.
constexpr Index few = 2, many = 20;

Var affine(const Weights& w, const Var& x) { return linear(x, use(w.weight), use(w.bias)); }

GradcheckReport one_use(Index rows) {
  const Weights w(5, 3, 1);
  return gradcheck([&](Var x) { return affine(w, x); }, w, check_input("x", Shape{rows, 3}, 2));
}

// The same weight at every time step, odd sizes so that memory of neighbouring steps is not adjacent by chance.
GradcheckReport steps(Index batch, bool backwards) {
  const Weights w(5, 3, 3);
  return gradcheck(
      [&](Var x) {
        std::vector<Var> y;
        for (Index t = 0; t < 4; ++t) y.push_back(affine(w, at(x, backwards ? 3 - t : t)));
        return y;
      },
      w, check_input("x", Shape{4, batch, 3}, 4));
}

// One after the other in the same memory, inputs and outputs alike: such products are joined.
GradcheckReport joined_steps(bool backwards) {
  const Weights w(5, 3, 5);
  return gradcheck(
      [&](Var x) {
        Loop<double> loop(*current_tape<double>, 4 * few);
        std::vector<Var> y;
        for (Index i = 0; i < 4; ++i) {
          const Index t = backwards ? 3 - i : i;
          loop.step(t * few, few);
          y.push_back(affine(w, at(x, t)));
        }
        return y;
      },
      w, check_input("x", Shape{4, few, 3}, 6));
}

GradcheckReport two_biases() {
  const Weights w(5, 3, 7), other(5, 3, 8);
  return gradcheck(
      [&](Var x) {
        return std::vector{affine(w, x), linear(x, use(w.weight), use(other.bias)), linear(x, use(w.weight)),
                           affine(w, narrow(x, 0, 1, 1))};
      },
      w, other.bias, check_input("x", Shape{few, 3}, 9));
}

GradcheckReport few_and_many() {
  const Weights w(3, 3, 10);
  return gradcheck(
      [&](Var x) {
        return std::vector{affine(w, x), affine(w, narrow(affine(w, x), 0, 2, few))};
      },
      w, check_input("x", Shape{many, 3}, 11));
}

GradcheckReport strided(Index rows) {
  const Weights w(5, 3, 12);
  return gradcheck(
      [&](Var x) {
        return std::vector{affine(w, narrow(x, -1, 1, 3)), affine(w, narrow(x, -1, 3, 3))};
      },
      w, check_input("x", Shape{rows, 6}, 13));
}

GradcheckReport made_weight() {
  const Weights w(5, 3, 14);
  return gradcheck(
      [&](Var x, Var v) {
        return std::vector{linear(x, v * use(w.weight), use(w.bias)), linear(x, v)};
      },
      w, check_input("x", Shape{few, 3}, 15), check_input("v", Shape{5, 3}, 16));
}

// Products with a state of zeros are skipped, its bias is not.
GradcheckReport zero_state() {
  const Weights w(3, 3, 17);
  return gradcheck(
      [&] {
        Var h = affine(w, zeros<double>(Shape{few, 3}));
        return affine(w, h * h);
      },
      w);
}

// Needs no gradient of its input: the parameters still get theirs.
GradcheckReport constant_input() {
  const Weights w(5, 3, 18);
  return gradcheck([&] { return affine(w, full(Shape{few, 3}, 0.7)); }, w);
}

// Needs no gradient of the weight: the input still gets its own.
GradcheckReport constant_weight() {
  return gradcheck(
      [](Var x, Var b) {
        const Var w = input(std::vector<double>{0.3, -1.2, 0.8, 2.1, -0.4, 0.6}, Shape{2, 3});
        return std::vector{linear(x, w), linear(full(Shape{2, 3}, 0.5), w, b)};
      },
      check_input("x", Shape{2, 3}, 22), check_input("bias", Shape{2}, 23));
}

// Added to a tensor that another operation uses afterwards.
GradcheckReport onto() {
  const Weights w(5, 3, 24);
  return gradcheck(
      [&](Var sum, Var x) {
        const Var y = linear_onto(sum, x, use(w.weight), use(w.bias));
        return std::vector{y, sum * sum};
      },
      w, check_input("sum", Shape{few, 5}, 25), check_input("x", Shape{few, 3}, 26));
}

template <int transposes, bool batched>
GradcheckReport products() {
  const bool ta = transposes & 1, tb = transposes & 2;
  const Shape a = ta ? Shape{3, 5} : Shape{5, 3}, b = tb ? Shape{4, 3} : Shape{3, 4};
  const auto shape = [](const Shape& s) { return batched ? s.insert(0, 3) : s; };
  return gradcheck([=](Var a, Var b) { return matmul(a, b, {.transpose_a = ta, .transpose_b = tb}); },
                   check_input("a", shape(a), 19), check_input("b", shape(b), 20));
}

// x x^T, and slices with rows apart.
GradcheckReport product_with_itself() {
  return gradcheck(
      [](Var x) {
        const Var left = narrow(x, -1, 0, 3), right = narrow(x, -1, 2, 3);
        return std::vector{matmul(x, x, {.transpose_b = true}), matmul(left, right, {.transpose_a = true})};
      },
      check_input("x", Shape{4, 5}, 21));
}

}  // namespace

void linear_checks(Checks& checks) {
  const Check all[] = {
      {"linear/onto", [] { return onto(); }},
      {"linear/few_rows", [] { return one_use(few); }},
      {"linear/many_rows", [] { return one_use(many); }},
      {"linear/steps", [] { return steps(few, false); }},
      {"linear/steps_backwards", [] { return steps(few, true); }},
      {"linear/large_steps", [] { return steps(many, false); }},
      {"linear/joined_steps", [] { return joined_steps(false); }},
      {"linear/joined_steps_backwards", [] { return joined_steps(true); }},
      {"linear/two_biases", two_biases},
      {"linear/few_and_many", few_and_many},
      {"linear/strided", [] { return strided(few); }},
      {"linear/strided_many", [] { return strided(many); }},
      {"linear/made_weight", made_weight},
      {"linear/zero_state", zero_state},
      {"linear/constant_input", constant_input},
      {"linear/constant_weight", constant_weight},
      {"matmul/plain", products<0, false>},
      {"matmul/ta", products<1, false>},
      {"matmul/tb", products<2, false>},
      {"matmul/ta_tb", products<3, false>},
      {"matmul/batch", products<0, true>},
      {"matmul/batch_ta", products<1, true>},
      {"matmul/batch_tb", products<2, true>},
      {"matmul/batch_ta_tb", products<3, true>},
      {"matmul/with_itself", product_with_itself},
  };
  checks.insert(checks.end(), std::begin(all), std::end(all));
}

}  // namespace unroll::mutation
