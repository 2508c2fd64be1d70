#pragma once
// Trajectories that the tests of optimizers follow: which optimizer, with what numbers, on which gradients.

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "unroll/optim/adam.hpp"
#include "unroll/optim/sgd.hpp"

namespace unroll::test {

enum class Kind { sgd, adam, adamw };

struct OptimCase {
  std::string name;
  Kind kind;
  SGDOptions sgd = {};
  AdamOptions adam = {};
};

inline std::vector<OptimCase> optim_cases() {
  return {
      {"sgd", Kind::sgd, {.lr = 0.1}},
      {"sgd, decay", Kind::sgd, {.lr = 0.1, .weight_decay = 0.05}},
      {"sgd, momentum", Kind::sgd, {.lr = 0.03, .momentum = 0.9}},
      {"sgd, momentum, dampening, decay",
       Kind::sgd,
       {.lr = 0.1, .momentum = 0.8, .dampening = 0.3, .weight_decay = 0.02}},
      {"sgd, nesterov", Kind::sgd, {.lr = 0.03, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true}},
      {"adam", Kind::adam, {}, {}},
      {"adam, decay", Kind::adam, {}, {.lr = 0.05, .beta1 = 0.8, .beta2 = 0.99, .eps = 1e-4, .weight_decay = 0.1}},
      {"adam, amsgrad", Kind::adam, {}, {.lr = 0.05, .beta2 = 0.9, .amsgrad = true}},
      {"adamw", Kind::adamw, {}, {.lr = 0.05, .weight_decay = 0.1}},
      {"adamw, amsgrad", Kind::adamw, {}, {.lr = 0.02, .beta2 = 0.9, .weight_decay = 0.3, .amsgrad = true}},
  };
}

inline constexpr int optim_steps = 50;
inline constexpr Index optim_rows = 7, optim_cols = 5;

inline double start_value(Index i) { return std::cos(1.7 * static_cast<double>(i)); }
/// Wanders with the step and pulls the value `p` back.
inline double gradient(int step, Index i, double p) {
  return std::sin(0.3 * step + 0.7 * static_cast<double>(i)) * (1 + static_cast<double>(i % 3)) + 0.5 * p;
}

template <class T>
std::unique_ptr<Optimizer<T>> make_optimizer(const OptimCase& c, const ParameterList<T>& parameters) {
  const AdamOptions& a = c.adam;
  if (c.kind == Kind::sgd) return std::make_unique<SGD<T>>(parameters, c.sgd);
  if (c.kind == Kind::adam) return std::make_unique<Adam<T>>(parameters, a);
  return std::make_unique<AdamW<T>>(parameters, AdamWOptions{a.lr, a.beta1, a.beta2, a.eps, a.weight_decay, a.amsgrad});
}

/// The values after each of `optim_steps` steps.
template <class T>
std::vector<std::vector<T>> trajectory(const OptimCase& c) {
  Parameter<T> p(Shape{optim_rows, optim_cols});
  for (Index i = 0; i < p.size(); ++i) p.mutable_values()[static_cast<std::size_t>(i)] = static_cast<T>(start_value(i));
  auto optimizer = make_optimizer<T>(c, {{"p", p.share()}});
  std::vector<std::vector<T>> out;
  for (int t = 1; t <= optim_steps; ++t) {
    const auto g = p.mutable_grads();
    for (std::size_t i = 0; i < g.size(); ++i)
      g[i] = static_cast<T>(gradient(t, static_cast<Index>(i), static_cast<double>(p.values()[i])));
    optimizer->step();
    out.emplace_back(p.values().begin(), p.values().end());
  }
  return out;
}

}  // namespace unroll::test
