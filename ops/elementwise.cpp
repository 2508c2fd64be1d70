#include "elementwise.hpp"

#include <cmath>
#include <string>

#include "../core/error.hpp"
#include "../core/isa.hpp"
#include "kernels/elementwise.hpp"
#include "map.hpp"

namespace unroll::detail {

UNROLL_FOR_EACH_ISA(template <class T> const ElementwiseKernels<T>& elementwise_kernels();)

namespace {

const char* const elementwise_names[] = {
#define UNROLL_NAME(Name, name, result) name,
    UNROLL_ELEMENTWISE(UNROLL_NAME, UNROLL_NAME, UNROLL_NAME, UNROLL_NAME)
#undef UNROLL_NAME
        "sin",
    "cos"};

template <class T>
const MapKernels<T>& kernels_of(Elementwise op) {
  static const ElementwiseKernels<T>& table = UNROLL_PICK_ISA(elementwise_kernels<T>());
  static constexpr MapKernels<T> sin = map_kernels<native_arch, T, functors::Sin<T>, 1>();
  static constexpr MapKernels<T> cos = map_kernels<native_arch, T, functors::Cos<T>, 1>();
  return op == Elementwise::Sin ? sin : op == Elementwise::Cos ? cos : table.of[static_cast<int>(op)];
}

template <class T>
Variable<T> run(Elementwise op, const Variable<T>* const* inputs, int input_count, const T* numbers, int number_count) {
  static constexpr T none[1] = {};  // a functor of no bytes still has an address
  Variable<T> y;
  map_on_tape(elementwise_names[static_cast<int>(op)], kernels_of<T>(op), numbers ? numbers : none,
              static_cast<std::size_t>(number_count) * sizeof(T), inputs, input_count, &y, 1);
  return y;
}

}  // namespace

template <class T>
Variable<T> elementwise(Elementwise op, const Variable<T>& x, const T* numbers, int count) {
  if (op == Elementwise::Clamp && !(numbers[0] <= numbers[1]))
    throw ValueError("[clamp] bounds ", numbers[0], " and ", numbers[1], "; expected low <= high");
  const Variable<T>* const inputs[] = {&x};
  return run(op, inputs, 1, numbers, count);
}

template <class T>
Variable<T> elementwise(Elementwise op, const Variable<T>& a, const Variable<T>& b) {
  const Variable<T>* const inputs[] = {&a, &b};
  return run<T>(op, inputs, 2, nullptr, 0);
}

template <class T>
Variable<T> whole_or_real_power(const Variable<T>& x, double exponent) {
  const bool whole = std::fabs(exponent) <= 64 && exponent == std::nearbyint(exponent);
  const T c = static_cast<T>(exponent);
  return elementwise(whole ? Elementwise::PowWhole : Elementwise::PowNumber, x, &c, 1);
}

#define UNROLL_INSTANTIATE(T)                                                            \
  template Variable<T> elementwise(Elementwise, const Variable<T>&, const T*, int);      \
  template Variable<T> elementwise(Elementwise, const Variable<T>&, const Variable<T>&); \
  template Variable<T> whole_or_real_power(const Variable<T>&, double);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::detail
