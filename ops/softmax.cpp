#include "softmax.hpp"

#include "../core/isa.hpp"
#include "../core/tape.hpp"
#include "axis_detail.hpp"
#include "kernels/softmax.hpp"

namespace unroll::detail {

UNROLL_FOR_EACH_ISA(template <class T> const SoftmaxKernels<T>& softmax_kernels();)

template <>
const SoftmaxKernels<float>& softmax_kernels<float>() {
  static const SoftmaxKernels<float>& table = UNROLL_PICK_ISA(softmax_kernels<float>());
  return table;
}
template <>
const SoftmaxKernels<double>& softmax_kernels<double>() {
  static const SoftmaxKernels<double>& table = UNROLL_PICK_ISA(softmax_kernels<double>());
  return table;
}

template <class T>
Variable<T> softmax_along(const Variable<T>& input, int axis, bool log) {
  const char* name = log ? "log_softmax" : "softmax";
  Node<T>* x = input.use(name);
  Tape<T>& tape = *current_tape<T>;
  const AxisWalk walk = walk_along(*x, checked_axis(name, x->shape, axis));
  Node<T>* y = tape.new_node(x->shape, x->requires_grad);

  const auto run = [x, y, walk](auto function, const T* dy, T* dx, bool fresh) {
    const Index x_stride = row_stride_of(walk, *x), y_stride = row_stride_of(walk, *y);
    for (Index g = 0; g < walk.groups; ++g) {
      const Index at_x = walk.start(g, x_stride), at_y = walk.start(g, y_stride);
      function({walk.rows, walk.n, walk.width, walk.step(x_stride), walk.step(y_stride), x->value + at_x,
                y->value + at_y, dy ? dy + at_y : nullptr, dx ? dx + at_x : nullptr, fresh});
    }
  };
  run(log ? softmax_kernels<T>().log_softmax : softmax_kernels<T>().softmax, nullptr, nullptr, false);
  if (!y->requires_grad) return tape.handle(y);
  const auto backward =
      log ? softmax_kernels<T>().log_softmax_backward : softmax_kernels<T>().softmax_backward;
  tape.record([x, y, run, backward] {
    const T* dy = y->arrived();
    if (!dy) return;
    const Adjoint<T> a = x->touch();
    run(backward, dy, a.data, a.fresh);
  });
  return tape.handle(y);
}

template Variable<float> softmax_along(const Variable<float>&, int, bool);
template Variable<double> softmax_along(const Variable<double>&, int, bool);

}  // namespace unroll::detail
