#pragma once
/// \file
/// Internal: the updates of the optimizers, one pass over a parameter, once per instruction set.

#include "../../core/isa.hpp"
#include "../../core/shape.hpp"

namespace unroll::detail {

template <class T>
struct SgdNumbers {
  T lr, momentum, one_minus_dampening, weight_decay;
  bool nesterov, first;
};

template <class T>
struct AdamNumbers {
  T step_size;  // lr / (1 - beta1^t)
  T beta1, beta2;
  T one_minus_beta1, one_minus_beta2;
  T inverse_root;  // 1 / sqrt(1 - beta2^t)
  T eps;
  T weight_decay;  // added to the gradient
  T keep;          // the value is first multiplied by it: 1 - lr * decoupled decay
};

template <class T>
struct NadamNumbers {
  T mean_size;          // lr mu_{t+1} / (1 - mu_1 ... mu_{t+1})
  T grad_size;          // lr (1 - mu_t) / (1 - mu_1 ... mu_t)
  AdamNumbers<T> adam;  // but step_size
};

template <class T>
struct RmspropNumbers {
  T lr, alpha, one_minus_alpha, eps, weight_decay, momentum;
};

template <class T>
struct AdagradNumbers {
  T lr;  // already decayed
  T eps, weight_decay;
};

template <class T>
struct AdadeltaNumbers {
  T lr, rho, one_minus_rho, eps, weight_decay;
};

template <class T>
struct UpdateKernels {
  /// `velocity` null: no momentum.
  void (*sgd)(T* value, const T* grad, T* velocity, Index n, const SgdNumbers<T>& numbers);
  /// `largest` null: no amsgrad.
  void (*adam)(T* value, const T* grad, T* mean, T* square, T* largest, Index n, const AdamNumbers<T>& numbers);
  void (*nadam)(T* value, const T* grad, T* mean, T* square, Index n, const NadamNumbers<T>& numbers);
  /// `mean` null: not centered; `velocity` null: no momentum.
  void (*rmsprop)(T* value, const T* grad, T* square, T* mean, T* velocity, Index n, const RmspropNumbers<T>& numbers);
  void (*adagrad)(T* value, const T* grad, T* sum, Index n, const AdagradNumbers<T>& numbers);
  void (*adadelta)(T* value, const T* grad, T* square, T* delta, Index n, const AdadeltaNumbers<T>& numbers);
  /// average += weight (value - average).
  void (*average)(T* average, const T* value, T weight, Index n);
};

UNROLL_FOR_EACH_ISA(template <class T> const UpdateKernels<T>& update_kernels();)

/// Those of the instruction set in use.
template <class T>
const UpdateKernels<T>& active_update_kernels() {
  return UNROLL_PICK_ISA(update_kernels<T>());
}

}  // namespace unroll::detail
