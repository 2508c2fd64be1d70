#include <limits>

#include "kernels/losses.hpp"
#include "losses.hpp"
#include "losses_detail.hpp"

namespace unroll {
namespace detail {
namespace {

constexpr const char* name = "softmax_cross_entropy";

// Both kinds of target make the loss of a row total * log_sum - weighted, with m the row's maximum, log_sum
// = log sum_c exp(x_c - m), u_c the weighted target of class c, total = sum_c u_c, weighted = sum_c u_c (x_c
// - m).
template <class T>
struct CrossEntropy {
  Node<T>*x, *q;               // logits; soft targets or null
  const std::int32_t* target;  // or null; -1: ignored
  T *max, *log_sum, *inverse_sum, *total;
  const T *class_weights, *row_weights;
  T keep, spread;  // the target distribution is keep * q + spread
  T inverse_denominator;
  Reduction reduction;

  Rows<const T> logits() const { return {x->value, x->rows(), x->cols(), x->row_stride}; }
  T row_weight(Index r) const { return row_weights ? row_weights[r] : T(1); }
  T class_weight(Index c) const { return class_weights ? class_weights[c] : T(1); }
  bool ignored(Index r) const { return target && target[r] < 0; }
};

template <class T>
const CrossEntropyKernels<T>& active_cross_entropy_kernels() {
  return UNROLL_PICK_ISA(cross_entropy_kernels<T>());
}

template <class T>
void backward(const CrossEntropy<T>& m, const T* dy) {
  const Rows<const T> x = m.logits();
  const auto slope = [&](Index r) {
    return m.reduction == Reduction::none ? dy[r] : dy[0] * m.inverse_denominator;
  };
  if (m.x->requires_grad) {
    for (Index r = 0; r < x.rows; ++r)
      m.inverse_sum[r] = m.ignored(r) || m.total[r] == 0 ? T(0) : m.inverse_sum[r] * m.total[r] * slope(r);
    const Adjoint<T> a = m.x->touch();
    active_cross_entropy_kernels<T>().backward(x, m.max, m.inverse_sum, a.data, a.row_stride, a.fresh);
    for (Index r = 0; r < x.rows; ++r) {
      if (m.ignored(r)) continue;
      T* dx = a.data + r * a.row_stride;
      const T g = slope(r) * m.row_weight(r), gk = g * m.keep, gs = g * m.spread;
      if (m.target) dx[m.target[r]] -= gk * m.class_weight(m.target[r]);
      if (m.q) {
        const T* q = m.q->value + r * m.q->row_stride;
        for (Index c = 0; c < x.cols; ++c) dx[c] -= gk * m.class_weight(c) * q[c];
      }
      if (m.spread != 0)
        for (Index c = 0; c < x.cols; ++c) dx[c] -= gs * m.class_weight(c);
    }
  }
  if (m.q && m.q->requires_grad) {
    T* dq = m.q->touch_add();
    for (Index r = 0; r < x.rows; ++r) {
      const T g = slope(r) * m.row_weight(r) * m.keep;
      const T* row = x.data + r * x.stride;
      for (Index c = 0; c < x.cols; ++c)
        dq[r * m.q->row_stride + c] += g * m.class_weight(c) * (m.log_sum[r] - (row[c] - m.max[r]));
    }
  }
}

// The loss of all rows into m.total and, for Reduction::none, y; returns their sum. Sets `counted` to the
// divisor of a mean.
template <class T>
double forward(CrossEntropy<T>& m, T* y, T* scratch, double& counted) {
  const Rows<const T> x = m.logits();
  active_cross_entropy_kernels<T>().statistics(x, m.target, m.max, m.log_sum, m.inverse_sum);
  T *total = scratch, *weighted = scratch + x.rows, *all = scratch + 2 * x.rows,
    *all_weighted = scratch + 3 * x.rows;
  if (m.q)
    active_cross_entropy_kernels<T>().target_sums(x, m.max, m.q->value, m.q->row_stride, m.class_weights, total,
                                                  weighted);
  if (m.spread != 0)
    active_cross_entropy_kernels<T>().target_sums(x, m.max, nullptr, 0, m.class_weights, all, all_weighted);
  double sum = 0;
  counted = 0;
  for (Index r = 0; r < x.rows; ++r) {
    T t = 0, w = 0;
    if (!m.ignored(r)) {
      if (m.target) {
        const Index c = m.target[r];
        const T v = m.class_weight(c);
        counted += static_cast<double>(v);
        t = m.keep * v;
        if (t != 0) w = t * (x.data[r * x.stride + c] - m.max[r]);
      } else {
        counted += 1;
        t = m.keep * total[r];
        w = m.keep * weighted[r];
      }
      if (m.spread != 0) {
        t += m.spread * all[r];
        w += m.spread * all_weighted[r];
      }
    }
    m.total[r] = t * m.row_weight(r);
    const T loss = t == 0 && w == 0 ? T(0) : m.row_weight(r) * (t * m.log_sum[r] - w);
    if (y) y[r] = loss;
    sum += static_cast<double>(loss);
  }
  return sum;
}

template <class T>
Variable<T> run(Op<T>& op, Node<T>* x, Node<T>* q, const std::int32_t* target, const CrossEntropyOptions<T>& options) {
  if (!(options.label_smoothing >= 0 && options.label_smoothing <= 1))
    throw ValueError(op.message("label_smoothing ", options.label_smoothing, ", expected 0 .. 1"));
  const Index rows = x->rows(), classes = x->cols();
  CrossEntropy<T> m{};
  m.x = x;
  m.q = q;
  m.target = target;
  m.class_weights = copy_weights(op, "class weights", options.class_weights, classes);
  m.row_weights = copy_weights(op, "weights", options.weights, rows);
  m.keep = static_cast<T>(1 - options.label_smoothing);
  m.spread = classes ? static_cast<T>(options.label_smoothing / static_cast<double>(classes)) : T(0);
  m.reduction = options.reduction;
  T* memory = op.template allocate<T>(8 * rows);
  m.max = memory;
  m.log_sum = memory + rows;
  m.inverse_sum = memory + 2 * rows;
  m.total = memory + 3 * rows;

  const bool none = options.reduction == Reduction::none;
  Node<T>* y = op.result(none ? x->shape.without(-1) : Shape{});
  double counted;
  const double sum = forward(m, none ? y->value : nullptr, memory + 4 * rows, counted);
  const double inverse = inverse_denominator(name, options.reduction == Reduction::mean, options.denominator, counted);
  m.inverse_denominator = static_cast<T>(inverse);
  if (!none) y->value[0] = static_cast<T>(inverse == 0 ? 0 : sum * inverse);
  return op.done(y, [m](const T* dy) { backward(m, dy); });
}

template <class T>
Node<T>* use_logits(Op<T>& op, const Variable<T>& logits) {
  Node<T>* x = op.use(logits);
  if (x->shape.rank() == 0) throw ShapeError(op.message("logits () have no classes, expected (...,C)"));
  if (x->cols() == 0 && x->rows() > 0)
    throw ShapeError(op.message("logits ", x->shape, " have no classes, expected at least one"));
  return x;
}

template <class T, class I>
Variable<T> with_classes(const Variable<T>& logits, std::span<const I> targets,
                         const CrossEntropyOptions<T>& options) {
  Op<T> op(name);
  Node<T>* x = use_logits(op, logits);
  const Index rows = x->rows(), classes = x->cols();
  if (static_cast<Index>(targets.size()) != rows)
    throw ShapeError(op.message(targets.size(), " targets for logits ", x->shape, ", which take ", rows));
  auto* copy = op.template allocate<std::int32_t>(rows);
  for (Index r = 0; r < rows; ++r) {
    const Index c = static_cast<Index>(targets[static_cast<std::size_t>(r)]);
    const bool ignored = options.ignore_index && c == *options.ignore_index;
    if (!ignored && (c < 0 || c >= classes))
      throw ValueError(op.message("target at ", position(x->shape.without(-1), r), " is class ", c, ", logits ",
                                  x->shape, " take 0 .. ", classes - 1));
    copy[r] = ignored ? -1 : static_cast<std::int32_t>(c);
  }
  return run<T>(op, x, nullptr, copy, options);
}

}  // namespace
}  // namespace detail

template <class T>
Variable<T> softmax_cross_entropy(Variable<T> logits, std::span<const Index> targets,
                                  const CrossEntropyOptions<T>& options) {
  return detail::with_classes(logits, targets, options);
}

template <class T>
Variable<T> softmax_cross_entropy(Variable<T> logits, std::span<const std::int32_t> targets,
                                  const CrossEntropyOptions<T>& options) {
  return detail::with_classes(logits, targets, options);
}

template <class T>
Variable<T> softmax_cross_entropy(Variable<T> logits, Variable<T> targets,
                                  const CrossEntropyOptions<T>& options) {
  detail::Op<T> op(detail::name);
  detail::Node<T>*x = detail::use_logits(op, logits), *q = op.use(targets);
  if (q->shape != x->shape)
    throw ShapeError(op.message("targets ", q->shape, " for logits ", x->shape, ", expected the same shape"));
  if (options.ignore_index) throw ValueError(op.message("ignore_index with soft targets, expected integer targets"));
  return detail::run<T>(op, x, q, nullptr, options);
}

#define UNROLL_INSTANTIATE(T)                                                            \
  template Variable<T> softmax_cross_entropy(Variable<T>, std::span<const Index>,        \
                                             const CrossEntropyOptions<T>&);             \
  template Variable<T> softmax_cross_entropy(Variable<T>, std::span<const std::int32_t>, \
                                             const CrossEntropyOptions<T>&);             \
  template Variable<T> softmax_cross_entropy(Variable<T>, Variable<T>, const CrossEntropyOptions<T>&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
