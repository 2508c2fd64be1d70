#pragma once
/// \file
/// All trainable numbers of a model as one vector, for methods that see it as a point in space.

#include <span>
#include <vector>

#include "../../core/parameter_list.hpp"

namespace unroll {

/// The values of all parameters that are not frozen, one after the other in the order of the list, each row-major; a
/// tensor listed twice (tied weights) comes once. In double, which holds a float exactly.
template <class T>
std::vector<double> parameters_to_vector(const ParameterList<T>& parameters);

/// The reverse: writes `values` into the parameters that are not frozen, rounded to T. Throws ShapeError when there are
/// more or fewer numbers than `parameters_to_vector` gives; then nothing has been changed.
template <class T>
void vector_to_parameters(std::span<const double> values, const ParameterList<T>& parameters);
template <class T>
UNROLL_PER_ISA void vector_to_parameters(const std::vector<double>& values, const ParameterList<T>& parameters) {
  vector_to_parameters(std::span<const double>(values), parameters);
}

}  // namespace unroll
