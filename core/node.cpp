#include "node.hpp"

#include <cstring>

#include "parameter.hpp"
#include "recorder.hpp"

namespace unroll::detail {

template <class T>
void Node<T>::zero_grad(const Adjoint<T>& a) {
  const Index r = rows(), c = cols();
  const auto bytes = static_cast<std::size_t>(c) * sizeof(T);
  if (contiguous()) {
    std::memset(a.data, 0, static_cast<std::size_t>(r) * bytes);
  } else {
    for (Index i = 0; i < r; ++i) std::memset(a.data + i * row_stride, 0, bytes);
  }
}

template <class T>
bool Node<T>::ready_by_base() {
  if (parameter) return parameter->has_grad;
  if (state == GradState::ready) return true;
  if (!base || !base->ready_by_base()) return false;
  grad = base->grad + (value - base->value);
  state = GradState::ready;
  return true;
}

template <class T>
bool Node<T>::any_part_arrived() const {
  for (const Node* p = parts; p; p = p->next_part)
    if (p->state == GradState::ready || p->any_part_arrived()) return true;
  return false;
}

template <class T>
bool Node<T>::value_gives_way() const {
  if (reuse.kept) return true;
  if (!parts) return reuse.gives_way();
  if (reuse.used > 1 && !reuse.overwritten) return false;
  for (const Node* p = parts; p; p = p->next_part)
    if (!p->value_gives_way()) return false;
  return true;
}

template <class T>
void Node<T>::give_way() {
  if (reuse.kept) return;
  reuse.overwrite();
  for (Node* p = parts; p; p = p->next_part) p->give_way();
}

template <class T>
void Node<T>::ensure_memory() {
  if (grad) return;
  if (part) {
    base->ensure_memory();
    const bool apart = reuse.kept && base->grad == base->value;
    grad = apart ? recorder->template allocate<T>(shape.size()) : base->grad + (value - base->value);
  } else if (reuse.slab && value_gives_way()) {
    give_way();
    grad = value;
  } else {
    grad = recorder->template allocate<T>(shape.size());
  }
  state = GradState::raw;
}

template <class T>
Adjoint<T> Node<T>::touch() {
  if (!base && !parts && !parameter) {  // a tensor by itself, as most are
    const bool fresh = state != GradState::ready;
    if (!grad) grad = recorder->template allocate<T>(shape.size());
    state = GradState::ready;
    return {grad, row_stride, fresh};
  }
  if (parameter) {
    const bool fresh = !parameter->has_grad;
    parameter->touched_densely();
    return {grad, row_stride, fresh};
  }
  if (ready_by_base()) {
    if (base && base->parameter) base->parameter->touched_densely();
    return {grad, row_stride, false};
  }
  bool fresh;
  if (base && !part) {
    // A view's region of its base must hold a sum, since other views may overlap it; unless the view is all
    // of it.
    if (value == base->value && shape.size() == base->shape.size()) {
      const Adjoint<T> a = base->touch();
      grad = a.data;
      fresh = a.fresh;
    } else {
      grad = base->touch_add() + (value - base->value);
      fresh = false;
    }
  } else {
    ensure_memory();
    fresh = !any_part_arrived();
    if (!fresh)
      for (Node* p = parts; p; p = p->next_part) p->touch_add();
  }
  state = GradState::ready;
  return {grad, row_stride, fresh};
}

template <class T>
T* Node<T>::touch_add() {
  const Adjoint<T> a = touch();
  if (a.fresh) zero_grad(a);
  return a.data;
}

template <class T>
T* Node<T>::touch_rows() {
  if (!parameter) return touch_add();
  if (!parameter->has_grad && !parameter->grad_is_zero) {
    zero_grad({grad, row_stride, true});
    parameter->grad_is_zero = true;
  }
  return grad;
}

template <class T>
void Node<T>::touched_row(Index row) {
  if (parameter) parameter->touched_row(row);
}

template <class T>
T* Node<T>::find_arrived() {
  if (ready_by_base()) return grad;
  if (base && !part) {
    // Adjoints of a view are those of its base: whatever reached the base reached the view.
    T* g = base->arrived();
    return g ? g + (value - base->value) : nullptr;
  }
  return any_part_arrived() ? touch_add() : nullptr;
}

template struct Node<float>;
template struct Node<double>;

}  // namespace unroll::detail
