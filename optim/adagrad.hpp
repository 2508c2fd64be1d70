#pragma once
/// \file
/// Adagrad.

#include "optimizer.hpp"

namespace unroll {

struct AdagradOptions {
  double lr = 1e-2;                      ///< learning rate
  double lr_decay = 0;                   ///< c, 0 <= c
  double weight_decay = 0;               ///< l, 0 <= l
  double initial_accumulator_value = 0;  ///< what s begins with, 0 or more
  double eps = 1e-10;                    ///< added to the divisor
};

/// PyTorch's Adagrad (Duchi, Hazan, Singer, "Adaptive subgradient methods for online learning and stochastic
/// optimization", 2011). In step t, with g the gradient, p the value:
///
///     g += l p
///     s += g^2
///     p -= lr / (1 + (t - 1) c)  g / (sqrt(s) + eps)
///
/// Without decay it touches only the rows of an embedding that were used: the others would not move.
/// Throws ValueError on numbers outside their range.
template <class T = float>
class Adagrad : public Optimizer<T> {
 public:
  explicit Adagrad(const ParameterList<T>& parameters, const AdagradOptions& options = {},
                   const ParameterGroups& groups = {});
  const AdagradOptions& options() const { return options_; }

 private:
  void update(std::size_t i, ParameterStorage<T>& p, Index step) override;
  T initial_state(std::size_t k) const override;
  AdagradOptions options_;
};

extern template class Adagrad<float>;
extern template class Adagrad<double>;

}  // namespace unroll
