#pragma once
/// \file
/// Adam with Nesterov momentum.

#include <utility>
#include <vector>

#include "optimizer.hpp"

namespace unroll {

struct NAdamOptions {
  double lr = 2e-3;                     ///< learning rate
  double beta1 = 0.9;                   ///< decay of the gradient's mean, in [0,1)
  double beta2 = 0.999;                 ///< decay of its square's mean, in [0,1)
  double eps = 1e-8;                    ///< added to the divisor
  double weight_decay = 0;              ///< l, 0 <= l
  double momentum_decay = 4e-3;         ///< psi, 0 <= psi: how fast mu grows to beta1
  bool decoupled_weight_decay = false;  ///< take the decay from the value, as AdamW
};

/// PyTorch's NAdam (Dozat, "Incorporating Nesterov momentum into Adam", 2016). In step t, with g the gradient, p the
/// value:
///
///     g   += l p                                   decoupled instead:  p *= 1 - lr l
///     mu_t = beta1 (1 - 0.96^(t psi) / 2)
///     m    = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2
///     n    = mu_{t+1} m / (1 - mu_1 ... mu_{t+1}) + (1 - mu_t) g / (1 - mu_1 ... mu_t)
///     p   -= lr n / (sqrt(v) / sqrt(1 - beta2^t) + eps)
///
/// The products of mu are doubles (PyTorch keeps them in float: its steps differ from the formula by some 1e-8). All
/// rows move in every step, touched or not. Throws ValueError on numbers outside their range.
template <class T = float>
class NAdam : public Optimizer<T> {
 public:
  explicit NAdam(const ParameterList<T>& parameters, const NAdamOptions& options = {},
                 const ParameterGroups& groups = {});
  const NAdamOptions& options() const { return options_; }

 private:
  void update(std::size_t i, ParameterStorage<T>& p, Index step) override;
  double momentum(Index t) const;
  NAdamOptions options_;
  std::vector<std::pair<Index, double>> products_;  // of mu by parameter: how many, and their product
};

extern template class NAdam<float>;
extern template class NAdam<double>;

}  // namespace unroll
