#pragma once
/// \file
/// Random numbers whose bits are ours: the same seed gives the same numbers with every compiler, at every
/// level of optimisation, on every machine. No std:: distribution, nothing from libm.

#include <array>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "shape.hpp"

namespace unroll {

/// A seeded generator: xoshiro256++ (Blackman and Vigna, "Scrambled linear pseudorandom number generators",
/// ACM Transactions on Mathematical Software 47, 2021), period 2^256 - 1, its state filled by splitmix64 as
/// its authors advise. A plain value of 32 bytes: a copy goes on with the same numbers, and `state()` is all
/// there is to save.
///
/// Also a standard "uniform random bit generator", so it can be handed to algorithms that want one.
/// Not for secrets. One generator belongs to one thread at a time; `split()` or `jump()` make more.
class Rng {
 public:
  /// All that a generator is: four words, not all zero.
  using State = std::array<std::uint64_t, 4>;
  using result_type = std::uint64_t;

  /// Any seed is good, 0 included; neighbouring seeds give unrelated numbers.
  explicit Rng(std::uint64_t seed) noexcept;

  /// The next 64 random bits.
  std::uint64_t next() noexcept {
    const std::uint64_t result = rotate(state_[0] + state_[3], 23) + state_[0];
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = rotate(state_[3], 45);
    return result;
  }
  std::uint64_t operator()() noexcept { return next(); }
  static constexpr std::uint64_t min() noexcept { return 0; }
  static constexpr std::uint64_t max() noexcept { return ~std::uint64_t(0); }

  /// Uniform in [0,1): a multiple of 2^-53 (double) or 2^-24 (float). One draw.
  template <class T = double>
  UNROLL_PER_ISA T uniform() noexcept {
    static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>, "uniform: float or double");
    // The products are exact, so they come out the same whether or not a compiler fuses them with what
    // follows.
    if constexpr (std::is_same_v<T, float>) {
      return static_cast<float>(next() >> 40) * 0x1p-24f;
    } else {
      return static_cast<double>(next() >> 11) * 0x1p-53;
    }
  }

  /// Uniform in [low,high); `low` if both are equal. One draw. Throws ValueError unless low <= high, and high - low is
  /// finite.
  template <class T>
  T uniform(T low, T high);

  /// Normal with mean 0 and standard deviation 1; one draw. By inversion of the distribution function,
  /// algorithm AS 241 (Wichura, "The percentage points of the normal distribution", Applied Statistics 37,
  /// 1988), relative error about 1e-16, in plain arithmetic with a logarithm of our own. |x| < 8.3.
  double normal() noexcept;

  /// Uniform in 0 .. n-1 without bias (Lemire, "Fast random integer generation in an interval", ACM
  /// Transactions on Modeling and Computer Simulation 29, 2019). Throws ValueError on n < 1.
  Index integer(Index n);

  /// True with probability p. One draw. Throws ValueError unless 0 <= p <= 1.
  bool bernoulli(double p);

  /// The numbers 0 .. n-1 in random order, each order equally likely (Fisher and Yates). Throws ValueError on
  /// n < 0.
  std::vector<Index> permutation(Index n);

  /// Puts the elements of x in random order, each order equally likely.
  template <class T>
  UNROLL_PER_ISA void shuffle(std::span<T> x) {
    for (Index i = static_cast<Index>(x.size()) - 1; i > 0; --i) {
      using std::swap;
      swap(x[static_cast<std::size_t>(i)], x[static_cast<std::size_t>(integer(i + 1))]);
    }
  }

  /// Fills x with uniform numbers of [low,high), multiples of (high - low) 2^-24 (float) or 2^-52 (double)
  /// from low. Long spans are several times faster than repeated `uniform()` and give other numbers than it:
  /// four generators side by side, seeded by this one, compute them. T is float or double; throws as
  /// `uniform`.
  template <class T>
  void fill_uniform(std::span<T> x, std::type_identity_t<T> low = 0, std::type_identity_t<T> high = 1);

  /// Fills x with normal numbers. T is float or double. Throws ValueError unless deviation >= 0.
  template <class T>
  void fill_normal(std::span<T> x, std::type_identity_t<T> mean = 0, std::type_identity_t<T> deviation = 1);

  /// Fills x with a random mask: `value` with probability p, otherwise 0, each element by itself; p is
  /// rounded to a multiple of 2^-32. As fast as `fill_uniform`. T is float or double. Throws ValueError
  /// unless 0 <= p <= 1.
  template <class T>
  void fill_mask(std::span<T> x, double p, std::type_identity_t<T> value = 1);

  /// A new generator seeded with 256 bits of this one, which moves on by four draws. May be repeated and
  /// nested at will; two streams overlap with a chance too small to matter.
  Rng split() noexcept;

  /// Moves on by 2^128 draws: copies of one generator that have jumped 0, 1, 2, ... times are streams that
  /// can not overlap.
  void jump() noexcept;

  /// All of the generator, to be saved.
  State state() const noexcept { return state_; }
  /// Goes on where a generator with this state was. Throws ValueError if all words are zero.
  void set_state(const State& state);

  /// Whether both will give the same numbers.
  friend bool operator==(const Rng&, const Rng&) = default;

 private:
  static constexpr std::uint64_t rotate(std::uint64_t x, int k) noexcept {
    return (x << k) | (x >> (64 - k));
  }

  State state_;
};

static_assert(std::is_trivially_copyable_v<Rng>);

}  // namespace unroll
