#include "softmax.hpp"

#include "../core/isa.hpp"
#include "../core/op.hpp"
#include "axis_detail.hpp"
#include "kernels/softmax.hpp"

namespace unroll::detail {

UNROLL_FOR_EACH_ISA(template <class T> const SoftmaxKernels<T>& softmax_kernels();)

template <class T>
const SoftmaxKernels<T>& softmax_kernels() {
  static const SoftmaxKernels<T>& table = UNROLL_PICK_ISA(softmax_kernels<T>());
  return table;
}
template const SoftmaxKernels<float>& softmax_kernels();
template const SoftmaxKernels<double>& softmax_kernels();

template <class T>
Variable<T> softmax_along(const Variable<T>& input, int axis, bool log) {
  Op<T> op(log ? "log_softmax" : "softmax");
  Node<T>* x = op.use(input);
  const AxisWalk walk = walk_along(*x, checked_axis(op.name(), x->shape, axis));
  Node<T>* y = op.result(x->shape);

  const auto run = [x, y, walk](auto function, const T* dy, T* dx, bool fresh) {
    const Index x_stride = row_stride_of(walk, *x), y_stride = row_stride_of(walk, *y);
    for (Index g = 0; g < walk.groups; ++g) {
      const Index at_x = walk.start(g, x_stride), at_y = walk.start(g, y_stride);
      function({walk.rows, walk.n, walk.width, walk.step(x_stride), walk.step(y_stride), x->value + at_x,
                y->value + at_y, dy ? dy + at_y : nullptr, dx ? dx + at_x : nullptr, fresh});
    }
  };
  run(log ? softmax_kernels<T>().log_softmax : softmax_kernels<T>().softmax, nullptr, nullptr, false);
  const auto backward =
      log ? softmax_kernels<T>().log_softmax_backward : softmax_kernels<T>().softmax_backward;
  return op.done(y, [x, run, backward](const T* dy) {
    const Adjoint<T> a = x->touch();
    run(backward, dy, a.data, a.fresh);
  });
}

template Variable<float> softmax_along(const Variable<float>&, int, bool);
template Variable<double> softmax_along(const Variable<double>&, int, bool);

}  // namespace unroll::detail
