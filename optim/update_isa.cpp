// The updates of the optimizers, once per instruction set.

#include "unroll/core/simd.hpp"
#include "unroll/optim/update_kernels.hpp"

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
    f([=](const T* from) { return L<T>::load(from + i, rest); },
      [=](T* to, L<T> x) { x.store(to + i, rest); });
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

}  // namespace

template <class T>
const UpdateKernels<T>& update_kernels() {
  static constexpr UpdateKernels<T> kernels = {&sgd<T>, &adam<T>};
  return kernels;
}

template const UpdateKernels<float>& update_kernels();
template const UpdateKernels<double>& update_kernels();

}  // namespace unroll::detail::UNROLL_ISA
