// Matrix products by loops of our own, compiled once per instruction set.
//
// A tile of C, up to six rows by a panel of columns, stays in registers while the loop runs down k: six numbers of A, one
// row of the panel, and a multiply-add for each pair (Goto and van de Geijn, 2008, "Anatomy of high-performance matrix
// multiplication"). The rows of A are read where they lie.

#include "../simd/kernels.hpp"
#include "../simd/simd.hpp"
#include "kernels.hpp"

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
constexpr Index block_depth = 512, rows_at_once = 96;
// The processor by itself is late to fetch a panel from the second cache.
constexpr Index prefetched_rows = 8;

template <class T>
using L = Lane<T, native_arch>;
template <class T>
constexpr Index panel_width = panel_lanes * L<T>::size;

// f(0), f(1), ... f(n - 1), written out: sums in an array stay in registers only when no loop runs over them.
template <int n, class F>
UNROLL_INLINE void each_of(F f) {
  if constexpr (n > 0) {
    each_of<n - 1>(f);
    f(n - 1);
  }
}

Index least(Index a, Index b) { return a < b ? a : b; }

// A as a tile reads it: where it lies, or copied tile by tile, the rows of a tile side by side.
template <class T>
struct Left {
  const T* data;
  Index row, col;             // from one row to the next, from one column to the next
  Index next_row, next_tile;  // to the next tile: so much for each row of this one, and so much besides
};

// Where alpha A B + beta D goes: C, which may be D.
template <class T>
struct Result {
  T alpha, beta;
  const T* d;
  Index ldd;
  T* c;
  Index ldc;

  Result at(Index i, Index j) const { return {alpha, beta, d + i * ldd + j, ldd, c + i * ldc + j, ldc}; }
  // For the products of later columns of A.
  Result onto_itself() const { return {alpha, T(1), c, ldc, c, ldc}; }
};

// `rows` rows of C by `lanes` registers, whose last holds `last` numbers of C, of each of `panels` panels side by side;
// `steps` rows of the panel at a time, with sums of their own.
template <int rows, int lanes, int panels, int steps, class T>
void tile(Index k, const Left<T>& a, const T* b, Index next_panel, const Result<T>& result, int last) {
  constexpr int all = lanes * panels, size = L<T>::size;
  L<T> sum[rows * all * steps];
  each_of<rows * all * steps>([&](int i) UNROLL_INLINE_LAMBDA { sum[i] = L<T>(0); });
  const Index row = a.row, col = a.col;
  const auto add = [&](const T* x, const T* from, L<T>* to) UNROLL_INLINE_LAMBDA {
    L<T> factor[all];
    each_of<all>([&](int j) UNROLL_INLINE_LAMBDA {
      const T* at = from + (j / lanes) * next_panel + (j % lanes) * size;
      __builtin_prefetch(at + prefetched_rows * lanes * size);
      factor[j] = L<T>::load(at);
    });
    each_of<rows>([&](int i) UNROLL_INLINE_LAMBDA {
      const L<T> number(x[i * row]);
      each_of<all>([&](int j) UNROLL_INLINE_LAMBDA { to[i * all + j] = mul_add(number, factor[j], to[i * all + j]); });
    });
  };
  const T* x = a.data;
  Index p = 0;
  for (; p + steps <= k; p += steps, x += steps * col, b += steps * lanes * size)
    each_of<steps>([&](int u) UNROLL_INLINE_LAMBDA { add(x + u * col, b + u * lanes * size, sum + u * rows * all); });
  if constexpr (steps > 1) {
    for (; p < k; ++p, x += col, b += lanes * size) add(x, b, sum);
    each_of<(steps - 1) * rows * all>([&](int i) UNROLL_INLINE_LAMBDA { sum[i % (rows * all)] += sum[rows * all + i]; });
  }
  each_of<rows * all>([&](int i) UNROLL_INLINE_LAMBDA {
    const int j = i % all;
    const Result<T> here = result.at(i / all, j * size);
    const L<T> y = here.alpha * sum[i];
    const int n = j == all - 1 ? last : size;
    (here.beta == T(0) ? y : mul_add(L<T>(here.beta), L<T>::load(here.d, n), y)).store(here.c, n);
  });
}

template <class T>
using Tile = void (*)(Index, const Left<T>&, const T*, Index, const Result<T>&, int);

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

// f(first row, rows) for the tiles of m rows: as many in each as in the others, or one more.
template <class F>
UNROLL_INLINE void each_tile(Index m, F f) {
  const Index count = (m + tile_rows - 1) / tile_rows, more = m % count;
  for (Index t = 0, i = 0; t < count; ++t) {
    const Index rows = m / count + (t < more ? 1 : 0);
    f(i, rows);
    i += rows;
  }
}

// One panel of `lanes` registers times m rows of A.
template <class T, int lanes = panel_lanes>
void panel_product(int wanted, Index m, Index k, Left<T> a, const T* b, const Result<T>& result, int last) {
  if constexpr (lanes > 1) {
    if (wanted != lanes) return panel_product<T, lanes - 1>(wanted, m, k, a, b, result, last);
  }
  each_tile(m, [&](Index i, Index rows) {
    tiles<T, lanes>[rows](k, a, b, 0, result.at(i, 0), last);
    a.data += rows * a.next_row + a.next_tile;
  });
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

// Rows of A times `depth` rows of every panel, from row p on; the panels have k rows.
template <class T>
void panels_product(Index rows, Index n, Index k, Index p, Index depth, const Left<T>& a, const T* packed,
                    const Result<T>& result) {
  constexpr Index width = panel_width<T>;
  Index j = 0;
  // One or two rows alone take several panels side by side, as so many streams.
  for (const Index panels = 4 / rows; panels > 1 && j + panels * width <= n; j += panels * width)
    (rows == 1 ? tile<1, panel_lanes, 4, 1, T> : tile<2, panel_lanes, 2, 1, T>)(
        depth, a, packed + j * k + p * width, k * width, result.at(0, j), L<T>::size);
  for (; j < n; j += width) {
    const Index cols = packed_size<T>(1, least(width, n - j));
    panel_product<T>(static_cast<int>(cols / L<T>::size), rows, depth, a, packed + j * k + p * cols, result.at(0, j),
                     static_cast<int>(least(L<T>::size, n - j - (cols - L<T>::size))));
  }
}

template <class T>
void times_packed(Index m, Index n, Index k, T alpha, const T* a, Index lda, const T* packed, T beta, const T* d,
                  Index ldd, T* c, Index ldc) {
  if (beta == T(0)) d = c, ldd = ldc;  // D may be null
  const Result<T> all{alpha, beta, d, ldd, c, ldc};
  for (Index i = 0; i < m; i += rows_at_once) {
    const Index rows = least(rows_at_once, m - i);
    const Result<T> result = all.at(i, 0);
    for (Index p = 0; p < k; p += block_depth)
      panels_product(rows, n, k, p, least(block_depth, k - p), Left<T>{a + i * lda + p, lda, 1, lda, 0}, packed,
                     p == 0 ? result : result.onto_itself());
  }
}

// `rows` rows of a transposed A, side by side.
template <class T>
void copy_tile(Index rows, Index depth, const T* a, Index lda, T* to) {
  for (Index p = 0; p < depth; ++p, a += lda, to += tile_rows) {
    if (rows == tile_rows) {
      __builtin_memcpy(to, a, tile_rows * sizeof(T));
    } else {
      for (Index i = 0; i < rows; ++i) to[i] = a[i];
    }
  }
}

// Blocks of both matrices are copied to the stack: of A only where it is transposed, its numbers too far apart.
template <class T>
void product(bool transposed_a, bool transposed_b, Index m, Index n, Index k, T alpha, const T* a, Index lda,
             const T* b, Index ldb, T beta, T* c, Index ldc) {
  constexpr Index depth_most = 512 / sizeof(T), cols_most = 256, rows_most = 8 * tile_rows;
  static_assert(cols_most % panel_width<T> == 0);
  alignas(64) T packed[depth_most * cols_most];
  alignas(64) T copied[depth_most * rows_most];
  const Result<T> all{alpha, beta, c, ldc, c, ldc};
  for (Index j = 0; j < n; j += cols_most) {
    const Index cols = least(cols_most, n - j);
    for (Index p = 0; p < k; p += depth_most) {
      const Index depth = least(depth_most, k - p);
      pack(transposed_b, depth, cols, transposed_b ? b + j * ldb + p : b + p * ldb + j, ldb, packed);
      for (Index i = 0; i < m; i += rows_most) {
        const Index rows = least(rows_most, m - i);
        Left<T> left{a + i * lda + p, lda, 1, lda, 0};
        if (transposed_a) {
          const T* from = a + p * lda + i;
          T* to = copied;
          each_tile(rows, [&](Index first, Index some) {
            copy_tile(some, depth, from + first, lda, to);
            to += tile_rows * depth;
          });
          left = {copied, 1, tile_rows, 0, tile_rows * depth};
        }
        const Result<T> result = all.at(i, j);
        panels_product(rows, cols, depth, Index(0), depth, left, packed, p == 0 ? result : result.onto_itself());
      }
    }
  }
}

// `width` lanes of the columns of one row times a matrix; `steps` rows of it at a time, with sums of their own, so that
// there are enough sums for the processor never to wait for one.
template <int width, int steps, bool tail, class T>
UNROLL_INLINE void product_strip(Index k, T alpha, const T* x, Index x_step, const T* w, Index w_stride, T beta, T* y,
                                 [[maybe_unused]] int cols) {
  static_assert(!tail || width == 1);
  const auto load = [&](const T* from, int v) UNROLL_INLINE_LAMBDA {
    if constexpr (tail) {
      return L<T>::load(from, cols);
    } else {
      return L<T>::load(from + v * L<T>::size);
    }
  };
  L<T> sum[steps * width];
  each_of<steps * width>([&](int i) UNROLL_INLINE_LAMBDA { sum[i] = L<T>(0); });
  Index p = 0;
  for (; p + steps <= k; p += steps, w += steps * w_stride)
    each_of<steps>([&](int u) UNROLL_INLINE_LAMBDA {
      const L<T> a(x[(p + u) * x_step]);
      each_of<width>([&](int v) UNROLL_INLINE_LAMBDA {
        L<T>& s = sum[u * width + v];
        s = mul_add(a, load(w + u * w_stride, v), s);
      });
    });
  for (; p < k; ++p, w += w_stride) {
    const L<T> a(x[p * x_step]);
    each_of<width>([&](int v) UNROLL_INLINE_LAMBDA { sum[v] = mul_add(a, load(w, v), sum[v]); });
  }
  each_of<(steps - 1) * width>([&](int i) UNROLL_INLINE_LAMBDA { sum[i % width] += sum[width + i]; });
  each_of<width>([&](int v) UNROLL_INLINE_LAMBDA {
    L<T> result = alpha * sum[v];
    if (beta != T(0)) result += beta * load(y, v);
    if constexpr (tail) {
      result.store(y, cols);
    } else {
      result.store(y + v * L<T>::size);
    }
  });
}

template <class T>
void row_times_matrix(Index k, Index n, T alpha, const T* x, Index x_step, const T* w, Index w_stride, T beta, T* y) {
  constexpr int size = L<T>::size;
  const auto strips = [&]<int width, int steps>(Index& j) {
    for (; j + width * size <= n; j += width * size)
      product_strip<width, steps, false>(k, alpha, x, x_step, w + j, w_stride, beta, y + j, width * size);
  };
  Index j = 0;
  strips.template operator()<8, 1>(j);
  strips.template operator()<4, 2>(j);
  strips.template operator()<2, 4>(j);
  strips.template operator()<1, 8>(j);
  if (j < n) product_strip<1, 8, true>(k, alpha, x, x_step, w + j, w_stride, beta, y + j, static_cast<int>(n - j));
}

// `rows` rows of W by x, their sums side by side.
template <int rows, class T>
void dot_rows(Index k, T alpha, const T* x, const T* w, Index ldw, T beta, T* y) {
  constexpr int size = L<T>::size;
  L<T> sum[rows];
  each_of<rows>([&](int r) UNROLL_INLINE_LAMBDA { sum[r] = L<T>(0); });
  Index p = 0;
  for (; p + size <= k; p += size) {
    const L<T> number = L<T>::load(x + p);
    each_of<rows>([&](int r) UNROLL_INLINE_LAMBDA { sum[r] = mul_add(number, L<T>::load(w + r * ldw + p), sum[r]); });
  }
  if (p < k) {
    const int left = static_cast<int>(k - p);
    const L<T> number = L<T>::load(x + p, left);
    each_of<rows>([&](int r) UNROLL_INLINE_LAMBDA {
      sum[r] = mul_add(number, L<T>::load(w + r * ldw + p, left), sum[r]);
    });
  }
  each_of<rows>([&](int r) UNROLL_INLINE_LAMBDA {
    const T total = alpha * reduce_add(sum[r]);
    y[r] = beta == T(0) ? total : total + beta * y[r];
  });
}

template <class T>
void row_times_transposed(Index k, Index n, T alpha, const T* x, const T* w, Index ldw, T beta, T* y) {
  constexpr int rows = 8;
  Index j = 0;
  for (; j + rows <= n; j += rows) dot_rows<rows>(k, alpha, x, w + j * ldw, ldw, beta, y + j);
  for (; j < n; ++j) dot_rows<1>(k, alpha, x, w + j * ldw, ldw, beta, y + j);
}

}  // namespace

template <class T>
const GemmKernels<T>& gemm_kernels() {
  static constexpr GemmKernels<T> table = {
      .packed_size = packed_size<T>,
      .pack = pack<T>,
      .times_packed = times_packed<T>,
      .row_times_matrix = row_times_matrix<T>,
      .row_times_transposed = row_times_transposed<T>,
      .product = product<T>,
  };
  return table;
}

template const GemmKernels<float>& gemm_kernels();
template const GemmKernels<double>& gemm_kernels();

}  // namespace unroll::detail::UNROLL_ISA
