#pragma once
/// \file
/// What an operation takes as a tensor: a Variable, or a Parameter, which it turns into one.

#include <type_traits>

#include "../core/parameter.hpp"
#include "../core/variable.hpp"

namespace unroll {

namespace detail {

template <class X>
struct ScalarOf;  // no type: X is no tensor
template <class T>
struct ScalarOf<Variable<T>> {
  using type = T;
};
template <class T>
struct ScalarOf<Parameter<T>> {
  using type = T;
};

template <class T>
UNROLL_PER_ISA const Variable<T>& operand(const Variable<T>& x) {
  return x;
}
template <class T>
UNROLL_PER_ISA Variable<T> operand(const Parameter<T>& x) {
  return use(x);
}

}  // namespace detail

/// A `Variable<T>` or a `Parameter<T>`.
template <class X>
concept Tensor = requires {
  typename detail::ScalarOf<X>::type;
};

/// The `T` of a tensor.
template <Tensor X>
using ScalarOf = typename detail::ScalarOf<X>::type;

/// Two tensors of one scalar type; float and double do not mix.
template <class A, class B>
concept TensorPair = Tensor<A> && Tensor<B> && std::is_same_v<ScalarOf<A>, ScalarOf<B>>;

/// A plain number beside a tensor; it is rounded to the tensor's scalar type.
template <class N>
concept PlainNumber = std::is_arithmetic_v<N>;

}  // namespace unroll
