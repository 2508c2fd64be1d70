#pragma once
/// \file
/// The elementary functions on plain `float` and `double`, and the concept that unites them with lanes and
/// duals.
///
/// A lambda given to `map` is generic, so the same text also runs on one number; that is how tests and
/// reference implementations use it. A name that the standard library also has (`exp`, `tanh`, ...) is a
/// template here, so a file that says `using namespace unroll` next to `<cmath>` is not ambiguous.

#include <concepts>
#include <type_traits>

/// Everything that may be instantiated under two instruction sets is inlined without exception, so that no
/// symbol compiled for AVX-512 can be the copy that the linker keeps for a file compiled for SSE2.
#define UNROLL_INLINE inline __attribute__((always_inline))

namespace unroll {

namespace detail {
template <class T>
inline constexpr bool is_lane = false;
template <class T>
inline constexpr bool is_dual = false;
}  // namespace detail

/// A lane or a dual number: what `map` hands to a lambda.
template <class T>
concept WideNumber = detail::is_lane<T> || detail::is_dual<T>;

/// `float`, `double`, a lane or a dual number.
template <class T>
concept Number = std::floating_point<T> || WideNumber<T>;

namespace detail {

template <class A, class B>
constexpr auto promoted() {
  if constexpr (std::is_same_v<A, B>) {
    return std::type_identity<A>{};
  } else if constexpr (std::is_arithmetic_v<A> && std::is_arithmetic_v<B>) {
    return std::type_identity<std::common_type_t<A, B>>{};
  } else if constexpr (std::is_convertible_v<A, B>) {
    return std::type_identity<B>{};
  } else {
    return std::type_identity<A>{};
  }
}

// The type in which an operation on an A and a B takes place: a plain number becomes a lane, a lane a dual.
template <class A, class B>
using Promoted = typename decltype(promoted<A, B>())::type;

// One call of the C library, and no inline wrapper of <cmath> that the linker could keep.
#define UNROLL_SCALAR_FUNCTION(name)              \
  template <std::floating_point T>                \
  UNROLL_INLINE T scalar_##name(T x) {            \
    if constexpr (std::is_same_v<T, float>) {     \
      return __builtin_##name##f(x);              \
    } else {                                      \
      return static_cast<T>(__builtin_##name(x)); \
    }                                             \
  }
UNROLL_SCALAR_FUNCTION(exp)
UNROLL_SCALAR_FUNCTION(expm1)
UNROLL_SCALAR_FUNCTION(log)
UNROLL_SCALAR_FUNCTION(log1p)
UNROLL_SCALAR_FUNCTION(sqrt)
UNROLL_SCALAR_FUNCTION(fabs)
UNROLL_SCALAR_FUNCTION(tanh)
UNROLL_SCALAR_FUNCTION(erf)
UNROLL_SCALAR_FUNCTION(sin)
UNROLL_SCALAR_FUNCTION(cos)
#undef UNROLL_SCALAR_FUNCTION

template <std::floating_point T>
UNROLL_INLINE T scalar_pow(T x, T y) {
  if constexpr (std::is_same_v<T, float>) {
    return __builtin_powf(x, y);
  } else {
    return static_cast<T>(__builtin_pow(x, y));
  }
}

}  // namespace detail

// clang-format off
template <std::floating_point T> UNROLL_INLINE T exp(T x) { return detail::scalar_exp(x); }
template <std::floating_point T> UNROLL_INLINE T expm1(T x) { return detail::scalar_expm1(x); }
template <std::floating_point T> UNROLL_INLINE T log(T x) { return detail::scalar_log(x); }
template <std::floating_point T> UNROLL_INLINE T log1p(T x) { return detail::scalar_log1p(x); }
template <std::floating_point T> UNROLL_INLINE T sqrt(T x) { return detail::scalar_sqrt(x); }
template <std::floating_point T> UNROLL_INLINE T rsqrt(T x) { return T(1) / detail::scalar_sqrt(x); }
template <std::floating_point T> UNROLL_INLINE T abs(T x) { return detail::scalar_fabs(x); }
template <std::floating_point T> UNROLL_INLINE T tanh(T x) { return detail::scalar_tanh(x); }
template <std::floating_point T> UNROLL_INLINE T erf(T x) { return detail::scalar_erf(x); }
template <std::floating_point T> UNROLL_INLINE T sin(T x) { return detail::scalar_sin(x); }
template <std::floating_point T> UNROLL_INLINE T cos(T x) { return detail::scalar_cos(x); }
template <std::floating_point T> UNROLL_INLINE T pow(T x, T y) { return detail::scalar_pow(x, y); }
template <std::floating_point T> UNROLL_INLINE T sigmoid(T x) { return T(1) / (T(1) + detail::scalar_exp(-x)); }
template <std::floating_point T> UNROLL_INLINE T mul_add(T a, std::type_identity_t<T> b, std::type_identity_t<T> c) {
  return a * b + c;
}
template <std::floating_point T> UNROLL_INLINE T softplus(T x) {
  return (x > T(0) ? x : x != x ? x : T(0)) + detail::scalar_log1p(detail::scalar_exp(-detail::scalar_fabs(x)));
}
template <std::floating_point T> UNROLL_INLINE T maximum(T a, T b) { return a > b || a != a ? a : b; }
template <std::floating_point T> UNROLL_INLINE T minimum(T a, T b) { return a < b || a != a ? a : b; }
// clang-format on

namespace detail {

/// A value and its derivative.
template <class V>
struct ValueAndSlope {
  V value, slope;
};

/// y = tanh(x) and 1 - y^2. Lanes and numbers of double precision keep the digits of the latter where y is nearly 1.
template <class V>
UNROLL_INLINE ValueAndSlope<V> tanh_and_slope(const V& x) {
  const V y = tanh(x);
  return {y, V(1) - y * y};
}
template <>
UNROLL_INLINE ValueAndSlope<double> tanh_and_slope(const double& x) {
  const double rest = 2 / (scalar_exp(2 * scalar_fabs(x)) + 1);  // 1 - |y|
  return {scalar_tanh(x), rest * (2 - rest)};
}

/// y = 1 / (1 + e^-x) and y (1 - y), where lanes and numbers take e^-x y for 1 - y and so keep its digits.
template <class V>
UNROLL_INLINE ValueAndSlope<V> sigmoid_and_slope(const V& x) {
  const V y = sigmoid(x);
  return {y, y * (V(1) - y)};
}
template <std::floating_point T>
UNROLL_INLINE ValueAndSlope<T> sigmoid_and_slope(const T& x) {
  const T e = scalar_exp(-scalar_fabs(x)), y = T(1) / (T(1) + e);
  return {sigmoid(x), e * y * y};
}

}  // namespace detail

/// `a` where `condition` holds, otherwise `b`, for plain numbers.
template <class A, class B>
requires std::is_arithmetic_v<A> && std::is_arithmetic_v<B> UNROLL_INLINE auto select(bool condition, A a,
                                                                                      B b) {
  using R = detail::Promoted<A, B>;
  return condition ? static_cast<R>(a) : static_cast<R>(b);
}

}  // namespace unroll
