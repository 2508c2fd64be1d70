// The rows of softmax cross-entropy, once per instruction set.
//
// Rows at least one register long go through registers along the row; the last register of a row overlaps the
// one before it, which costs less than a masked load. Shorter rows (few classes) are turned on their side, so
// that a register holds one class of many rows.

#include "../../core/simd/simd.hpp"
#include "losses.hpp"

namespace unroll::detail::UNROLL_ISA {
namespace {

template <class T>
using L = Lane<T, native_arch>;

template <class T>
struct Iota {
  alignas(64) T numbers[L<T>::size];
  Iota() {
    for (int i = 0; i < L<T>::size; ++i) numbers[i] = static_cast<T>(i);
  }
};

// One after the other: rows overlap in the processor. Halving through memory made 20 classes take 66 ns a row instead
// of 41, halving by shuffles 40.
template <class T>
T largest(L<T> x) {
  alignas(64) T all[L<T>::size];
  x.store(all);
  T m = all[0];
  for (int i = 1; i < L<T>::size; ++i) m = all[i] > m ? all[i] : m;
  return m;
}

// NaN does not become the maximum here; it comes out of the sum.
template <class T>
L<T> larger(L<T> a, L<T> b) {
  return select(b > a, b, a);
}

template <class T>
void wide_row(const T* x, Index n, L<T> iota, T* max, T* sum) {
  constexpr Index size = L<T>::size;
  const Index last = n - size;
  L<T> m0 = L<T>::load(x), m1 = L<T>::load(x + last);
  Index k = size;
  for (; k + size <= last; k += 2 * size) {
    m0 = larger(m0, L<T>::load(x + k));
    m1 = larger(m1, L<T>::load(x + k + size));
  }
  if (k < last) m0 = larger(m0, L<T>::load(x + k));
  const T m = largest(larger(m0, m1));
  const L<T> shift(m);
  L<T> s0(T(0)), s1(T(0));
  k = 0;
  for (; k + 2 * size <= n; k += 2 * size) {
    s0 += exp(L<T>::load(x + k) - shift);
    s1 += exp(L<T>::load(x + k + size) - shift);
  }
  if (k + size <= n) {
    s0 += exp(L<T>::load(x + k) - shift);
    k += size;
  }
  if (k < n) s1 += select(iota >= static_cast<T>(size - (n - k)), exp(L<T>::load(x + last) - shift), T(0));
  *max = m;
  *sum = reduce_add(s0 + s1);
}

// Rows first .. first + count of x as columns: block[k * size + r].
template <class T>
void turn(const Rows<const T>& x, Index first, Index count, T* block) {
  constexpr Index size = L<T>::size;
  for (Index r = 0; r < count; ++r)
    for (Index k = 0; k < x.cols; ++k) block[k * size + r] = x.data[(first + r) * x.stride + k];
  for (Index r = count; r < size; ++r)
    for (Index k = 0; k < x.cols; ++k) block[k * size + r] = T(0);
}

template <class T>
void statistics(const Rows<const T>& x, const std::int32_t* skip, T* max, T* log_sum, T* inverse_sum) {
  constexpr Index size = L<T>::size;
  if (x.cols < size) {
    alignas(64) T block[L<T>::size * L<T>::size];
    for (Index first = 0; first < x.rows; first += size) {
      const int count = static_cast<int>(x.rows - first < size ? x.rows - first : size);
      turn(x, first, count, block);
      L<T> m = L<T>::load(block), s(T(0));
      for (Index k = 1; k < x.cols; ++k) m = larger(m, L<T>::load(block + k * size));
      for (Index k = 0; k < x.cols; ++k) s += exp(L<T>::load(block + k * size) - m);
      m.store(max + first, count);
      log(s).store(log_sum + first, count);
      (T(1) / s).store(inverse_sum + first, count);
    }
    return;
  }
  const Iota<T> numbers;
  const L<T> iota = L<T>::load(numbers.numbers);
  for (Index r = 0; r < x.rows; ++r) {
    max[r] = T(0);
    log_sum[r] = T(1);
    if (!skip || skip[r] >= 0) wide_row(x.data + r * x.stride, x.cols, iota, max + r, log_sum + r);
  }
  for (Index r = 0; r < x.rows; r += size) {
    const int n = static_cast<int>(x.rows - r < size ? x.rows - r : size);
    const L<T> s = L<T>::load(log_sum + r, n);
    (T(1) / s).store(inverse_sum + r, n);
    log(s).store(log_sum + r, n);
  }
}

template <class T, bool fresh>
void wide_backward_row(const T* x, Index n, L<T> iota, L<T> shift, L<T> scale, T* dx) {
  constexpr Index size = L<T>::size;
  Index k = 0;
  for (; k + size <= n; k += size) {
    L<T> d = exp(L<T>::load(x + k) - shift) * scale;
    if constexpr (!fresh) d += L<T>::load(dx + k);
    d.store(dx + k);
  }
  if (k == n) return;
  const Index last = n - size;
  L<T> d = exp(L<T>::load(x + last) - shift) * scale;
  if constexpr (!fresh) d = L<T>::load(dx + last) + select(iota >= static_cast<T>(size - (n - k)), d, T(0));
  d.store(dx + last);
}

template <class T>
void backward(const Rows<const T>& x, const T* max, const T* scale, T* dx, Index dx_stride, bool fresh) {
  constexpr Index size = L<T>::size;
  if (x.cols < size) {
    alignas(64) T block[L<T>::size * L<T>::size];
    for (Index first = 0; first < x.rows; first += size) {
      const int count = static_cast<int>(x.rows - first < size ? x.rows - first : size);
      turn(x, first, count, block);
      const L<T> m = L<T>::load(max + first, count), a = L<T>::load(scale + first, count);
      for (Index k = 0; k < x.cols; ++k) {
        const L<T> p = exp(L<T>::load(block + k * size) - m) * a;
        select(a == T(0), T(0), p).store(block + k * size);
      }
      for (Index r = 0; r < count; ++r) {
        T* d = dx + (first + r) * dx_stride;
        for (Index k = 0; k < x.cols; ++k) d[k] = fresh ? block[k * size + r] : d[k] + block[k * size + r];
      }
    }
    return;
  }
  const Iota<T> numbers;
  const L<T> iota = L<T>::load(numbers.numbers);
  for (Index r = 0; r < x.rows; ++r) {
    T* d = dx + r * dx_stride;
    const T* from = x.data + r * x.stride;
    if (scale[r] == T(0)) {
      for (Index k = 0; fresh && k < x.cols; ++k) d[k] = T(0);
    } else if (fresh) {
      wide_backward_row<T, true>(from, x.cols, iota, L<T>(max[r]), L<T>(scale[r]), d);
    } else {
      wide_backward_row<T, false>(from, x.cols, iota, L<T>(max[r]), L<T>(scale[r]), d);
    }
  }
}

template <class T>
void target_sums(const Rows<const T>& x, const T* max, const T* q, Index q_stride, const T* v, T* total, T* weighted) {
  constexpr Index size = L<T>::size;
  for (Index r = 0; r < x.rows; ++r) {
    const T* row = x.data + r * x.stride;
    const T* target = q ? q + r * q_stride : nullptr;
    const L<T> shift(max[r]);
    L<T> sum(T(0)), product(T(0));
    for (Index k = 0; k < x.cols; k += size) {
      const int n = static_cast<int>(x.cols - k < size ? x.cols - k : size);
      L<T> u = target ? L<T>::load(target + k, n) : L<T>(T(1)).first(n);
      if (v) u *= L<T>::load(v + k, n);
      sum += u;
      product += select(u == T(0), T(0), u * (L<T>::load(row + k, n) - shift));
    }
    total[r] = reduce_add(sum);
    weighted[r] = reduce_add(product);
  }
}

}  // namespace

template <class T>
const CrossEntropyKernels<T>& cross_entropy_kernels() {
  static constexpr CrossEntropyKernels<T> kernels = {&statistics<T>, &backward<T>, &target_sums<T>};
  return kernels;
}

template const CrossEntropyKernels<float>& cross_entropy_kernels();
template const CrossEntropyKernels<double>& cross_entropy_kernels();

}  // namespace unroll::detail::UNROLL_ISA
