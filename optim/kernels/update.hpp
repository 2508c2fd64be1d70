#pragma once
/// \file
/// Internal: the updates of the optimizers, one pass over a parameter, once per instruction set.

#include "../../core/isa.hpp"
#include "../../core/shape.hpp"

namespace unroll::detail {

struct SgdNumbers {
  double lr, momentum, dampening, weight_decay;
  bool nesterov, first;
};

struct AdamNumbers {
  double step_size;  // lr / (1 - beta1^t)
  double beta1, beta2;
  double inverse_root;  // 1 / sqrt(1 - beta2^t)
  double eps;
  double weight_decay;  // added to the gradient
  double keep;          // the value is first multiplied by it: 1 - lr * decoupled decay
};

struct NadamNumbers {
  double mean_size;  // lr mu_{t+1} / (1 - mu_1 ... mu_{t+1})
  double grad_size;  // lr (1 - mu_t) / (1 - mu_1 ... mu_t)
  AdamNumbers adam;  // but step_size
};

struct RmspropNumbers {
  double lr, alpha, eps, weight_decay, momentum;
};

struct AdagradNumbers {
  double lr;  // already decayed
  double eps, weight_decay;
};

struct AdadeltaNumbers {
  double lr, rho, eps, weight_decay;
};

template <class T>
struct UpdateKernels {
  /// `velocity` null: no momentum.
  void (*sgd)(T* value, const T* grad, T* velocity, Index n, const SgdNumbers& numbers);
  /// `largest` null: no amsgrad.
  void (*adam)(T* value, const T* grad, T* mean, T* square, T* largest, Index n, const AdamNumbers& numbers);
  void (*nadam)(T* value, const T* grad, T* mean, T* square, Index n, const NadamNumbers& numbers);
  /// `mean` null: not centered; `velocity` null: no momentum.
  void (*rmsprop)(T* value, const T* grad, T* square, T* mean, T* velocity, Index n, const RmspropNumbers& numbers);
  void (*adagrad)(T* value, const T* grad, T* sum, Index n, const AdagradNumbers& numbers);
  void (*adadelta)(T* value, const T* grad, T* square, T* delta, Index n, const AdadeltaNumbers& numbers);
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
