#pragma once
/// \file
/// A user's own operation with its own backward.

#include <array>
#include <cstddef>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

#include "layout.hpp"
#include "operand.hpp"

namespace unroll {
namespace detail {

/// The memory that a custom op's callables see. Adjoints are there in backward only; a `dx` may be null.
template <class T>
struct CustomCall {
  const Shape& shape;  // of y
  T* y;
  const T* dy;
  const Shape** x_shapes;
  const T** x;
  T** dx;
};

/// The callables of a custom op, without their types.
template <class T>
struct CustomFunctions {
  void (*forward)(const void* callable, const CustomCall<T>& call);
  void (*backward)(const void* callable, const CustomCall<T>& call);
  std::size_t backward_bytes;  // what is kept on the tape
  bool scratch;                // memory for the adjoints that nobody wants
};

/// The part of `custom_op` that does not depend on the callables.
template <class T>
Variable<T> custom_on_tape(const char* name, const Shape& shape, const CustomFunctions<T>& functions,
                           const void* forward, const void* backward, std::span<Variable<T>> inputs);

/// How custom_op shows memory to its callables: as spans, empty where there is nothing.
struct UNROLL_PER_ISA AsSpans {
  static constexpr bool scratch = false;
  template <class T>
  static std::span<T> view(T* data, const Shape& shape) {
    return {data, data ? static_cast<std::size_t>(shape.size()) : 0};
  }
};

template <class View, class T, class Forward, class Backward, std::size_t... I> UNROLL_PER_ISA
Variable<T> custom_op_as(const char* name, const Shape& shape, const Forward& forward, const Backward& backward,
                         std::array<Variable<T>, sizeof...(I)> inputs, std::index_sequence<I...>) {
  static_assert(
      std::is_trivially_copyable_v<Backward> && std::is_trivially_destructible_v<Backward>,
      "the backward of a custom op is kept on the tape: its captures may be plain numbers and pointers");
  static_assert(alignof(Backward) <= 16, "the backward of a custom op may capture only plain numbers and pointers");
  const CustomFunctions<T> functions{
      [](const void* f, const CustomCall<T>& c) {
        auto&& y = View::view(c.y, c.shape);
        (*static_cast<const Forward*>(f))(y, View::view(c.x[I], *c.x_shapes[I])...);
      },
      [](const void* f, const CustomCall<T>& c) {
        auto dx = std::tuple{View::view(c.dx[I], *c.x_shapes[I])...};
        const T* y = c.y;
        (*static_cast<const Backward*>(f))(View::view(c.dy, c.shape), View::view(y, c.shape),
                                           View::view(c.x[I], *c.x_shapes[I])..., std::get<I>(dx)...);
      },
      sizeof(Backward), View::scratch};
  return custom_on_tape<T>(name, shape, functions, &forward, &backward, inputs);
}

}  // namespace detail

/// y = f(x_1, ..., x_n), with the backward that you say. In raw spans of the elements, row-major:
///
///     auto y = custom_op("softsign", x.shape(),
///         [](auto y, auto x) {
///           for (std::size_t i = 0; i < y.size(); ++i) y[i] = x[i] / (1 + std::abs(x[i]));
///         },
///         [](auto dy, auto y, auto x, auto dx) {
///           for (std::size_t i = 0; i < y.size(); ++i) dx[i] += dy[i] / std::pow(1 + std::abs(x[i]), 2);
///         }, x);
///
/// `forward(span<T> y, span<const T> x_1, ...)` must write every element of y, whose shape is `shape`.
/// `backward(span<const T> dy, span<const T> y, span<const T> x_1, ..., span<T> dx_1, ...)` must ADD the
/// gradient to each dx_i; the dx_i of an input that wants no gradient is empty. dx of one tensor given twice
/// is the same memory twice. The backward is kept on the tape, so its captures may be plain numbers and
/// pointers to what outlives the tape's scope.
///
/// `x`: Variables or Parameters of any shapes; check their shapes yourself, before. Slices with rows apart
/// are copied first. `name` is for messages. Whether the backward is right, `gradcheck` tells. In xtensor's
/// syntax: ops/custom_xt.hpp.
template <class Forward, class Backward, Tensor First, Tensor... Rest> UNROLL_PER_ISA
Variable<ScalarOf<First>> custom_op(const char* name, const Shape& shape, const Forward& forward,
                                    const Backward& backward, const First& first, const Rest&... rest) {
  using T = ScalarOf<First>;
  return detail::custom_op_as<detail::AsSpans, T>(name, shape, forward, backward,
                                                  {detail::operand(first), detail::operand(rest)...},
                                                  std::make_index_sequence<sizeof...(Rest) + 1>());
}

}  // namespace unroll
