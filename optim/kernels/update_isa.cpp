// The updates of the optimizers, once per instruction set.

#include "../../core/simd/simd.hpp"
#include "update.hpp"

namespace unroll::detail::UNROLL_ISA {
namespace {

template <class T>
using L = Lane<T, native_arch>;

// Calls f with loads and stores of the registers one after the other. Where a table's rows may be updated alone, f says
// mul_add: what the compiler fuses by itself may differ between a whole register and what is left.
template <class T, class F>
UNROLL_INLINE void each_register(Index count, const F& f) {
  by_registers<L<T>::size>(count, [&](Index i, auto n) {
    f([=](const T* from) { return L<T>::load(from + i, n); }, [=](T* to, L<T> x) { x.store(to + i, n); });
  });
}

// The gradient with the decay of the value.
template <class T>
struct Decay {
  explicit Decay(double factor) : factor(factor), is(factor != 0) {}
  UNROLL_INLINE L<T> operator()(L<T> gradient, L<T> value) const {
    return is ? mul_add(factor, value, gradient) : gradient;
  }
  L<T> factor;
  bool is;
};

template <class T>
__attribute__((flatten)) void sgd(T* value, const T* grad, T* velocity, Index n, const SgdNumbers& c) {
  const L<T> lr(c.lr), momentum(c.momentum), fresh(1 - c.dampening);
  const Decay<T> decayed(c.weight_decay);
  if (!velocity) {
    each_register<T>(n, [&](auto load, auto store) {
      const L<T> p = load(value), g = decayed(load(grad), p);
      store(value, mul_add(g, -lr, p));
    });
    return;
  }
  const bool first = c.first, nesterov = c.nesterov;
  each_register<T>(n, [&](auto load, auto store) {
    const L<T> p = load(value), g = decayed(load(grad), p);
    const L<T> v = first ? g : momentum * load(velocity) + fresh * g;
    store(velocity, v);
    store(value, p - lr * (nesterov ? g + momentum * v : v));
  });
}

// `move(m, g, d)`: how far the value goes for the means m of gradients and d of sizes, and the gradient g.
template <class T, class Move>
UNROLL_INLINE void by_moments(T* value, const T* grad, T* mean, T* square, T* largest, Index n, const AdamNumbers& c,
                              const Move& move) {
  const L<T> beta1(c.beta1), beta2(c.beta2), rest1(1 - c.beta1), rest2(1 - c.beta2), eps(c.eps);
  const L<T> inverse_root(c.inverse_root), keep(c.keep);
  const Decay<T> decayed(c.weight_decay);
  each_register<T>(n, [&](auto load, auto store) {
    const L<T> before = load(value), g = decayed(load(grad), before);
    const L<T> m = beta1 * load(mean) + rest1 * g;
    L<T> v = beta2 * load(square) + rest2 * (g * g);
    store(mean, m);
    store(square, v);
    if (largest) {
      v = maximum(load(largest), v);
      store(largest, v);
    }
    store(value, before * keep - move(m, g, sqrt(v) * inverse_root + eps));
  });
}

template <class T>
__attribute__((flatten)) void adam(T* value, const T* grad, T* mean, T* square, T* largest, Index n,
                                   const AdamNumbers& c) {
  const L<T> step(c.step_size);
  by_moments(value, grad, mean, square, largest, n, c, [&](L<T> m, L<T>, L<T> d) { return step * (m / d); });
}

template <class T>
__attribute__((flatten)) void nadam(T* value, const T* grad, T* mean, T* square, Index n, const NadamNumbers& c) {
  const L<T> of_mean(c.mean_size), of_grad(c.grad_size);
  by_moments<T>(value, grad, mean, square, nullptr, n, c.adam,
                [&](L<T> m, L<T> g, L<T> d) { return (of_mean * m + of_grad * g) / d; });
}

template <class T>
__attribute__((flatten)) void rmsprop(T* value, const T* grad, T* square, T* mean, T* velocity, Index n,
                                      const RmspropNumbers& c) {
  const L<T> lr(c.lr), alpha(c.alpha), rest(1 - c.alpha), eps(c.eps), momentum(c.momentum), zero(T(0));
  const Decay<T> decayed(c.weight_decay);
  each_register<T>(n, [&](auto load, auto store) {
    const L<T> p = load(value), g = decayed(load(grad), p);
    L<T> v = alpha * load(square) + rest * (g * g);
    store(square, v);
    if (mean) {
      const L<T> m = alpha * load(mean) + rest * g;
      store(mean, m);
      v = maximum(v - m * m, zero);
    }
    L<T> move = g / (sqrt(v) + eps);
    if (velocity) {
      move += momentum * load(velocity);
      store(velocity, move);
    }
    store(value, p - lr * move);
  });
}

template <class T>
__attribute__((flatten)) void adagrad(T* value, const T* grad, T* sum, Index n, const AdagradNumbers& c) {
  const L<T> lr(c.lr), eps(c.eps);
  const Decay<T> decayed(c.weight_decay);
  each_register<T>(n, [&](auto load, auto store) {
    const L<T> p = load(value), g = decayed(load(grad), p);
    const L<T> s = mul_add(g, g, load(sum));
    store(sum, s);
    store(value, mul_add(-lr, g / (sqrt(s) + eps), p));
  });
}

template <class T>
__attribute__((flatten)) void adadelta(T* value, const T* grad, T* square, T* delta, Index n,
                                       const AdadeltaNumbers& c) {
  const L<T> lr(c.lr), rho(c.rho), rest(1 - c.rho), eps(c.eps);
  const Decay<T> decayed(c.weight_decay);
  each_register<T>(n, [&](auto load, auto store) {
    const L<T> p = load(value), g = decayed(load(grad), p);
    const L<T> v = rho * load(square) + rest * (g * g);
    store(square, v);
    const L<T> u = load(delta);
    const L<T> move = sqrt(u + eps) / sqrt(v + eps) * g;
    store(delta, rho * u + rest * (move * move));
    store(value, p - lr * move);
  });
}

template <class T>
__attribute__((flatten)) void average(T* mean, const T* value, T weight, Index n) {
  const L<T> w(weight);
  each_register<T>(n, [&](auto load, auto store) {
    const L<T> a = load(mean);
    store(mean, a + w * (load(value) - a));
  });
}

}  // namespace

template <class T>
const UpdateKernels<T>& update_kernels() {
  static constexpr UpdateKernels<T> kernels = {&sgd<T>,     &adam<T>,     &nadam<T>,  &rmsprop<T>,
                                               &adagrad<T>, &adadelta<T>, &average<T>};
  return kernels;
}

template const UpdateKernels<float>& update_kernels();
template const UpdateKernels<double>& update_kernels();

}  // namespace unroll::detail::UNROLL_ISA
