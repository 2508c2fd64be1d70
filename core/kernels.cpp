#include "unroll/core/kernels.hpp"

#include "unroll/core/gemm_kernels.hpp"
#include "unroll/core/isa.hpp"

namespace unroll::detail {

UNROLL_FOR_EACH_ISA(template <class T> const Kernels<T>& kernels();)
UNROLL_FOR_EACH_ISA(template <class T> const GemmKernels<T>& gemm_kernels();)

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
