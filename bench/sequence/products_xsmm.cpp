// libxsmm's kernels, made at run time for one shape.

#include "products.hpp"

#ifdef BENCH_XSMM

#include <libxsmm.h>

namespace bench {

void Product::add_xsmm() {
  // Row-major C = A B is column-major C^T = B^T A^T, which is what libxsmm computes. One kernel for a whole product:
  // beyond a few megabytes of operands it has no blocking of its own.
  if (m_ * k_ + n_ * k_ + m_ * n_ > 1 << 20) return;
  const auto m = static_cast<libxsmm_blasint>(n_), n = static_cast<libxsmm_blasint>(m_),
             k = static_cast<libxsmm_blasint>(k_);
  const float alpha = 1, beta = 0;
  const int flags = gradient_ ? LIBXSMM_GEMM_FLAG_TRANS_B : LIBXSMM_GEMM_FLAG_NONE,
            prefetch = LIBXSMM_GEMM_PREFETCH_NONE;
  const libxsmm_blasint lda = m, ldb = gradient_ ? n : k, ldc = m;
  const libxsmm_smmfunction kernel = libxsmm_smmdispatch(m, n, k, &lda, &ldb, &ldc, &alpha, &beta, &flags, &prefetch);
  if (!kernel) return;
  if (gradient_) {
    candidates_.push_back(
        {"libxsmm", [kernel](const float* a, const Weights*, const float* b, float* c) { kernel(b, a, c); }});
  } else {
    candidates_.push_back({"libxsmm, W^T", [kernel](const float* a, const Weights* w, const float*, float* c) {
                             kernel(w->wt.data(), a, c);
                           }});
  }
}

}  // namespace bench

#else

namespace bench {
void Product::add_xsmm() {}
}  // namespace bench

#endif
