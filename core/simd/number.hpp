#pragma once
/// \file
/// Functions whose text is the same for a plain number, a lane and a dual number, and the mixed forms of
/// those with two arguments. Included by core/simd/simd.hpp.

#include "scalar_math.hpp"

namespace unroll {

// The mixed forms of a function of two numbers.
#define UNROLL_MIXED_FUNCTION(name)                                                                     \
  template <class A, class B>                                                                           \
  requires(!std::is_same_v<A, B> && (Number<A> || Number<B>)&&(Number<A> || std::is_arithmetic_v<A>)&&( \
                                        Number<B> || std::is_arithmetic_v<B>)) UNROLL_INLINE auto       \
  name(const A& a, const B& b) {                                                                        \
    using R = detail::Promoted<A, B>;                                                                   \
    return name(R(a), R(b));                                                                            \
  }
UNROLL_MIXED_FUNCTION(maximum)
UNROLL_MIXED_FUNCTION(minimum)
#undef UNROLL_MIXED_FUNCTION

/// maximum under the standard library's name.
template <class A, class B>
requires(Number<A> || Number<B>) UNROLL_INLINE auto max(const A& a, const B& b) { return maximum(a, b); }

/// minimum under the standard library's name.
template <class A, class B>
requires(Number<A> || Number<B>) UNROLL_INLINE auto min(const A& a, const B& b) { return minimum(a, b); }

/// x^y for a whole number y, by repeated squaring.
template <WideNumber X, std::integral S>
UNROLL_INLINE X pow(const X& x, S y) {
  X power = x, result = X(1);
  const bool inverse = y < S(0);
  for (long long n = inverse ? -static_cast<long long>(y) : static_cast<long long>(y); n > 0; n /= 2) {
    if (n % 2 == 1) result = result * power;
    if (n > 1) power = power * power;
  }
  return inverse ? X(1) / result : result;
}

/// x^y where one of the two is no lane or dual.
template <class A, class B>
requires(!std::is_same_v<A, B> && (WideNumber<A> || WideNumber<B>)&&!std::integral<B>) UNROLL_INLINE
    auto pow(const A& a, const B& b) {
  using R = detail::Promoted<A, B>;
  return pow(R(a), R(b));
}

/// x * x.
template <Number X>
UNROLL_INLINE X square(const X& x) {
  return x * x;
}

/// `select(condition, a, b)` under NumPy's and PyTorch's name.
template <class M, class A, class B>
UNROLL_INLINE auto where(const M& condition, const A& a, const B& b) -> decltype(select(condition, a, b)) {
  return select(condition, a, b);
}

/// max(x, 0). Its derivative at 0 is 0.
template <Number X>
UNROLL_INLINE X relu(const X& x) {
  return select(x <= X(0), X(0), x);
}

/// x where x > 0, otherwise slope * x. Its derivative at 0 is the slope.
template <Number X>
UNROLL_INLINE X leaky_relu(const X& x, const std::type_identity_t<X>& slope) {
  return select(x > X(0), x, slope * x);
}
template <Number X>
UNROLL_INLINE X leaky_relu(const X& x) {
  return leaky_relu(x, X(0.01));
}

/// x held between lo and hi. Its derivative is 1 inside and on both bounds.
template <Number X>
UNROLL_INLINE X clamp(const X& x, const std::type_identity_t<X>& lo, const std::type_identity_t<X>& hi) {
  return select(x < lo, lo, select(x > hi, hi, x));
}

/// Gaussian error linear unit x Phi(x), Phi the normal distribution function (Hendrycks and Gimpel, 2016).
template <Number X>
UNROLL_INLINE X gelu(const X& x) {
  return X(0.5) * x * (X(1) + erf(x * X(0.70710678118654752)));
}

/// Its approximation 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
template <Number X>
UNROLL_INLINE X gelu_tanh(const X& x) {
  return X(0.5) * x * (X(1) + tanh(X(0.79788456080286536) * (x + X(0.044715) * x * x * x)));
}

}  // namespace unroll
