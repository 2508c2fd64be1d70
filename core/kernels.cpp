#include "simd/kernels.hpp"

#include "isa.hpp"

namespace unroll::detail {

UNROLL_FOR_EACH_ISA(template <class T> const Kernels<T>& kernels();)

template <>
const Kernels<float>& kernels<float>() {
  static const Kernels<float>& table = UNROLL_PICK_ISA(kernels<float>());
  return table;
}
template <>
const Kernels<double>& kernels<double>() {
  static const Kernels<double>& table = UNROLL_PICK_ISA(kernels<double>());
  return table;
}

}  // namespace unroll::detail
