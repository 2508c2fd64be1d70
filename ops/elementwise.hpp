#pragma once
/// \file
/// Arithmetic and the elementary functions on tensors, element by element.
///
/// An operand is a Variable, a Parameter or, where it is written out below, a plain number, which is rounded
/// to the tensor's scalar type. Of two tensors the one of larger rank gives the result's shape; the other has
/// that shape too, or is a vector of its last dimension (met again in every row), or a scalar of shape ().
/// Nothing else is broadcast: anything else throws ShapeError. Several operations in a row run faster as one
/// `map` (ops/map.hpp).
///
/// Functions of one operand keep its shape. NaN gives NaN. Derivatives at kinks are PyTorch's and stated
/// here.

#include "kernels/elementwise_list.hpp"
#include "operand.hpp"

namespace unroll {
namespace detail {

/// Runs an operation on one tensor, on one with `count` numbers beside it, and on two.
template <class T>
Variable<T> elementwise(Elementwise op, const Variable<T>& x, const T* numbers, int count);
template <class T>
Variable<T> elementwise(Elementwise op, const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> whole_or_real_power(const Variable<T>& x, double exponent);

template <Tensor X>
UNROLL_PER_ISA auto unary(Elementwise op, const X& x) {
  using T = typename ScalarOf<X>::type;
  return elementwise<T>(op, operand(x), nullptr, 0);
}
template <Tensor X, PlainNumber N>
UNROLL_PER_ISA auto with_number(Elementwise op, const X& x, N number) {
  const auto c = static_cast<typename ScalarOf<X>::type>(number);
  return elementwise(op, operand(x), &c, 1);
}
template <Tensor A, Tensor B>
UNROLL_PER_ISA auto binary(Elementwise op, const A& a, const B& b) {
  using T = typename ScalarOf<A>::type;
  return elementwise<T>(op, operand(a), operand(b));
}

template <class A, class B>
concept TensorAndNumber = (Tensor<A> && PlainNumber<B>) || (PlainNumber<A> && Tensor<B>);

/// `both` of two tensors; with a number on the right or on the left the operation of that.
template <class A, class B>
UNROLL_PER_ISA auto tensors_or_number(Elementwise both, Elementwise right, Elementwise left, const A& a, const B& b) {
  if constexpr (PlainNumber<B>) {
    return with_number(right, a, b);
  } else if constexpr (PlainNumber<A>) {
    return with_number(left, b, a);
  } else {
    return binary(both, a, b);
  }
}

}  // namespace detail

/// Two tensors, or a tensor and a plain number.
template <class A, class B>
concept TensorOperands = TensorPair<A, B> || detail::TensorAndNumber<A, B>;

// Arithmetic ---------------------------------------------------------------------------

/// a + b.
template <class A, class B>
requires TensorOperands<A, B>
UNROLL_PER_ISA auto add(const A& a, const B& b) {
  using enum detail::Elementwise;
  return detail::tensors_or_number(Add, AddNumber, AddNumber, a, b);
}
/// a - b.
template <class A, class B>
requires TensorOperands<A, B>
UNROLL_PER_ISA auto sub(const A& a, const B& b) {
  using enum detail::Elementwise;
  if constexpr (PlainNumber<B>) {
    return detail::with_number(AddNumber, a, -static_cast<ScalarOf<A>>(b));
  } else {
    return detail::tensors_or_number(Sub, Sub, NumberSub, a, b);
  }
}
/// a * b.
template <class A, class B>
requires TensorOperands<A, B>
UNROLL_PER_ISA auto mul(const A& a, const B& b) {
  using enum detail::Elementwise;
  return detail::tensors_or_number(Mul, MulNumber, MulNumber, a, b);
}
/// a / b.
template <class A, class B>
requires TensorOperands<A, B>
UNROLL_PER_ISA auto div(const A& a, const B& b) {
  using enum detail::Elementwise;
  return detail::tensors_or_number(Div, DivNumber, NumberDiv, a, b);
}
/// -x.
template <Tensor X>
UNROLL_PER_ISA auto negate(const X& x) {
  return detail::unary(detail::Elementwise::Negate, x);
}

/// `add`: two tensors, or a tensor and a plain number.
template <class A, class B>
requires TensorOperands<A, B>
UNROLL_PER_ISA auto operator+(const A& a, const B& b) {
  return add(a, b);
}
/// `sub`: two tensors, or a tensor and a plain number.
template <class A, class B>
requires TensorOperands<A, B>
UNROLL_PER_ISA auto operator-(const A& a, const B& b) {
  return sub(a, b);
}
/// `mul`: two tensors, or a tensor and a plain number.
template <class A, class B>
requires TensorOperands<A, B>
UNROLL_PER_ISA auto operator*(const A& a, const B& b) {
  return mul(a, b);
}
/// `div`: two tensors, or a tensor and a plain number.
template <class A, class B>
requires TensorOperands<A, B>
UNROLL_PER_ISA auto operator/(const A& a, const B& b) {
  return div(a, b);
}
/// `negate`.
template <Tensor X>
UNROLL_PER_ISA auto operator-(const X& x) {
  return negate(x);
}

/// a = a + b: the handle `a` is set to a new tensor, the old one stays what it was.
template <class T, class B>
requires(TensorPair<Variable<T>, B> || PlainNumber<B>) UNROLL_PER_ISA auto operator+=(Variable<T>& a, const B& b)
    -> Variable<T>& {
  return a = a + b;
}
/// a = a - b.
template <class T, class B>
requires(TensorPair<Variable<T>, B> || PlainNumber<B>) UNROLL_PER_ISA auto operator-=(Variable<T>& a, const B& b)
    -> Variable<T>& {
  return a = a - b;
}
/// a = a * b.
template <class T, class B>
requires(TensorPair<Variable<T>, B> || PlainNumber<B>) UNROLL_PER_ISA auto operator*=(Variable<T>& a, const B& b)
    -> Variable<T>& {
  return a = a * b;
}
/// a = a / b.
template <class T, class B>
requires(TensorPair<Variable<T>, B> || PlainNumber<B>) UNROLL_PER_ISA auto operator/=(Variable<T>& a, const B& b)
    -> Variable<T>& {
  return a = a / b;
}

// Powers, extrema ---------------------------------------------------------------------------

/// x^y, element by element; NaN for x < 0 unless y is whole. Derivatives y x^(y-1) and x^y log x; 0 for x
/// where y is 0, and 0 for y where x is 0 and y >= 0.
template <Tensor A, Tensor B>
requires TensorPair<A, B>
UNROLL_PER_ISA auto pow(const A& x, const B& y) { return detail::binary(detail::Elementwise::Pow, x, y); }
/// x^c. Whole exponents up to 64 in size are computed by multiplication.
template <Tensor X, PlainNumber N>
UNROLL_PER_ISA auto pow(const X& x, N c) {
  return detail::whole_or_real_power(detail::operand(x), static_cast<double>(c));
}
/// c^x. Derivative c^x log c.
template <PlainNumber N, Tensor X>
UNROLL_PER_ISA auto pow(N c, const X& x) {
  return detail::with_number(detail::Elementwise::NumberPow, x, c);
}
/// The larger of a and b, NaN if either is. The gradient goes to the one taken, one half to each at a tie; of a tensor and
/// a number one half there.
template <class A, class B>
requires TensorOperands<A, B>
UNROLL_PER_ISA auto maximum(const A& a, const B& b) {
  using enum detail::Elementwise;
  return detail::tensors_or_number(Maximum, MaximumNumber, MaximumNumber, a, b);
}
/// The smaller of a and b, NaN if either is. The gradient as for `maximum`.
template <class A, class B>
requires TensorOperands<A, B>
UNROLL_PER_ISA auto minimum(const A& a, const B& b) {
  using enum detail::Elementwise;
  return detail::tensors_or_number(Minimum, MinimumNumber, MinimumNumber, a, b);
}
/// x held between `low` and `high`. Derivative 1 inside and on both bounds, 0 outside. Throws ValueError
/// unless low <= high.
template <Tensor X>
UNROLL_PER_ISA auto clamp(const X& x, std::type_identity_t<ScalarOf<X>> low, std::type_identity_t<ScalarOf<X>> high) {
  using T = ScalarOf<X>;
  const T bounds[] = {low, high};
  return detail::elementwise<T>(detail::Elementwise::Clamp, detail::operand(x), bounds, 2);
}

// Functions of one tensor ------------------------------------------------------------------

/// e^x.
template <Tensor X>
UNROLL_PER_ISA auto exp(const X& x) {
  return detail::unary(detail::Elementwise::Exp, x);
}
/// Natural logarithm; -inf at 0 and NaN below. Derivative 1 / x.
template <Tensor X>
UNROLL_PER_ISA auto log(const X& x) {
  return detail::unary(detail::Elementwise::Log, x);
}
/// log(1 + x), accurate for small x.
template <Tensor X>
UNROLL_PER_ISA auto log1p(const X& x) {
  return detail::unary(detail::Elementwise::Log1p, x);
}
/// Square root. Derivative 0.5 / sqrt(x), which is infinite at 0.
template <Tensor X>
UNROLL_PER_ISA auto sqrt(const X& x) {
  return detail::unary(detail::Elementwise::Sqrt, x);
}
/// |x|. Derivative 0 at 0.
template <Tensor X>
UNROLL_PER_ISA auto abs(const X& x) {
  return detail::unary(detail::Elementwise::Abs, x);
}
/// x^2.
template <Tensor X>
UNROLL_PER_ISA auto square(const X& x) {
  return detail::unary(detail::Elementwise::Square, x);
}
/// Sine of x in radians.
template <Tensor X>
UNROLL_PER_ISA auto sin(const X& x) {
  return detail::unary(detail::Elementwise::Sin, x);
}
/// Cosine of x in radians.
template <Tensor X>
UNROLL_PER_ISA auto cos(const X& x) {
  return detail::unary(detail::Elementwise::Cos, x);
}
/// Error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.
template <Tensor X>
UNROLL_PER_ISA auto erf(const X& x) {
  return detail::unary(detail::Elementwise::Erf, x);
}
/// Hyperbolic tangent.
template <Tensor X>
UNROLL_PER_ISA auto tanh(const X& x) {
  return detail::unary(detail::Elementwise::Tanh, x);
}
/// Logistic function 1 / (1 + e^-x).
template <Tensor X>
UNROLL_PER_ISA auto sigmoid(const X& x) {
  return detail::unary(detail::Elementwise::Sigmoid, x);
}
/// max(x, 0). Derivative 0 at 0.
template <Tensor X>
UNROLL_PER_ISA auto relu(const X& x) {
  return detail::unary(detail::Elementwise::Relu, x);
}
/// x where x > 0, otherwise slope * x. Derivative at 0: the slope. (Maas et al., 2013)
template <Tensor X>
UNROLL_PER_ISA auto leaky_relu(const X& x, double slope = 0.01) {
  return detail::with_number(detail::Elementwise::LeakyRelu, x, slope);
}
/// log(1 + e^x), without overflow.
template <Tensor X>
UNROLL_PER_ISA auto softplus(const X& x) {
  return detail::unary(detail::Elementwise::Softplus, x);
}
/// Gaussian error linear unit x Phi(x), Phi the normal distribution function (Hendrycks and Gimpel, 2016).
template <Tensor X>
UNROLL_PER_ISA auto gelu(const X& x) {
  return detail::unary(detail::Elementwise::Gelu, x);
}
/// Its approximation 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
template <Tensor X>
UNROLL_PER_ISA auto gelu_tanh(const X& x) {
  return detail::unary(detail::Elementwise::GeluTanh, x);
}

}  // namespace unroll
