// The compiled elementwise operations.

#include "checks.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/layout.hpp"

namespace unroll::mutation {
namespace {

CheckInput between(std::string name, std::uint64_t seed, double low, double high) {
  const Shape shape{3, 5};
  std::vector<double> values(static_cast<std::size_t>(shape.size()));
  Rng rng(seed);
  for (double& v : values) v = rng.uniform(low, high);
  return check_input(std::move(name), shape, std::move(values));
}

GradcheckReport arithmetic() {
  return gradcheck(
      [](Var a, Var b, Var v, Var s) {
        return std::vector{a + b, a - b, a * b,   a / b,   -a,      a * v,   v - a,
                           a / s, s * a, a + 2.0, 2.0 - a, 3.0 * a, a / 2.0, 2.0 / b};
      },
      between("a", 1, -1, 1), between("b", 2, 0.5, 2), check_input("vector", Shape{5}, 3),
      check_input("scalar", Shape{}, std::vector{1.5}));
}

GradcheckReport functions() {
  return gradcheck(
      [](Var x) {
        return std::vector{exp(x),
                           log(x),
                           log1p(x),
                           sqrt(x),
                           abs(x - 0.7),
                           square(x),
                           sin(x),
                           cos(x),
                           erf(x),
                           tanh(x),
                           sigmoid(x),
                           softplus(x),
                           gelu(x),
                           gelu_tanh(x),
                           relu(x - 0.5),
                           leaky_relu(x - 0.5, 0.1),
                           clamp(x, 0.4, 0.8)};
      },
      between("x", 4, 0.2, 1));
}

GradcheckReport powers() {
  return gradcheck(
      [](Var x, Var y) {
        return std::vector{pow(x, y), pow(x, 3), pow(x, -2), pow(x, 0.3), pow(2.5, y)};
      },
      between("x", 5, 0.5, 2), between("y", 6, -2, 2));
}

GradcheckReport extrema() {
  return gradcheck(
      [](Var a, Var b) {
        return std::vector{maximum(a, b), minimum(a, b), maximum(a, 0.1), minimum(0.1, b)};
      },
      between("a", 7, -1, 1), between("b", 8, -1, 1));
}

}  // namespace

void elementwise_checks(Checks& checks) {
  const Check all[] = {
      {"elementwise/arithmetic", arithmetic},
      {"elementwise/functions", functions},
      {"elementwise/powers", powers},
      {"elementwise/extrema", extrema},
  };
  checks.insert(checks.end(), std::begin(all), std::end(all));
}

}  // namespace unroll::mutation
