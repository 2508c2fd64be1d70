#pragma once
/// \file
/// A matrix product in plain loops, for any scalar with + and *: the fallback when no BLAS is there, and the
/// path of scalars a BLAS does not know. Internal.

#include <algorithm>

#include "unroll/core/gemm.hpp"

namespace unroll::detail {

/// Block sizes: a kernel keeps mr x nr sums in registers while it runs down kc products; the packed kc x nc
/// block of B stays in the first two caches. Packed blocks live on the stack, so that nothing is allocated.
struct PlainBlocks {
  static constexpr Index mr = 4, nr = 8, kc = 128, nc = 64;
};

/// `packed[p * width + j] = source(p, j)` for p < k, j < count, the rest of the width filled with zeros;
/// source (p, j) lies at `x[p * step_p + j * step_j]`.
template <class T>
void pack_panel(Index k, Index count, Index width, const T* x, Index step_p, Index step_j, T* packed) {
  for (Index p = 0; p < k; ++p, packed += width, x += step_p) {
    Index j = 0;
    for (; j < count; ++j) packed[j] = x[j * step_j];
    for (; j < width; ++j) packed[j] = T(0);
  }
}

/// C (rows,cols) = alpha a^T b + beta C with packed a (k,mr), b (k,nr); rows <= mr, cols <= nr.
template <class T>
void plain_kernel(Index k, Index rows, Index cols, T alpha, const T* a, const T* b, T beta, T* c, Index ldc) {
  constexpr Index mr = PlainBlocks::mr, nr = PlainBlocks::nr;
  T s0[nr] = {}, s1[nr] = {}, s2[nr] = {}, s3[nr] = {};
  static_assert(mr == 4);
  for (Index p = 0; p < k; ++p, a += mr, b += nr) {
    // One loop a row: compilers vectorise these, and keep the four sums in registers.
    for (Index j = 0; j < nr; ++j) s0[j] += a[0] * b[j];
    for (Index j = 0; j < nr; ++j) s1[j] += a[1] * b[j];
    for (Index j = 0; j < nr; ++j) s2[j] += a[2] * b[j];
    for (Index j = 0; j < nr; ++j) s3[j] += a[3] * b[j];
  }
  const T* sums[mr] = {s0, s1, s2, s3};
  for (Index i = 0; i < rows; ++i, c += ldc) {
    const T* s = sums[i];
    if (beta == T(0)) {
      for (Index j = 0; j < cols; ++j) c[j] = alpha * s[j];
    } else {
      for (Index j = 0; j < cols; ++j) c[j] = alpha * s[j] + beta * c[j];
    }
  }
}

template <class T>
void gemm_plain(Trans transpose_a, Trans transpose_b, Index m, Index n, Index k, T alpha, const T* a,
                Index lda, const T* b, Index ldb, T beta, T* c, Index ldc) {
  constexpr Index mr = PlainBlocks::mr, nr = PlainBlocks::nr, kc = PlainBlocks::kc, nc = PlainBlocks::nc;
  if (m == 0 || n == 0) return;
  if (k == 0 || alpha == T(0)) return gemm_scale(m, n, beta, c, ldc);
  // Element (i,p) of op(A) lies at a[i * a_i + p * a_p], (p,j) of op(B) at b[p * b_p + j * b_j].
  const Index a_i = transpose_a == Trans::yes ? 1 : lda, a_p = transpose_a == Trans::yes ? lda : 1;
  const Index b_p = transpose_b == Trans::yes ? 1 : ldb, b_j = transpose_b == Trans::yes ? ldb : 1;
  alignas(64) T packed_a[mr * kc];
  alignas(64) T packed_b[kc * nc];
  for (Index j0 = 0; j0 < n; j0 += nc) {
    const Index cols = std::min(nc, n - j0);
    for (Index p0 = 0; p0 < k; p0 += kc) {
      const Index depth = std::min(kc, k - p0);
      for (Index j = 0; j < cols; j += nr)
        pack_panel(depth, std::min(nr, cols - j), nr, b + p0 * b_p + (j0 + j) * b_j, b_p, b_j,
                   packed_b + j * depth);
      const T scale = p0 == 0 ? beta : T(1);
      for (Index i = 0; i < m; i += mr) {
        const Index rows = std::min(mr, m - i);
        pack_panel(depth, rows, mr, a + i * a_i + p0 * a_p, a_p, a_i, packed_a);
        for (Index j = 0; j < cols; j += nr)
          plain_kernel(depth, rows, std::min(nr, cols - j), alpha, packed_a, packed_b + j * depth, scale,
                       c + i * ldc + j0 + j, ldc);
      }
    }
  }
}

}  // namespace unroll::detail
