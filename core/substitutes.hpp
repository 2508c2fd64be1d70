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
  Substitutes();
  ~Substitutes();
  Substitutes(const Substitutes&) = delete;
  Substitutes& operator=(const Substitutes&) = delete;

  void add(const Parameter<T>& parameter, const Variable<T>& instead);
  /// What stands in for the parameter, or null.
  static const Variable<T>* find(const ParameterStorage<T>& parameter);
  /// All that stand in for something now; what counts comes first.
  static SubstituteList<T> visible();

 private:
  template <class>
  friend class SubstitutesAgain;

  Substitutes* outer_;
  SubstituteList<T> list_;
};

/// While one lives, the given substitutes count and no others: those of an earlier time.
template <class T>
class SubstitutesAgain {
 public:
  /// Null: none.
  explicit SubstitutesAgain(const SubstituteList<T>* list);
  ~SubstitutesAgain();
  SubstitutesAgain(const SubstitutesAgain&) = delete;
  SubstitutesAgain& operator=(const SubstitutesAgain&) = delete;

 private:
  Substitutes<T>* now_;
  Substitutes<T> then_;
};

template <class T>
inline constinit thread_local Substitutes<T>* substitutes = nullptr;

}  // namespace detail
}  // namespace unroll
