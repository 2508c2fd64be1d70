// oneDNN behind the door.

#include "../error.hpp"
#include "gemm.hpp"

#ifdef UNROLL_HAVE_DNNL
#include <dnnl.h>
#endif

namespace unroll {

#ifdef UNROLL_HAVE_DNNL

bool gemm_has_dnnl() noexcept { return true; }

namespace detail {

void gemm_dnnl(Trans transpose_a, Trans transpose_b, Index m, Index n, Index k, float alpha, const float* a,
               Index lda, const float* b, Index ldb, float beta, float* c, Index ldc) {
  if (m == 0 || n == 0) return;
  if (k == 0 || alpha == 0.0f) return gemm_scale(m, n, beta, c, ldc);
  const dnnl_status_t status =
      dnnl_sgemm(transpose_a == Trans::yes ? 'T' : 'N', transpose_b == Trans::yes ? 'T' : 'N', m, n, k, alpha,
                 a, lda, b, ldb, beta, c, ldc);
  if (status != dnnl_success)
    throw Error(
        detail::text("[gemm] oneDNN refused a product of (", m, ",", k, ") by (", k, ",", n, "), status ", status));
}

std::string dnnl_name() {
  const dnnl_version_t* v = dnnl_version();
  return detail::text("oneDNN ", v->major, ".", v->minor, ".", v->patch);
}

Isa dnnl_isa() noexcept {
#if defined(__x86_64__)
  const int isa = dnnl_get_effective_cpu_isa();  // a set of bits: each set has those of the sets below it
  if ((isa & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core) return Isa::avx512;
  return (isa & dnnl_cpu_isa_avx2) == dnnl_cpu_isa_avx2 ? Isa::avx2 : Isa::sse2;
#else
  return Isa::generic;
#endif
}

}  // namespace detail

#else

bool gemm_has_dnnl() noexcept { return false; }

namespace detail {

void gemm_dnnl(Trans, Trans, Index, Index, Index, float, const float*, Index, const float*, Index, float,
               float*, Index) {
  throw Error("[gemm] oneDNN was asked for; this build has none");
}

std::string dnnl_name() { return ""; }
Isa dnnl_isa() noexcept { return Isa::generic; }

}  // namespace detail

#endif

}  // namespace unroll
