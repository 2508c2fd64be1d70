#pragma once
/// \file
/// `map`: any elementwise function of several tensors as one fused, differentiable operation.

#include <array>
#include <type_traits>

#include "../core/variable.hpp"
#include "kernels/map.hpp"
#include "operand.hpp"

namespace unroll {
namespace detail {

/// The part of `map` that does not depend on the lambda: checks the operands, makes the outputs, runs the forward
/// loop and records the backward one. `functor` (of `functor_bytes`) is copied to the tape. The inputs are pointed to:
/// a copy of a Variable that was made a moment ago would wait for it to be written.
template <class T>
void map_on_tape(const char* name, const MapKernels<T>& kernels, const void* functor, std::size_t functor_bytes,
                 const Variable<T>* const* inputs, int input_count, Variable<T>* outputs, int output_count);

extern template void map_on_tape(const char*, const MapKernels<float>&, const void*, std::size_t,
                                 const Variable<float>* const*, int, Variable<float>*, int);
extern template void map_on_tape(const char*, const MapKernels<double>&, const void*, std::size_t,
                                 const Variable<double>* const*, int, Variable<double>*, int);

}  // namespace detail

/// y = f(x_1, ..., x_n) elementwise, in one pass over memory; backward runs f again on dual numbers, which gives the
/// exact derivatives without anybody writing them.
///
///     auto h_next = map([](auto a, auto b) { return tanh(a + b); }, px, hh(h));
///     auto [h2, c2] = map([](auto i, auto f, auto g, auto o, auto c) {
///       auto cn = sigmoid(f) * c + sigmoid(i) * tanh(g);
///       return std::pair(sigmoid(o) * tanh(cn), cn);
///     }, i, f, g, o, c);
///
/// `f`: a lambda with `auto` parameters whose captures are plain numbers; what it may call is listed in core/simd/simd.hpp.
/// It returns one value, or a pair or tuple of two or three: then `map` returns an array of that many Variables.
///
/// Operands: 1 to 12 Variables (or Parameters). Those of the largest rank have one and the same shape, which is the
/// result's; they may be slices with rows apart (a gate of a (B, 4H) product: no copy is made). The others are
/// vectors of its last dimension, met again in every row, or scalars of shape (). Nothing else is broadcast: anything
/// else throws ShapeError.
///
/// `Arch` is the instruction set that the calling file is compiled for; do not give it.
template <class Arch = native_arch, class F, Tensor First, Tensor... Rest>
UNROLL_PER_ISA auto map(F f, const First& first, const Rest&... rest) {
  static_assert(sizeof...(Rest) + 1 <= detail::max_map_inputs, "map takes at most 12 operands");
  static_assert(std::is_trivially_copyable_v<F> && std::is_trivially_destructible_v<F>,
                "the lambda given to map may capture only plain numbers (it is kept on the tape)");
  using T = ScalarOf<First>;
  constexpr int n = static_cast<int>(sizeof...(Rest)) + 1;
  using Loops = detail::MapLoops<Arch, T, F, std::make_integer_sequence<int, n>>;
  static_assert(alignof(F) <= alignof(void*), "the lambda given to map may capture only plain numbers");
  static_assert(Loops::outputs <= detail::max_map_outputs, "the lambda given to map returns at most three values");
  std::array<Variable<T>, Loops::outputs> outputs;
  // A parameter's operand is made here and lives to the end of the call.
  [&](const auto&... operands) {
    const Variable<T>* const inputs[] = {&operands...};
    detail::map_on_tape<T>("map", detail::map_kernels<Arch, T, F, n>(), &f, sizeof(F), inputs, n, outputs.data(),
                           Loops::outputs);
  }(detail::operand(first), detail::operand(rest)...);
  if constexpr (Loops::outputs == 1) {
    return outputs[0];
  } else {
    return outputs;
  }
}

}  // namespace unroll
