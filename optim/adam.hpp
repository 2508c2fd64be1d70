#pragma once
/// \file
/// Adam and AdamW.

#include "optimizer.hpp"

namespace unroll {

struct AdamOptions {
  double lr = 1e-3;         ///< learning rate
  double beta1 = 0.9;       ///< decay of the gradient's mean, in [0,1)
  double beta2 = 0.999;     ///< decay of its square's mean, in [0,1)
  double eps = 1e-8;        ///< added to the divisor
  double weight_decay = 0;  ///< l, 0 <= l
  bool amsgrad = false;     ///< divide by the largest square's mean so far
};

/// PyTorch's Adam (Kingma and Ba, "Adam", 2015; amsgrad: Reddi and others, 2018). In step t, with g the
/// gradient, p the value:
///
///     g += l p
///     m  = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2
///     p -= lr / (1 - beta1^t)  m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
///
/// With amsgrad (AMSGrad) v in the last line is the largest v of all steps so far. A gradient of which only some rows
/// were touched gives exactly the result of the dense one: every row moves, since its m fades.
/// Throws ValueError on numbers outside their range.
template <class T = float>
class Adam : public Optimizer<T> {
 public:
  explicit Adam(const ParameterList<T>& parameters, const AdamOptions& options = {}, const ParameterGroups& groups = {})
      : Adam("Adam", parameters, options, groups, false) {}
  const AdamOptions& options() const { return options_; }

 protected:
  Adam(const char* op, const ParameterList<T>& parameters, const AdamOptions& options, const ParameterGroups& groups,
       bool decoupled);

 private:
  void update(std::size_t i, ParameterStorage<T>& p, Index step) override;
  AdamOptions options_;
  bool decoupled_;
};

struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 1e-2;
  bool amsgrad = false;
};

/// Adam with the decay taken from the value instead of put into the gradient: p *= 1 - lr l first, then
/// Adam's update without decay (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019).
template <class T = float>
class AdamW : public Adam<T> {
 public:
  explicit AdamW(const ParameterList<T>& parameters, const AdamWOptions& o = {}, const ParameterGroups& groups = {})
      : Adam<T>("AdamW", parameters, {o.lr, o.beta1, o.beta2, o.eps, o.weight_decay, o.amsgrad}, groups, true) {}
};

extern template class Adam<float>;
extern template class Adam<double>;

}  // namespace unroll
