// The elementwise operations, compiled once per instruction set.

#include "elementwise.hpp"

namespace unroll::detail::UNROLL_ISA {

template <class T>
const ElementwiseKernels<T>& elementwise_kernels() {
  static constexpr ElementwiseKernels<T> kernels = {{
#define UNROLL_KERNELS(Name, name, operands) map_kernels<native_arch, T, functors::Name<T>, operands>(),
      UNROLL_ELEMENTWISE(UNROLL_KERNELS)
#undef UNROLL_KERNELS
  }};
  return kernels;
}

template const ElementwiseKernels<float>& elementwise_kernels();
template const ElementwiseKernels<double>& elementwise_kernels();

}  // namespace unroll::detail::UNROLL_ISA
