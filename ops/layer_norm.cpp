#include "layer_norm.hpp"

#include <cmath>

#include "../core/op.hpp"
#include "../core/simd/kernels.hpp"

namespace unroll {
namespace {

using detail::Node;

template <class T>
Node<T>* affine_part(detail::Op<T>& op, const char* name, const Variable<T>& v, const Node<T>& x) {
  Node<T>* node = op.use_if_defined(v);
  if (node && (node->shape.rank() != 1 || node->shape[0] != x.cols()))
    throw ShapeError(op.message("input ", x.shape, " has ", x.cols(), " features, ", name, " ", node->shape, " takes ",
                                node->shape.size()));
  return node;
}

}  // namespace

template <class T>
Variable<T> layer_norm(const Variable<T>& x_in, const Variable<T>& weight, const Variable<T>& bias, double eps) {
  detail::Op<T> op("layer_norm");
  Node<T>* x = op.use(x_in);
  if (x->shape.rank() == 0) throw ShapeError(op.message("input () is a scalar; expected (...,F)"));
  if (!(eps >= 0 && eps < 1e300)) throw ValueError(op.message("eps is ", eps, "; expected >= 0"));
  Node<T>* w = affine_part(op, "weight", weight, *x);
  Node<T>* b = affine_part(op, "bias", bias, *x);
  const Index rows = x->rows(), cols = x->cols();
  Node<T>* y = op.result(x->shape);
  const auto& k = detail::kernels<T>();

  // Of each row, what backward needs to normalise it again.
  T* means = op.template allocate<T>(rows);
  T* scales = op.template allocate<T>(rows);
  for (Index r = 0; r < rows && cols > 0; ++r) {
    const T* from = x->value + r * x->row_stride;
    T* to = y->value + r * cols;
    const auto mean = static_cast<T>(k.sum(from, cols) / static_cast<double>(cols));
    for (Index c = 0; c < cols; ++c) to[c] = from[c] - mean;
    const double variance = k.sum_of_squares(to, cols) / static_cast<double>(cols);
    const auto scale = static_cast<T>(1 / std::sqrt(variance + eps));
    means[r] = mean, scales[r] = scale;
    for (Index c = 0; c < cols; ++c) to[c] *= scale;
    if (w)
      for (Index c = 0; c < cols; ++c) to[c] *= w->value[c];
    if (b)
      for (Index c = 0; c < cols; ++c) to[c] += b->value[c];
  }

  if (!y->requires_grad) return op.done(y);
  // With n = (x - m) scale and g = dy weight:  dx = scale (g - mean(g) - n mean(g n)),  dweight = sum of dy n.
  T* n = op.template allocate<T>(cols);
  T* g = op.template allocate<T>(cols);
  return op.done(y, [=](const T* dy) {
    if (cols == 0) return;
    const auto& k = detail::kernels<T>();
    T* dw = w && w->requires_grad ? w->touch_add() : nullptr;
    T* db = b && b->requires_grad ? b->touch_add() : nullptr;
    // After the others: where x is the weight too, its adjoint is no longer fresh.
    detail::Adjoint<T> dx{};
    if (x->requires_grad) dx = x->touch();
    for (Index r = 0; r < rows; ++r) {
      const T* from = x->value + r * x->row_stride;
      const T* d = dy + r * cols;
      for (Index c = 0; c < cols; ++c) n[c] = (from[c] - means[r]) * scales[r];
      if (dw)
        for (Index c = 0; c < cols; ++c) dw[c] += d[c] * n[c];
      if (db) k.add_into(db, d, cols);
      if (!dx.data) continue;
      for (Index c = 0; c < cols; ++c) g[c] = w ? d[c] * w->value[c] : d[c];
      const auto mean_g = static_cast<T>(k.sum(g, cols) / static_cast<double>(cols));
      const auto mean_gn = static_cast<T>(k.dot(g, n, cols) / static_cast<double>(cols));
      dx.deliver_row(r, cols, [=](Index c) { return scales[r] * (g[c] - mean_g - n[c] * mean_gn); });
    }
  });
}

template Variable<float> layer_norm(const Variable<float>&, const Variable<float>&, const Variable<float>&, double);
template Variable<double> layer_norm(const Variable<double>&, const Variable<double>&, const Variable<double>&, double);

}  // namespace unroll
