#pragma once
/// \file
/// Matrix products by loops of our own, compiled once per instruction set. Internal; the door to them is
/// core/gemm/gemm.hpp.

#include <cstdint>

namespace unroll::detail {

/// B (k,n) *packed*: panels of as many columns as a few registers hold, one after the other; in a panel, row after row
/// without gaps, so that a product reads it from front to back whatever the leading dimension of B was. The last panel
/// is as narrow as the columns that are left allow, filled with zeros up to a whole register.
template <class T>
struct GemmKernels {
  /// Numbers that `pack` writes for a B (k,n).
  std::int64_t (*packed_size)(std::int64_t k, std::int64_t n);
  /// Packs B (k,n), stored as (n,k) with `transposed`; leading dimension `ldb`.
  void (*pack)(bool transposed, std::int64_t k, std::int64_t n, const T* b, std::int64_t ldb, T* packed);
  /// C (m,n) = alpha A B + beta D for A (m,k) by rows, B packed, D (m,n), which may be C; `beta == 0` does not read D.
  /// What a row of C becomes does not depend on the other rows, for m > 1: the same bits whatever m is.
  void (*times_packed)(std::int64_t m, std::int64_t n, std::int64_t k, T alpha, const T* a, std::int64_t lda,
                       const T* packed, T beta, const T* d, std::int64_t ldd, T* c, std::int64_t ldc);
  /// y (n) = alpha x W + beta y for one row x (k), its numbers `x_step` apart, and W (k,n); beta == 0 does not read y.
  void (*row_times_matrix)(std::int64_t k, std::int64_t n, T alpha, const T* x, std::int64_t x_step, const T* w,
                           std::int64_t w_stride, T beta, T* y);
  /// y (n) = alpha x W^T + beta y for one row x (k) and W (n,k): every row of W is read from front to back.
  void (*row_times_transposed)(std::int64_t k, std::int64_t n, T alpha, const T* x, const T* w, std::int64_t ldw,
                               T beta, T* y);
  /// C = alpha op(A) op(B) + beta C, packing on the way; otherwise as `gemm` (core/gemm/gemm.hpp). For k > 0 and alpha != 0.
  void (*product)(bool transposed_a, bool transposed_b, std::int64_t m, std::int64_t n, std::int64_t k, T alpha,
                  const T* a, std::int64_t lda, const T* b, std::int64_t ldb, T beta, T* c, std::int64_t ldc);
};

/// The loops for the instruction set in use.
template <class T>
const GemmKernels<T>& gemm_kernels();

}  // namespace unroll::detail
