#include "kernels.hpp"

#include "../isa.hpp"

namespace unroll::detail {

UNROLL_FOR_EACH_ISA(template <class T> const GemmKernels<T>& gemm_kernels();)

template <>
const GemmKernels<float>& gemm_kernels<float>() {
  static const GemmKernels<float>& table = UNROLL_PICK_ISA(gemm_kernels<float>());
  return table;
}
template <>
const GemmKernels<double>& gemm_kernels<double>() {
  static const GemmKernels<double>& table = UNROLL_PICK_ISA(gemm_kernels<double>());
  return table;
}

}  // namespace unroll::detail
