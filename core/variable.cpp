#include "variable.hpp"

#include <algorithm>
#include <string>

#include "op.hpp"
#include "substitutes.hpp"

namespace unroll {
namespace {

using detail::Node;
using detail::Op;
using detail::Recorder;

template <class T>
std::vector<T> rows_to_vector(const T* data, const Node<T>& x) {
  std::vector<T> out(static_cast<std::size_t>(x.shape.size()));
  for (Index r = 0; r < x.rows(); ++r) std::copy_n(data + r * x.row_stride, x.cols(), out.data() + r * x.cols());
  return out;
}

template <class T>
Variable<T> copied_input(std::span<const T> values, const Shape& shape, bool requires_grad) {
  if (static_cast<Index>(values.size()) == shape.size())
    return detail::input_written_by<T>("input", shape, requires_grad,
                                       [&](std::span<T> to) { std::ranges::copy(values, to.begin()); });
  detail::open_tape<T>("input");
  throw ShapeError("[input] ", values.size(), " values for shape ", shape.str(), ", which takes ", shape.size());
}

}  // namespace

template <class T>
const Shape& Variable<T>::shape() const {
  return detail::shape_of(*this);
}

template <class T>
bool Variable<T>::requires_grad() const {
  return Recorder<T>::look(*this, "requires_grad", false).requires_grad;
}

template <class T>
T Variable<T>::item() const {
  const Node<T>& n = detail::read(*this, "item");
  if (n.shape.size() != 1) throw ShapeError("[item] shape ", n.shape.str(), " has not one element");
  return n.value[0];
}

template <class T>
std::span<const T> Variable<T>::values() const {
  const Node<T>& n = detail::read(*this, "values");
  if (!n.contiguous())
    throw ShapeError("[values] the rows of this ", n.shape.str(), " slice are ", n.row_stride,
                     " apart; expected adjacent rows: use row(), to_vector() or value()");
  return {n.value, static_cast<std::size_t>(n.shape.size())};
}

template <class T>
std::span<const T> Variable<T>::row(Index i) const {
  const Node<T>& n = detail::read(*this, "row");
  if (i < 0 || i >= n.rows())
    throw ValueError("[row] row ", i, " of a tensor ", n.shape.str(), " of ", n.rows(), " rows");
  return {n.value + i * n.row_stride, static_cast<std::size_t>(n.cols())};
}

template <class T>
std::vector<T> Variable<T>::to_vector() const {
  const Node<T>& n = detail::read(*this, "to_vector");
  return rows_to_vector<T>(n.value, n);
}

template <class T>
std::vector<T> Variable<T>::grad_to_vector() const {
  Node<T>& n = Recorder<T>::look(*this, "grad", false);
  const T* g = n.requires_grad ? n.arrived() : nullptr;
  return g ? rows_to_vector<T>(g, n) : std::vector<T>(static_cast<std::size_t>(n.shape.size()));
}

template <class T>
void Variable<T>::check_usable(const char* op) const {
  Op<T>(op).use(*this);
}

template <class T>
void Variable<T>::check_readable(const char* op) const {
  detail::read(*this, op);
}

template <class T>
Variable<T> input(std::span<const T> values, const Shape& shape) {
  return copied_input(values, shape, false);
}

template <class T>
Variable<T> input(std::span<const T> values, const Shape& shape, RequiresGrad) {
  return copied_input(values, shape, true);
}

template <class T>
Variable<T> full(const Shape& shape, T value) {
  return detail::input_written_by<T>("full", shape, false, [&](std::span<T> to) { std::ranges::fill(to, value); });
}

template <class T>
Variable<T> zeros(const Shape& shape) {
  Variable<T> x = full(shape, T(0));
  detail::read(x, "zeros").is_zero = true;
  return x;
}

template <class T>
Variable<T> use(const Parameter<T>& parameter) {
  detail::open_tape<T>("use");
  if (const Variable<T>* instead = detail::Substitutes<T>::find(parameter)) return *instead;
  Op<T> op = Op<T>::without_operands("parameter");
  return op.done(op.recorder().leaf(parameter));
}

template <class T>
Variable<T> stop_gradient(Variable<T> x) {
  Op<T> op("stop_gradient");
  const Node<T>* from = op.use(x);
  Node<T>* node = op.recorder().node_over(from->value, from->shape);
  node->row_stride = from->row_stride;
  node->is_zero = from->is_zero;
  return op.done(node);
}

template <class T>
Variable<T> detail::make_input(const char* name, const Shape& shape, bool requires_grad,
                               void (*write)(const void* from, std::span<T> elements), const void* from) {
  Op<T> op = Op<T>::without_operands(name);
  Node<T>* node = op.recorder().new_node(shape, requires_grad);
  write(from, {node->value, static_cast<std::size_t>(shape.size())});
  return op.done(node);
}

#define UNROLL_INSTANTIATE(T)                                                                    \
  template class Variable<T>;                                                                    \
  template Variable<T> input(std::span<const T>, const Shape&);                                  \
  template Variable<T> input(std::span<const T>, const Shape&, RequiresGrad);                    \
  template Variable<T> zeros(const Shape&);                                                      \
  template Variable<T> full(const Shape&, T);                                                    \
  template Variable<T> use(const Parameter<T>&);                                                 \
  template Variable<T> stop_gradient(Variable<T>);                                               \
  template Variable<T> detail::make_input(const char*, const Shape&, bool,                       \
                                          void (*)(const void*, std::span<T>), const void*);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
