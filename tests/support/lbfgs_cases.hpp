#pragma once
// What the tests of L-BFGS minimise, and with what options.

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "unroll/optim/lbfgs.hpp"

namespace unroll::test {

struct LbfgsProblem {
  enum Kind { quadratic, bowl, rosenbrock };
  Kind kind;
  Index size;

  std::vector<double> start() const {
    std::vector<double> x(static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = kind == rosenbrock ? (i % 2 ? 1.0 : -1.2) : 2 * std::cos(1.0 + static_cast<double>(i));
    return x;
  }
  /// The loss at x; `g` becomes its gradient.
  template <class T>
  double loss(const std::vector<T>& values, std::vector<T>& g) const {
    const std::vector<double> x(values.begin(), values.end());
    const std::size_t n = x.size();
    g.assign(n, T(0));
    double sum = 0;
    const auto add = [&](std::size_t i, double d) { g[i] = static_cast<T>(static_cast<double>(g[i]) + d); };
    for (std::size_t i = 0; i < n; ++i) {
      const double c = 1 + 0.5 * static_cast<double>(i), d = x[i] - 0.3 * static_cast<double>(i);
      if (kind == quadratic) {
        sum += 0.5 * c * d * d;
        add(i, c * d);
      } else if (kind == bowl) {  // convex, its neighbours tied
        sum += std::log(std::cosh(d)) * c;
        add(i, c * std::tanh(d));
        if (i + 1 < n) {
          const double e = x[i] - x[i + 1];
          sum += 0.05 * e * e * e * e;
          add(i, 0.2 * e * e * e);
          add(i + 1, -0.2 * e * e * e);
        }
      } else if (i + 1 < n) {
        const double a = 1 - x[i], b = x[i + 1] - x[i] * x[i];
        sum += a * a + 100 * b * b;
        add(i, -2 * a - 400 * b * x[i]);
        add(i + 1, 200 * b);
      }
    }
    return sum;
  }
  /// A closure's work on one parameter.
  template <class T>
  double operator()(Parameter<T>& p) const {
    std::vector<T> g;
    const double l = loss(std::vector<T>(p.values().begin(), p.values().end()), g);
    std::ranges::copy(g, p.mutable_grads().begin());
    return l;
  }
};

struct LbfgsCase {
  std::string name;
  LbfgsProblem problem;
  LBFGSOptions options;
};

inline std::vector<LbfgsCase> lbfgs_cases() {
  const LbfgsProblem bowl = {LbfgsProblem::bowl, 12}, valley = {LbfgsProblem::rosenbrock, 4};
  return {
      {"fixed", bowl, {.lr = 0.4, .max_iter = 2}},
      {"fixed, many at once", bowl, {.lr = 0.3, .max_iter = 5, .max_eval = 4}},
      {"fixed, short history", bowl, {.lr = 0.2, .max_iter = 3, .history_size = 2}},
      {"quadratic, fixed", {LbfgsProblem::quadratic, 20}, {.lr = 0.5, .max_iter = 1, .history_size = 5}},
      {"search", bowl, {.max_iter = 1, .line_search = LineSearch::strong_wolfe}},
      {"search, long first try", bowl, {.lr = 30, .max_iter = 2, .line_search = LineSearch::strong_wolfe}},
      {"search, short tries",
       bowl,
       {.lr = 1e-3, .max_iter = 1, .history_size = 3, .line_search = LineSearch::strong_wolfe}},
      {"valley", valley, {.lr = 0.7, .max_iter = 1, .line_search = LineSearch::strong_wolfe}},
      {"valley, many at once", valley, {.max_iter = 4, .history_size = 4, .line_search = LineSearch::strong_wolfe}},
  };
}

inline constexpr int lbfgs_steps = 50;

template <class T>
std::vector<std::vector<T>> lbfgs_trajectory(const LbfgsCase& c, Index* evaluations = nullptr) {
  Parameter<T> p(Shape{c.problem.size});
  std::ranges::transform(c.problem.start(), p.mutable_values().begin(), [](double x) { return static_cast<T>(x); });
  LBFGS<T> lbfgs({{"p", p.share()}}, c.options);
  std::vector<std::vector<T>> out;
  for (int t = 0; t < lbfgs_steps; ++t) {
    lbfgs.step([&] { return c.problem(p); });
    out.emplace_back(p.values().begin(), p.values().end());
  }
  if (evaluations) *evaluations = lbfgs.evaluations();
  return out;
}

}  // namespace unroll::test
