// map: kinds of operands, tails behind whole registers, several outputs, the rules of dual numbers.

#include "checks.hpp"
#include "unroll/ops/custom.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/map.hpp"

namespace unroll::mutation {
namespace {

// Values between `low` and `high`, away from both.
CheckInput between(std::string name, const Shape& shape, std::uint64_t seed, double low, double high) {
  std::vector<double> values(static_cast<std::size_t>(shape.size()));
  Rng rng(seed);
  for (double& v : values) v = rng.uniform(low, high);
  return check_input(std::move(name), shape, std::move(values));
}

GradcheckReport operands() {
  return gradcheck(
      [](Var x, Var wide, Var vector, Var scalar) {
        return map([](auto a, auto b, auto v, auto s) { return a * b + v * a * s + s; }, x, narrow(wide, -1, 1, 7),
                   vector, scalar);
      },
      check_input("x", Shape{3, 7}, 1), check_input("wide", Shape{3, 9}, 2), check_input("vector", Shape{7}, 3),
      check_input("scalar", Shape{}, 4));
}

GradcheckReport used_twice() {
  return gradcheck(
      [](Var x, Var vector, Var scalar) {
        const auto f = [](auto a, auto b, auto v, auto s) { return a * b * v + s * b; };
        const Var y = map(f, x, x, vector, scalar);
        return map(f, y, x, vector, scalar);
      },
      check_input("x", Shape{3, 5}, 5), check_input("vector", Shape{5}, 6), check_input("scalar", Shape{}, 7));
}

// Of several outputs only some are used, the last one or the first.
GradcheckReport outputs(bool first) {
  return gradcheck(
      [=](Var x, Var y) {
        const auto [a, b, c] = map([](auto x, auto y) { return std::tuple(x * y, sin(x) + y, x - y * y); }, x, y);
        return first ? std::vector{a} : std::vector{b, c};
      },
      check_input("x", Shape{2, 5}, 8), check_input("y", Shape{2, 5}, 9));
}

GradcheckReport all_outputs() {
  return gradcheck([](Var x, Var y) { return map([](auto x, auto y) { return std::pair(x * y, sin(x)); }, x, y); },
                   check_input("x", Shape{2, 5}, 10), check_input("y", Shape{2, 5}, 11));
}

GradcheckReport arithmetic() {
  return gradcheck(
      [](Var x, Var y) {
        return map([](auto a, auto b) { return std::tuple(a * b - b, a / b, (a + 2.0 * b) / (a - 3.0)); }, x, y);
      },
      between("x", Shape{2, 5}, 12, -1, 1), between("y", Shape{2, 5}, 13, 0.5, 2));
}

GradcheckReport functions() {
  return gradcheck(
      [](Var x) {
        return std::vector{
            map([](auto a) { return exp(a) + expm1(a) * log(a); }, x),
            map([](auto a) { return log1p(a) * sqrt(a) + rsqrt(a); }, x),
            map([](auto a) { return sin(a) * cos(a) + erf(a) + abs(a - 1.0); }, x),
        };
      },
      between("x", Shape{2, 5}, 14, 0.3, 0.9));
}

GradcheckReport activations() {
  return gradcheck([](Var x) { return map([](auto a) { return std::tuple(tanh(a), sigmoid(a), softplus(a)); }, x); },
                   check_input("x", Shape{2, 5}, 15));
}

GradcheckReport choices() {
  return gradcheck(
      [](Var x, Var y) {
        return map(
            [](auto a, auto b) {
              return std::tuple(maximum(a, b), minimum(2.0 * a, b), select(a < b, a * b, a - b) + clamp(a, -0.5, 0.5));
            },
            x, y);
      },
      check_input("x", Shape{3, 5}, 16), check_input("y", Shape{3, 5}, 17));
}

GradcheckReport powers() {
  return gradcheck([](Var x, Var y) { return map([](auto a, auto b) { return pow(a, b) + pow(b, 3); }, x, y); },
                   between("x", Shape{2, 5}, 18, 0.5, 2), between("y", Shape{2, 5}, 19, -2, 2));
}

// Gradients of 1e-9 and less: zero in their place is wrong.
GradcheckReport tiny() {
  return gradcheck([](Var x, Var y) { return map([](auto a, auto b) { return 1e-9 * tanh(a * b); }, x, y); },
                   check_input("x", Shape{2, 5}, 20), check_input("y", Shape{2, 5}, 21));
}

// Tensors whose adjoints are tiny beside an operation of usual size.
GradcheckReport tiny_arrivals() {
  return gradcheck(
      [](Var x, Var y) {
        const Var a = map([](auto a) { return a * sin(a); }, x), b = map([](auto b) { return b * b; }, y);
        return map([](auto a, auto b) { return 1e-10 * a * b + b; }, a, b);
      },
      check_input("x", Shape{2, 5}, 22), check_input("y", Shape{2, 5}, 23));
}

GradcheckReport saturated() {
  return gradcheck([](Var x) { return map([](auto a) { return std::pair(sigmoid(a), tanh(a)); }, x); },
                   between("x", Shape{2, 5}, 24, -14, -9));
}

// Lanes behind the end hold the derivative at 0, which is infinite here.
GradcheckReport scalar_with_tail() {
  return gradcheck([](Var x, Var s) { return map([](auto a, auto s) { return log(a) * s; }, x, s); },
                   between("x", Shape{3, 5}, 25, 0.5, 2), check_input("scalar", Shape{}, 26));
}

// Constants first, last and between.
GradcheckReport beside_constants() {
  return gradcheck(
      [](Var x) {
        const Var c = full(Shape{2, 5}, 0.7), s = full(Shape{}, -1.3);
        const auto f = [](auto a, auto b, auto d) { return a * b + sin(a * d); };
        return std::vector{map(f, x, c, s), map(f, c, x, s), map(f, c, c, x)};
      },
      check_input("x", Shape{2, 5}, 28));
}

// A user's own operation with its own backward.
GradcheckReport custom() {
  return gradcheck(
      [](Var x, Var w) {
        const Var y = 1.5 * x;
        const auto forward = [](auto y, auto x, auto w) {
          for (std::size_t i = 0; i < y.size(); ++i) y[i] = x[i] * x[i] * w[i % 3];
        };
        const auto backward = [](auto dy, auto, auto x, auto w, auto dx, auto dw) {
          for (std::size_t i = 0; i < dy.size(); ++i) {
            dx[i] += dy[i] * 2 * x[i] * w[i % 3];
            dw[i % 3] += dy[i] * x[i] * x[i];
          }
        };
        return std::vector{custom_op("scaled", y.shape(), forward, backward, y, w), square(y)};
      },
      check_input("x", Shape{2, 3}, 29), check_input("w", Shape{3}, 30));
}

GradcheckReport many_operands() {
  return gradcheck(
      [](Var x) {
        const auto p = chunk<12>(x);
        return map([](auto a, auto b, auto c, auto d, auto e, auto f, auto g, auto h, auto i, auto j, auto k,
                      auto l) { return a * b - c * d + e * f - g * h + i * j - k * l; },
                   p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9], p[10], p[11]);
      },
      check_input("x", Shape{2, 36}, 27));
}

}  // namespace

void map_checks(Checks& checks) {
  const Check all[] = {
      {"map/operands", operands},
      {"map/used_twice", used_twice},
      {"map/first_output", [] { return outputs(true); }},
      {"map/last_outputs", [] { return outputs(false); }},
      {"map/all_outputs", all_outputs},
      {"map/arithmetic", arithmetic},
      {"map/functions", functions},
      {"map/activations", activations},
      {"map/choices", choices},
      {"map/powers", powers},
      {"map/tiny", tiny},
      {"map/tiny_arrivals", tiny_arrivals},
      {"map/saturated", saturated},
      {"map/scalar_with_tail", scalar_with_tail},
      {"map/many_operands", many_operands},
      {"map/beside_constants", beside_constants},
      {"custom/op", custom},
  };
  checks.insert(checks.end(), std::begin(all), std::end(all));
}

}  // namespace unroll::mutation
