#pragma once
/// \file
/// Internal: tensors that stand in for parameters.

#include <cstddef>
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
/// are changed for one run (DropConnect). Of several the innermost counts, which is the only one that takes more.
template <class T>
class Substitutes {
 public:
  Substitutes();
  ~Substitutes();
  Substitutes(const Substitutes&) = delete;
  Substitutes& operator=(const Substitutes&) = delete;

  void add(const Parameter<T>& parameter, const Variable<T>& instead);
  /// All that stand in for something on this thread; of several for one parameter the last counts.
  static SubstituteList<T>& all();

 private:
  std::size_t before_;  // how many there were
};

extern template class Substitutes<float>;
extern template class Substitutes<double>;

}  // namespace detail
}  // namespace unroll
