#include "custom.hpp"

#include <algorithm>
#include <cstring>

#include "../core/op.hpp"

namespace unroll::detail {

template <class T>
Variable<T> custom_on_tape(const char* name, const Shape& shape, const CustomFunctions<T>& functions,
                           const void* forward, const void* backward, std::span<Variable<T>> inputs) {
  Op<T> op(name);
  for (const Variable<T>& x : inputs) op.use(x);
  for (Variable<T>& x : inputs) x = contiguous(x);
  const auto n = static_cast<Index>(inputs.size());
  auto** x = op.template allocate<Node<T>*>(n);
  std::ranges::transform(inputs, x, [&](const Variable<T>& v) { return op.use(v); });
  Node<T>* y = op.result(shape);
  CustomCall<T> call{y->shape, y->value, nullptr, op.template allocate<const Shape*>(n),
                     op.template allocate<const T*>(n), op.template allocate<T*>(n)};
  for (Index i = 0; i < n; ++i) call.x_shapes[i] = &x[i]->shape, call.x[i] = x[i]->value;
  functions.forward(forward, call);
  if (!y->requires_grad) return op.done(y);
  auto* kept = op.template allocate<std::byte>(static_cast<Index>(functions.backward_bytes));
  std::memcpy(kept, backward, functions.backward_bytes);
  return op.done(y, [=, backward = functions.backward, scratch = functions.scratch](const T* dy) {
    CustomCall<T> with_adjoints = call;
    with_adjoints.dy = dy;
    for (Index i = 0; i < n; ++i) {
      T* dx = nullptr;
      if (x[i]->requires_grad) {
        dx = x[i]->touch_add();
      } else if (scratch) {
        dx = y->recorder->template allocate<T>(x[i]->shape.size());
        std::fill_n(dx, x[i]->shape.size(), T(0));
      }
      with_adjoints.dx[i] = dx;
    }
    backward(kept, with_adjoints);
  });
}

template Variable<float> custom_on_tape(const char*, const Shape&, const CustomFunctions<float>&, const void*,
                                        const void*, std::span<Variable<float>>);
template Variable<double> custom_on_tape(const char*, const Shape&, const CustomFunctions<double>&, const void*,
                                         const void*, std::span<Variable<double>>);

}  // namespace unroll::detail
