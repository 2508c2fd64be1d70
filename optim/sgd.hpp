#pragma once
/// \file
/// Stochastic gradient descent.

#include "optimizer.hpp"

namespace unroll {

struct SGDOptions {
  double lr = 1e-2;         ///< learning rate
  double momentum = 0;      ///< mu, 0 <= mu
  double dampening = 0;     ///< d; PyTorch's damping of what enters the momentum
  double weight_decay = 0;  ///< l, 0 <= l: L2 penalty
  bool nesterov = false;    ///< needs momentum, and no dampening
};

/// PyTorch's SGD. With g the gradient and p the value:
///
///     g += l p
///     v  = g in the first step, mu v + (1 - d) g afterwards       (with mu != 0)
///     p -= lr (g + mu v)   Nesterov;   lr v   momentum;   lr g   plain
///
/// Plain, without decay, it touches only the rows of an embedding that were used; otherwise every row moves in every
/// step, used or not, as a dense gradient would move it.
/// Throws ValueError on numbers outside their range. (Sutskever and others, "On the importance of
/// initialization and momentum in deep learning", 2013.)
template <class T = float>
class SGD : public Optimizer<T> {
 public:
  explicit SGD(const ParameterList<T>& parameters, const SGDOptions& options = {}, const ParameterGroups& groups = {});
  const SGDOptions& options() const { return options_; }

 private:
  void update(std::size_t i, ParameterStorage<T>& p, Index step) override;
  SGDOptions options_;
};

extern template class SGD<float>;
extern template class SGD<double>;

}  // namespace unroll
