#include "cell_wrappers.hpp"

namespace unroll::detail {

template <class T>
Variable<T> random_mask(const Shape& shape, double keep, bool scaled) {
  const Variable<T> mask = full(shape, T(0));
  if (shape.size() == 0 || keep <= 0) return mask;
  const std::span<T> values(mask.use("mask")->value, shape.size());
  current_tape<T>->rng().fill_mask(values, keep, scaled ? static_cast<T>(1 / keep) : T(1));
  return mask;
}

template <class T>
bool training(const char* op) {
  return open_tape<T>(op).training();
}

template Variable<float> random_mask(const Shape&, double, bool);
template Variable<double> random_mask(const Shape&, double, bool);
template bool training<float>(const char*);
template bool training<double>(const char*);

}  // namespace unroll::detail
