// The updates of the optimizers, once per instruction set.

#include "../../core/simd/simd.hpp"
#include "update.hpp"

namespace unroll::detail::UNROLL_ISA {
namespace {

template <class T>
using L = Lane<T, native_arch>;

// Calls f with loads and stores of a whole register, then once with those of what is left.
template <class T, class F>
void by_registers(Index n, const F& f) {
  constexpr Index size = L<T>::size;
  Index i = 0;
  for (; i + size <= n; i += size)
    f([i](const T* from) { return L<T>::load(from + i); }, [i](T* to, L<T> x) { x.store(to + i); });
  if (i < n) {
    const int rest = static_cast<int>(n - i);
    f([=](const T* from) { return L<T>::load(from + i, rest); }, [=](T* to, L<T> x) { x.store(to + i, rest); });
  }
}

template <class T>
void sgd(T* value, const T* grad, T* velocity, Index n, const SgdNumbers<T>& c) {
  const L<T> lr(c.lr), momentum(c.momentum), fresh(c.one_minus_dampening), decay(c.weight_decay);
  const bool decays = c.weight_decay != 0;
  if (!velocity) {
    by_registers<T>(n, [&](auto load, auto store) {
      const L<T> p = load(value);
      L<T> g = load(grad);
      if (decays) g += decay * p;
      store(value, p - lr * g);
    });
    return;
  }
  const bool first = c.first, nesterov = c.nesterov;
  by_registers<T>(n, [&](auto load, auto store) {
    const L<T> p = load(value);
    L<T> g = load(grad);
    if (decays) g += decay * p;
    const L<T> v = first ? g : momentum * load(velocity) + fresh * g;
    store(velocity, v);
    store(value, p - lr * (nesterov ? g + momentum * v : v));
  });
}

template <class T>
void adam(T* value, const T* grad, T* mean, T* square, T* largest, Index n, const AdamNumbers<T>& c) {
  const L<T> beta1(c.beta1), beta2(c.beta2), rest1(c.one_minus_beta1), rest2(c.one_minus_beta2), eps(c.eps);
  const L<T> step(c.step_size), inverse_root(c.inverse_root), decay(c.weight_decay), keep(c.keep);
  const bool decays = c.weight_decay != 0;
  by_registers<T>(n, [&](auto load, auto store) {
    L<T> p = load(value), g = load(grad);
    if (decays) g += decay * p;
    p *= keep;
    const L<T> m = beta1 * load(mean) + rest1 * g;
    L<T> v = beta2 * load(square) + rest2 * (g * g);
    store(mean, m);
    store(square, v);
    if (largest) {
      v = maximum(load(largest), v);
      store(largest, v);
    }
    store(value, p - step * (m / (sqrt(v) * inverse_root + eps)));
  });
}

template <class T>
void nadam(T* value, const T* grad, T* mean, T* square, Index n, const NadamNumbers<T>& numbers) {
  const AdamNumbers<T>& c = numbers.adam;
  const L<T> beta1(c.beta1), beta2(c.beta2), rest1(c.one_minus_beta1), rest2(c.one_minus_beta2), eps(c.eps);
  const L<T> of_mean(numbers.mean_size), of_grad(numbers.grad_size), inverse_root(c.inverse_root);
  const L<T> decay(c.weight_decay), keep(c.keep);
  const bool decays = c.weight_decay != 0;
  by_registers<T>(n, [&](auto load, auto store) {
    L<T> p = load(value), g = load(grad);
    if (decays) g += decay * p;
    p *= keep;
    const L<T> m = beta1 * load(mean) + rest1 * g;
    const L<T> v = beta2 * load(square) + rest2 * (g * g);
    store(mean, m);
    store(square, v);
    store(value, p - (of_mean * m + of_grad * g) / (sqrt(v) * inverse_root + eps));
  });
}

template <class T>
void rmsprop(T* value, const T* grad, T* square, T* mean, T* velocity, Index n, const RmspropNumbers<T>& c) {
  const L<T> lr(c.lr), alpha(c.alpha), rest(c.one_minus_alpha), eps(c.eps), decay(c.weight_decay);
  const L<T> momentum(c.momentum), zero(T(0));
  const bool decays = c.weight_decay != 0;
  by_registers<T>(n, [&](auto load, auto store) {
    const L<T> p = load(value);
    L<T> g = load(grad);
    if (decays) g += decay * p;
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
void adagrad(T* value, const T* grad, T* sum, Index n, const AdagradNumbers<T>& c) {
  const L<T> lr(c.lr), eps(c.eps), decay(c.weight_decay);
  const bool decays = c.weight_decay != 0;
  by_registers<T>(n, [&](auto load, auto store) {
    const L<T> p = load(value);
    L<T> g = load(grad);
    if (decays) g += decay * p;
    const L<T> s = load(sum) + g * g;
    store(sum, s);
    store(value, p - lr * (g / (sqrt(s) + eps)));
  });
}

template <class T>
void adadelta(T* value, const T* grad, T* square, T* delta, Index n, const AdadeltaNumbers<T>& c) {
  const L<T> lr(c.lr), rho(c.rho), rest(c.one_minus_rho), eps(c.eps), decay(c.weight_decay);
  const bool decays = c.weight_decay != 0;
  by_registers<T>(n, [&](auto load, auto store) {
    const L<T> p = load(value);
    L<T> g = load(grad);
    if (decays) g += decay * p;
    const L<T> v = rho * load(square) + rest * (g * g);
    store(square, v);
    const L<T> u = load(delta);
    const L<T> move = sqrt(u + eps) / sqrt(v + eps) * g;
    store(delta, rho * u + rest * (move * move));
    store(value, p - lr * move);
  });
}

template <class T>
void average(T* mean, const T* value, T weight, Index n) {
  const L<T> w(weight);
  by_registers<T>(n, [&](auto load, auto store) {
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
