#include "simd/kernels.hpp"

#include "isa.hpp"

namespace unroll::detail {

UNROLL_FOR_EACH_ISA(template <class T> const Kernels<T>& kernels();)

template <class T>
const Kernels<T>& kernels() {
  static const Kernels<T>& table = UNROLL_PICK_ISA(kernels<T>());
  return table;
}
template const Kernels<float>& kernels();
template const Kernels<double>& kernels();

}  // namespace unroll::detail
