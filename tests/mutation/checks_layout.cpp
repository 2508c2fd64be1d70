// Views, parts and copies.

#include <array>

#include "checks.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/layout.hpp"

namespace unroll::mutation {
namespace {

// y of the same shape as x whose adjoint starts out empty: inputs own theirs, results of operations share and divide.
Var made(const Var& x) { return 1.5 * x; }

template <class F>
GradcheckReport of(F f, const Shape& shape) {
  return gradcheck([=](Var x) { return f(x); }, check_input("x", shape, 1));
}

GradcheckReport slices() {
  return of(
      [](Var x) {
        return std::vector{at(x, 1), at(x, -1), narrow(x, 0, 1, 2), narrow(x, 1, 1, 2), narrow(x, -1, 2, 3)};
      },
      Shape{4, 3, 5});
}

GradcheckReport slices_of_a_result() {
  return of(
      [](Var x) {
        const Var y = made(x);
        return std::vector{at(y, 1), narrow(y, 1, 1, 2), narrow(y, -1, 2, 3), narrow(y, -1, 1, 2)};
      },
      Shape{4, 3, 5});
}

GradcheckReport overlapping() {
  return of(
      [](Var x) {
        const Var y = made(x);
        return std::vector{square(narrow(y, 0, 0, 3)), square(narrow(y, 0, 1, 3)), square(narrow(y, 0, 2, 2))};
      },
      Shape{4, 3});
}

// The first cut makes parts, the second one does not.
GradcheckReport split_twice() {
  return of(
      [](Var x) {
        const Var y = made(x);
        const auto a = split(y, {1, 3}, 0);
        const auto b = split(y, {2, 2}, 0);
        return std::vector{square(a[0]), square(a[1]), square(b[0]), square(b[1])};
      },
      Shape{4, 3});
}

// The whole is used before and after its parts.
GradcheckReport parts_and_whole() {
  return of(
      [](Var x) {
        const Var y = made(x), before = square(y);
        const auto p = chunk<3>(y);
        const Var a = p[0] * p[2];
        return std::vector{before, a, sin(y)};
      },
      Shape{2, 9});
}

// Backward meets the parts first.
GradcheckReport whole_before_parts() {
  return of(
      [](Var x) {
        const Var y = made(x), before = square(y);
        const auto p = chunk<3>(y);
        return std::vector{before, p[0] * p[2]};
      },
      Shape{2, 9});
}

// What lies outside the slice gets zero.
GradcheckReport one_slice() {
  return of([](Var x) { return square(narrow(made(sin(x)), 0, 1, 2)); }, Shape{4, 3});
}

GradcheckReport first_slice() {
  return of([](Var x) { return square(narrow(made(sin(x)), 0, 0, 2)); }, Shape{4, 3});
}

GradcheckReport slices_of_parts() {
  return of(
      [](Var x) {
        const Var y = made(x);
        const auto p = split(y, {1, 3}, 0);
        const Var a = square(p[1]), b = square(narrow(p[1], 0, 1, 1)), c = square(reshape(p[1], {2, -1}));
        return std::vector{a, b, c, sin(p[0])};
      },
      Shape{4, 6});
}

// Parts of parts of parts..., deeper than they go: what follows are plain slices.
GradcheckReport deep_parts() {
  return of(
      [](Var x) {
        Var y = made(x);
        std::vector<Var> out;
        for (Index n = 20; n > 1; --n) {
          const auto p = split(y, {1, n - 1}, 0);
          out.push_back(square(p[0]));
          y = p[1];
        }
        out.push_back(sin(y));
        return out;
      },
      Shape{20, 2});
}

GradcheckReport unused_part() {
  return of(
      [](Var x) {
        const Var y = made(x);
        const auto p = chunk<3>(y);
        return p[0] * p[2];
      },
      Shape{2, 9});
}

GradcheckReport parts_of_parts() {
  return of(
      [](Var x) {
        const Var y = made(x);
        const auto p = split(y, {1, 3}, 0);
        const auto q = chunk<2>(p[1]);
        return q[0] * q[1];
      },
      Shape{4, 6});
}

// A part's own adjoint beside those of its parts.
GradcheckReport part_and_its_parts() {
  return of(
      [](Var x) {
        const Var y = made(x);
        const auto p = split(y, {1, 3}, 0);
        const auto q = chunk<2>(p[1]);
        const Var a = q[0] * q[0], b = square(p[1]);
        return std::vector{a, b};
      },
      Shape{4, 6});
}

GradcheckReport views_of_views() {
  return of(
      [](Var x) {
        const Var y = made(x), v = narrow(narrow(at(y, 1), 0, 1, 2), -1, 1, 3);
        return std::vector{square(v), square(reshape(y, {4, -1}))};
      },
      Shape{3, 4, 5});
}

GradcheckReport reshaped() {
  return of(
      [](Var x) {
        const Var y = made(x);
        return std::vector{square(reshape(y, {2, 10})), square(reshape(narrow(y, -1, 1, 2), {8})), square(y)};
      },
      Shape{4, 5});
}

GradcheckReport transposed() {
  return of(
      [](Var x) {
        const Var y = made(x);
        return std::vector{transpose(y, 0, 1), transpose(y, 1, -1), transpose(y, 0, 2),
                           transpose(narrow(y, -1, 1, 2), 0, -1)};
      },
      Shape{3, 2, 4});
}

GradcheckReport transposed_matrix() {
  return of([](Var x) { return transpose(made(x)); }, Shape{3, 4});
}

GradcheckReport flipped() {
  return of(
      [](Var x) {
        return std::vector{flip(x), square(flip(x)), flip(at(x, 1)), flip(at(at(x, 0), 1))};
      },
      Shape{3, 2, 4});
}

GradcheckReport flipped_once() {
  return of([](Var x) { return flip(made(x)); }, Shape{3, 2, 4});
}

GradcheckReport joined() {
  return gradcheck(
      [](Var x, Var y, Var z) {
        return std::vector{concat({x, y, z}, 0), concat({z, x, x}, 1), concat({x, y, z}, -1), stack({x, y, z}),
                           stack({x, x})};
      },
      check_input("x", Shape{2, 3, 4}, 2), check_input("y", Shape{2, 3, 4}, 3), check_input("z", Shape{2, 3, 4}, 4));
}

// Pieces that lie beside each other are joined without a copy.
GradcheckReport joined_in_place() {
  return of(
      [](Var x) {
        const Var y = made(x);
        const auto p = split(y, {1, 2, 2}, 0);
        return std::vector{square(concat(p, 0)), square(p[1]), square(concat({p[1], p[2]}, 0))};
      },
      Shape{5, 3});
}

GradcheckReport strided_join() {
  return of(
      [](Var x) {
        const Var a = narrow(x, -1, 0, 2), b = narrow(x, -1, 3, 2);
        return std::vector{concat({a, b}, 0), concat({b, a}, -1), stack({a, b}), contiguous(b)};
      },
      Shape{4, 5});
}

// Small sizes and tensors that need no gradient.
GradcheckReport beside_constants() {
  return of(
      [](Var x) {
        const Var c = full(Shape{2, 1}, 0.3);
        return std::vector{concat({c, x, c}, -1), stack({c, narrow(x, 1, 0, 1)})};
      },
      Shape{2, 2});
}

}  // namespace

void layout_checks(Checks& checks) {
  const Check all[] = {
      {"layout/slices", slices},
      {"layout/slices_of_a_result", slices_of_a_result},
      {"layout/overlapping", overlapping},
      {"layout/split_twice", split_twice},
      {"layout/parts_and_whole", parts_and_whole},
      {"layout/whole_before_parts", whole_before_parts},
      {"layout/one_slice", one_slice},
      {"layout/first_slice", first_slice},
      {"layout/slices_of_parts", slices_of_parts},
      {"layout/deep_parts", deep_parts},
      {"layout/unused_part", unused_part},
      {"layout/parts_of_parts", parts_of_parts},
      {"layout/part_and_its_parts", part_and_its_parts},
      {"layout/views_of_views", views_of_views},
      {"layout/reshape", reshaped},
      {"layout/transpose", transposed},
      {"layout/transpose_matrix", transposed_matrix},
      {"layout/flip", flipped},
      {"layout/flip_once", flipped_once},
      {"layout/join", joined},
      {"layout/join_in_place", joined_in_place},
      {"layout/join_strided", strided_join},
      {"layout/beside_constants", beside_constants},
  };
  checks.insert(checks.end(), std::begin(all), std::end(all));
}

}  // namespace unroll::mutation
