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

#define UNROLL_FUNCTOR(Name, members, arguments, result) \
  template <class T>                                     \
  struct Name {                                          \
    members template <class X>                           \
    UNROLL_INLINE X operator() arguments const {         \
      return result;                                     \
    }                                                    \
  };
#define UNROLL_TWO(Name, name, result) UNROLL_FUNCTOR(Name, , (const X& a, const X& b), result)
#define UNROLL_ONE(Name, name, result) UNROLL_FUNCTOR(Name, , (const X& x), result)
#define UNROLL_WITH_NUMBER(Name, name, result) UNROLL_FUNCTOR(Name, T c;, (const X& x), result)
#define UNROLL_OWN(Name, name, result)
UNROLL_ELEMENTWISE(UNROLL_TWO, UNROLL_ONE, UNROLL_WITH_NUMBER, UNROLL_OWN)
UNROLL_ONE(Sin, "sin", sin(x))
UNROLL_ONE(Cos, "cos", cos(x))
#undef UNROLL_FUNCTOR
#undef UNROLL_TWO
#undef UNROLL_ONE
#undef UNROLL_WITH_NUMBER
#undef UNROLL_OWN

/// x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2. Beyond 10 the tanh is 1 to the last bit, while the derivative of
/// x^3 could overflow: 0 * inf.
template <class T>
struct GeluTanh {
  template <class X>
  UNROLL_INLINE X operator()(const X& x) const {
    const X z = clamp(x, X(-10), X(10));
    return x * X(0.5) * (X(1) + tanh(X(0.79788456080286536) * (z + X(0.044715) * z * z * z)));
  }
};

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
