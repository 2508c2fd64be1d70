#pragma once
/// \file
/// A user's own operation with its own backward.

#include <array>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

#include "../core/tape.hpp"
#include "layout.hpp"
#include "operand.hpp"

namespace unroll {
namespace detail {

/// How custom_op shows memory to its callables: as spans, empty where there is nothing.
struct UNROLL_PER_ISA AsSpans {
  template <class T>
  static std::span<const T> read(const T* data, const Shape& shape) {
    return {data, static_cast<std::size_t>(shape.size())};
  }
  template <class T>
  static std::span<T> write(T* data, const Shape& shape) {
    return {data, static_cast<std::size_t>(shape.size())};
  }
  template <class T>
  static std::span<T> unwanted(Tape<T>&, const Shape&) {
    return {};
  }
};

template <class View, class T, class Forward, class Backward, std::size_t... I> UNROLL_PER_ISA
Variable<T> custom_on_tape(const char* name, const Shape& shape, const Forward& forward,
                           const Backward& backward, std::array<Variable<T>, sizeof...(I)> inputs,
                           std::index_sequence<I...>) {
  static_assert(
      std::is_trivially_copyable_v<Backward> && std::is_trivially_destructible_v<Backward>,
      "the backward of a custom op is kept on the tape: its captures may be plain numbers and pointers");
  (inputs[I].use(name), ...);
  ((inputs[I] = contiguous(inputs[I])), ...);
  Tape<T>& tape = *current_tape<T>;
  const std::array<Node<T>*, sizeof...(I)> x = {inputs[I].use(name)...};
  Node<T>* y = tape.new_node(shape, (x[I]->requires_grad || ...));
  {
    auto&& out = View::write(y->value, y->shape);
    forward(out, View::read(x[I]->value, x[I]->shape)...);
  }
  if (y->requires_grad) {
    tape.record([x, y, &tape, backward] {
      const T* dy = y->arrived();
      if (!dy) return;
      auto wanted = [&](Node<T>* n) {
        return n->requires_grad ? View::write(n->touch_add(), n->shape) : View::unwanted(tape, n->shape);
      };
      auto dx = std::tuple{wanted(x[I])...};
      backward(View::read(dy, y->shape), View::read(y->value, y->shape),
               View::read(x[I]->value, x[I]->shape)..., std::get<I>(dx)...);
    });
  }
  return tape.handle(y);
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
  return detail::custom_on_tape<detail::AsSpans, T>(name, shape, forward, backward,
                                                    {detail::operand(first), detail::operand(rest)...},
                                                    std::make_index_sequence<sizeof...(Rest) + 1>());
}

}  // namespace unroll
