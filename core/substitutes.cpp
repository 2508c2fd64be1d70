#include "substitutes.hpp"

#include "parameter.hpp"

namespace unroll::detail {

template <class T>
constinit thread_local Substitutes<T>* Substitutes<T>::innermost_ = nullptr;

template <class T>
Substitutes<T>::Substitutes(const SubstituteList<T>* alone) : outer_(nullptr), before_(innermost_) {
  if (alone) list_ = *alone;
  innermost_ = this;
}

template <class T>
void Substitutes<T>::add(const Parameter<T>& parameter, const Variable<T>& instead) {
  list_.emplace_back(&parameter.storage(), instead);
}

template <class T>
const Variable<T>* Substitutes<T>::find(const Parameter<T>& parameter) {
  for (const Substitutes* s = innermost_; s; s = s->outer_)
    for (const auto& [from, to] : s->list_)
      if (from == &parameter.storage()) return &to;
  return nullptr;
}

template <class T>
SubstituteList<T> Substitutes<T>::visible() {
  SubstituteList<T> all;
  for (const Substitutes* s = innermost_; s; s = s->outer_) all.insert(all.end(), s->list_.begin(), s->list_.end());
  return all;
}

template class Substitutes<float>;
template class Substitutes<double>;

}  // namespace unroll::detail
