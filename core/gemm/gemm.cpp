#include "gemm.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "../error.hpp"
#include "../isa.hpp"
#include "../simd/kernels.hpp"
#include "gemm_rules_detail.hpp"
#include "kernels.hpp"

namespace unroll {
namespace detail {

UNROLL_FOR_EACH_ISA(template <class T> const GemmKernels<T>& gemm_kernels();)

template <class T>
const GemmKernels<T>& gemm_kernels() {
  static const GemmKernels<T>& table = UNROLL_PICK_ISA(gemm_kernels<T>());
  return table;
}
template const GemmKernels<float>& gemm_kernels();
template const GemmKernels<double>& gemm_kernels();

}  // namespace detail

namespace {

using detail::Backend;

/// A product of fewer multiply-adds stays on one thread, whatever was asked for. On two idle cores oneDNN
/// does 16 x 512 x 128 1.7 times as fast as on one, OpenBLAS gains nothing below 64 x 512 x 128 (0.7 to 1.0);
/// both lose when a core is busy, the more the smaller the product.
constexpr double multithread_work(Backend backend) { return backend == Backend::dnnl ? 1e6 : 4e6; }

/// Loops of our own know one thread: where more are wanted and pay, a library takes over.
template <class T>
Backend for_threads(Backend backend, double work) {
  if (backend != Backend::own || blas_threads() == 1) return backend;
  const Backend library = std::is_same_v<T, float> && gemm_has_dnnl() ? Backend::dnnl : Backend::cblas;
  const bool there = library == Backend::dnnl || detail::cblas_is_fast();
  return there && work >= multithread_work(library) ? library : backend;
}

/// One row has loops of its own, asked first, since a step of a small cell is little more than such products. Times a
/// matrix that lies in the second cache: microseconds of the loop : OpenBLAS : oneDNN for k x n = 32 x 128: 0.13 : 0.16 :
/// 0.23; 128 x 32: 0.14 : 0.26 : 0.30; 128 x 128: 0.58 : 0.71 : 0.84; 128 x 512: 2.3 : 2.6 : 2.9; 512 x 128: 2.2 : 2.4 :
/// 2.5 (Zen 4). Times a transposed matrix of any size: n x k = 32 x 32: 0.04 : 0.09 : 0.15; 512 x 128: 2.4 : 2.9 : 2.5;
/// 2048 x 512: 56 : 61 : 62; 4096 x 1024: 240 : 350 : 350 (Zen 5, AVX-512).
bool is_one_row(Trans transpose_a, Trans transpose_b, Index m, Index n, Index k) {
  constexpr Index most = 131072;
  if (m != 1 || n <= 0 || k <= 0 || k > std::numeric_limits<int>::max() || n > std::numeric_limits<int>::max())
    return false;
  if (transpose_b == Trans::yes) return transpose_a == Trans::no && (blas_threads() == 1 || n <= most / k);
  return n <= most / k;
}

[[noreturn]] void refuse(Trans transpose_a, Trans transpose_b, Index m, Index n, Index k, Index lda, Index ldb,
                         Index ldc) {
  const std::string sizes = detail::text("m=", m, " n=", n, " k=", k);
  const std::string leading = detail::text("lda=", lda, " ldb=", ldb, " ldc=", ldc);
  if (std::min({m, n, k}) < 0) throw ValueError("[gemm] ", sizes, "; expected sizes of at least 0");
  if (std::max({m, n, k, lda, ldb, ldc}) > std::numeric_limits<int>::max())
    throw ValueError("[gemm] ", sizes, " ", leading, "; expected at most 2147483647 each");
  throw ValueError("[gemm] ", leading, " for ", sizes, "; expected at least ", transpose_a == Trans::yes ? m : k, ", ",
                   transpose_b == Trans::yes ? k : n, ", ", n);
}

}  // namespace

template <class T>
void gemm(Trans transpose_a, Trans transpose_b, Index m, Index n, Index k, T alpha, const T* a, Index lda, const T* b,
          Index ldb, T beta, T* c, Index ldc) {
  if (is_one_row(transpose_a, transpose_b, m, n, k) && alpha != T(0) && lda >= (transpose_a == Trans::yes ? 1 : k) &&
      ldb >= (transpose_b == Trans::yes ? k : n) && ldc >= n) {
    if (transpose_b == Trans::yes) return detail::gemm_kernels<T>().row_times_transposed(k, n, alpha, a, b, ldb, beta, c);
    return detail::gemm_kernels<T>().row_times_matrix(k, n, alpha, a, transpose_a == Trans::yes ? lda : 1, b, ldb, beta, c);
  }
  constexpr Index most = std::numeric_limits<int>::max();
  if (m < 0 || n < 0 || k < 0 || lda < (transpose_a == Trans::yes ? m : k) ||
      ldb < (transpose_b == Trans::yes ? k : n) || ldc < n || m > most || n > most || k > most || lda > most ||
      ldb > most || ldc > most)
    refuse(transpose_a, transpose_b, m, n, k, lda, ldb, ldc);
  if (m == 0 || n == 0) return;
  if (k == 0 || alpha == T(0)) return detail::gemm_scale(m, n, beta, c, ldc);

  const double work = static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  const Backend backend = for_threads<T>(detail::choose_backend<T>(transpose_a, transpose_b, m, n, k), work);
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
    throw ValueError("[pack] k=", k, " n=", n, " ldb=", ldb, "; expected sizes of at least 0, ldb of at least ", cols);
  detail::gemm_kernels<T>().pack(transpose_b == Trans::yes, k, n, b, ldb, packed);
}

template <class T>
void gemm_packed(Index m, Index n, Index k, T alpha, const T* a, Index lda, const T* packed, T beta, const T* d,
                 Index ldd, T* c, Index ldc) {
  if (m < 0 || n < 0 || k < 0 || lda < k || (ldd != 0 && ldd < n) || ldc < n)
    throw ValueError("[gemm_packed] m=", m, " n=", n, " k=", k, " lda=", lda, " ldd=", ldd, " ldc=", ldc,
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
#undef UNROLL_INSTANTIATE

std::string gemm_description() {
  std::string text;
  if (gemm_has_dnnl()) text += detail::dnnl_name() + " (float), ";
  if (gemm_has_cblas()) text += detail::cblas_name() + " (float, double), ";
  const int threads = blas_threads();
  return detail::text(text, "own loops (", isa_name(active_isa()), "); ", threads,
                      threads == 1 ? " thread" : " threads", "; class ", detail::class_name(detail::gemm_class()));
}

std::string gemm_rules() {
  return std::string("class ") + detail::class_name(detail::gemm_class()) + "\nfloat:\n" +
         detail::rules_text<float>() + "double:\n" + detail::rules_text<double>();
}

}  // namespace unroll
