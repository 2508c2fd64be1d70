#include "random.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "error.hpp"

// The promise of random.hpp needs products and sums rounded one by one, whatever the flags of the build.
#ifdef __FAST_MATH__
#error "core/random.cpp must not be compiled with -ffast-math: its bits would depend on the compiler"
#endif
#if defined(__clang__)
#pragma clang fp contract(off)
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

namespace unroll {
namespace {

/// One step of splitmix64 (Steele, Lea, Flood 2014; Vigna's constants).
std::uint64_t splitmix(std::uint64_t& x) noexcept {
  std::uint64_t z = (x += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

void check_probability(const char* op, double p) {
  if (!(p >= 0 && p <= 1)) throw ValueError("[", op, "] probability ", p, ", expected 0 .. 1");
}

template <class T>
void check_range(const char* op, T low, T high) {
  if (!(low <= high) || !std::isfinite(high - low))
    throw ValueError("[", op, "] low ", low, ", high ", high, ", expected finite numbers with low <= high");
}

/// Four generators side by side in a vector type that both compilers split to what the machine has. Integers
/// only, so the width of its registers changes no bit.
class Lanes {
 public:
  static constexpr std::size_t width = 4;

  explicit Lanes(std::uint64_t seed) noexcept {
    for (Vector* word : {&s0_, &s1_, &s2_, &s3_})
      for (std::size_t lane = 0; lane < width; ++lane) (*word)[lane] = splitmix(seed);
  }

  void draw(std::uint64_t* out, std::size_t count) noexcept {
    Vector s0 = s0_, s1 = s1_, s2 = s2_, s3 = s3_;  // in registers: out might alias the members
    for (std::size_t i = 0; i < count; i += width) {
      const Vector sum = s0 + s3, t = s1 << 17, drawn = ((sum << 23) | (sum >> 41)) + s0;
      std::memcpy(out + i, &drawn, sizeof drawn);
      s2 ^= s0;
      s3 ^= s1;
      s1 ^= s2;
      s0 ^= s3;
      s2 ^= t;
      s3 = (s3 << 45) | (s3 >> 19);
    }
    s0_ = s0, s1_ = s1, s2_ = s2, s3_ = s3;
  }

 private:
  using Vector __attribute__((vector_size(8 * width))) = std::uint64_t;
  Vector s0_, s1_, s2_, s3_;
};

/// Fills x with convert(bits), 32 random bits for a float and 64 for a double, in chunks that stay in the
/// first cache.
template <class T, class Convert>
void fill(Rng& rng, std::span<T> x, Convert convert) {
  constexpr std::size_t words = 64, per_word = sizeof(std::uint64_t) / sizeof(T), chunk = words * per_word;
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  Lanes lanes(rng.next());
  std::uint64_t drawn[words];
  Bits bits[chunk];
  for (std::size_t begin = 0; begin < x.size(); begin += chunk) {
    lanes.draw(drawn, words);
    // High halves first, then low ones: arithmetic, not memory order, so that endianness does not matter.
    for (std::size_t h = 0; h < per_word; ++h)
      for (std::size_t w = 0; w < words; ++w)
        bits[h * words + w] = static_cast<Bits>(drawn[w] >> (h + 1 == per_word ? 0 : 32));
    T* out = x.data() + begin;
    if (x.size() - begin >= chunk) {  // a constant count: vectorised at -O2 too
      for (std::size_t i = 0; i < chunk; ++i) out[i] = convert(bits[i]);
    } else {
      for (std::size_t i = 0; i < x.size() - begin; ++i) out[i] = convert(bits[i]);
    }
  }
}

/// Natural logarithm of a normal number below 1, error about 1e-16 of it: 2 artanh((m - 1) / (m + 1)) for the
/// mantissa m.
double logarithm(double x) noexcept {
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  int exponent = static_cast<int>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0x000fffffffffffffu) | 0x3ff0000000000000u);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  const double t = (m - 1.0) / (m + 1.0), s = t * t;
  double sum = 1.0 / 23.0;
  for (int d = 21; d >= 1; d -= 2) sum = sum * s + 1.0 / d;
  return 2.0 * t * sum + exponent * 0.6931471805599453;
}

/// Numerator over denominator, both from the constant term up.
double ratio(const double (&num)[8], const double (&den)[8], double x) noexcept {
  double p = num[7], q = den[7];
  for (int i = 6; i >= 0; --i) {
    p = p * x + num[i];
    q = q * x + den[i];
  }
  return p / q;
}

/// The x at which the standard normal distribution function is u: AS 241, routine PPND16.
double normal_quantile(double u) noexcept {
  static constexpr double a[8] = {
      3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3, 1.3731693765509461125e+4,
      4.5921953931549871457e+4, 6.7265770927008700853e+4, 3.3430575583588128105e+4, 2.5090809287301226727e+3};
  static constexpr double b[8] = {1.0,
                                  4.2313330701600911252e+1,
                                  6.8718700749205790830e+2,
                                  5.3941960214247511077e+3,
                                  2.1213794301586595867e+4,
                                  3.9307895800092710610e+4,
                                  2.8729085735721942674e+4,
                                  5.2264952788528545610e+3};
  static constexpr double c[8] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                                  5.76949722146069140550e0,  3.64784832476320460504e0,
                                  1.27045825245236838258e0,  2.41780725177450611770e-1,
                                  2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static constexpr double d[8] = {1.0,
                                  2.05319162663775882187e0,
                                  1.67638483018380384940e0,
                                  6.89767334985100004550e-1,
                                  1.48103976427480074590e-1,
                                  1.51986665636164571966e-2,
                                  5.47593808499534494600e-4,
                                  1.05075007164441684324e-9};
  static constexpr double e[8] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                                  1.78482653991729133580e0,  2.96560571828504891230e-1,
                                  2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                  2.71155556874348757815e-5, 2.01033439929228813265e-7};
  static constexpr double f[8] = {1.0,
                                  5.99832206555887937690e-1,
                                  1.36929880922735805310e-1,
                                  1.48753612908506148525e-2,
                                  7.86869131145613259100e-4,
                                  1.84631831751005468180e-5,
                                  1.42151175831644588870e-7,
                                  2.04426310338993978564e-15};
  const double q = u - 0.5;
  if (q >= -0.425 && q <= 0.425) return q * ratio(a, b, 0.180625 - q * q);
  const double r = std::sqrt(-logarithm(q < 0 ? u : 1.0 - u));
  const double x = r <= 5.0 ? ratio(c, d, r - 1.6) : ratio(e, f, r - 5.0);
  return q < 0 ? -x : x;
}

}  // namespace

Rng::Rng(std::uint64_t seed) noexcept {
  for (auto& word : state_) word = splitmix(seed);
}

template <class T>
T Rng::uniform(T low, T high) {
  check_range("uniform", low, high);
  const T x = low + (high - low) * uniform<T>();
  return x < high ? x : std::max(low, std::nextafter(high, low));  // rounding may reach high
}

double Rng::normal() noexcept { return normal_quantile((static_cast<double>(next() >> 12) + 0.5) * 0x1p-52); }

Index Rng::integer(Index n) {
  if (n < 1) throw ValueError("[integer] n is ", n, ", expected 1 or more");
  __extension__ using Wide = unsigned __int128;
  const auto range = static_cast<std::uint64_t>(n);
  Wide product = static_cast<Wide>(next()) * range;
  if (static_cast<std::uint64_t>(product) < range) {
    const std::uint64_t uneven = (0 - range) % range;
    while (static_cast<std::uint64_t>(product) < uneven) product = static_cast<Wide>(next()) * range;
  }
  return static_cast<Index>(product >> 64);
}

bool Rng::bernoulli(double p) {
  check_probability("bernoulli", p);
  return uniform<double>() < p;
}

std::vector<Index> Rng::permutation(Index n) {
  if (n < 0) throw ValueError("[permutation] n is ", n, ", expected 0 or more");
  std::vector<Index> order(static_cast<std::size_t>(n));
  for (Index i = 0; i < n; ++i) order[static_cast<std::size_t>(i)] = i;
  shuffle(std::span<Index>(order));
  return order;
}

template <class T>
void Rng::fill_uniform(std::span<T> x, std::type_identity_t<T> low, std::type_identity_t<T> high) {
  check_range("fill_uniform", low, high);
  const T width = high - low, last = std::max(low, std::nextafter(high, low));
  fill(*this, x, [=](auto bits) {
    T u;
    if constexpr (sizeof(T) == 4) {
      u = static_cast<T>(static_cast<std::int32_t>(bits >> 8)) * T(0x1p-24);
    } else {
      // A double of [1,2) less 1: conversion from 64-bit integers is slow on most machines.
      u = std::bit_cast<T>((bits >> 12) | 0x3ff0000000000000u) - T(1);
    }
    const T value = low + width * u;
    return value < last ? value : last;
  });
}

template <class T>
void Rng::fill_normal(std::span<T> x, std::type_identity_t<T> mean, std::type_identity_t<T> deviation) {
  if (!(deviation >= 0)) throw ValueError("[fill_normal] deviation ", deviation, ", expected 0 or more");
  for (T& v : x) v = static_cast<T>(static_cast<double>(mean) + static_cast<double>(deviation) * normal());
}

template <class T>
void Rng::fill_mask(std::span<T> x, double p, std::type_identity_t<T> value) {
  check_probability("fill_mask", p);
  const auto limit = static_cast<std::uint64_t>(p * 0x1p32 + 0.5);
  if (limit == std::uint64_t(1) << 32) {
    for (T& v : x) v = value;
    return;
  }
  // Compared as signed numbers: SSE2 has no unsigned comparison.
  const auto signed_limit = static_cast<std::int32_t>(static_cast<std::uint32_t>(limit) ^ 0x80000000u);
  fill(*this, x, [=](auto bits) {
    constexpr int shift = sizeof(bits) == 8 ? 32 : 0;
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(bits >> shift) ^ 0x80000000u) < signed_limit
               ? value
               : T(0);
  });
}

Rng Rng::split() noexcept {
  Rng child = *this;
  for (auto& word : child.state_) {
    std::uint64_t drawn = next();
    word = splitmix(drawn);
  }
  return child;
}

void Rng::jump() noexcept {
  static constexpr std::uint64_t polynomial[] = {0x180ec6d33cfd0abau, 0xd5a61266f0c9392cu,
                                                 0xa9582618e03fc9aau, 0x39abdc4529b1661cu};
  State sum{};
  for (const std::uint64_t word : polynomial)
    for (int bit = 0; bit < 64; ++bit) {
      if (word >> bit & 1)
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] ^= state_[i];
      next();
    }
  state_ = sum;
}

void Rng::set_state(const State& state) {
  if (state == State{})
    throw ValueError("[set_state] a generator's state of zeros, expected the words of state()");
  state_ = state;
}

template float Rng::uniform(float, float);
template double Rng::uniform(double, double);
template void Rng::fill_uniform(std::span<float>, float, float);
template void Rng::fill_uniform(std::span<double>, double, double);
template void Rng::fill_normal(std::span<float>, float, float);
template void Rng::fill_normal(std::span<double>, double, double);
template void Rng::fill_mask(std::span<float>, double, float);
template void Rng::fill_mask(std::span<double>, double, double);

}  // namespace unroll
