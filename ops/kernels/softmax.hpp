#pragma once
/// \file
/// Softmax, log-softmax and log-sum-exp of one panel (see AxisWalk), compiled once per instruction set.

#include <cstdint>

namespace unroll::detail {

/// A panel: with `rows` one row of `n` numbers, otherwise `n` rows of `width` numbers with independent
/// columns. x and dx have their rows x_step apart, y and dy y_step. Of a log-sum-exp, y and dy are one row
/// (one number).
template <class T>
struct SoftmaxPanel {
  bool rows;
  std::int64_t n, width;
  std::int64_t x_step, y_step;
  const T* x;
  T* y;
  const T* dy;
  T* dx;
  bool fresh;  // dx is overwritten, otherwise added to
};

/// Every function in two directions. Forward reads x and writes y; backward reads y and dy (log-sum-exp: x
/// too) and writes dx.
template <class T>
struct SoftmaxKernels {
  using Function = void (*)(const SoftmaxPanel<T>&);
  Function softmax, softmax_backward;
  Function log_softmax, log_softmax_backward;
  Function logsumexp, logsumexp_backward;
};

/// The functions for the instruction set in use.
template <class T>
const SoftmaxKernels<T>& softmax_kernels();

}  // namespace unroll::detail
