// The BLAS behind the door, through the C++ interface that xtensor-blas bundles (which declares the CBLAS
// functions itself and clashes with <cblas.h>).

#include "../error.hpp"
#include "gemm.hpp"

#ifdef UNROLL_HAVE_CBLAS
#ifndef HAVE_CBLAS
#define HAVE_CBLAS 1
#endif
#include <complex>
#include <xflens/cxxblas/cxxblas.cxx>

bool unroll::gemm_has_cblas() noexcept { return true; }
#else
bool unroll::gemm_has_cblas() noexcept { return false; }
#endif

namespace unroll::detail {

#ifdef UNROLL_HAVE_CBLAS

template <class T>
void gemm_cblas(Trans transpose_a, Trans transpose_b, Index m, Index n, Index k, T alpha, const T* a, Index lda,
                const T* b, Index ldb, T beta, T* c, Index ldc) {
  if (m == 0 || n == 0) return;
  if (k == 0 || alpha == T(0)) return gemm_scale(m, n, beta, c, ldc);
  const auto order = cxxblas::RowMajor;
  const bool ta = transpose_a == Trans::yes, tb = transpose_b == Trans::yes;
  const int im = static_cast<int>(m), in = static_cast<int>(n), ik = static_cast<int>(k);
  const int ia = static_cast<int>(lda), ib = static_cast<int>(ldb), ic = static_cast<int>(ldc);
  if (m != 1 && n != 1 && k != 1) {
    cxxblas::gemm(order, ta ? cxxblas::Trans : cxxblas::NoTrans, tb ? cxxblas::Trans : cxxblas::NoTrans, im, in, ik,
                  alpha, a, ia, b, ib, beta, c, ic);
    return;
  }
  // Some BLAS multiply y by beta == 0 in gemv, which keeps a NaN; ger knows no beta at all.
  if (beta == T(0) || (k == 1 && beta != T(1))) {
    gemm_scale(m, n, beta, c, ldc);
    beta = T(1);
  }
  if (m == 1) {  // c^T = op(B)^T a^T
    cxxblas::gemv(order, tb ? cxxblas::NoTrans : cxxblas::Trans, tb ? in : ik, tb ? ik : in, alpha, b, ib, a,
                  ta ? ia : 1, beta, c, 1);
  } else if (n == 1) {
    cxxblas::gemv(order, ta ? cxxblas::Trans : cxxblas::NoTrans, ta ? ik : im, ta ? im : ik, alpha, a, ia, b,
                  tb ? 1 : ib, beta, c, ic);
  } else {
    cxxblas::ger(order, im, in, alpha, a, ta ? 1 : ia, b, tb ? ib : 1, c, ic);
  }
}

#else

template <class T>
void gemm_cblas(Trans, Trans, Index, Index, Index, T, const T*, Index, const T*, Index, T, T*, Index) {
  throw Error("[gemm] the BLAS was asked for; this build has none");
}

#endif

template void gemm_cblas<float>(Trans, Trans, Index, Index, Index, float, const float*, Index, const float*, Index,
                                float, float*, Index);
template void gemm_cblas<double>(Trans, Trans, Index, Index, Index, double, const double*, Index, const double*, Index,
                                 double, double*, Index);

}  // namespace unroll::detail
