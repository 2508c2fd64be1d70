#pragma once
/// \file
/// The elementwise operations as function objects on numbers, lanes and duals. Their derivatives come from
/// the duals.

#include "../../core/simd/dual.hpp"
#include "../../core/simd/simd.hpp"
#include "elementwise_list.hpp"
#include "map.hpp"

namespace unroll::detail {

/// The loops of every operation, for one instruction set.
template <class T>
struct ElementwiseKernels {
  MapKernels<T> of[static_cast<int>(Elementwise::count)];
};

namespace functors {

// x^n by repeated squaring. For n < 0 of 1/x, whose powers overflow only where the result does.
template <class X>
UNROLL_INLINE X power_by_squaring(const X& x, int n) {
  X power = n < 0 ? X(1) / x : x;
  X result = X(1);
  for (int k = n < 0 ? -n : n; k > 0; k /= 2) {
    if (k % 2 == 1) result = result * power;
    power = power * power;
  }
  return result;
}

#define UNROLL_BINARY(Name, result)                            \
  template <class T>                                           \
  struct Name {                                                \
    template <class X>                                         \
    UNROLL_INLINE X operator()(const X& a, const X& b) const { \
      return result;                                           \
    }                                                          \
  }
UNROLL_BINARY(Add, a + b);
UNROLL_BINARY(Sub, a - b);
UNROLL_BINARY(Mul, a* b);
UNROLL_BINARY(Div, a / b);
UNROLL_BINARY(Pow, pow(a, b));
UNROLL_BINARY(Maximum, maximum(a, b));
UNROLL_BINARY(Minimum, minimum(a, b));
#undef UNROLL_BINARY

// tanh(sqrt(2 / pi) (x + 0.044715 x^3)).
template <class X>
UNROLL_INLINE X cubic_tanh(const X& x) {
  return tanh(X(0.79788456080286536) * (x + X(0.044715) * x * x * x));
}

#define UNROLL_UNARY(Name, result)                 \
  template <class T>                               \
  struct Name {                                    \
    template <class X>                             \
    UNROLL_INLINE X operator()(const X& x) const { \
      return result;                               \
    }                                              \
  }
UNROLL_UNARY(Negate, -x);
UNROLL_UNARY(Exp, exp(x));
UNROLL_UNARY(Log, log(x));
UNROLL_UNARY(Log1p, log1p(x));
UNROLL_UNARY(Sqrt, sqrt(x));
UNROLL_UNARY(Abs, abs(x));
UNROLL_UNARY(Square, x* x);
UNROLL_UNARY(Sin, sin(x));
UNROLL_UNARY(Cos, cos(x));
UNROLL_UNARY(Erf, erf(x));
UNROLL_UNARY(Tanh, tanh(x));
UNROLL_UNARY(Sigmoid, sigmoid(x));
UNROLL_UNARY(Relu, relu(x));
UNROLL_UNARY(Softplus, softplus(x));
UNROLL_UNARY(Gelu, gelu(x));
// Beyond 10 the tanh is 1 to the last bit, while the derivative of x^3 could overflow: 0 * inf.
UNROLL_UNARY(GeluTanh, x* X(0.5) * (X(1) + cubic_tanh(clamp(x, X(-10), X(10)))));
#undef UNROLL_UNARY

#define UNROLL_WITH_NUMBER(Name, result)           \
  template <class T>                               \
  struct Name {                                    \
    T c;                                           \
    template <class X>                             \
    UNROLL_INLINE X operator()(const X& x) const { \
      return result;                               \
    }                                              \
  }
UNROLL_WITH_NUMBER(AddNumber, x + X(c));
UNROLL_WITH_NUMBER(MulNumber, x* X(c));
UNROLL_WITH_NUMBER(DivNumber, x / X(c));
UNROLL_WITH_NUMBER(NumberSub, X(c) - x);
UNROLL_WITH_NUMBER(NumberDiv, X(c) / x);
UNROLL_WITH_NUMBER(PowNumber, pow(x, X(c)));
UNROLL_WITH_NUMBER(NumberPow, pow(X(c), x));
UNROLL_WITH_NUMBER(MaximumNumber, maximum(x, X(c)));
UNROLL_WITH_NUMBER(MinimumNumber, minimum(x, X(c)));
UNROLL_WITH_NUMBER(LeakyRelu, leaky_relu(x, X(c)));
#undef UNROLL_WITH_NUMBER

/// x^c for a whole number c.
template <class T>
struct PowWhole {
  T c;
  template <class X>
  UNROLL_INLINE X operator()(const X& x) const {
    const int n = static_cast<int>(c);
    if constexpr (is_dual<X>) {
      using V = typename X::value_type;
      if (n == 0) return X(1);
      return x.chain(power_by_squaring(x.value, n), V(c) * power_by_squaring(x.value, n - 1));
    } else {
      return power_by_squaring(x, n);
    }
  }
};

template <class T>
struct Clamp {
  T low, high;
  template <class X>
  UNROLL_INLINE X operator()(const X& x) const {
    return clamp(x, X(low), X(high));
  }
};

}  // namespace functors
}  // namespace unroll::detail
