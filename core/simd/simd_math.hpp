#pragma once
/// \file
/// Elementary functions of lanes. Included by core/simd/simd.hpp; include that one.
///
/// Where xsimd's own function is exact and fast it is used; `exp`, `expm1`, `tanh`, `sigmoid` are written
/// here, without branches, tables or denormal intermediate results.

#include "simd.hpp"

namespace unroll {

namespace detail {

template <class T>
struct MathConstants;

// r + r^2 q(r) = exp(r) - 1 for |r| <= ln 2 / 2; q interpolates at Chebyshev nodes. Absolute error 8e-9
// (float) and 1.2e-17 (double). ln2_hi has trailing zeros, so that n * ln2_hi is exact (Cody and Waite,
// 1980).
template <>
struct MathConstants<float> {
  using Bits = std::int32_t;
  static constexpr int mantissa_bits = 23;
  static constexpr float round_magic = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  static constexpr float ln2_hi = 0x1.62e400p-1f, ln2_lo = 1.42860682031e-06f;
  static constexpr float exp_hi = 88.72283172607422f, exp_lo = -87.33654022216797f;
  static constexpr float expm1_lo = -20.0f;
  static constexpr int exp_terms = 5;
  static constexpr float exp_poly[exp_terms] = {0.5f, 0.1666657685f, 0.04166655444f, 0.008363202972f, 0.001392621347f};
};

template <>
struct MathConstants<double> {
  using Bits = std::int64_t;
  static constexpr int mantissa_bits = 52;
  static constexpr double round_magic = 6755399441055744.0;
  static constexpr double ln2_hi = 0x1.62e42fee00000p-1, ln2_lo = 0x1.a39ef35793c76p-33;
  static constexpr double exp_hi = 709.78271289338397, exp_lo = -708.39641853226;
  static constexpr double expm1_lo = -40.0;
  static constexpr int exp_terms = 11;
  static constexpr double exp_poly[exp_terms] = {0x1.0000000000000p-1,  0x1.5555555555557p-3,  0x1.5555555555556p-5,
                                                 0x1.11111111100cep-7,  0x1.6c16c16c162ccp-10, 0x1.a01a01abef415p-13,
                                                 0x1.a01a01a6dcaffp-16, 0x1.71de021a90822p-19, 0x1.27e4db57442fbp-22,
                                                 0x1.af4e196027428p-26, 0x1.1f731ea5352cap-29};
};

}  // namespace detail

/// a * b + c, rounded once where the instruction set can.
template <class T, class Arch>
UNROLL_INLINE Lane<T, Arch> mul_add(Lane<T, Arch> a, std::type_identity_t<Lane<T, Arch>> b,
                                    std::type_identity_t<Lane<T, Arch>> c) {
  if constexpr (Lane<T, Arch>::scalar) {
    return a * b + c;
  } else {
    return Lane<T, Arch>(detail::wide::fma(a.raw, b.raw, c.raw));
  }
}

namespace detail {

template <int I, class T, class Arch>
UNROLL_INLINE Lane<T, Arch> exp_horner(Lane<T, Arch> r) {
  using C = MathConstants<T>;
  if constexpr (I == C::exp_terms - 1) {
    return Lane<T, Arch>(C::exp_poly[I]);
  } else {
    return mul_add(exp_horner<I + 1>(r), r, C::exp_poly[I]);
  }
}

// x * 2^n by adding to the exponent bits, where `n_biased` is n + round_magic. The result must be normal; NaN becomes
// anything.
template <class T, class Arch>
UNROLL_INLINE Lane<T, Arch> scale_by_bits(Lane<T, Arch> x, Lane<T, Arch> n_biased) {
  using C = MathConstants<T>;
  using Ints = typename LaneRegister<typename C::Bits, Arch>::value;
  using IntRegister = typename Ints::register_type;
  using FloatRegister = typename Lane<T, Arch>::Raw::register_type;
  const Ints n(__builtin_bit_cast(IntRegister, static_cast<FloatRegister>(n_biased.raw)));
  const Ints bits(__builtin_bit_cast(IntRegister, static_cast<FloatRegister>(x.raw)));
  const IntRegister sum = bits + (n << C::mantissa_bits);
  return Lane<T, Arch>(typename Lane<T, Arch>::Raw(__builtin_bit_cast(FloatRegister, sum)));
}

// exp(x) - 1 without care for x beyond the range of finite results.
template <class T, class Arch>
UNROLL_INLINE Lane<T, Arch> expm1_in_range(Lane<T, Arch> x) {
  using C = MathConstants<T>;
  using L = Lane<T, Arch>;
  const L n_biased = mul_add(x, T(1.4426950408889634), C::round_magic);
  const L n = n_biased - C::round_magic;
  const L r = mul_add(n, -C::ln2_lo, mul_add(n, -C::ln2_hi, x));
  const L p = mul_add(r * r, exp_horner<0>(r), r);
  // Half of 2^n, because 2^128 itself is no float though 2^128 (1 + p) can be one.
  const L half_scale = scale_by_bits(L(T(0.5)), n_biased);
  const L half = mul_add(half_scale, p, half_scale - T(0.5));
  return half + half;
}

}  // namespace detail

namespace detail {

template <class T, class Arch>
UNROLL_INLINE Lane<T, Arch> exp_in_range(Lane<T, Arch> x) {
  using C = MathConstants<T>;
  using L = Lane<T, Arch>;
  const L n_biased = mul_add(x, T(1.4426950408889634), C::round_magic);
  const L n = n_biased - C::round_magic;
  const L r = mul_add(n, -C::ln2_lo, mul_add(n, -C::ln2_hi, x));
  return scale_by_bits(mul_add(r * r, exp_horner<0>(r), r) + T(1), n_biased);
}

#if UNROLL_HAS_XSIMD
// The smaller and the larger of two in one instruction, and the second if one is NaN: x86's instructions give that one,
// ARM's give NaN. xsimd's min and max are no help, whose versions disagree about the order.
#define UNROLL_MIN_MAX(Register, minimum_of, maximum_of)                                  \
  UNROLL_INLINE Register min_or_second(Register a, Register b) { return minimum_of(a, b); } \
  UNROLL_INLINE Register max_or_second(Register a, Register b) { return maximum_of(a, b); }
#if defined(__SSE2__)
UNROLL_MIN_MAX(__m128, _mm_min_ps, _mm_max_ps)
UNROLL_MIN_MAX(__m128d, _mm_min_pd, _mm_max_pd)
#endif
#if defined(__AVX__)
UNROLL_MIN_MAX(__m256, _mm256_min_ps, _mm256_max_ps)
UNROLL_MIN_MAX(__m256d, _mm256_min_pd, _mm256_max_pd)
#endif
#if defined(__AVX512F__)
UNROLL_MIN_MAX(__m512, _mm512_min_ps, _mm512_max_ps)
UNROLL_MIN_MAX(__m512d, _mm512_min_pd, _mm512_max_pd)
#endif
#if defined(__aarch64__)
UNROLL_MIN_MAX(float32x4_t, vminq_f32, vmaxq_f32)
UNROLL_MIN_MAX(float64x2_t, vminq_f64, vmaxq_f64)
#endif
#undef UNROLL_MIN_MAX
#endif

// min(limit, x) and max(limit, x); NaN for NaN.
template <class T, class Arch>
UNROLL_INLINE Lane<T, Arch> at_most(T limit, Lane<T, Arch> x) {
  using Register = typename Lane<T, Arch>::Raw::register_type;
  return Lane<T, Arch>(min_or_second(Register(Lane<T, Arch>(limit).raw), Register(x.raw)));
}
template <class T, class Arch>
UNROLL_INLINE Lane<T, Arch> at_least(T limit, Lane<T, Arch> x) {
  using Register = typename Lane<T, Arch>::Raw::register_type;
  return Lane<T, Arch>(max_or_second(Register(Lane<T, Arch>(limit).raw), Register(x.raw)));
}

}  // namespace detail

/// e^x.
template <class T, class Arch>
UNROLL_INLINE Lane<T, Arch> exp(Lane<T, Arch> x) {
  using C = detail::MathConstants<T>;
  using L = Lane<T, Arch>;
  if constexpr (L::scalar) {
    return detail::scalar_exp(x.raw);
  } else {
    const L y = select(x < C::exp_lo, T(0), detail::exp_in_range(x));
    // Beyond the range x * inf is inf, and NaN for NaN.
    return select(x <= C::exp_hi, y, x * T(__builtin_inf()));
  }
}

/// e^x - 1, exact near 0.
template <class T, class Arch>
UNROLL_INLINE Lane<T, Arch> expm1(Lane<T, Arch> x) {
  using C = detail::MathConstants<T>;
  using L = Lane<T, Arch>;
  if constexpr (L::scalar) {
    return detail::scalar_expm1(x.raw);
  } else {
    const L y = detail::expm1_in_range(detail::at_least(C::expm1_lo, x));
    return select(x <= C::exp_hi, y, x * T(__builtin_inf()));
  }
}

#define UNROLL_LANE_FUNCTION(name, scalar_name)        \
  template <class T, class Arch>                       \
  UNROLL_INLINE Lane<T, Arch> name(Lane<T, Arch> x) {  \
    if constexpr (Lane<T, Arch>::scalar) {             \
      return detail::scalar_##scalar_name(x.raw);      \
    } else {                                           \
      return Lane<T, Arch>(detail::wide::name(x.raw)); \
    }                                                  \
  }
/// Natural logarithm: -inf at 0, NaN below. Of doubles below the smallest normal number it is wrong by up to 6 %.
UNROLL_LANE_FUNCTION(log, log)
/// log(1 + x), exact near 0.
UNROLL_LANE_FUNCTION(log1p, log1p)
/// Absolute value.
UNROLL_LANE_FUNCTION(abs, fabs)
/// Sine of x in radians.
UNROLL_LANE_FUNCTION(sin, sin)
/// Cosine of x in radians.
UNROLL_LANE_FUNCTION(cos, cos)
#undef UNROLL_LANE_FUNCTION

/// Square root, rounded correctly.
template <class T, class Arch>
UNROLL_INLINE Lane<T, Arch> sqrt(Lane<T, Arch> x) {
  if constexpr (Lane<T, Arch>::scalar) {
    return detail::scalar_sqrt(x.raw);
  } else {
    return Lane<T, Arch>(detail::square_root(x.raw));
  }
}

/// Error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.
template <class T, class Arch>
UNROLL_INLINE Lane<T, Arch> erf(Lane<T, Arch> x) {
  using L = Lane<T, Arch>;
  if constexpr (L::scalar) {
    return detail::scalar_erf(x.raw);
  } else {
    // erf(6) rounds to 1. Far beyond xsimd's overflows to NaN, and on NaN it converts NaN to an integer.
    const L a = detail::at_least(T(-6), detail::at_most(T(6), x));
    const auto known = a == a;
    return select(known, L(detail::wide::erf(select(known, a, T(0)).raw)), x);
  }
}

/// 1 / sqrt(x), with the precision of the two operations.
template <class T, class Arch>
UNROLL_INLINE Lane<T, Arch> rsqrt(Lane<T, Arch> x) {
  return T(1) / sqrt(x);
}

/// Hyperbolic tangent. Odd to the last bit and never beyond 1.
///
/// float: x P(x^2) / Q(x^2), P and Q of degree 4, fitted here to the relative error (2.4e-8 at most up
/// to 9.1), 1.6x faster than the double's (e^2x - 1) / (e^2x + 1).
template <class T, class Arch>
UNROLL_INLINE Lane<T, Arch> tanh(Lane<T, Arch> x) {
  using L = Lane<T, Arch>;
  if constexpr (L::scalar) {
    return detail::scalar_tanh(x.raw);
  } else if constexpr (std::is_same_v<T, float>) {
    const L a = detail::at_least(-9.1f, detail::at_most(9.1f, x));
    const L t = a * a;
    const L p = mul_add(
        t, mul_add(t, mul_add(t, mul_add(t, 1.32429774e-8f, 2.05341421e-5f), 3.49129736e-3f), 0.133775041f), 1.0f);
    const L q = mul_add(
        t, mul_add(t, mul_add(t, mul_add(t, 7.73249667e-7f, 3.27842834e-4f), 2.58609429e-2f), 0.46710822f), 1.0f);
    return detail::at_least(-1.0f, detail::at_most(1.0f, a * p / q));
  } else {
    const L a = detail::at_most(T(20), abs(x));
    const L e = detail::expm1_in_range(a + a);
    return L(detail::wide::copysign((e / (e + T(2))).raw, x.raw));
  }
}

namespace detail {

// 1 - y^2 = (1 - |y|) (1 + |y|) with 1 - |y| = 2 / (e^2|x| + 1).
template <class T, class Arch>
UNROLL_INLINE ValueAndSlope<Lane<T, Arch>> tanh_and_slope(const Lane<T, Arch>& x) {
  using L = Lane<T, Arch>;
  if constexpr (std::is_same_v<T, float>) {
    const L y = tanh(x);
    return {y, T(1) - y * y};
  } else if constexpr (L::scalar) {
    const auto [y, slope] = tanh_and_slope(x.raw);
    return {y, slope};
  } else {
    const L a = at_most(T(350), abs(x));
    const L e = expm1_in_range(a + a);
    const L rest = T(2) / (e + T(2));
    const L y(wide::copysign((e / (e + T(2))).raw, x.raw));
    return {y, select(a < T(350), rest * (T(2) - rest), a * T(0))};
  }
}

template <class T, class Arch>
UNROLL_INLINE ValueAndSlope<Lane<T, Arch>> sigmoid_and_slope(const Lane<T, Arch>& x) {
  using C = MathConstants<T>;
  using L = Lane<T, Arch>;
  if constexpr (L::scalar) {
    const auto [y, slope] = sigmoid_and_slope(x.raw);
    return {y, slope};
  } else {
    // NaN's bits, scaled, may be those of a number: where x is out of range y is 0, and NaN for NaN.
    const L e = exp_in_range(at_least(C::exp_lo, -x));
    const L y = select(x >= -C::exp_hi, T(1) / (T(1) + e), at_least(T(0), x));
    return {y, y * select(x < -C::exp_hi, T(1), select(x > -C::exp_lo, T(0), e * y))};
  }
}

}  // namespace detail

/// Logistic function 1 / (1 + e^-x).
template <class T, class Arch>
UNROLL_INLINE Lane<T, Arch> sigmoid(Lane<T, Arch> x) {
  return detail::sigmoid_and_slope(x).value;
}

/// The larger of the two; NaN if either is NaN.
template <class T, class Arch>
UNROLL_INLINE Lane<T, Arch> maximum(Lane<T, Arch> a, Lane<T, Arch> b) {
  return select((a > b) | (a != a), a, b);
}

/// The smaller of the two; NaN if either is NaN.
template <class T, class Arch>
UNROLL_INLINE Lane<T, Arch> minimum(Lane<T, Arch> a, Lane<T, Arch> b) {
  return select((a < b) | (a != a), a, b);
}

/// log(1 + e^x), without overflow and exact for large |x|.
template <class T, class Arch>
UNROLL_INLINE Lane<T, Arch> softplus(Lane<T, Arch> x) {
  return select(x <= T(0), T(0), x) + log1p(exp(-abs(x)));
}

/// x^y. A whole number y written as an integer takes the exact way of repeated squaring (core/simd/number.hpp).
template <class T, class Arch>
UNROLL_INLINE Lane<T, Arch> pow(Lane<T, Arch> x, Lane<T, Arch> y) {
  using L = Lane<T, Arch>;
  if constexpr (L::scalar) {
    return detail::scalar_pow(x.raw, y.raw);
  } else {
    // xsimd 8 takes every power of 0 for 0, and converts NaN to an integer.
    const L at_zero = select(y < T(0), T(__builtin_inf()), T(0));
    const auto known = x == x && y == y;
    const auto regular = known && x != T(0) && y != T(0);
    const L power(detail::wide::pow(select(regular, x, T(1)).raw, select(regular, y, T(1)).raw));
    const L nonzero_power = select(x == T(0), at_zero, power);
    return select(y == T(0), T(1), select(known, nonzero_power, x + y));
  }
}

}  // namespace unroll

#include "number.hpp"
