#include "substitutes.hpp"

#include "parameter.hpp"

namespace unroll::detail {

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

}  // namespace unroll::detail
