#pragma once
/// \file
/// Internal: the loops of the losses, compiled once per instruction set.

#include "../../core/isa.hpp"
#include "../../core/shape.hpp"

namespace unroll::detail {

/// Rows of `cols` contiguous numbers, `stride` apart.
template <class T>
struct Rows {
  T* data;
  Index rows, cols, stride;
};

template <class T>
struct CrossEntropyKernels {
  /// Of each row r with skip[r] >= 0 (skip may be null): the maximum m, log sum exp(x - m) and 1 / sum exp(x
  /// - m).
  void (*statistics)(const Rows<const T>& x, const std::int32_t* skip, T* max, T* log_sum, T* inverse_sum);
  /// dx_rk = scale[r] exp(x_rk - max[r]), written (fresh) or added; zero where scale[r] is zero, whatever x
  /// is.
  void (*backward)(const Rows<const T>& x, const T* max, const T* scale, T* dx, Index dx_stride, bool fresh);
  /// With u_k = v_k q_k (v null: 1): total[r] = sum_k u_k, weighted[r] = sum_k u_k (x_k - max[r]); terms with
  /// u_k = 0 count as zero even where x_k is -inf. q null: q_k = 1.
  void (*target_sums)(const Rows<const T>& x, const T* max, const T* q, Index q_stride, const T* v, T* total,
                      T* weighted);
};

/// One elementwise loss of x against t: what is summed, and its slopes.
template <class T>
struct ElementLossCall {
  Rows<const T> x;
  const T* t;
  Index t_stride;
  const T* weights;     // rows * cols contiguous, or null
  const T* pos_weight;  // cols, or null
  T parameter;          // the delta of Huber
  // forward
  T* out;    // rows * cols contiguous, or null when only the sum is wanted
  bool bad;  // set by the forward pass: some x is outside the loss's domain
  // backward
  const T* dy;  // null: every element's adjoint is `scale`; else rows * cols, dy_stride apart
  Index dy_stride;
  T scale;
  T* dx;  // null: not wanted
  Index dx_stride;
  bool dx_fresh;
  T* dt;
  Index dt_stride;
  bool dt_fresh;
};

enum class ElementLoss { squared, absolute, huber, binary, binary_logits };
inline constexpr int element_losses = 5;

template <class T>
struct ElementLossKernels {
  double (*forward[element_losses])(ElementLossCall<T>& call);  // the weighted sum
  void (*backward[element_losses])(const ElementLossCall<T>& call);
};

UNROLL_FOR_EACH_ISA(template <class T> const CrossEntropyKernels<T>& cross_entropy_kernels();
                    template <class T> const ElementLossKernels<T>& element_loss_kernels();)

}  // namespace unroll::detail
