#include "unroll/core/gemm.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "unroll/core/error.hpp"
#include "unroll/core/gemm_kernels.hpp"
#include "unroll/core/kernels.hpp"

namespace unroll {
namespace {

enum class Backend { own, cblas, dnnl };

/// A product of fewer multiply-adds stays on one thread, whatever was asked for. On two idle cores oneDNN
/// does 16 x 512 x 128 1.7 times as fast as on one, OpenBLAS gains nothing below 64 x 512 x 128 (0.7 to 1.0);
/// both lose when a core is busy, the more the smaller the product.
constexpr double multithread_work(Backend backend) { return backend == Backend::dnnl ? 1e6 : 4e6; }

/// Who computes a product of `work` = m n k multiply-adds. Which of the two libraries is faster was measured,
/// with bench/gemm_door.cpp, over the shapes of recurrent steps (1 to 64 rows, 32 to 2048 columns, all
/// one-thread); the numbers beside the rules are GFLOP/s of OpenBLAS 0.3.21 : oneDNN 2.6 on a Zen 4, whose
/// peak is 117. The plain loops are never faster than a BLAS (8 x 8 x 8: 100 ns against 140).
template <class T>
Backend choose(Trans transpose_a, Trans transpose_b, Index m, Index n, Index k, double work) {
  if (!std::is_same_v<T, float> || !gemm_has_dnnl()) return gemm_has_cblas() ? Backend::cblas : Backend::own;
  // Asking oneDNN costs 0.3 us, more than all of a tiny product (8 x 8 x 8: 100 ns against 400).
  if (!gemm_has_cblas()) return work <= 512 ? Backend::own : Backend::dnnl;
  const auto cblas_if = [](bool better) { return better ? Backend::cblas : Backend::dnnl; };

  // Other vectors: gemv and ger of OpenBLAS while a call's cost counts, oneDNN after that.
  if (m == 1) return cblas_if(work <= 16384);                // n = k = 64: 40 : 34; n = 128, k = 512: 41 : 49
  if (n == 1) return cblas_if(work <= 2048);                 // m = 512, k = 128: 26 : 42
  if (k == 1) return cblas_if(work < 4096 || work > 65536);  // m = 512, n = 128: 17 : 27; all 512: 24 : 14

  // OpenBLAS for AVX2 packs every product: only the tiny ones are cheaper than with oneDNN.
  if (!detail::cblas_has_small_kernels()) {
    if (m >= 4 && m <= 16 && n >= 512 && transpose_b == Trans::no) return Backend::cblas;  // 8 x 1024 x 256: 56 : 21
    return cblas_if(work <= (m <= 4 ? 4096 : 16384));  // 8 x 32 x 32: 58 : 41; 16 x 128 x 128: 72 : 87
  }
  // OpenBLAS for AVX-512 has kernels that do not pack, up to 100^3 and, where B is transposed, to about 1024
  // results; past that it falls off a cliff (16 x 512 x 128: from 114 to 66).
  const bool small = work <= 1e6;
  if (transpose_b == Trans::no) return cblas_if(small || (transpose_a == Trans::yes && k <= 4));
  if (m < 4) return cblas_if(work <= 16384);                     // 2 x 512 x 128: 70 : 83
  if (small && m * n <= 1200) return Backend::cblas;             // 8 x 128 x 128: 93 : 82; 8 x 512 x 128: 45 : 86
  return cblas_if(m >= 16 && m <= 64 && (k >= 512 || n <= 64));  // 32 x 512 x 512: 80 : 69; 32 x 64 x 256: 80 : 53
}

/// Whether a product is one row times a matrix that lies in the second cache: done by our own loop over its rows, and
/// asked first, since a step of a small cell is little more than such products. Microseconds of the loop : OpenBLAS :
/// oneDNN for k x n = 32 x 128: 0.13 : 0.16 : 0.23; 128 x 32: 0.14 : 0.26 : 0.30; 128 x 128: 0.58 : 0.71 : 0.84;
/// 128 x 512: 2.3 : 2.6 : 2.9; 512 x 128: 2.2 : 2.4 : 2.5.
bool is_one_row(Trans transpose_b, Index m, Index n, Index k) {
  constexpr Index most = 131072;
  return m == 1 && transpose_b == Trans::no && n > 0 && k > 0 && n <= most && k <= most && n * k <= most;
}

[[noreturn]] void refuse(Trans transpose_a, Trans transpose_b, Index m, Index n, Index k, Index lda, Index ldb,
                         Index ldc) {
  const std::string sizes = "m=" + std::to_string(m) + " n=" + std::to_string(n) + " k=" + std::to_string(k);
  const std::string leading =
      "lda=" + std::to_string(lda) + " ldb=" + std::to_string(ldb) + " ldc=" + std::to_string(ldc);
  if (std::min({m, n, k}) < 0) throw ValueError("[gemm] " + sizes + "; expected sizes of at least 0");
  if (std::max({m, n, k, lda, ldb, ldc}) > std::numeric_limits<int>::max())
    throw ValueError("[gemm] " + sizes + " " + leading + "; expected at most 2147483647 each");
  throw ValueError("[gemm] " + leading + " for " + sizes + "; expected at least " +
                   std::to_string(transpose_a == Trans::yes ? m : k) + ", " +
                   std::to_string(transpose_b == Trans::yes ? k : n) + ", " + std::to_string(n));
}

}  // namespace

template <class T>
void gemm(Trans transpose_a, Trans transpose_b, Index m, Index n, Index k, T alpha, const T* a, Index lda, const T* b,
          Index ldb, T beta, T* c, Index ldc) {
  if (is_one_row(transpose_b, m, n, k) && alpha != T(0) && lda >= (transpose_a == Trans::yes ? 1 : k) && ldb >= n &&
      ldc >= n)
    return detail::kernels<T>().row_times_matrix(k, n, alpha, a, transpose_a == Trans::yes ? lda : 1, b, ldb, beta, c);
  constexpr Index most = std::numeric_limits<int>::max();
  if (m < 0 || n < 0 || k < 0 || lda < (transpose_a == Trans::yes ? m : k) ||
      ldb < (transpose_b == Trans::yes ? k : n) || ldc < n || m > most || n > most || k > most || lda > most ||
      ldb > most || ldc > most)
    refuse(transpose_a, transpose_b, m, n, k, lda, ldb, ldc);
  if (m == 0 || n == 0) return;
  if (k == 0 || alpha == T(0)) return detail::gemm_scale(m, n, beta, c, ldc);

  const double work = static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  const Backend backend = choose<T>(transpose_a, transpose_b, m, n, k, work);
  if (backend == Backend::own)
    return detail::gemm_own(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  const detail::ThreadsScope threads(work < multithread_work(backend) ? 1 : blas_threads());
  if constexpr (std::is_same_v<T, float>) {
    if (backend == Backend::dnnl)
      return detail::gemm_dnnl(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  }
  detail::gemm_cblas(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

template void gemm<float>(Trans, Trans, Index, Index, Index, float, const float*, Index, const float*, Index, float,
                          float*, Index);
template void gemm<double>(Trans, Trans, Index, Index, Index, double, const double*, Index, const double*, Index,
                           double, double*, Index);

template <class T>
Index packed_size(Index k, Index n) {
  return detail::gemm_kernels<T>().packed_size(k, n);
}

template <class T>
void pack(Trans transpose_b, Index k, Index n, const T* b, Index ldb, T* packed) {
  const Index cols = transpose_b == Trans::yes ? k : n;
  if (k < 0 || n < 0 || ldb < cols)
    throw ValueError("[pack] k=" + std::to_string(k) + " n=" + std::to_string(n) + " ldb=" + std::to_string(ldb) +
                     "; expected sizes of at least 0, ldb of at least " + std::to_string(cols));
  detail::gemm_kernels<T>().pack(transpose_b == Trans::yes, k, n, b, ldb, packed);
}

template <class T>
void gemm_packed(Index m, Index n, Index k, T alpha, const T* a, Index lda, const T* packed, T beta, const T* d,
                 Index ldd, T* c, Index ldc) {
  if (m < 0 || n < 0 || k < 0 || lda < k || (ldd != 0 && ldd < n) || ldc < n)
    throw ValueError("[gemm_packed] m=" + std::to_string(m) + " n=" + std::to_string(n) + " k=" + std::to_string(k) +
                     " lda=" + std::to_string(lda) + " ldd=" + std::to_string(ldd) + " ldc=" + std::to_string(ldc) +
                     "; expected sizes of at least 0, lda of at least k, ldd of 0 or at least n, ldc of at least n");
  if (k == 0 || alpha == T(0)) {
    if (beta != T(0) && d != c) detail::kernels<T>().copy_rows(c, ldc, d, ldd, m, n);
    return detail::gemm_scale(m, n, beta, c, ldc);
  }
  detail::gemm_kernels<T>().times_packed(m, n, k, alpha, a, lda, packed, beta, d, ldd, c, ldc);
}

namespace detail {

template <class T>
void gemm_own(Trans transpose_a, Trans transpose_b, Index m, Index n, Index k, T alpha, const T* a, Index lda,
              const T* b, Index ldb, T beta, T* c, Index ldc) {
  if (k == 0 || alpha == T(0)) return gemm_scale(m, n, beta, c, ldc);
  gemm_kernels<T>().product(transpose_a == Trans::yes, transpose_b == Trans::yes, m, n, k, alpha, a, lda, b, ldb, beta,
                            c, ldc);
}

}  // namespace detail

#define UNROLL_INSTANTIATE(T)                                                                                      \
  template Index packed_size<T>(Index, Index);                                                                    \
  template void pack<T>(Trans, Index, Index, const T*, Index, T*);                                                 \
  template void gemm_packed<T>(Index, Index, Index, T, const T*, Index, const T*, T, const T*, Index, T*, Index);  \
  template void detail::gemm_own<T>(Trans, Trans, Index, Index, Index, T, const T*, Index, const T*, Index, T, T*, \
                                    Index);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

std::string gemm_description() {
  std::string text;
  if (gemm_has_dnnl()) text += detail::dnnl_name() + " (float), ";
  if (gemm_has_cblas()) text += detail::cblas_name() + " (float, double), ";
  const int threads = blas_threads();
  return text + "plain loops; " + std::to_string(threads) + (threads == 1 ? " thread" : " threads");
}

}  // namespace unroll
