#pragma once
// Trajectories that the tests of optimizers follow: which optimizer, with what numbers, on which gradients.

#include <cmath>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "unroll/optim/adadelta.hpp"
#include "unroll/optim/adagrad.hpp"
#include "unroll/optim/adam.hpp"
#include "unroll/optim/nadam.hpp"
#include "unroll/optim/rmsprop.hpp"
#include "unroll/optim/sgd.hpp"

namespace unroll::test {

using AnyOptions =
    std::variant<SGDOptions, AdamOptions, AdamWOptions, RMSpropOptions, AdagradOptions, AdadeltaOptions, NAdamOptions>;

struct OptimCase {
  std::string name;
  AnyOptions options;
};

inline std::vector<OptimCase> optim_cases() {
  return {
      {"sgd", SGDOptions{.lr = 0.1}},
      {"sgd, decay", SGDOptions{.lr = 0.1, .weight_decay = 0.05}},
      {"sgd, momentum", SGDOptions{.lr = 0.03, .momentum = 0.9}},
      {"sgd, momentum, dampening, decay",
       SGDOptions{.lr = 0.1, .momentum = 0.8, .dampening = 0.3, .weight_decay = 0.02}},
      {"sgd, nesterov", SGDOptions{.lr = 0.03, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true}},
      {"adam", AdamOptions{}},
      {"adam, decay", AdamOptions{.lr = 0.05, .beta1 = 0.8, .beta2 = 0.99, .eps = 1e-4, .weight_decay = 0.1}},
      {"adam, amsgrad", AdamOptions{.lr = 0.05, .beta2 = 0.9, .amsgrad = true}},
      {"adamw", AdamWOptions{.lr = 0.05, .weight_decay = 0.1}},
      {"adamw, amsgrad", AdamWOptions{.lr = 0.02, .beta2 = 0.9, .weight_decay = 0.3, .amsgrad = true}},
      {"rmsprop", RMSpropOptions{.lr = 0.02}},
      {"rmsprop, decay", RMSpropOptions{.lr = 0.02, .alpha = 0.9, .eps = 1e-3, .weight_decay = 0.1}},
      {"rmsprop, momentum", RMSpropOptions{.lr = 0.01, .alpha = 0.9, .momentum = 0.8}},
      {"rmsprop, centered", RMSpropOptions{.lr = 0.01, .alpha = 0.95, .eps = 1e-2, .centered = true}},
      {"rmsprop, centered, momentum, decay",
       RMSpropOptions{.lr = 0.005, .alpha = 0.9, .eps = 0.1, .weight_decay = 0.05, .momentum = 0.7, .centered = true}},
      {"adagrad", AdagradOptions{.lr = 0.3}},
      {"adagrad, lr decay", AdagradOptions{.lr = 0.5, .lr_decay = 0.05, .initial_accumulator_value = 0.1}},
      {"adagrad, decay", AdagradOptions{.lr = 0.2, .weight_decay = 0.1, .initial_accumulator_value = 1, .eps = 1e-3}},
      {"adadelta", AdadeltaOptions{}},
      {"adadelta, decay", AdadeltaOptions{.lr = 0.7, .rho = 0.8, .eps = 1e-3, .weight_decay = 0.1}},
      {"nadam", NAdamOptions{.lr = 0.02}},
      {"nadam, decay",
       NAdamOptions{.lr = 0.05, .beta1 = 0.8, .beta2 = 0.99, .eps = 1e-4, .weight_decay = 0.1, .momentum_decay = 0.1}},
      {"nadam, decoupled", NAdamOptions{.lr = 0.03, .weight_decay = 0.2, .decoupled_weight_decay = true}},
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
std::unique_ptr<Optimizer<T>> make_optimizer(const OptimCase& c, const ParameterList<T>& list,
                                             const ParameterGroups& groups = {}) {
  struct Make {
    const ParameterList<T>& list;
    const ParameterGroups& groups;
    using Made = std::unique_ptr<Optimizer<T>>;
    Made operator()(const SGDOptions& o) const { return std::make_unique<SGD<T>>(list, o, groups); }
    Made operator()(const AdamOptions& o) const { return std::make_unique<Adam<T>>(list, o, groups); }
    Made operator()(const AdamWOptions& o) const { return std::make_unique<AdamW<T>>(list, o, groups); }
    Made operator()(const RMSpropOptions& o) const { return std::make_unique<RMSprop<T>>(list, o, groups); }
    Made operator()(const AdagradOptions& o) const { return std::make_unique<Adagrad<T>>(list, o, groups); }
    Made operator()(const AdadeltaOptions& o) const { return std::make_unique<Adadelta<T>>(list, o, groups); }
    Made operator()(const NAdamOptions& o) const { return std::make_unique<NAdam<T>>(list, o, groups); }
  };
  return std::visit(Make{list, groups}, c.options);
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
