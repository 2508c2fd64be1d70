// The elementwise part of the built-in cells, compiled once per instruction set.

#include "cells.hpp"

namespace unroll::detail::UNROLL_ISA {

template <class T>
const CellKernels<T>& cell_kernels() {
  static constexpr CellKernels<T> kernels = {map_kernels<native_arch, T, functors::LstmStep<T>, 5>(),
                                             map_kernels<native_arch, T, functors::GruStep<T>, 7>(),
                                             map_kernels<native_arch, T, functors::MeanOfTwo<T>, 2>(),
                                             map_kernels<native_arch, T, functors::HighwayLink<T>, 3>(),
                                             map_kernels<native_arch, T, functors::Mix<T>, 2>(),
                                             map_kernels<native_arch, T, functors::MixBy<T>, 3>()};
  return kernels;
}

template const CellKernels<float>& cell_kernels();
template const CellKernels<double>& cell_kernels();

}  // namespace unroll::detail::UNROLL_ISA
