#include "reduce.hpp"

#include <algorithm>
#include <limits>

#include "../core/op.hpp"
#include "../core/simd/kernels.hpp"
#include "axis_detail.hpp"
#include "kernels/softmax.hpp"

namespace unroll {
namespace detail {
namespace {

const char* const reduce_names[] = {"sum", "mean", "max", "min", "logsumexp"};

// Whether `a` takes the place of `b`, the best so far. The first NaN wins and stays.
template <class T>
bool beats(ReduceOp op, T a, T b) {
  if (b != b) return false;
  return a != a || (op == ReduceOp::max ? a > b : a < b);
}

// Position of the first of the best of `n` numbers, `step` apart.
template <class T>
Index first_best(ReduceOp op, const T* x, Index n, Index step) {
  Index best = 0;
  for (Index i = 1; i < n; ++i)
    if (beats(op, x[i * step], x[best * step])) best = i;
  return best;
}

void check_not_empty(const char* name, const Shape& shape, const AxisWalk& walk) {
  if (walk.n > 0 || walk.groups * walk.reduced() == 0) return;
  throw ShapeError(
      message(name, "an operand of shape ", shape, " has nothing to choose from; expected at least one element"));
}

template <class T>
struct Reduce {
  ReduceOp op;
  AxisWalk walk;
  Node<T>* x;
  Node<T>* y;

  SoftmaxPanel<T> panel(Index g, const T* dy, T* dx, bool fresh) const {
    const Index stride = row_stride_of(walk, *x), at = walk.start(g, stride), to = g * walk.reduced();
    return {walk.rows,
            walk.n,
            walk.width,
            walk.step(stride),
            0,
            x->value + at,
            y->value + to,
            dy ? dy + to : nullptr,
            dx ? dx + at : nullptr,
            fresh};
  }

  void forward(const SoftmaxPanel<T>& p) const {
    const Kernels<T>& k = kernels<T>();
    switch (op) {
      case ReduceOp::sum:
      case ReduceOp::mean: {
        const double n = op == ReduceOp::mean ? static_cast<double>(p.n) : 1.0;
        if (p.rows) {
          *p.y = static_cast<T>(k.sum(p.x, p.n) / n);
        } else {
          k.column_sum_into(p.y, p.x, p.n, p.width, p.x_step, true);
          if (op == ReduceOp::mean)
            for (Index j = 0; j < p.width; ++j) p.y[j] /= static_cast<T>(n);
        }
        return;
      }
      case ReduceOp::max:
      case ReduceOp::min:
        if (p.rows) {
          *p.y = op == ReduceOp::max ? k.max(p.x, p.n) : p.x[first_best(op, p.x, p.n, 1)];
          return;
        }
        std::copy_n(p.x, p.width, p.y);
        for (Index i = 1; i < p.n; ++i)
          for (Index j = 0; j < p.width; ++j)
            if (const T v = p.x[i * p.x_step + j]; beats(op, v, p.y[j])) p.y[j] = v;
        return;
      case ReduceOp::logsumexp:
        softmax_kernels<T>().logsumexp(p);
        return;
    }
  }

  // Of max and min only where dx was set to zero before.
  void backward(const SoftmaxPanel<T>& p) const {
    switch (op) {
      case ReduceOp::sum:
      case ReduceOp::mean: {
        const T factor = op == ReduceOp::mean ? T(1) / static_cast<T>(p.n) : T(1);
        const Adjoint<T> dx{p.dx, p.x_step, p.fresh};
        if (p.rows) {
          dx.deliver_row(0, p.n, [g = *p.dy * factor](Index) { return g; });
        } else {
          for (Index i = 0; i < p.n; ++i) dx.deliver_row(i, p.width, [&](Index j) { return p.dy[j] * factor; });
        }
        return;
      }
      case ReduceOp::max:
      case ReduceOp::min:
        for (Index j = 0; j < (p.rows ? 1 : p.width); ++j) {
          const Index step = p.rows ? 1 : p.x_step;
          p.dx[j + first_best(op, p.x + j, p.n, step) * step] += p.dy[j];
        }
        return;
      case ReduceOp::logsumexp:
        softmax_kernels<T>().logsumexp_backward(p);
        return;
    }
  }
};

template <class T>
Variable<T> reduce(Op<T>& op, ReduceOp which, const AxisWalk& walk, Node<T>* x, const Shape& shape) {
  const bool extremum = which == ReduceOp::max || which == ReduceOp::min;
  if (extremum) check_not_empty(op.name(), x->shape, walk);
  Node<T>* y = op.result(shape);
  const Reduce<T> reduction{which, walk, x, y};
  for (Index g = 0; g < walk.groups; ++g) reduction.forward(reduction.panel(g, nullptr, nullptr, false));
  return op.done(y, [reduction, extremum](const T* dy) {
    const Adjoint<T> a = extremum ? Adjoint<T>{reduction.x->touch_add(), reduction.x->row_stride, false}
                                  : reduction.x->touch();
    for (Index g = 0; g < reduction.walk.groups; ++g)
      reduction.backward(reduction.panel(g, dy, a.data, a.fresh));
  });
}

}  // namespace

template <class T>
Variable<T> reduce_all(ReduceOp which, const Variable<T>& input) {
  Op<T> op(reduce_names[static_cast<int>(which)]);
  Node<T>* x = op.use(input);
  // Rows that are apart: row by row, then over the rows. Every row has as many elements, so that a mean is
  // one of means.
  if (!x->contiguous()) return reduce_all(which, reduce_along(which, input, -1, {}));
  return reduce(op, which, walk_over_all(*x), x, Shape{});
}

template <class T>
Variable<T> reduce_along(ReduceOp which, const Variable<T>& input, int axis, ReduceOptions options) {
  Op<T> op(reduce_names[static_cast<int>(which)]);
  Node<T>* x = op.use(input);
  axis = checked_axis(op.name(), x->shape, axis);
  return reduce(op, which, walk_along(*x, axis), x,
                options.keep_dims ? x->shape.with(axis, 1) : x->shape.without(axis));
}

#define UNROLL_INSTANTIATE(T)                                    \
  template Variable<T> reduce_all(ReduceOp, const Variable<T>&); \
  template Variable<T> reduce_along(ReduceOp, const Variable<T>&, int, ReduceOptions);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

namespace {

template <class T>
std::vector<Index> argmax_of(const Node<T>& x, const AxisWalk& walk) {
  check_not_empty("argmax", x.shape, walk);
  const Index stride = row_stride_of(walk, x), step = walk.rows ? 1 : walk.step(stride);
  std::vector<Index> best;
  best.reserve(static_cast<std::size_t>(walk.groups * walk.reduced()));
  for (Index g = 0; g < walk.groups; ++g)
    for (Index j = 0; j < walk.reduced(); ++j)
      best.push_back(first_best(ReduceOp::max, x.value + walk.start(g, stride) + j, walk.n, step));
  return best;
}

}  // namespace
}  // namespace detail

template <class T>
Index argmax(const Variable<T>& input) {
  const detail::Node<T>& x = detail::read(input, "argmax");
  if (x.contiguous()) return detail::argmax_of(x, detail::walk_over_all(x))[0];
  detail::check_not_empty("argmax", x.shape, detail::walk_over_all(x));
  Index best = 0, best_row = 0;
  for (Index r = 0; r < x.rows(); ++r) {
    const Index c = detail::first_best(detail::ReduceOp::max, x.value + r * x.row_stride, x.cols(), 1);
    if (r > 0 &&
        !detail::beats(detail::ReduceOp::max, x.value[r * x.row_stride + c], x.value[best_row * x.row_stride + best]))
      continue;
    best = c;
    best_row = r;
  }
  return best_row * x.cols() + best;
}

template <class T>
std::vector<Index> argmax(const Variable<T>& input, int axis) {
  const detail::Node<T>& x = detail::read(input, "argmax");
  return detail::argmax_of(x, detail::walk_along(x, detail::checked_axis("argmax", x.shape, axis)));
}

template Index argmax(const Variable<float>&);
template Index argmax(const Variable<double>&);
template std::vector<Index> argmax(const Variable<float>&, int);
template std::vector<Index> argmax(const Variable<double>&, int);

}  // namespace unroll
