#include "variable.hpp"

#include <algorithm>
#include <cstring>

#include "loop.hpp"

namespace unroll {
namespace {

template <class T>
std::vector<T> rows_to_vector(const T* data, Index rows, Index cols, Index row_stride) {
  std::vector<T> out(static_cast<std::size_t>(rows * cols));
  for (Index r = 0; r < rows; ++r) std::copy_n(data + r * row_stride, cols, out.data() + r * cols);
  return out;
}

template <class T>
Variable<T> make_input(std::span<const T> values, const Shape& shape, bool requires_grad) {
  Tape<T>& tape = detail::open_tape<T>("input");
  tape.begin_op("input");
  if (static_cast<Index>(values.size()) != shape.size())
    throw ShapeError("[input] " + std::to_string(values.size()) + " values for shape " + shape.str() +
                     ", which takes " + std::to_string(shape.size()));
  detail::Node<T>* node = tape.new_node(shape, requires_grad);
  std::ranges::copy(values, node->value);
  return tape.handle(node);
}

}  // namespace

template <class T>
void Variable<T>::refuse(const char* op) const {
  detail::TapeBase::diagnose(op, serial_, current_tape<T>, false);
  throw StaleVariableError(std::string("[") + op + "] got a Variable that cannot be used here");
}

template <class T>
detail::Node<T>* Variable<T>::use_slowly(const char* op) const {
  Tape<T>* tape = current_tape<T>;
  if (!tape || !tape->live(serial_)) refuse(op);
  if (detail::Observer<T>* observer = tape->observer()) observer->uses(op, node_);
  return ++node_->used != 0 ? node_ : use_often(op);
}

template <class T>
detail::Node<T>* Variable<T>::use_often(const char* op) const {
  if (node_->overwritten) refuse_overwritten(op);
  node_->used = 128;  // the count went round: it is only asked whether it is 1
  return node_;
}

template <class T>
void Variable<T>::refuse_overwritten(const char* what) const {
  node_->used = 255;
  throw StaleVariableError(std::string("[") + what +
                           "] got a tensor of a time step in whose memory something else lies now: the result of "
                           "linear_onto(), or, after backward(), its own adjoint; expected it to be used before, or a "
                           "copy to be taken (x + 0)");
}

template <class T>
void Variable<T>::check_readable(const char* what) const {
  detail::TapeBase::diagnose(what, serial_, current_tape<T>, true);
}

template <class T>
T Variable<T>::item() const {
  const detail::Node<T>& n = read("item");
  if (n.shape.size() != 1) throw ShapeError("[item] shape " + n.shape.str() + " has not one element");
  return n.value[0];
}

template <class T>
std::span<const T> Variable<T>::values() const {
  const detail::Node<T>& n = read("values");
  if (!n.contiguous())
    throw ShapeError("[values] the rows of this " + n.shape.str() + " slice are " + std::to_string(n.row_stride) +
                     " apart; expected adjacent rows: use to_vector() or value()");
  return {n.value, static_cast<std::size_t>(n.shape.size())};
}

template <class T>
std::vector<T> Variable<T>::to_vector() const {
  const detail::Node<T>& n = read("to_vector");
  return rows_to_vector(n.value, n.rows(), n.cols(), n.row_stride);
}

template <class T>
std::vector<T> Variable<T>::grad_to_vector() const {
  detail::Node<T>& n = look("grad");
  const T* g = n.requires_grad ? n.arrived() : nullptr;
  if (!g) return std::vector<T>(static_cast<std::size_t>(n.shape.size()));
  return rows_to_vector(g, n.rows(), n.cols(), n.row_stride);
}

template <class T>
Variable<T> input(std::span<const T> values, const Shape& shape) {
  return make_input(values, shape, false);
}

template <class T>
Variable<T> input(std::span<const T> values, const Shape& shape, RequiresGrad) {
  return make_input(values, shape, true);
}

template <class T>
Variable<T> zeros(const Shape& shape) {
  Variable<T> x = full(shape, T(0));
  x.read("zeros").is_zero = true;
  return x;
}

template <class T>
Variable<T> full(const Shape& shape, T value) {
  Tape<T>& tape = detail::open_tape<T>("full");
  tape.begin_op("full");
  detail::Node<T>* node = tape.new_node(shape, false);
  std::fill_n(node->value, shape.size(), value);
  return tape.handle(node);
}

namespace detail {

template <class T>
Substitutes<T>::Substitutes() : outer_(substitutes<T>) {
  substitutes<T> = this;
}
template <class T>
Substitutes<T>::~Substitutes() {
  substitutes<T> = outer_;
}
template <class T>
void Substitutes<T>::add(const Parameter<T>& parameter, const Variable<T>& instead) {
  list_.emplace_back(&parameter.storage(), instead);
}
template <class T>
const Variable<T>* Substitutes<T>::find(const ParameterStorage<T>& parameter) {
  for (const Substitutes* s = substitutes<T>; s; s = s->outer_)
    for (const auto& [from, to] : s->list_)
      if (from == &parameter) return &to;
  return nullptr;
}

template <class T>
SubstituteList<T> Substitutes<T>::visible() {
  SubstituteList<T> all;
  for (const Substitutes* s = substitutes<T>; s; s = s->outer_) all.insert(all.end(), s->list_.begin(), s->list_.end());
  return all;
}

template <class T>
SubstitutesAgain<T>::SubstitutesAgain(const SubstituteList<T>* list) : now_(substitutes<T>) {
  then_.outer_ = nullptr;
  if (list) then_.list_ = *list;
}
template <class T>
SubstitutesAgain<T>::~SubstitutesAgain() {
  then_.outer_ = now_;  // what then_ puts back when it goes
}

template class Substitutes<float>;
template class Substitutes<double>;
template class SubstitutesAgain<float>;
template class SubstitutesAgain<double>;

}  // namespace detail

template <class T>
Variable<T> use(const Parameter<T>& parameter) {
  Tape<T>& tape = detail::open_tape<T>("use");
  if (detail::substitutes<T>)
    if (const Variable<T>* instead = detail::Substitutes<T>::find(parameter.storage())) return *instead;
  tape.begin_op("parameter");
  return tape.handle(tape.leaf(parameter));
}

template <class T>
Variable<T> stop_gradient(Variable<T> x) {
  detail::Node<T>* from = x.use("stop_gradient");
  Tape<T>& tape = *current_tape<T>;
  detail::Node<T>* node = tape.bare_node();
  node->value = from->value;
  node->shape = from->shape;
  node->row_stride = from->row_stride;
  node->is_zero = from->is_zero;
  return tape.handle(node);
}

#define UNROLL_INSTANTIATE(T)                                                 \
  template class Variable<T>;                                                 \
  template Variable<T> input(std::span<const T>, const Shape&);               \
  template Variable<T> input(std::span<const T>, const Shape&, RequiresGrad); \
  template Variable<T> zeros(const Shape&);                                   \
  template Variable<T> full(const Shape&, T);                                 \
  template Variable<T> use(const Parameter<T>&);                              \
  template Variable<T> stop_gradient(Variable<T>);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
