#pragma once
/// \file
/// Internal: tensors that stand in for parameters.

#include <utility>
#include <vector>

#include "variable.hpp"

namespace unroll {

template <class T>
struct ParameterStorage;

namespace detail {

template <class T>
using SubstituteList = std::vector<std::pair<const ParameterStorage<T>*, Variable<T>>>;

/// While one lives, `use(parameter)` on this thread gives another tensor of its shape in its place: for weights that
/// are changed for one run (DropConnect). Of several the innermost counts.
template <class T>
class Substitutes {
 public:
  Substitutes() : outer_(innermost_), before_(innermost_) { innermost_ = this; }
  /// These count and no others: those of an earlier time; null: none.
  explicit Substitutes(const SubstituteList<T>* alone);
  ~Substitutes() { innermost_ = before_; }
  Substitutes(const Substitutes&) = delete;
  Substitutes& operator=(const Substitutes&) = delete;

  void add(const Parameter<T>& parameter, const Variable<T>& instead);
  /// What stands in for the parameter, or null.
  static const Variable<T>* find(const Parameter<T>& parameter);
  /// All that stand in for something now; what counts comes first.
  static SubstituteList<T> visible();

 private:
  static constinit thread_local Substitutes* innermost_;
  Substitutes *outer_, *before_;
  SubstituteList<T> list_;
};

extern template class Substitutes<float>;
extern template class Substitutes<double>;

}  // namespace detail
}  // namespace unroll
