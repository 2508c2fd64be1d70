#pragma once
/// \file
/// The one door for matrix products. Everything in the library that multiplies matrices comes through `gemm`.

#include <string>

#include "../isa.hpp"
#include "../shape.hpp"
#include "../threads.hpp"

namespace unroll {

/// Whether a matrix enters a product as it is stored or transposed.
enum class Trans : bool { no, yes };

/// General matrix product, row-major:
///
///     C = alpha op(A) op(B) + beta C        op(A) (m,k), op(B) (k,n), C (m,n)
///
/// with op(X) = X for `Trans::no` and op(X) = X^T for `Trans::yes`: a transposed A is stored as (k,m), a
/// transposed B as (n,k). A leading dimension is the distance in elements from one stored row to the next, at
/// least the number of stored columns; so gate slices and transposes cost no copy.
///
/// `beta == 0` never reads C, which may hold anything, NaN included. `k == 0` or `alpha == 0` gives `beta C`
/// and reads neither A nor B. `m == 0` or `n == 0` does nothing. C must not overlap A or B.
///
/// What computes it (oneDNN, the BLAS, or loops of our own) is chosen by shape; see `gemm_rules`. The same
/// call gives the same bits on the same machine with the same number of threads. Never allocates by itself.
///
/// Throws ValueError on a negative size, a leading dimension that is too small, or a size above 2^31 - 1.
///
/// \tparam T float or double.
template <class T>
void gemm(Trans transpose_a, Trans transpose_b, Index m, Index n, Index k, T alpha, const T* a, Index lda,
          const T* b, Index ldb, T beta, T* c, Index ldc);

extern template void gemm<float>(Trans, Trans, Index, Index, Index, float, const float*, Index, const float*,
                                 Index, float, float*, Index);
extern template void gemm<double>(Trans, Trans, Index, Index, Index, double, const double*, Index,
                                  const double*, Index, double, double*, Index);

/// Numbers that a matrix (k,n) takes when packed.
///
/// \tparam T float or double.
template <class T>
Index packed_size(Index k, Index n);

/// Packs op(B) (k,n), for `gemm_packed`: B is stored as (k,n), or with `Trans::yes` as (n,k), with leading dimension
/// `ldb`. Costs about what reading and writing B costs. `packed` has room for `packed_size(k, n)` numbers; their order
/// belongs to the instruction set in use. Throws ValueError on a negative size or a leading dimension that is too small.
///
/// \tparam T float or double.
template <class T>
void pack(Trans transpose_b, Index k, Index n, const T* b, Index ldb, T* packed);

/// C = alpha A op(B) + beta D for A (m,k), B packed, C and D (m,n): for a matrix that is used many times, as the
/// recurrent weights of a time loop are. D may be C; with `ldd == 0` it is one row, added to every row (a bias).
///
/// It is computed by loops of our own, on one thread. For up to some hundred rows they are as fast as the fastest
/// library on every class of machine (bench/README.md), since libraries pack B at every call, or read it where it lies,
/// in a layout that may not suit them. For m > 1 a row of C does not depend on the other rows: the same bits whatever m
/// is. Otherwise as `gemm`; throws what that throws.
///
/// \tparam T float or double.
template <class T>
void gemm_packed(Index m, Index n, Index k, T alpha, const T* a, Index lda, const T* packed, T beta, const T* d,
                 Index ldd, T* c, Index ldc);

/// One line that says what is behind the door and which class of machines this one is taken for, e.g.
/// `oneDNN 2.6.3 (float), OpenBLAS 0.3.21 SkylakeX (float, double), own loops (avx512); 1 thread; class AVX-512`.
///
/// The classes are AVX-512, AVX2, SSE and 64-bit ARM, by what the libraries compute with. Each has a table of rules, who
/// computes a product of which shape; they were measured once, by bench/gemm_door.cpp, and nothing is measured when a
/// program runs: the same machine gives the same bits.
std::string gemm_description();

/// The class and its rules for float and double, one a line; the first that holds decides.
std::string gemm_rules();

/// Whether the library was built with a CBLAS (through the interface that xtensor-blas bundles).
bool gemm_has_cblas() noexcept;
/// Whether the library was built with oneDNN, whose product serves float.
bool gemm_has_dnnl() noexcept;

namespace detail {

/// `gemm` by the BLAS: gemm, gemv or ger by shape. Sizes are those `gemm` has checked. Throws Error if not
/// built in.
template <class T>
void gemm_cblas(Trans transpose_a, Trans transpose_b, Index m, Index n, Index k, T alpha, const T* a,
                Index lda, const T* b, Index ldb, T beta, T* c, Index ldc);

/// `gemm` by oneDNN's sgemm. Sizes are those `gemm` has checked. Throws Error if not built in.
void gemm_dnnl(Trans transpose_a, Trans transpose_b, Index m, Index n, Index k, float alpha, const float* a,
               Index lda, const float* b, Index ldb, float beta, float* c, Index ldc);

/// `gemm` by loops of our own (core/gemm/gemm_isa.cpp), on one thread. Sizes are those `gemm` has checked.
template <class T>
void gemm_own(Trans transpose_a, Trans transpose_b, Index m, Index n, Index k, T alpha, const T* a, Index lda,
              const T* b, Index ldb, T beta, T* c, Index ldc);

/// C = beta C for C (m,n); `beta == 0` does not read C.
template <class T>
void gemm_scale(Index m, Index n, T beta, T* c, Index ldc) {
  for (Index i = 0; i < m; ++i, c += ldc) {
    if (beta == T(0)) {
      for (Index j = 0; j < n; ++j) c[j] = T(0);
    } else {
      for (Index j = 0; j < n; ++j) c[j] *= beta;
    }
  }
}

/// While it lives, what is behind the door runs on `threads` threads when called from this thread.
class ThreadsScope {
 public:
  explicit ThreadsScope(int threads) noexcept;
  ~ThreadsScope();
  ThreadsScope(const ThreadsScope&) = delete;
  ThreadsScope& operator=(const ThreadsScope&) = delete;

 private:
  int restore_ = 0;
};

/// "OpenBLAS 0.3.21 SkylakeX", or "BLAS" where it does not say; empty without CBLAS.
std::string cblas_name();
/// OpenBLAS' name for the processor that it has kernels for here; empty where it is another BLAS, or none.
std::string cblas_core();
/// Whether there is a BLAS that is known to be fast: OpenBLAS, MKL or BLIS, and not the reference.
bool cblas_is_fast() noexcept;
/// "oneDNN 2.6.3"; empty without oneDNN.
std::string dnnl_name();
/// The instruction set of oneDNN's kernels here: avx512, avx2, or sse2 for all below; generic off x86-64.
Isa dnnl_isa() noexcept;

}  // namespace detail
}  // namespace unroll
