// The shared loops, compiled once per instruction set. Those that are written plainly are vectorised by the
// compiler.

#include "kernels.hpp"
#include "simd.hpp"
#include "sum.hpp"

namespace unroll::detail::UNROLL_ISA {
namespace {

using Index = std::int64_t;

template <class T>
void add_into(T* y, const T* x, Index n) {
  for (Index i = 0; i < n; ++i) y[i] += x[i];
}

template <class T>
void axpy(T* y, T a, const T* x, Index n) {
  for (Index i = 0; i < n; ++i) y[i] += a * x[i];
}

template <class T>
void scale(T* y, T a, Index n) {
  for (Index i = 0; i < n; ++i) y[i] *= a;
}

template <class T>
void fill(T* y, T a, Index n) {
  for (Index i = 0; i < n; ++i) y[i] = a;
}

template <class T>
void copy_rows(T* dst, Index dst_stride, const T* src, Index src_stride, Index rows, Index cols) {
  if (dst_stride == cols && src_stride == cols) {
    cols *= rows;
    rows = 1;
  }
  if (cols == 0) return;
  for (Index r = 0; r < rows; ++r)
    __builtin_memcpy(dst + r * dst_stride, src + r * src_stride, static_cast<__SIZE_TYPE__>(cols) * sizeof(T));
}

template <class T>
void add_rows(T* dst, Index dst_stride, const T* src, Index src_stride, Index rows, Index cols) {
  if (dst_stride == cols && src_stride == cols) {
    cols *= rows;
    rows = 1;
  }
  for (Index r = 0; r < rows; ++r) add_into(dst + r * dst_stride, src + r * src_stride, cols);
}

template <class T>
void add_row_vector(T* dst, const T* vector, Index rows, Index cols, Index row_stride) {
  for (Index r = 0; r < rows; ++r) add_into(dst + r * row_stride, vector, cols);
}

// Four numbers, moved together.
template <class T>
struct Four {
  typedef T Numbers __attribute__((vector_size(4 * sizeof(T))));
  Numbers v;
  static UNROLL_INLINE Four load(const T* from) {
    Four f;
    __builtin_memcpy(&f.v, from, sizeof f.v);
    return f;
  }
  UNROLL_INLINE void store(T* to) const { __builtin_memcpy(to, &v, sizeof v); }
  template <int a, int b, int c, int d>
  static UNROLL_INLINE Four pick(const Four& x, const Four& y) {
    return {__builtin_shufflevector(x.v, y.v, a, b, c, d)};
  }
};

template <class T>
UNROLL_INLINE void transpose_four(const T* x, Index x_stride, T* y, Index y_stride) {
  using F = Four<T>;
  const F r0 = F::load(x), r1 = F::load(x + x_stride), r2 = F::load(x + 2 * x_stride), r3 = F::load(x + 3 * x_stride);
  const F a = F::template pick<0, 4, 1, 5>(r0, r1), b = F::template pick<2, 6, 3, 7>(r0, r1);
  const F c = F::template pick<0, 4, 1, 5>(r2, r3), d = F::template pick<2, 6, 3, 7>(r2, r3);
  F::template pick<0, 1, 4, 5>(a, c).store(y);
  F::template pick<2, 3, 6, 7>(a, c).store(y + y_stride);
  F::template pick<0, 1, 4, 5>(b, d).store(y + 2 * y_stride);
  F::template pick<2, 3, 6, 7>(b, d).store(y + 3 * y_stride);
}

template <class T>
void transpose(Index rows, Index cols, const T* x, Index x_stride, T* y, Index y_stride) {
  constexpr Index side = 16;  // a block reads and writes whole cache lines while they are at hand
  const Index whole_rows = rows / 4 * 4, whole_cols = cols / 4 * 4;
  for (Index i0 = 0; i0 < whole_rows; i0 += side)
    for (Index j0 = 0; j0 < whole_cols; j0 += side)
      for (Index j = j0; j < j0 + side && j < whole_cols; j += 4)
        for (Index i = i0; i < i0 + side && i < whole_rows; i += 4)
          transpose_four(x + i * x_stride + j, x_stride, y + j * y_stride + i, y_stride);
  for (Index i = 0; i < rows; ++i)
    for (Index j = i < whole_rows ? whole_cols : 0; j < cols; ++j) y[j * y_stride + i] = x[i * x_stride + j];
}

// Sums of columns: `width` lanes of columns at a time, down all rows. As BlockedSum, with the loops turned
// inside out.
constexpr Index block_rows = 64;

template <int width, class T>
void column_strip(T* dst, const T* src, Index rows, Index row_stride, int cols, bool overwrite) {
  using L = Lane<T, native_arch>;
  const int n = width > 1 ? L::size : cols;
  CompensatedSum<L> total[width];
  for (Index first = 0; first < rows; first += block_rows) {
    const Index last = first + block_rows < rows ? first + block_rows : rows;
    L sum[width];
    for (int k = 0; k < width; ++k) sum[k] = L(0);
    for (Index r = first; r < last; ++r) {
      const T* row = src + r * row_stride;
      for (int k = 0; k < width; ++k) sum[k] += L::load(row + k * L::size, n);
    }
    for (int k = 0; k < width; ++k) total[k].add(sum[k]);
  }
  for (int k = 0; k < width; ++k) {
    T* to = dst + k * L::size;
    (overwrite ? total[k].sum : L::load(to, n) + total[k].sum).store(to, n);
  }
}

template <class T>
void column_sum_into(T* dst, const T* src, Index rows, Index cols, Index row_stride, bool overwrite) {
  constexpr int size = Lane<T, native_arch>::size, width = 4;
  if (rows == 0) {  // there may be no memory to point into
    for (Index c = 0; c < cols && overwrite; ++c) dst[c] = 0;
    return;
  }
  Index j = 0;
  for (; j + width * size <= cols; j += width * size)
    column_strip<width>(dst + j, src + j, rows, row_stride, width * size, overwrite);
  for (; j + size <= cols; j += size) column_strip<1>(dst + j, src + j, rows, row_stride, size, overwrite);
  if (j < cols) column_strip<1>(dst + j, src + j, rows, row_stride, static_cast<int>(cols - j), overwrite);
}

// Registers of doubles, and as many numbers of type T.
template <class T>
struct Doubles {
  static constexpr int size = Lane<double, native_arch>::size;
  typedef double Sum __attribute__((vector_size(sizeof(double) * size)));
  typedef T Part __attribute__((vector_size(sizeof(T) * size)));

  static UNROLL_INLINE Sum load(const T* x) {
    Part p;
    __builtin_memcpy(&p, x, sizeof p);
    return __builtin_convertvector(p, Sum);
  }
};

// The sum of x_i y_i, or of x_i where there is no y.
template <bool product, class T>
UNROLL_INLINE double accumulate(const T* x, const T* y, Index n) {
  using D = Doubles<T>;
  constexpr int width = 4;
  typename D::Sum sum[width] = {};
  Index i = 0;
  for (; i + width * D::size <= n; i += width * D::size) {
    for (int k = 0; k < width; ++k) {
      const auto a = D::load(x + i + k * D::size);
      if constexpr (product) {
        sum[k] += a * D::load(y + i + k * D::size);
      } else {
        sum[k] += a;
      }
    }
  }
  const auto four = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  double total = 0;
  for (int k = 0; k < D::size; ++k) total += four[k];
  for (; i < n; ++i) {
    if constexpr (product) {
      total += static_cast<double>(x[i]) * static_cast<double>(y[i]);
    } else {
      total += static_cast<double>(x[i]);
    }
  }
  return total;
}

template <class T>
double sum(const T* x, Index n) {
  return accumulate<false>(x, x, n);
}

template <class T>
double sum_of_squares(const T* x, Index n) {
  return accumulate<true>(x, x, n);
}

template <class T>
double dot(const T* x, const T* y, Index n) {
  return accumulate<true>(x, y, n);
}

template <class T>
T max(const T* x, Index n) {
  using L = Lane<T, native_arch>;
  constexpr int width = 4;
  T result = -static_cast<T>(__builtin_inf());
  Index i = 0;
  if (n >= width * L::size) {
    L best[width] = {L(result), L(result), L(result), L(result)};
    for (; i + width * L::size <= n; i += width * L::size)
      for (int k = 0; k < width; ++k) best[k] = maximum(best[k], L::load(x + i + k * L::size));
    const L all = maximum(maximum(best[0], best[1]), maximum(best[2], best[3]));
    for (int k = 0; k < L::size; ++k) result = maximum(result, all[k]);
  }
  for (; i < n; ++i) result = maximum(result, x[i]);
  return result;
}

}  // namespace

template <class T>
const Kernels<T>& kernels() {
  static constexpr Kernels<T> table = {
      .add_into = add_into<T>,
      .axpy = axpy<T>,
      .scale = scale<T>,
      .fill = fill<T>,
      .copy_rows = copy_rows<T>,
      .add_rows = add_rows<T>,
      .add_row_vector = add_row_vector<T>,
      .transpose = transpose<T>,
      .column_sum_into = column_sum_into<T>,
      .sum = sum<T>,
      .sum_of_squares = sum_of_squares<T>,
      .dot = dot<T>,
      .max = max<T>,
  };
  return table;
}

template const Kernels<float>& kernels();
template const Kernels<double>& kernels();

}  // namespace unroll::detail::UNROLL_ISA
