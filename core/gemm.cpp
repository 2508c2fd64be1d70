#include "unroll/core/gemm.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "unroll/core/error.hpp"

namespace unroll {
namespace {

enum class Backend { plain, cblas, dnnl };

/// Below this many multiply-adds a product stays on one thread, whatever was asked for.
constexpr Index multithread_work = Index(1) << 22;

/// Who computes a product.
template <class T>
Backend choose(Index, Index, Index) {
  if (std::is_same_v<T, float> && gemm_has_dnnl()) return Backend::dnnl;
  return gemm_has_cblas() ? Backend::cblas : Backend::plain;
}

[[noreturn]] void refuse(Trans transpose_a, Trans transpose_b, Index m, Index n, Index k, Index lda,
                         Index ldb, Index ldc) {
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
void gemm(Trans transpose_a, Trans transpose_b, Index m, Index n, Index k, T alpha, const T* a, Index lda,
          const T* b, Index ldb, T beta, T* c, Index ldc) {
  constexpr Index most = std::numeric_limits<int>::max();
  if (m < 0 || n < 0 || k < 0 || lda < (transpose_a == Trans::yes ? m : k) ||
      ldb < (transpose_b == Trans::yes ? k : n) || ldc < n || m > most || n > most || k > most ||
      lda > most || ldb > most || ldc > most)
    refuse(transpose_a, transpose_b, m, n, k, lda, ldb, ldc);
  if (m == 0 || n == 0) return;
  if (k == 0 || alpha == T(0)) return detail::gemm_scale(m, n, beta, c, ldc);

  const Backend backend = choose<T>(m, n, k);
  if (backend == Backend::plain)
    return detail::gemm_plain(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  // In double: three sizes of 2^31 would not fit an Index.
  const bool little =
      static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) < multithread_work;
  const detail::ThreadsScope threads(little ? 1 : blas_threads());
  if constexpr (std::is_same_v<T, float>) {
    if (backend == Backend::dnnl)
      return detail::gemm_dnnl(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  }
  detail::gemm_cblas(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

template void gemm<float>(Trans, Trans, Index, Index, Index, float, const float*, Index, const float*, Index,
                          float, float*, Index);
template void gemm<double>(Trans, Trans, Index, Index, Index, double, const double*, Index, const double*,
                           Index, double, double*, Index);

std::string gemm_description() {
  std::string text;
  if (gemm_has_dnnl()) text += detail::dnnl_name() + " (float), ";
  if (gemm_has_cblas()) text += detail::cblas_name() + " (float, double), ";
  const int threads = blas_threads();
  return text + "plain loops; " + std::to_string(threads) + (threads == 1 ? " thread" : " threads");
}

}  // namespace unroll
