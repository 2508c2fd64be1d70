// The elementwise losses, once per instruction set.

#include "../../core/simd/simd.hpp"
#include "losses.hpp"

namespace unroll::detail::UNROLL_ISA {
namespace {

template <class T>
using L = Lane<T, native_arch>;

// Each loss: value(x, t), slopes dx and dt, and whether x is in its domain. `p` is the pos_weight or the
// delta.

struct Squared {
  template <class V>
  static V value(V x, V t, V) {
    return (x - t) * (x - t);
  }
  template <class V>
  static V dx(V x, V t, V) {
    return V(2) * (x - t);
  }
  template <class V>
  static V dt(V x, V t, V p) {
    return -dx(x, t, p);
  }
  static constexpr bool bounded = false;
};

struct Absolute {
  template <class V>
  static V value(V x, V t, V) {
    return abs(x - t);
  }
  template <class V>
  static V dx(V x, V t, V) {
    const V d = x - t;
    return select(d > V(0), V(1), select(d < V(0), V(-1), d));  // 0 at 0, NaN for NaN
  }
  template <class V>
  static V dt(V x, V t, V p) {
    return -dx(x, t, p);
  }
  static constexpr bool bounded = false;
};

struct Huber {
  template <class V>
  static V value(V x, V t, V delta) {
    const V d = abs(x - t);
    return select(d > delta, delta * (d - V(0.5) * delta), V(0.5) * d * d);
  }
  template <class V>
  static V dx(V x, V t, V delta) {
    const V d = x - t;
    return select(d > delta, delta, select(d < -delta, -delta, d));
  }
  template <class V>
  static V dt(V x, V t, V delta) {
    return -dx(x, t, delta);
  }
  static constexpr bool bounded = false;
};

struct Binary {
  template <class V>
  static V bounded_log(V x) {
    const V y = log(x);
    return select(y > V(-100), y, V(-100));
  }
  template <class V>
  static V bounded_log_of_rest(V x) {
    const V y = log1p(-x);
    return select(y > V(-100), y, V(-100));
  }
  template <class V>
  static V value(V x, V t, V) {
    return (t - V(1)) * bounded_log_of_rest(x) - t * bounded_log(x);
  }
  template <class V>
  static V dx(V x, V t, V) {
    const V q = x * (V(1) - x);
    return (x - t) / select(q > V(1e-12), q, V(1e-12));
  }
  template <class V>
  static V dt(V x, V, V) {
    return bounded_log_of_rest(x) - bounded_log(x);
  }
  static constexpr bool bounded = true;
};

// (1 - t) softplus(x) + w t softplus(-x), with w the weight of positive targets: no digits are lost on either
// side.
struct BinaryLogits {
  template <class V>
  static V value(V x, V t, V w) {
    const V both = log1p(exp(-abs(x)));
    return (V(1) - t) * (both + relu_of(x)) + w * t * (both + relu_of(-x));
  }
  template <class V>
  static V dx(V x, V t, V w) {
    const V e = exp(-abs(x)), large = V(1) / (V(1) + e), small = e * large;
    const auto positive = x > V(0);
    return (V(1) - t) * select(positive, large, small) - w * t * select(positive, small, large);
  }
  template <class V>
  static V dt(V x, V, V w) {
    const V both = log1p(exp(-abs(x)));
    return w * (both + relu_of(-x)) - (both + relu_of(x));
  }
  static constexpr bool bounded = false;

 private:
  template <class V>
  static V relu_of(V x) {
    return select(x <= V(0), V(0), x);
  }
};

// Registers are added up in T for this many elements, then in double.
constexpr Index chunk = 512;

template <class T, class Loss>
double forward(ElementLossCall<T>& c) {
  constexpr Index size = L<T>::size;
  double total = 0;
  bool bad = false;
  for (Index r = 0; r < c.x.rows; ++r) {
    const T* x = c.x.data + r * c.x.stride;
    const T* t = c.t + r * c.t_stride;
    const T* w = c.weights ? c.weights + r * c.x.cols : nullptr;
    T* out = c.out ? c.out + r * c.x.cols : nullptr;
    for (Index begin = 0; begin < c.x.cols; begin += chunk) {
      const Index end = c.x.cols - begin < chunk ? c.x.cols : begin + chunk;
      L<T> sum(T(0));
      Index k = begin;
      for (; k + size <= end; k += size) {
        const L<T> xs = L<T>::load(x + k);
        if constexpr (Loss::bounded) bad |= !((xs >= T(0)) & (xs <= T(1))).all();
        L<T> v = Loss::value(xs, L<T>::load(t + k),
                             c.pos_weight ? L<T>::load(c.pos_weight + k) : L<T>(c.parameter));
        if (w) v *= L<T>::load(w + k);
        if (out) v.store(out + k);
        sum += v;
      }
      if (k < end) {
        const int n = static_cast<int>(end - k);
        const L<T> xs = L<T>::load(x + k, n);
        if constexpr (Loss::bounded) bad |= !((xs >= T(0)) & (xs <= T(1))).all();
        L<T> v = Loss::value(xs, L<T>::load(t + k, n),
                             c.pos_weight ? L<T>::load(c.pos_weight + k, n) : L<T>(c.parameter));
        if (w) v *= L<T>::load(w + k, n);
        alignas(64) T some[L<T>::size];
        v.store(some);
        for (int i = 0; i < n; ++i) {
          total += static_cast<double>(some[i]);
          if (out) out[k + i] = some[i];
        }
      }
      total += static_cast<double>(reduce_add(sum));
    }
  }
  c.bad = bad;
  return total;
}

template <class T>
void put(L<T> d, T* to, bool fresh, int n) {
  if (n == L<T>::size) {
    (fresh ? d : L<T>::load(to) + d).store(to);
  } else {
    (fresh ? d : L<T>::load(to, n) + d).store(to, n);
  }
}

template <class T, class Loss>
void backward(const ElementLossCall<T>& c) {
  constexpr Index size = L<T>::size;
  for (Index r = 0; r < c.x.rows; ++r) {
    const T* x = c.x.data + r * c.x.stride;
    const T* t = c.t + r * c.t_stride;
    const T* w = c.weights ? c.weights + r * c.x.cols : nullptr;
    const T* dy = c.dy ? c.dy + r * c.dy_stride : nullptr;
    for (Index k = 0; k < c.x.cols; k += size) {
      const int n = static_cast<int>(c.x.cols - k < size ? c.x.cols - k : size);
      const auto load = [&](const T* from) {
        return n == size ? L<T>::load(from + k) : L<T>::load(from + k, n);
      };
      const L<T> xs = load(x), ts = load(t), p = c.pos_weight ? load(c.pos_weight) : L<T>(c.parameter);
      L<T> scale = dy ? load(dy) : L<T>(c.scale);
      if (w) scale *= load(w);
      if (c.dx) put(scale * Loss::dx(xs, ts, p), c.dx + r * c.dx_stride + k, c.dx_fresh, n);
      if (c.dt) put(scale * Loss::dt(xs, ts, p), c.dt + r * c.dt_stride + k, c.dt_fresh, n);
    }
  }
}

}  // namespace

template <class T>
const ElementLossKernels<T>& element_loss_kernels() {
  static constexpr ElementLossKernels<T> kernels = {
      {&forward<T, Squared>, &forward<T, Absolute>, &forward<T, Huber>, &forward<T, Binary>,
       &forward<T, BinaryLogits>},
      {&backward<T, Squared>, &backward<T, Absolute>, &backward<T, Huber>, &backward<T, Binary>,
       &backward<T, BinaryLogits>}};
  return kernels;
}

template const ElementLossKernels<float>& element_loss_kernels();
template const ElementLossKernels<double>& element_loss_kernels();

}  // namespace unroll::detail::UNROLL_ISA
