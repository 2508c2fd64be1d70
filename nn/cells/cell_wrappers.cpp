#include "cell_wrappers.hpp"

namespace unroll::detail {

template <class T>
Variable<T> random_mask(const Shape& shape, double keep, bool scaled) {
  if (shape.size() == 0 || keep <= 0) return full(shape, T(0));
  return input_written_by<T>("mask", shape, false, [&](std::span<T> mask) {
    current_tape<T>->rng().fill_mask(mask, keep, scaled ? static_cast<T>(1 / keep) : T(1));
  });
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
