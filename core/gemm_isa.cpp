// Products with a packed matrix, compiled once per instruction set.
//
// A tile of C, up to six rows by a panel of columns, stays in registers while the loop runs down k: six numbers of A, one
// row of the panel, and a multiply-add for each pair (Goto and van de Geijn, 2008, "Anatomy of high-performance matrix
// multiplication"). The rows of A are read where they lie.

#include "unroll/core/gemm_kernels.hpp"
#include "unroll/core/kernels.hpp"
#include "unroll/core/simd.hpp"

namespace unroll::detail::UNROLL_ISA {

template <class T>
const Kernels<T>& kernels();

namespace {

using Index = std::int64_t;

#define UNROLL_INLINE_LAMBDA __attribute__((always_inline))

// Registers across a panel. Six rows of them, one row of the panel and a number of A fill 32 registers of AVX-512 and
// NEON, or the 16 of the others, nearly: enough sums for the processor never to wait for one.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int panel_lanes = 4;
#else
constexpr int panel_lanes = 2;
#endif
constexpr int tile_rows = 6;
// A panel of so many rows stays in the first or second cache while the tiles pass it, and so do so many rows of A.
constexpr Index block_depth = 512, block_rows = 96;
// The processor by itself is late to fetch a panel from the second cache.
constexpr Index prefetched_rows = 8;

template <class T>
using L = Lane<T, native_arch>;
template <class T>
constexpr Index panel_width = panel_lanes * L<T>::size;

Index least(Index a, Index b) { return a < b ? a : b; }

// f(0), ... f(n - 1), written out: sums in an array stay in registers only when no loop runs over them.
template <int n, class F>
UNROLL_INLINE void each_of(F f) {
  if constexpr (n > 0) {
    each_of<n - 1>(f);
    f(n - 1);
  }
}

// `rows` rows of C by `lanes` registers, whose last holds `last` numbers of C, of each of `panels` panels side by side;
// `steps` rows of the panel at a time, with sums of their own.
template <int rows, int lanes, int panels, int steps, class T>
void tile(Index k, T alpha, const T* a, Index lda, const T* b, Index next_panel, T beta, T* c, Index ldc, int last) {
  constexpr int all = lanes * panels, size = L<T>::size;
  L<T> sum[rows * all * steps];
  each_of<rows * all * steps>([&](int i) UNROLL_INLINE_LAMBDA { sum[i] = L<T>(0); });
  const auto add = [&](const T* x, const T* from, L<T>* to) UNROLL_INLINE_LAMBDA {
    L<T> row[all];
    each_of<all>([&](int j) UNROLL_INLINE_LAMBDA {
      const T* at = from + (j / lanes) * next_panel + (j % lanes) * size;
      __builtin_prefetch(at + prefetched_rows * lanes * size);
      row[j] = L<T>::load(at);
    });
    each_of<rows>([&](int i) UNROLL_INLINE_LAMBDA {
      const L<T> number(x[i * lda]);
      each_of<all>([&](int j) UNROLL_INLINE_LAMBDA { to[i * all + j] = mul_add(number, row[j], to[i * all + j]); });
    });
  };
  Index p = 0;
  for (; p + steps <= k; p += steps, b += steps * lanes * size)
    each_of<steps>([&](int u) UNROLL_INLINE_LAMBDA { add(a + p + u, b + u * lanes * size, sum + u * rows * all); });
  if constexpr (steps > 1) {
    for (; p < k; ++p, b += lanes * size) add(a + p, b, sum);
    each_of<(steps - 1) * rows * all>([&](int i) UNROLL_INLINE_LAMBDA { sum[i % (rows * all)] += sum[rows * all + i]; });
  }
  each_of<rows * all>([&](int i) UNROLL_INLINE_LAMBDA {
    const int j = i % all;
    T* to = c + i / all * ldc + j * size;
    const L<T> y = alpha * sum[i];
    if (j == all - 1 && last < size) {
      (beta == T(0) ? y : mul_add(L<T>(beta), L<T>::load(to, last), y)).store(to, last);
    } else {
      (beta == T(0) ? y : mul_add(L<T>(beta), L<T>::load(to), y)).store(to);
    }
  });
}

template <class T>
using Tile = void (*)(Index, T, const T*, Index, const T*, Index, T, T*, Index, int);

// Tiles of 1 to 6 rows. One row has sums enough, for the processor never to wait for one, only with those of several
// steps.
template <class T, int lanes>
constexpr Tile<T> tiles[] = {nullptr,
                             tile<1, lanes, 1, 8 / lanes, T>,
                             tile<2, lanes, 1, 1, T>,
                             tile<3, lanes, 1, 1, T>,
                             tile<4, lanes, 1, 1, T>,
                             tile<5, lanes, 1, 1, T>,
                             tile<tile_rows, lanes, 1, 1, T>};

// One panel times rows of A: as many in each tile as in the others, or one more.
template <class T, int lanes>
void panel_product(Index m, Index k, T alpha, const T* a, Index lda, const T* b, T beta, T* c, Index ldc, int last) {
  const Index count = (m + tile_rows - 1) / tile_rows, more = m % count;
  for (Index t = 0; t < count; ++t) {
    const Index rows = m / count + (t < more ? 1 : 0);
    tiles<T, lanes>[rows](k, alpha, a, lda, b, 0, beta, c, ldc, last);
    a += rows * lda;
    c += rows * ldc;
  }
}

template <class T, int lanes = panel_lanes>
void any_panel_product(int wanted, Index m, Index k, T alpha, const T* a, Index lda, const T* b, T beta, T* c,
                       Index ldc, int last) {
  if constexpr (lanes > 1) {
    if (wanted != lanes) return any_panel_product<T, lanes - 1>(wanted, m, k, alpha, a, lda, b, beta, c, ldc, last);
  }
  panel_product<T, lanes>(m, k, alpha, a, lda, b, beta, c, ldc, last);
}

template <class T>
Index packed_size(Index k, Index n) {
  return k * ((n + L<T>::size - 1) / L<T>::size * L<T>::size);
}

template <class T>
void pack(bool transposed, Index k, Index n, const T* b, Index ldb, T* packed) {
  for (Index j = 0; j < n; j += panel_width<T>) {
    const Index cols = least(panel_width<T>, n - j), width = packed_size<T>(1, cols);
    if (transposed) {
      kernels<T>().transpose(cols, k, b + j * ldb, ldb, packed, width);
    } else {
      kernels<T>().copy_rows(packed, width, b + j, ldb, k, cols);
    }
    for (Index p = 0; p < k && cols < width; ++p)
      for (Index i = cols; i < width; ++i) packed[p * width + i] = T(0);
    packed += k * width;
  }
}

template <class T>
void times_packed(Index m, Index n, Index k, T alpha, const T* a, Index lda, const T* packed, T beta, T* c, Index ldc) {
  constexpr Index width = panel_width<T>;
  const Index panel_size = k * width;
  for (Index i = 0; i < m; i += block_rows) {
    const Index rows = least(block_rows, m - i);
    for (Index p = 0; p < k; p += block_depth) {
      const Index depth = least(block_depth, k - p);
      const T* from = a + i * lda + p;
      const T onto = p == 0 ? beta : T(1);
      Index j = 0;
      // One or two rows alone take several panels side by side, as so many streams.
      for (const Index panels = 4 / rows; panels > 1 && j + panels * width <= n; j += panels * width)
        (rows == 1 ? tile<1, panel_lanes, 4, 1, T> : tile<2, panel_lanes, 2, 1, T>)(
            depth, alpha, from, lda, packed + j * k + p * width, panel_size, onto, c + i * ldc + j, ldc, L<T>::size);
      for (; j + width <= n; j += width)
        panel_product<T, panel_lanes>(rows, depth, alpha, from, lda, packed + j * k + p * width, onto, c + i * ldc + j,
                                      ldc, L<T>::size);
      if (j == n) continue;
      const Index left = packed_size<T>(1, n - j);
      any_panel_product<T>(static_cast<int>(left / L<T>::size), rows, depth, alpha, from, lda, packed + j * k + p * left,
                           onto, c + i * ldc + j, ldc, static_cast<int>(n - j - (left - L<T>::size)));
    }
  }
}

// Blocks of B are packed on the stack, and a transposed A is turned there, some rows at a time.
template <class T>
void product(bool transposed_a, bool transposed_b, Index m, Index n, Index k, T alpha, const T* a, Index lda,
             const T* b, Index ldb, T beta, T* c, Index ldc) {
  constexpr Index depth_most = 256, cols_most = 64, rows_most = 4 * tile_rows, gap = 16;
  static_assert(cols_most % panel_width<T> == 0);
  alignas(64) T packed[depth_most * cols_most];
  alignas(64) T turned[rows_most * (depth_most + gap)];
  for (Index j = 0; j < n; j += cols_most) {
    const Index cols = least(cols_most, n - j);
    for (Index p = 0; p < k; p += depth_most) {
      const Index depth = least(depth_most, k - p);
      const T onto = p == 0 ? beta : T(1);
      pack(transposed_b, depth, cols, transposed_b ? b + j * ldb + p : b + p * ldb + j, ldb, packed);
      if (!transposed_a) {
        times_packed(m, cols, depth, alpha, a + p, lda, packed, onto, c + j, ldc);
        continue;
      }
      for (Index i = 0; i < m; i += rows_most) {
        const Index rows = least(rows_most, m - i);
        kernels<T>().transpose(depth, rows, a + p * lda + i, lda, turned, depth + gap);
        times_packed(rows, cols, depth, alpha, turned, depth + gap, packed, onto, c + i * ldc + j, ldc);
      }
    }
  }
}

}  // namespace

template <class T>
const GemmKernels<T>& gemm_kernels() {
  static constexpr GemmKernels<T> table = {
      .packed_size = packed_size<T>, .pack = pack<T>, .times_packed = times_packed<T>, .product = product<T>};
  return table;
}

template const GemmKernels<float>& gemm_kernels();
template const GemmKernels<double>& gemm_kernels();

}  // namespace unroll::detail::UNROLL_ISA
