#include "parameter_vector.hpp"

#include <algorithm>
#include <string>

#include "../../core/error.hpp"

namespace unroll {
namespace {

template <class T>
std::vector<ParameterStorage<T>*> searched(const ParameterList<T>& parameters) {
  std::vector<ParameterStorage<T>*> list;
  for (const NamedParameter<T>& p : parameters)
    if (p.storage && !p.storage->frozen && std::ranges::find(list, p.storage.get()) == list.end())
      list.push_back(p.storage.get());
  return list;
}

}  // namespace

template <class T>
std::vector<double> parameters_to_vector(const ParameterList<T>& parameters) {
  std::vector<double> values;
  for (const ParameterStorage<T>* p : searched(parameters))
    values.insert(values.end(), p->value, p->value + p->shape.size());
  return values;
}

template <class T>
void vector_to_parameters(std::span<const double> values, const ParameterList<T>& parameters) {
  const auto list = searched(parameters);
  Index size = 0;
  for (const ParameterStorage<T>* p : list) size += p->shape.size();
  if (static_cast<Index>(values.size()) != size)
    throw ShapeError("[vector_to_parameters] ", values.size(), " numbers for parameters of ", size);
  const double* from = values.data();
  for (ParameterStorage<T>* p : list) {
    const Index n = p->shape.size();
    std::transform(from, from + n, p->value, [](double x) { return static_cast<T>(x); });
    from += n;
    ++p->version;
  }
}

#define UNROLL_INSTANTIATE(T)                                                 \
  template std::vector<double> parameters_to_vector(const ParameterList<T>&); \
  template void vector_to_parameters(std::span<const double>, const ParameterList<T>&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
