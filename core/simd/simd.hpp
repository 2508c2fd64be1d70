#pragma once
/// \file
/// `Lane<T, Arch>`: as many numbers as one SIMD register holds, with the arithmetic of one number.
///
/// What a lambda given to `map` may do with its arguments, whose types are lanes in the forward pass and
/// duals of lanes (core/simd/dual.hpp) in the backward pass:
///
///     [](auto i, auto f, auto g, auto o, auto c) {
///       auto c_next = sigmoid(f) * c + sigmoid(i) * tanh(g);
///       return std::pair(sigmoid(o) * tanh(c_next), c_next);
///     }
///
/// - `+ - * /`, unary `-`, `+= -= *= /=`, with numbers of any arithmetic type on either side: `2 * x + 1`.
/// - `exp log expm1 log1p sqrt rsqrt abs pow erf sin cos square tanh sigmoid relu leaky_relu(x, slope) softplus gelu
///   gelu_tanh`, `mul_add(a, b, c)` (that is a * b + c), `maximum minimum` (also `max min`), `clamp(x, lo, hi)`.
/// - Comparisons, which give a `Mask`; masks combine with `& | ^ !` and with `&& ||`.
/// - `select(mask, a, b)`, in place of `mask ? a : b`; `where` is the same. Both sides are computed, always.
///   `if (x > 0)` does not compile, because a register holds both cases at once.
/// - No qualification is needed: the functions are found by their arguments. `std::tanh` does not take a lane.
///
/// Every function takes NaN to NaN, and results below the smallest normal number may be zero.

#include <cstdint>
#include <type_traits>
#include <utility>

#if __has_include(<xsimd/xsimd.hpp>) && !defined(UNROLL_NO_XSIMD)
// g++ 12 takes the `__m512 y = y` of its own intrinsics for a mistake once they are inlined here.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <xsimd/xsimd.hpp>
#pragma GCC diagnostic pop
#define UNROLL_HAS_XSIMD 1
#else
#define UNROLL_HAS_XSIMD 0
#endif

#include "scalar_math.hpp"

namespace unroll {

/// Names of instruction sets. They are an argument of every template below, so that files with different
/// flags never share a symbol. They are types of this namespace, and not xsimd's, so that `pow(x, 2)` in a
/// lambda is looked up here alone.
struct scalar_arch {};  ///< one number a lane, the C library's functions
struct sse2_arch {};    ///< 4 floats, every x86-64
struct sse4_arch {};    ///< 4 floats, SSE4.2
struct avx_arch {};     ///< 8 floats, no FMA
struct avx2_arch {};    ///< 8 floats, AVX2 and FMA
struct avx512_arch {};  ///< 16 floats, AVX-512 F, CD, DQ, BW
struct neon64_arch {};  ///< 4 floats, 64-bit ARM

/// The widest instruction set that this file is compiled for. Without optimization g++ cannot compile xsimd
/// 8's AVX-512 functions (intrinsics that are macros there), so it gets AVX2.
#if !UNROLL_HAS_XSIMD
using native_arch = scalar_arch;
#elif defined(__AVX512F__) && defined(__AVX512CD__) && defined(__AVX512DQ__) && defined(__AVX512BW__) && \
    (defined(__OPTIMIZE__) || defined(__clang__))
using native_arch = avx512_arch;
#elif defined(__AVX2__) && defined(__FMA__)
using native_arch = avx2_arch;
#elif defined(__AVX__)
using native_arch = avx_arch;
#elif defined(__SSE4_2__)
using native_arch = sse4_arch;
#elif defined(__SSE2__)
using native_arch = sse2_arch;
#elif defined(__aarch64__) && defined(__ARM_NEON)
using native_arch = neon64_arch;
#else
using native_arch = scalar_arch;
#endif

namespace detail {

#if UNROLL_HAS_XSIMD
namespace wide = xsimd;

template <class Arch>
struct XsimdArch;
// clang-format off
template <> struct XsimdArch<sse2_arch> { using type = xsimd::sse2; };
template <> struct XsimdArch<sse4_arch> { using type = xsimd::sse4_2; };
template <> struct XsimdArch<avx_arch> { using type = xsimd::avx; };
template <> struct XsimdArch<avx2_arch> { using type = xsimd::fma3<xsimd::avx2>; };
template <> struct XsimdArch<avx512_arch> { using type = xsimd::avx512bw; };
template <> struct XsimdArch<neon64_arch> { using type = xsimd::neon64; };
// clang-format on

template <class T, class Arch>
struct LaneRegister {
  using value = xsimd::batch<T, typename XsimdArch<Arch>::type>;
  using mask = xsimd::batch_bool<T, typename XsimdArch<Arch>::type>;
  static constexpr int size = static_cast<int>(value::size);
};
#else
template <class T, class Arch>
struct LaneRegister;

// Only named, by branches that a scalar lane discards.
namespace wide {
struct Missing {
  template <class... Args>
  void operator()(const Args&...) const;
};
inline constexpr Missing any, all, select, fma, abs, copysign, log, log1p, sqrt, erf, sin, cos, pow;
}  // namespace wide
#endif

template <class T>
struct LaneRegister<T, scalar_arch> {
  using value = T;
  using mask = bool;
  static constexpr int size = 1;
};

// a / b and the square root, rounded correctly. xsimd 8 estimates those of floats on ARM.
template <class Raw>
UNROLL_INLINE Raw quotient(const Raw& a, const Raw& b) {
  return a / b;
}
template <class Raw>
UNROLL_INLINE Raw square_root(const Raw& x) {
  return wide::sqrt(x);
}
#if UNROLL_HAS_XSIMD && defined(__aarch64__)
using FourFloats = LaneRegister<float, neon64_arch>::value;
UNROLL_INLINE FourFloats quotient(const FourFloats& a, const FourFloats& b) { return vdivq_f32(a, b); }
UNROLL_INLINE FourFloats square_root(const FourFloats& x) { return vsqrtq_f32(x); }
#endif

/// Loads and stores of the first `n` numbers of a register in one instruction, where the instruction set has one. A copy
/// through memory, which the next load has to wait for, costs a chain of small operations 30 ns an operation.
template <class T, class Arch>
struct MaskedMemory {
  static constexpr bool available = false;
};
#if UNROLL_HAS_XSIMD && defined(__AVX512F__)
template <>
struct MaskedMemory<float, avx512_arch> {
  static constexpr bool available = true;
  static UNROLL_INLINE __mmask16 mask(int n) { return static_cast<__mmask16>((1u << n) - 1u); }
  static UNROLL_INLINE __m512 load(const float* from, int n) { return _mm512_maskz_loadu_ps(mask(n), from); }
  static UNROLL_INLINE void store(float* to, int n, __m512 x) { _mm512_mask_storeu_ps(to, mask(n), x); }
};
template <>
struct MaskedMemory<double, avx512_arch> {
  static constexpr bool available = true;
  static UNROLL_INLINE __mmask8 mask(int n) { return static_cast<__mmask8>((1u << n) - 1u); }
  static UNROLL_INLINE __m512d load(const double* from, int n) { return _mm512_maskz_loadu_pd(mask(n), from); }
  static UNROLL_INLINE void store(double* to, int n, __m512d x) { _mm512_mask_storeu_pd(to, mask(n), x); }
};
#endif
#if UNROLL_HAS_XSIMD && defined(__AVX2__)
template <>
struct MaskedMemory<float, avx2_arch> {
  static constexpr bool available = true;
  static UNROLL_INLINE __m256i mask(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static UNROLL_INLINE __m256 load(const float* from, int n) { return _mm256_maskload_ps(from, mask(n)); }
  static UNROLL_INLINE void store(float* to, int n, __m256 x) { _mm256_maskstore_ps(to, mask(n), x); }
};
template <>
struct MaskedMemory<double, avx2_arch> {
  static constexpr bool available = true;
  static UNROLL_INLINE __m256i mask(int n) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
  }
  static UNROLL_INLINE __m256d load(const double* from, int n) { return _mm256_maskload_pd(from, mask(n)); }
  static UNROLL_INLINE void store(double* to, int n, __m256d x) { _mm256_maskstore_pd(to, mask(n), x); }
};
#endif

}  // namespace detail

/// The outcome of comparing two lanes: one truth value for each number.
template <class T, class Arch>
struct Mask {
  using Raw = typename detail::LaneRegister<T, Arch>::mask;
  static constexpr bool scalar = std::is_same_v<Arch, scalar_arch>;
  Raw raw;

  UNROLL_INLINE explicit Mask(Raw r) : raw(r) {}

  friend UNROLL_INLINE Mask operator&(Mask a, Mask b) { return Mask(Raw(a.raw & b.raw)); }
  friend UNROLL_INLINE Mask operator|(Mask a, Mask b) { return Mask(Raw(a.raw | b.raw)); }
  friend UNROLL_INLINE Mask operator&&(Mask a, Mask b) { return a & b; }
  friend UNROLL_INLINE Mask operator||(Mask a, Mask b) { return a | b; }
  friend UNROLL_INLINE Mask operator!(Mask a) { return Mask(Raw(!a.raw)); }
  friend UNROLL_INLINE Mask operator^(Mask a, Mask b) { return (a | b) & (!(a & b)); }

  /// Whether it holds for any number of the lane; `all`: for every one.
  UNROLL_INLINE bool any() const {
    if constexpr (scalar) {
      return raw;
    } else {
      return detail::wide::any(raw);
    }
  }
  UNROLL_INLINE bool all() const {
    if constexpr (scalar) {
      return raw;
    } else {
      return detail::wide::all(raw);
    }
  }
};

/// `size` numbers of type T in one register of the instruction set Arch (`avx2_arch` and so on).
template <class T, class Arch = native_arch>
struct Lane {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>, "a lane holds float or double");
  using scalar_type = T;
  using arch = Arch;
  using mask_type = Mask<T, Arch>;
  using Raw = typename detail::LaneRegister<T, Arch>::value;
  /// Numbers in a lane.
  static constexpr int size = detail::LaneRegister<T, Arch>::size;
  static constexpr bool scalar = std::is_same_v<Arch, scalar_arch>;

  Raw raw;

  /// Holds unspecified numbers.
  Lane() = default;
  UNROLL_INLINE explicit Lane(Raw r) requires(!scalar) : raw(r) {}
  /// The same number everywhere; rounded to T.
  template <class S>
  requires std::is_arithmetic_v<S> UNROLL_INLINE Lane(S s) : raw(static_cast<T>(s)) {}

  /// `size` numbers from `from`, which needs no alignment.
  static UNROLL_INLINE Lane load(const T* from) {
    if constexpr (scalar) {
      return Lane(*from);
    } else {
      return Lane(Raw::load_unaligned(from));
    }
  }
  /// The first `n` numbers from `from` (0 <= n <= size) and zeros behind them; reads nothing past `from + n`.
  static UNROLL_INLINE Lane load(const T* from, int n) {
    if (n == size) return load(from);
    if constexpr (detail::MaskedMemory<T, Arch>::available) {
      return Lane(Raw(detail::MaskedMemory<T, Arch>::load(from, n)));
    } else {
      alignas(64) T all[size] = {};
      for (int i = 0; i < n; ++i) all[i] = from[i];
      return load(all);
    }
  }
  UNROLL_INLINE void store(T* to) const {
    if constexpr (scalar) {
      *to = raw;
    } else {
      raw.store_unaligned(to);
    }
  }
  /// Writes the first `n` numbers and nothing past `to + n`.
  UNROLL_INLINE void store(T* to, int n) const {
    if (n == size) return store(to);
    if constexpr (detail::MaskedMemory<T, Arch>::available) {
      detail::MaskedMemory<T, Arch>::store(to, n, raw);
    } else {
      alignas(64) T all[size];
      store(all);
      for (int i = 0; i < n; ++i) to[i] = all[i];
    }
  }
  /// The first `n` numbers and zeros behind them.
  UNROLL_INLINE Lane first(int n) const {
    if (n == size) return *this;
    alignas(64) T some[size];
    store(some, n);
    return load(some, n);
  }
  /// Number `i` of the lane. Slow; for tests and for looking at a value.
  UNROLL_INLINE T operator[](int i) const {
    alignas(64) T all[size];
    store(all);
    return all[i];
  }

  friend UNROLL_INLINE Lane operator+(Lane a, Lane b) { return Lane(a.raw + b.raw); }
  friend UNROLL_INLINE Lane operator-(Lane a, Lane b) { return Lane(a.raw - b.raw); }
  friend UNROLL_INLINE Lane operator*(Lane a, Lane b) { return Lane(a.raw * b.raw); }
  friend UNROLL_INLINE Lane operator/(Lane a, Lane b) { return Lane(detail::quotient(a.raw, b.raw)); }
  friend UNROLL_INLINE Lane operator-(Lane a) { return Lane(-a.raw); }
  friend UNROLL_INLINE Lane operator+(Lane a) { return a; }
  UNROLL_INLINE Lane& operator+=(Lane b) { return *this = *this + b; }
  UNROLL_INLINE Lane& operator-=(Lane b) { return *this = *this - b; }
  UNROLL_INLINE Lane& operator*=(Lane b) { return *this = *this * b; }
  UNROLL_INLINE Lane& operator/=(Lane b) { return *this = *this / b; }

  friend UNROLL_INLINE mask_type operator<(Lane a, Lane b) { return mask_type(a.raw < b.raw); }
  friend UNROLL_INLINE mask_type operator<=(Lane a, Lane b) { return mask_type(a.raw <= b.raw); }
  friend UNROLL_INLINE mask_type operator>(Lane a, Lane b) { return mask_type(b.raw < a.raw); }
  friend UNROLL_INLINE mask_type operator>=(Lane a, Lane b) { return mask_type(b.raw <= a.raw); }
  friend UNROLL_INLINE mask_type operator==(Lane a, Lane b) { return mask_type(a.raw == b.raw); }
  // Not the register's own !=, which xsimd leaves false for NaN on some instruction sets.
  friend UNROLL_INLINE mask_type operator!=(Lane a, Lane b) { return !(a == b); }
};

namespace detail {
template <class T, class Arch>
inline constexpr bool is_lane<Lane<T, Arch>> = true;
}  // namespace detail

/// `a` where the mask holds, otherwise `b`.
template <class T, class Arch>
UNROLL_INLINE Lane<T, Arch> select(Mask<T, Arch> mask, std::type_identity_t<Lane<T, Arch>> a,
                                   std::type_identity_t<Lane<T, Arch>> b) {
  if constexpr (Lane<T, Arch>::scalar) {
    return mask.raw ? a : b;
  } else {
    return Lane<T, Arch>(detail::wide::select(mask.raw, a.raw, b.raw));
  }
}

namespace detail {

// f(i, n) for i = 0, size, 2 size ... below `count`, where n numbers are left of a register: a constant until the last.
template <int size, class F>
UNROLL_INLINE void by_registers(std::int64_t count, const F& f) {
  std::int64_t i = 0;
  for (; i + size <= count; i += size) f(i, std::integral_constant<int, size>());
  if (i < count) f(i, static_cast<int>(count - i));
}

// The sum of a register's numbers in every place: halves are swapped and added.
template <int half, class T, class Register, int... i>
UNROLL_INLINE T sum_of_halves(Register x, std::integer_sequence<int, i...> places) {
  if constexpr (half == 0) {
    return x[0];
  } else {
    return sum_of_halves<half / 2, T>(x + __builtin_shufflevector(x, x, (i ^ half)...), places);
  }
}

}  // namespace detail

/// The sum of all numbers of a lane, added pairwise.
template <class T, class Arch>
UNROLL_INLINE T reduce_add(Lane<T, Arch> x) {
  if constexpr (Lane<T, Arch>::scalar) {
    return x.raw;
  } else {
    using Register = typename Lane<T, Arch>::Raw::register_type;
    constexpr int size = Lane<T, Arch>::size;
    return detail::sum_of_halves<size / 2, T>(static_cast<Register>(x.raw), std::make_integer_sequence<int, size>());
  }
}

}  // namespace unroll

#include "simd_math.hpp"
