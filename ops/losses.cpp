#include "losses.hpp"

#include <cmath>

#include "elementwise.hpp"
#include "kernels/losses.hpp"
#include "losses_detail.hpp"
#include "reduce.hpp"

namespace unroll {
namespace detail {
namespace {

template <class T>
const ElementLossKernels<T>& active_element_loss_kernels() {
  return UNROLL_PICK_ISA(element_loss_kernels<T>());
}

template <class T>
struct ElementLossOnTape {
  ElementLossCall<T> call;
  void (*run)(const ElementLossCall<T>& call);
  Node<T>*x, *t;
  T scale;  // of the adjoint that arrives: 1 / denominator
};

template <class T>
void backward(const ElementLossOnTape<T>& m, const T* dy) {
  ElementLossCall<T> c = m.call;
  if (c.out) {  // one adjoint an element
    c.dy = dy;
    c.dy_stride = c.x.cols;
  } else {
    c.dy = nullptr;
    c.scale = dy[0] * m.scale;
  }
  c.dx = c.dt = nullptr;
  if (m.x->requires_grad) {
    const Adjoint<T> a = m.x->touch();
    c.dx = a.data;
    c.dx_stride = a.row_stride;
    c.dx_fresh = a.fresh;
  }
  if (m.t->requires_grad) {
    const Adjoint<T> a = m.t->touch();
    c.dt = a.data;
    c.dt_stride = a.row_stride;
    c.dt_fresh = a.fresh;
  }
  m.run(c);
}

template <class T>
[[noreturn]] void throw_probability(const char* op, const Node<T>& x) {
  for (Index r = 0; r < x.rows(); ++r)
    for (Index k = 0; k < x.cols(); ++k) {
      const T p = x.value[r * x.row_stride + k];
      if (!(p >= 0 && p <= 1))
        throw ValueError(
            message(op, "probability ", p, " at ", position(x.shape, r * x.cols() + k), ", expected 0 .. 1"));
    }
  throw ValueError(message(op, "a probability is outside 0 .. 1"));
}

// `parameter`: delta, or the weight of positive targets. `root`: the square root of the mean.
template <class T>
Variable<T> run(const char* name, ElementLoss loss, const Variable<T>& vx, const Variable<T>& vt,
                const LossOptions<T>& options, double parameter = 1, std::span<const T> pos_weight = {},
                bool root = false) {
  Op<T> op(name);
  Node<T>*x = op.use(vx), *t = op.use(vt);
  if (x->shape != t->shape)
    throw ShapeError(op.message("input ", x->shape, ", target ", t->shape, ", expected the same shape"));
  const double inverse = inverse_denominator(name, options.reduction == Reduction::mean, options.denominator,
                                             static_cast<double>(x->shape.size()));
  ElementLossOnTape<T> m{};
  m.x = x;
  m.t = t;
  ElementLossCall<T>& c = m.call;
  c.weights = copy_weights(op, "weights", options.weights, x->shape.size());
  if (pos_weight.size() == 1) {
    parameter = static_cast<double>(pos_weight[0]);
  } else {
    c.pos_weight = copy_weights(op, "pos_weights", pos_weight, x->cols());
  }
  c.parameter = static_cast<T>(parameter);
  const bool flat = x->contiguous() && t->contiguous() && !c.pos_weight;
  c.x = {x->value, flat ? 1 : x->rows(), flat ? x->shape.size() : x->cols(), x->row_stride};
  c.t = t->value;
  c.t_stride = t->row_stride;
  const bool none = options.reduction == Reduction::none;
  Node<T>* y = op.result(none ? x->shape : Shape{});
  if (none) c.out = y->value;
  const int which = static_cast<int>(loss);
  const double sum = active_element_loss_kernels<T>().forward[which](c);
  if (c.bad) throw_probability(name, *x);
  double value = inverse == 0 ? 0 : sum * inverse, scale = inverse;
  if (root) {
    value = std::sqrt(value);
    scale = value == 0 ? 0 : inverse / (2 * value);
  }
  if (!none) y->value[0] = static_cast<T>(value);
  m.scale = static_cast<T>(scale);
  m.run = active_element_loss_kernels<T>().backward[which];
  return op.done(y, [m](const T* dy) { backward(m, dy); });
}

}  // namespace
}  // namespace detail

using detail::ElementLoss;

template <class T>
Variable<T> reduce_loss(Variable<T> y, const LossOptions<T>& options) {
  y.check_usable("reduce_loss");
  const bool mean = options.reduction == Reduction::mean;
  const auto size = static_cast<double>(y.size());
  const double inverse = detail::inverse_denominator("reduce_loss", mean, options.denominator, size);
  if (!options.weights.empty()) {
    if (static_cast<Index>(options.weights.size()) != y.size())
      throw ShapeError(detail::message("reduce_loss", options.weights.size(), " weights, expected ", y.size()));
    y = y * input(options.weights, y.shape());
  }
  return options.reduction == Reduction::none ? y : sum(y) * inverse;
}

template <class T>
Variable<T> squared_error(Variable<T> x, Variable<T> target, const LossOptions<T>& options) {
  return detail::run("squared_error", ElementLoss::squared, x, target, options);
}

template <class T>
Variable<T> root_mean_square_error(Variable<T> x, Variable<T> target, const LossOptions<T>& options) {
  constexpr const char* op = "root_mean_square_error";
  if (options.reduction != Reduction::mean)
    throw ValueError(detail::message(op, "the reduction is not mean; expected Reduction::mean"));
  return detail::run(op, ElementLoss::squared, x, target, options, 1, std::span<const T>(), true);
}

template <class T>
Variable<T> absolute_error(Variable<T> x, Variable<T> target, const LossOptions<T>& options) {
  return detail::run("absolute_error", ElementLoss::absolute, x, target, options);
}

template <class T>
Variable<T> huber_error(Variable<T> x, Variable<T> target, const HuberOptions<T>& options) {
  if (!(options.delta > 0))
    throw ValueError(detail::message("huber_error", "delta ", options.delta, ", expected a positive number"));
  return detail::run("huber_error", ElementLoss::huber, x, target,
                     LossOptions<T>{options.reduction, options.weights, options.denominator}, options.delta);
}

template <class T>
Variable<T> binary_cross_entropy(Variable<T> probabilities, Variable<T> target,
                                 const LossOptions<T>& options) {
  return detail::run("binary_cross_entropy", ElementLoss::binary, probabilities, target, options);
}

template <class T>
Variable<T> binary_cross_entropy_with_logits(Variable<T> logits, Variable<T> target,
                                             const BinaryCrossEntropyOptions<T>& options) {
  return detail::run("binary_cross_entropy_with_logits", ElementLoss::binary_logits, logits, target,
                     LossOptions<T>{options.reduction, options.weights, options.denominator}, 1,
                     options.pos_weight);
}

#define UNROLL_INSTANTIATE(T)                                                                   \
  template Variable<T> reduce_loss(Variable<T>, const LossOptions<T>&);                         \
  template Variable<T> squared_error(Variable<T>, Variable<T>, const LossOptions<T>&);          \
  template Variable<T> root_mean_square_error(Variable<T>, Variable<T>, const LossOptions<T>&); \
  template Variable<T> absolute_error(Variable<T>, Variable<T>, const LossOptions<T>&);         \
  template Variable<T> huber_error(Variable<T>, Variable<T>, const HuberOptions<T>&);           \
  template Variable<T> binary_cross_entropy(Variable<T>, Variable<T>, const LossOptions<T>&);   \
  template Variable<T> binary_cross_entropy_with_logits(Variable<T>, Variable<T>,               \
                                                        const BinaryCrossEntropyOptions<T>&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
