// Softmax and its kin, compiled once per instruction set. A row is walked lane by lane and its lanes combined
// at the end; a column has one number in each lane of a strip, and needs no combining: the same text serves
// both.

#include "../../core/simd/simd.hpp"
#include "../../core/simd/sum.hpp"
#include "softmax.hpp"

namespace unroll::detail::UNROLL_ISA {
namespace {

using Index = std::int64_t;

template <class T>
constexpr T infinity = static_cast<T>(__builtin_inf());

template <class T>
using L = Lane<T, native_arch>;

// A strip of a panel: `steps` lanes.
template <class T, bool row>
struct Strip {
  Index steps;
  int count;  // numbers in each lane; of a row, in its last one

  UNROLL_INLINE int numbers(Index i) const { return row && i + 1 < steps ? L<T>::size : count; }
  UNROLL_INLINE Index at(Index i, Index step) const { return row ? i * L<T>::size : i * step; }

  /// Lane `i` of memory with this step. `pad` stands behind the end.
  UNROLL_INLINE L<T> load(const T* p, Index step, Index i, T pad = T(0)) const {
    const int n = numbers(i);
    p += at(i, step);
    if (n == L<T>::size) return L<T>::load(p);
    alignas(64) T some[L<T>::size];
    for (int k = 0; k < L<T>::size; ++k) some[k] = k < n ? p[k] : pad;
    return L<T>::load(some);
  }
  UNROLL_INLINE void store(T* p, Index step, Index i, L<T> v) const { v.store(p + at(i, step), numbers(i)); }
  UNROLL_INLINE void deliver(const SoftmaxPanel<T>& p, T* dx, Index i, L<T> v) const {
    store(dx, p.x_step, i, p.fresh ? v : load(dx, p.x_step, i) + v);
  }
  /// The one row (number) that belongs to all lanes of the strip.
  UNROLL_INLINE L<T> load_result(const T* p) const {
    if constexpr (row) {
      return L<T>(*p);
    } else {
      return load(p, 0, 0);
    }
  }
  UNROLL_INLINE void store_result(T* p, L<T> v) const {
    if constexpr (row) {
      *p = v[0];
    } else {
      store(p, 0, 0, v);
    }
  }

  UNROLL_INLINE L<T> combine_max(L<T> v) const {
    if constexpr (!row) return v;
    T m = v[0];
    for (int k = 1; k < L<T>::size; ++k) m = maximum(m, v[k]);
    return L<T>(m);
  }
  UNROLL_INLINE L<T> combine_sum(L<T> v) const {
    if constexpr (!row) return v;
    return L<T>(reduce_add(v));
  }

  /// The largest number, which is subtracted before exp so that nothing overflows; 0 where all are -inf.
  UNROLL_INLINE L<T> shift(const SoftmaxPanel<T>& p, const T* x) const {
    L<T> m(-infinity<T>);
    for (Index i = 0; i < steps; ++i) m = maximum(m, load(x, p.x_step, i, -infinity<T>));
    m = combine_max(m);
    return select(m == L<T>(-infinity<T>), T(0), m);
  }
  UNROLL_INLINE L<T> sum_of_exp(const SoftmaxPanel<T>& p, const T* x, L<T> shift) const {
    BlockedSum<L<T>> sum;
    for (Index i = 0; i < steps; ++i) sum.add(exp(load(x, p.x_step, i, -infinity<T>) - shift));
    return combine_sum(sum.total());
  }
};

struct Softmax {
  template <class T, bool row>
  static UNROLL_INLINE void run(const SoftmaxPanel<T>& p, Strip<T, row> s, Index at) {
    const T* x = p.x + at;
    T* y = p.y + at;
    const L<T> shift = s.shift(p, x);
    BlockedSum<L<T>> sum;
    for (Index i = 0; i < s.steps; ++i) {
      const L<T> e = exp(s.load(x, p.x_step, i, -infinity<T>) - shift);
      s.store(y, p.y_step, i, e);
      sum.add(e);
    }
    const L<T> total = s.combine_sum(sum.total());
    const L<T> scale = select(total == L<T>(0), T(0), T(1) / total);
    for (Index i = 0; i < s.steps; ++i) s.store(y, p.y_step, i, s.load(y, p.y_step, i) * scale);
  }
};

// dx_j = y_j (dy_j - sum_k dy_k y_k)
struct SoftmaxBackward {
  template <class T, bool row>
  static UNROLL_INLINE void run(const SoftmaxPanel<T>& p, Strip<T, row> s, Index at) {
    const T *y = p.y + at, *dy = p.dy + at;
    BlockedSum<L<T>> sum;
    for (Index i = 0; i < s.steps; ++i) sum.add(s.load(dy, p.y_step, i) * s.load(y, p.y_step, i));
    const L<T> total = s.combine_sum(sum.total());
    for (Index i = 0; i < s.steps; ++i)
      s.deliver(p, p.dx + at, i, s.load(y, p.y_step, i) * (s.load(dy, p.y_step, i) - total));
  }
};

struct LogSoftmax {
  template <class T, bool row>
  static UNROLL_INLINE void run(const SoftmaxPanel<T>& p, Strip<T, row> s, Index at) {
    const T* x = p.x + at;
    const L<T> shift = s.shift(p, x);
    const L<T> total = s.sum_of_exp(p, x, shift);
    const L<T> log_total = select(total == L<T>(0), T(0), log(total));
    // Not x - (shift + log): a large shift would swallow the logarithm.
    for (Index i = 0; i < s.steps; ++i) s.store(p.y + at, p.y_step, i, (s.load(x, p.x_step, i) - shift) - log_total);
  }
};

// dx_j = dy_j - softmax_j sum_k dy_k
struct LogSoftmaxBackward {
  template <class T, bool row>
  static UNROLL_INLINE void run(const SoftmaxPanel<T>& p, Strip<T, row> s, Index at) {
    const T *y = p.y + at, *dy = p.dy + at;
    BlockedSum<L<T>> sum;
    for (Index i = 0; i < s.steps; ++i) sum.add(s.load(dy, p.y_step, i));
    const L<T> total = s.combine_sum(sum.total());
    for (Index i = 0; i < s.steps; ++i)
      s.deliver(p, p.dx + at, i, s.load(dy, p.y_step, i) - exp(s.load(y, p.y_step, i)) * total);
  }
};

struct LogSumExp {
  template <class T, bool row>
  static UNROLL_INLINE void run(const SoftmaxPanel<T>& p, Strip<T, row> s, Index at) {
    const L<T> shift = s.shift(p, p.x + at);
    s.store_result(p.y + at, shift + log(s.sum_of_exp(p, p.x + at, shift)));
  }
};

// dx_j = dy exp(x_j - y); 0 where y is -inf, that is where there is nothing but -inf.
struct LogSumExpBackward {
  template <class T, bool row>
  static UNROLL_INLINE void run(const SoftmaxPanel<T>& p, Strip<T, row> s, Index at) {
    const L<T> y = s.load_result(p.y + at), dy = s.load_result(p.dy + at);
    const L<T> finite = select(y == L<T>(-infinity<T>), T(0), y);
    for (Index i = 0; i < s.steps; ++i) s.deliver(p, p.dx + at, i, dy * exp(s.load(p.x + at, p.x_step, i) - finite));
  }
};

template <class F, class T>
void over_panel(const SoftmaxPanel<T>& p) {
  constexpr Index size = L<T>::size;
  if (p.rows) {
    const Index steps = (p.n + size - 1) / size;
    F::run(p, Strip<T, true>{steps, static_cast<int>(p.n - (steps - 1) * size)}, 0);
  } else {
    for (Index j = 0; j < p.width; j += size)
      F::run(p, Strip<T, false>{p.n, static_cast<int>(p.width - j < size ? p.width - j : size)}, j);
  }
}

}  // namespace

template <class T>
const SoftmaxKernels<T>& softmax_kernels() {
  static constexpr SoftmaxKernels<T> table = {over_panel<Softmax, T>,    over_panel<SoftmaxBackward, T>,
                                              over_panel<LogSoftmax, T>, over_panel<LogSoftmaxBackward, T>,
                                              over_panel<LogSumExp, T>,  over_panel<LogSumExpBackward, T>};
  return table;
}

template const SoftmaxKernels<float>& softmax_kernels();
template const SoftmaxKernels<double>& softmax_kernels();

}  // namespace unroll::detail::UNROLL_ISA
