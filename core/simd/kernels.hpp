#pragma once
/// \file
/// Plain vectorised loops that operations and optimizers share, compiled once per instruction set.

#include <cstdint>

namespace unroll::detail {

/// The loops for one instruction set. A matrix is `rows` rows of `cols` contiguous numbers, `*_stride` apart.
/// Sizes may be 0. What is written overlaps nothing that is read, unless it is the same memory. None of them
/// allocates; each gives the same bits on every call.
template <class T>
struct Kernels {
  /// y_i += x_i.
  void (*add_into)(T* y, const T* x, std::int64_t n);
  /// y_i += a x_i.
  void (*axpy)(T* y, T a, const T* x, std::int64_t n);
  /// y_i *= a.
  void (*scale)(T* y, T a, std::int64_t n);
  /// y_i = a.
  void (*fill)(T* y, T a, std::int64_t n);

  /// dst = src, by rows.
  void (*copy_rows)(T* dst, std::int64_t dst_stride, const T* src, std::int64_t src_stride, std::int64_t rows,
                    std::int64_t cols);
  /// dst += src, by rows.
  void (*add_rows)(T* dst, std::int64_t dst_stride, const T* src, std::int64_t src_stride, std::int64_t rows,
                   std::int64_t cols);
  /// Adds `vector` (cols) to every row of `dst`.
  void (*add_row_vector)(T* dst, const T* vector, std::int64_t rows, std::int64_t cols, std::int64_t row_stride);
  /// y (cols,rows) = x^T for x (rows,cols).
  void (*transpose)(std::int64_t rows, std::int64_t cols, const T* x, std::int64_t x_stride, T* y,
                    std::int64_t y_stride);
  /// dst (cols) = or += the sum of the rows of `src`. Compensated: the error of a float sum does not grow
  /// with the number of rows. The same bits with every instruction set.
  void (*column_sum_into)(T* dst, const T* src, std::int64_t rows, std::int64_t cols, std::int64_t row_stride,
                          bool overwrite);

  /// Sum of x_i, of x_i^2 and of x_i y_i, accumulated in double.
  double (*sum)(const T* x, std::int64_t n);
  double (*sum_of_squares)(const T* x, std::int64_t n);
  double (*dot)(const T* x, const T* y, std::int64_t n);
  /// The largest number; NaN if one is NaN, -inf of none.
  T (*max)(const T* x, std::int64_t n);
};

/// The loops for the instruction set in use.
template <class T>
const Kernels<T>& kernels();

}  // namespace unroll::detail
