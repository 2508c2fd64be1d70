#pragma once
/// \file
/// RMSprop.

#include "optimizer.hpp"

namespace unroll {

struct RMSpropOptions {
  double lr = 1e-2;         ///< learning rate
  double alpha = 0.99;      ///< decay of the means, in [0,1)
  double eps = 1e-8;        ///< added to the divisor
  double weight_decay = 0;  ///< l, 0 <= l
  double momentum = 0;      ///< mu, 0 <= mu
  bool centered = false;    ///< divide by the deviation instead of the root of the mean square
};

/// PyTorch's RMSprop (Tieleman and Hinton, lecture 6.5, 2012; centered: Graves, "Generating sequences with recurrent
/// neural networks", 2013). In each step, with g the gradient, p the value:
///
///     g += l p
///     v  = alpha v + (1 - alpha) g^2
///     a  = alpha a + (1 - alpha) g,   d = sqrt(v - a^2) + eps     centered;   d = sqrt(v) + eps   otherwise
///     b  = mu b + g / d
///     p -= lr b
///
/// Where rounding makes v - a^2 negative it counts as 0 (PyTorch: NaN). All rows move in every step, touched or not.
/// Throws ValueError on numbers outside their range.
template <class T = float>
class RMSprop : public Optimizer<T> {
 public:
  explicit RMSprop(const ParameterList<T>& parameters, const RMSpropOptions& options = {},
                   const ParameterGroups& groups = {});
  const RMSpropOptions& options() const { return options_; }

 private:
  void update(std::size_t i, ParameterStorage<T>& p, Index step) override;
  RMSpropOptions options_;
};

extern template class RMSprop<float>;
extern template class RMSprop<double>;

}  // namespace unroll
