// The elementwise losses, once per instruction set.

#include "../../core/simd/simd.hpp"
#include "losses.hpp"

namespace unroll::detail::UNROLL_ISA {
namespace {

template <class T>
using L = Lane<T, native_arch>;

// A loss and its slopes. Once inlined it costs what is used of it: duals, which carry every step's slope along, took up
// to half as long again.
template <class V>
struct Slopes {
  V value, dx, dt;
};

template <class V>
UNROLL_INLINE Slopes<V> of_difference(V value, V slope) {
  return {value, slope, -slope};
}

// Each loss at x and t, with p the pos_weight or the delta; `bounded`: x is a probability.

struct Squared {
  template <class V>
  static UNROLL_INLINE Slopes<V> at(V x, V t, V) {
    const V d = x - t;
    return of_difference(d * d, d + d);
  }
  static constexpr bool bounded = false;
};

struct Absolute {
  template <class V>
  static UNROLL_INLINE Slopes<V> at(V x, V t, V) {
    const V d = x - t;
    return of_difference(abs(d), select(d > V(0), V(1), select(d < V(0), V(-1), d)));  // 0 at 0, NaN for NaN
  }
  static constexpr bool bounded = false;
};

struct Huber {
  template <class V>
  static UNROLL_INLINE Slopes<V> at(V x, V t, V delta) {
    const V d = x - t, held = clamp(d, -delta, delta);
    return of_difference(held * (d - V(0.5) * held), held);
  }
  static constexpr bool bounded = false;
};

// The logarithms and the denominator of the slope by x are bounded as PyTorch's.
struct Binary {
  template <class V>
  static UNROLL_INLINE Slopes<V> at(V x, V t, V) {
    const V yes = above(log(x), -100), no = above(log1p(-x), -100);
    return {(t - V(1)) * no - t * yes, (x - t) / above(x * (V(1) - x), 1e-12), no - yes};
  }
  static constexpr bool bounded = true;

 private:
  template <class V>
  static UNROLL_INLINE V above(V x, double bound) {
    return select(x > V(bound), x, V(bound));
  }
};

// (1 - t) softplus(x) + w t softplus(-x), with w the weight of positive targets: no digits are lost on either side.
struct BinaryLogits {
  template <class V>
  static UNROLL_INLINE Slopes<V> at(V x, V t, V w) {
    const V e = exp(-abs(x)), both = log1p(e), large = V(1) / (V(1) + e), small = e * large;
    const V no = both + relu(x), yes = both + relu(-x);
    const auto positive = x > V(0);
    return {(V(1) - t) * no + w * t * yes,
            (V(1) - t) * select(positive, large, small) - w * t * select(positive, small, large), w * yes - no};
  }
  static constexpr bool bounded = false;
};

// Registers are added up in T for this many elements, then in double.
constexpr Index chunk = 512;

template <class T, class Loss>
__attribute__((flatten)) double forward(ElementLossCall<T>& c) {
  double total = 0;
  bool bad = false;
  for (Index r = 0; r < c.x.rows; ++r) {
    const T* x = c.x.data + r * c.x.stride;
    const T* t = c.t + r * c.t_stride;
    const T* w = c.weights ? c.weights + r * c.x.cols : nullptr;
    T* out = c.out ? c.out + r * c.x.cols : nullptr;
    for (Index begin = 0; begin < c.x.cols; begin += chunk) {
      L<T> sum(T(0));
      by_registers<L<T>::size>(c.x.cols - begin < chunk ? c.x.cols - begin : chunk, [&](Index i, auto n) {
        const Index k = begin + i;
        const L<T> xs = L<T>::load(x + k, n);
        if constexpr (Loss::bounded) bad |= !((xs >= T(0)) & (xs <= T(1))).all();
        const L<T> p = c.pos_weight ? L<T>::load(c.pos_weight + k, n) : L<T>(c.parameter);
        L<T> v = Loss::at(xs, L<T>::load(t + k, n), p).value;
        if (w) v *= L<T>::load(w + k, n);
        if (out) v.store(out + k, n);
        sum += v.first(n);
      });
      total += static_cast<double>(reduce_add(sum));
    }
  }
  c.bad = bad;
  return total;
}

template <class T, class Loss>
__attribute__((flatten)) void backward(const ElementLossCall<T>& c) {
  for (Index r = 0; r < c.x.rows; ++r) {
    const T* x = c.x.data + r * c.x.stride;
    const T* t = c.t + r * c.t_stride;
    const T* w = c.weights ? c.weights + r * c.x.cols : nullptr;
    const T* dy = c.dy ? c.dy + r * c.dy_stride : nullptr;
    by_registers<L<T>::size>(c.x.cols, [&](Index k, auto n) {
      const L<T> p = c.pos_weight ? L<T>::load(c.pos_weight + k, n) : L<T>(c.parameter);
      L<T> scale = dy ? L<T>::load(dy + k, n) : L<T>(c.scale);
      if (w) scale *= L<T>::load(w + k, n);
      const Slopes<L<T>> loss = Loss::at(L<T>::load(x + k, n), L<T>::load(t + k, n), p);
      const auto deliver = [&](L<T> d, T* to, bool fresh) { (fresh ? d : L<T>::load(to, n) + d).store(to, n); };
      if (c.dx) deliver(scale * loss.dx, c.dx + r * c.dx_stride + k, c.dx_fresh);
      if (c.dt) deliver(scale * loss.dt, c.dt + r * c.dt_stride + k, c.dt_fresh);
    });
  }
}

}  // namespace

template <class T>
const ElementLossKernels<T>& element_loss_kernels() {
  static constexpr ElementLossKernels<T> kernels = {
      {&forward<T, Squared>, &forward<T, Absolute>, &forward<T, Huber>, &forward<T, Binary>, &forward<T, BinaryLogits>},
      {&backward<T, Squared>, &backward<T, Absolute>, &backward<T, Huber>, &backward<T, Binary>,
       &backward<T, BinaryLogits>}};
  return kernels;
}

template const ElementLossKernels<float>& element_loss_kernels();
template const ElementLossKernels<double>& element_loss_kernels();

}  // namespace unroll::detail::UNROLL_ISA
