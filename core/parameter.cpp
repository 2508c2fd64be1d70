#include "parameter.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <new>

#include "error.hpp"
#include "simd/kernels.hpp"

namespace unroll {
namespace {

template <class T>
T* new_zeros(Index n) {
  const auto bytes = static_cast<std::size_t>(std::max<Index>(n, 1)) * sizeof(T);
  void* p = ::operator new(bytes, std::align_val_t{Arena::alignment});
  std::memset(p, 0, bytes);
  return static_cast<T*>(p);
}

template <class T>
void free_aligned(T* p) {
  if (p) ::operator delete(p, std::align_val_t{Arena::alignment});
}

using CloneMap = std::map<const void*, std::shared_ptr<void>>;
constinit thread_local CloneMap* current_clones = nullptr;

}  // namespace

template <class T>
ParameterStorage<T>::ParameterStorage(const Shape& s) : shape(s), value(new_zeros<T>(s.size())) {}

template <class T>
ParameterStorage<T>::~ParameterStorage() {
  free_aligned(value);
  free_aligned(grad);
}

template <class T>
void ParameterStorage<T>::ensure_grad() {
  if (grad) return;
  grad = new_zeros<T>(shape.size());
  grad_is_zero = true;
}

template <class T>
void ParameterStorage<T>::clear_grad() {
  if (!has_grad) return;
  if (dense) {
    grad_is_zero = false;
  } else {
    const Index cols = shape.cols();
    for (const Index row : touched_rows)
      std::memset(grad + row * cols, 0, static_cast<std::size_t>(cols) * sizeof(T));
  }
  for (const Index row : touched_rows) row_noted_[static_cast<std::size_t>(row)] = false;
  touched_rows.clear();
  dense = has_grad = false;
}

template <class T>
void ParameterStorage<T>::touched_row(Index row) {
  has_grad = true;
  if (dense) return;
  if (row_noted_.empty()) row_noted_.resize(static_cast<std::size_t>(shape.rows()));
  if (row_noted_[static_cast<std::size_t>(row)]) return;
  row_noted_[static_cast<std::size_t>(row)] = true;
  touched_rows.push_back(row);
}

template <class T>
void ParameterStorage<T>::add_grad(const ParameterStorage& from) {
  if (!from.has_grad) return;
  ensure_grad();
  const Index cols = shape.cols();
  if (from.dense) {
    if (has_grad) {
      detail::kernels<T>().add_into(grad, from.grad, shape.size());
    } else {
      std::copy_n(from.grad, shape.size(), grad);
    }
    touched_densely();
    return;
  }
  if (!has_grad && !grad_is_zero) {
    std::memset(grad, 0, static_cast<std::size_t>(shape.size()) * sizeof(T));
    grad_is_zero = true;
  }
  for (const Index row : from.touched_rows) {
    detail::kernels<T>().add_into(grad + row * cols, from.grad + row * cols, cols);
    touched_row(row);
  }
}

template <class T>
Parameter<T>::Parameter(const Parameter& other) {
  if (!other.storage_) return;
  if (!current_clones)
    throw CopyError(
        "[Parameter] copied; expected a move, tie() for a second handle on the same tensor, or clone(module) for a "
        "module of its own");
  auto& copy = (*current_clones)[other.storage_.get()];
  if (!copy) {
    auto fresh = std::make_shared<ParameterStorage<T>>(other.shape());
    std::ranges::copy(other.values(), fresh->value);
    fresh->frozen = other.frozen();
    copy = fresh;
  }
  storage_ = std::static_pointer_cast<ParameterStorage<T>>(copy);
}

template <class T>
ParameterStorage<T>& Parameter<T>::storage() const {
  if (!storage_) throw ValueError("[Parameter] used without a tensor; expected one made from a Shape");
  return *storage_;
}

template <class T>
std::span<T> Parameter<T>::mutable_grads() {
  ParameterStorage<T>& s = storage();
  s.ensure_grad();
  if (!s.has_grad && !s.grad_is_zero) {
    std::memset(s.grad, 0, static_cast<std::size_t>(size()) * sizeof(T));
    s.grad_is_zero = true;
  }
  s.touched_densely();
  return {s.grad, static_cast<std::size_t>(size())};
}

template <class T>
std::span<const T> Parameter<T>::grads() const {
  ParameterStorage<T>& s = storage();
  s.ensure_grad();
  if (!s.has_grad && !s.grad_is_zero) {
    std::memset(s.grad, 0, static_cast<std::size_t>(size()) * sizeof(T));
    s.grad_is_zero = true;
  }
  return {s.grad, static_cast<std::size_t>(size())};
}

template struct ParameterStorage<float>;
template struct ParameterStorage<double>;
template class Parameter<float>;
template class Parameter<double>;

namespace detail {

CloneScope::CloneScope() : outer_(current_clones) { current_clones = new CloneMap; }
CloneScope::~CloneScope() {
  delete current_clones;
  current_clones = static_cast<CloneMap*>(outer_);
}

}  // namespace detail
}  // namespace unroll
