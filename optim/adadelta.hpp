#pragma once
/// \file
/// Adadelta.

#include "optimizer.hpp"

namespace unroll {

struct AdadeltaOptions {
  double lr = 1;            ///< factor of the step that the method finds itself
  double rho = 0.9;         ///< decay of the means, in [0,1)
  double eps = 1e-6;        ///< added under both roots
  double weight_decay = 0;  ///< l, 0 <= l
};

/// PyTorch's Adadelta (Zeiler, "ADADELTA: an adaptive learning rate method", 2012). In each step, with g the gradient,
/// p the value:
///
///     g += l p
///     v  = rho v + (1 - rho) g^2
///     d  = sqrt(u + eps) / sqrt(v + eps)  g
///     u  = rho u + (1 - rho) d^2
///     p -= lr d
///
/// All rows of a table fade in every step, touched or not. Throws ValueError on numbers outside their range.
template <class T = float>
class Adadelta : public Optimizer<T> {
 public:
  explicit Adadelta(const ParameterList<T>& parameters, const AdadeltaOptions& options = {},
                    const ParameterGroups& groups = {});
  const AdadeltaOptions& options() const { return options_; }

 private:
  void update(std::size_t i, ParameterStorage<T>& p, Index step) override;
  AdadeltaOptions options_;
};

extern template class Adadelta<float>;
extern template class Adadelta<double>;

}  // namespace unroll
