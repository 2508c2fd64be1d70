#include "where.hpp"

#include "../core/op.hpp"

namespace unroll {
namespace {

using detail::Node;
using detail::Op;

// One byte an element; row_stride 0: the same row again and again.
struct MaskOnTape {
  const std::uint8_t* data;
  Index row_stride;
};

template <class T, class M>
MaskOnTape copy_mask(Op<T>& op, std::span<const M> mask, const Node<T>& x) {
  const Index n = static_cast<Index>(mask.size());
  if (n != x.shape.size() && (n != x.cols() || x.shape.rank() == 0))
    throw ShapeError(op.message("mask of ", n, " for shape ", x.shape, ", expected ", x.shape.size(),
                                " or the last dimension's ", x.cols()));
  auto* copy = op.template allocate<std::uint8_t>(n);
  for (Index i = 0; i < n; ++i) copy[i] = mask[static_cast<std::size_t>(i)] != 0;
  return {copy, n == x.shape.size() ? x.cols() : 0};
}

template <class T>
MaskOnTape copy_mask(Op<T>& op, const Variable<T>& mask, const Node<T>& x) {
  const Node<T>& m = *op.use_constant(mask);
  if (m.shape != x.shape)
    throw ShapeError(op.message("mask ", m.shape, " for shape ", x.shape, ", expected the same shape"));
  const Index rows = m.rows(), cols = m.cols();
  auto* copy = op.template allocate<std::uint8_t>(rows * cols);
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < cols; ++c) copy[r * cols + c] = m.value[r * m.row_stride + c] != 0;
  return {copy, cols};
}

// The adjoint dy goes to x where the mask is `wanted`.
template <class T>
void hand_back(const T* dy, const MaskOnTape& mask, bool wanted, Node<T>* x) {
  if (!x->requires_grad) return;
  const detail::Adjoint<T> a = x->touch();
  const Index rows = x->rows(), cols = x->cols();
  for (Index r = 0; r < rows; ++r) {
    const std::uint8_t* m = mask.data + r * mask.row_stride;
    const T* d = dy + r * cols;
    a.deliver_row(r, cols, [=](Index c) { return (m[c] != 0) == wanted ? d[c] : T(0); });
  }
}

template <class T, class M>
Variable<T> choose(const M& mask, const Variable<T>& va, const Variable<T>& vb) {
  Op<T> op("where");
  Node<T>*a = op.use(va), *b = op.use(vb);
  if (a->shape != b->shape)
    throw ShapeError(op.message("operands ", a->shape, ", ", b->shape, ", expected one shape"));
  const MaskOnTape m = copy_mask(op, mask, *a);
  Node<T>* y = op.result(a->shape);
  const Index rows = y->rows(), cols = y->cols();
  for (Index r = 0; r < rows; ++r) {
    const std::uint8_t* chosen = m.data + r * m.row_stride;
    const T *from_a = a->value + r * a->row_stride, *from_b = b->value + r * b->row_stride;
    for (Index c = 0; c < cols; ++c) y->value[r * cols + c] = chosen[c] ? from_a[c] : from_b[c];
  }
  return op.done(y, [=](const T* dy) {
    hand_back(dy, m, true, a);
    hand_back(dy, m, false, b);
  });
}

template <class T, class M>
Variable<T> fill(const Variable<T>& vx, const M& mask, T value) {
  Op<T> op("masked_fill");
  Node<T>* x = op.use(vx);
  const MaskOnTape m = copy_mask(op, mask, *x);
  Node<T>* y = op.result(x->shape);
  const Index rows = y->rows(), cols = y->cols();
  for (Index r = 0; r < rows; ++r) {
    const std::uint8_t* filled = m.data + r * m.row_stride;
    for (Index c = 0; c < cols; ++c)
      y->value[r * cols + c] = filled[c] ? value : x->value[r * x->row_stride + c];
  }
  return op.done(y, [=](const T* dy) { hand_back(dy, m, false, x); });
}

}  // namespace

template <class T>
Variable<T> where(std::span<const std::uint8_t> mask, const Variable<T>& a, const Variable<T>& b) {
  return choose(mask, a, b);
}
template <class T>
Variable<T> where(std::span<const bool> mask, const Variable<T>& a, const Variable<T>& b) {
  return choose(mask, a, b);
}
template <class T>
Variable<T> where(const Variable<T>& mask, const Variable<T>& a, const Variable<T>& b) {
  return choose(mask, a, b);
}

template <class T>
Variable<T> masked_fill(const Variable<T>& x, std::span<const std::uint8_t> mask,
                        std::type_identity_t<T> value) {
  return fill(x, mask, value);
}
template <class T>
Variable<T> masked_fill(const Variable<T>& x, std::span<const bool> mask, std::type_identity_t<T> value) {
  return fill(x, mask, value);
}
template <class T>
Variable<T> masked_fill(const Variable<T>& x, const Variable<T>& mask, std::type_identity_t<T> value) {
  return fill(x, mask, value);
}

#define UNROLL_INSTANTIATE(T)                                                                           \
  template Variable<T> where(std::span<const std::uint8_t>, const Variable<T>&, const Variable<T>&);    \
  template Variable<T> where(std::span<const bool>, const Variable<T>&, const Variable<T>&);            \
  template Variable<T> where(const Variable<T>&, const Variable<T>&, const Variable<T>&);               \
  template Variable<T> masked_fill(const Variable<T>&, std::span<const std::uint8_t>,                   \
                                   std::type_identity_t<T>);                                            \
  template Variable<T> masked_fill(const Variable<T>&, std::span<const bool>, std::type_identity_t<T>); \
  template Variable<T> masked_fill(const Variable<T>&, const Variable<T>&, std::type_identity_t<T>);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
