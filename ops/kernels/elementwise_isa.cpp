// The elementwise operations, compiled once per instruction set.

#include "elementwise.hpp"

namespace unroll::detail::UNROLL_ISA {

template <class T>
const ElementwiseKernels<T>& elementwise_kernels() {
  static constexpr ElementwiseKernels<T> kernels = {{
#define UNROLL_TWO(Name, name, result) map_kernels<native_arch, T, functors::Name<T>, 2>(),
#define UNROLL_ONE(Name, name, result) map_kernels<native_arch, T, functors::Name<T>, 1>(),
      UNROLL_ELEMENTWISE(UNROLL_TWO, UNROLL_ONE, UNROLL_ONE, UNROLL_ONE)
#undef UNROLL_TWO
#undef UNROLL_ONE
  }};
  return kernels;
}

template const ElementwiseKernels<float>& elementwise_kernels();
template const ElementwiseKernels<double>& elementwise_kernels();

}  // namespace unroll::detail::UNROLL_ISA
