// The generator: published reference numbers, recorded bits, the shape of its distributions with fixed seeds.

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <string>

#include "unroll/core/error.hpp"
#include "unroll/core/random.hpp"

using namespace unroll;

namespace {

/// FNV-1a over the bits of numbers: one word that changes if any bit of any of them does.
template <class T>
std::uint64_t bits_of(const std::vector<T>& x) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (T v : x) hash = (hash ^ std::bit_cast<Bits>(v)) * 0x100000001b3u;
  return hash;
}

template <class F>
auto drawn(std::size_t count, F draw) {
  std::vector<decltype(draw())> x(count);
  for (auto& v : x) v = draw();
  return x;
}

struct Moments {
  double mean = 0, variance = 0, skew = 0, kurtosis = 0;
};

template <class T>
Moments moments(const std::vector<T>& x) {
  Moments m;
  const double n = static_cast<double>(x.size());
  for (T v : x) m.mean += static_cast<double>(v) / n;
  for (T v : x) {
    const double d = static_cast<double>(v) - m.mean;
    m.variance += d * d / n;
    m.skew += d * d * d / n;
    m.kurtosis += d * d * d * d / n;
  }
  m.skew /= std::pow(m.variance, 1.5);
  m.kurtosis /= m.variance * m.variance;
  return m;
}

/// Chi-square of counts that should all be alike, as standard deviations from its mean: about -3 .. 3 when
/// they are.
double unevenness(const std::vector<Index>& counts) {
  const double n = static_cast<double>(std::accumulate(counts.begin(), counts.end(), Index(0)));
  const double expected = n / static_cast<double>(counts.size()),
               freedom = static_cast<double>(counts.size()) - 1;
  double chi = 0;
  for (Index c : counts)
    chi += (static_cast<double>(c) - expected) * (static_cast<double>(c) - expected) / expected;
  return (chi - freedom) / std::sqrt(2 * freedom);
}

template <class T>
std::vector<Index> histogram(const std::vector<T>& x, std::size_t bins) {
  std::vector<Index> counts(bins, 0);
  for (T v : x) ++counts[static_cast<std::size_t>(static_cast<double>(v) * static_cast<double>(bins))];
  return counts;
}

}  // namespace

TEST_CASE("the generator is xoshiro256++ seeded by splitmix64: published numbers") {
  Rng rng(1234567);
  CHECK(rng.state() ==
        Rng::State{6457827717110365317u, 3203168211198807973u, 9817491932198370423u, 4593380528125082431u});
  rng.set_state({1, 2, 3, 4});
  for (std::uint64_t expected : {std::uint64_t(41943041), std::uint64_t(58720359),
                                 std::uint64_t(3588806011781223), std::uint64_t(3591011842654386),
                                 std::uint64_t(9228616714210784205u), std::uint64_t(9973669472204895162u),
                                 std::uint64_t(14011001112246962877u), std::uint64_t(12406186145184390807u)})
    CHECK(rng.next() == expected);
}

TEST_CASE("recorded bits: the same with every compiler and every flag") {
  Rng rng(42);
  CHECK(bits_of(drawn(1000, [&] { return rng.uniform<float>(); })) == 5922152595452340992u);
  CHECK(bits_of(drawn(1000, [&] { return rng.uniform(-0.1, 0.3); })) == 8193209986908793253u);
  CHECK(bits_of(drawn(1000, [&] { return rng.uniform(-0.1f, 0.3f); })) == 15981004177910799673u);
  CHECK(bits_of(drawn(20000, [&] { return rng.normal(); })) == 635333250633417015u);
  CHECK(bits_of(drawn(1000, [&] { return rng.integer(1000003); })) == 17065004426828413270u);
  CHECK(bits_of(rng.permutation(1000)) == 4460721118978433577u);
  std::vector<float> x(1003);
  std::vector<double> y(1003);
  rng.fill_uniform(std::span(x), -0.1f, 0.3f);
  CHECK(bits_of(x) == 16708925944675208987u);
  rng.fill_uniform(std::span(y), -0.1, 0.3);
  CHECK(bits_of(y) == 9713826709764058918u);
  rng.fill_normal(std::span(x), 0.1f, 0.3f);
  CHECK(bits_of(x) == 6004669161914286462u);
  rng.fill_normal(std::span(y), 0.1, 0.3);
  CHECK(bits_of(y) == 10292838400991777583u);
  rng.fill_mask(std::span(x), 0.8, 1.25f);
  CHECK(bits_of(x) == 16639489941636002071u);
  rng.fill_mask(std::span(y), 0.8, 1.25);
  CHECK(bits_of(y) == 10093653840017895703u);
  CHECK(rng.split().next() == 3343647732684856235u);
  CHECK(rng.next() == 16114752126412893575u);
  rng.jump();
  CHECK(rng.next() == 16675196113360593229u);
}

TEST_CASE_TEMPLATE("uniform numbers: range, moments, even histogram", T, float, double) {
  Rng rng(7);
  std::vector<T> filled(200000);
  rng.fill_uniform(std::span(filled));
  for (const auto& x : {drawn(200000, [&] { return rng.uniform<T>(); }), filled}) {
    CHECK(*std::min_element(x.begin(), x.end()) >= 0);
    CHECK(*std::max_element(x.begin(), x.end()) < 1);
    const Moments m = moments(x);
    CHECK(std::fabs(m.mean - 0.5) < 4 * std::sqrt(1.0 / 12 / 200000));
    CHECK(std::fabs(m.variance - 1.0 / 12) < 0.0006);
    CHECK(std::fabs(unevenness(histogram(x, 1000))) < 4);
    double product = 0;  // neighbours, and the lanes of the long fill, know nothing of each other
    for (std::size_t lag : {1u, 2u, 4u, 8u, 64u, 128u}) {
      product = 0;
      for (std::size_t i = lag; i < x.size(); ++i)
        product += (static_cast<double>(x[i]) - 0.5) * (static_cast<double>(x[i - lag]) - 0.5);
      CHECK(std::fabs(product / 200000 * 12) < 4 / std::sqrt(200000.0));
    }
  }
}

TEST_CASE("a range that rounds up to its end never returns the end") {
  Rng rng(3);
  const float low = 1.0f, high = std::nextafter(1.0f, 2.0f);
  for (int i = 0; i < 1000; ++i) CHECK(rng.uniform(low, high) == low);
  std::vector<float> x(1000);
  rng.fill_uniform(std::span(x), low, high);
  CHECK(std::all_of(x.begin(), x.end(), [&](float v) { return v == low; }));
  CHECK(rng.uniform(2.5, 2.5) == 2.5);
  rng.fill_uniform(std::span(x), 2.5f, 2.5f);
  CHECK(x[999] == 2.5f);
}

TEST_CASE("normal numbers: moments, and the distribution function makes them uniform") {
  Rng rng(11);
  const auto x = drawn(400000, [&] { return rng.normal(); });
  const Moments m = moments(x);
  CHECK(std::fabs(m.mean) < 4 / std::sqrt(400000.0));
  CHECK(std::fabs(m.variance - 1) < 4 * std::sqrt(2.0 / 400000));
  CHECK(std::fabs(m.skew) < 4 * std::sqrt(6.0 / 400000));
  CHECK(std::fabs(m.kurtosis - 3) < 4 * std::sqrt(24.0 / 400000));
  std::vector<double> u;
  for (double v : x) u.push_back(0.5 * std::erfc(-v / std::sqrt(2.0)));
  CHECK(std::fabs(unevenness(histogram(u, 1000))) < 4);

  // Draw by draw, against the uniform number it comes from: the inversion is right to rounding, tails
  // included.
  double worst = 0;
  for (int i = 0; i < 100000; ++i) {
    Rng twin = rng;
    const double v = rng.normal();
    const double p = (static_cast<double>(twin.next() >> 12) + 0.5) * 0x1p-52;
    const double tail = v < 0 ? p : 1 - p, got = 0.5 * std::erfc(std::fabs(v) / std::sqrt(2.0));
    worst = std::max(worst, std::fabs(got - tail) / tail / (1 + v * v));
  }
  CHECK(worst < 4e-15);

  std::vector<float> f(100000);
  rng.fill_normal(std::span(f), 3.0f, 0.5f);
  CHECK(std::fabs(moments(f).mean - 3) < 4 * 0.5 / std::sqrt(100000.0));
  CHECK(std::fabs(moments(f).variance - 0.25) < 4 * 0.25 * std::sqrt(2.0 / 100000));
}

TEST_CASE("integers are even, also where the range does not divide 2^64") {
  Rng rng(5);
  for (Index n : {1, 2, 3, 7, 1000}) {
    std::vector<Index> counts(static_cast<std::size_t>(n), 0);
    for (int i = 0; i < 200000; ++i) ++counts.at(static_cast<std::size_t>(rng.integer(n)));
    if (n > 1) CHECK(std::fabs(unevenness(counts)) < 4);
  }
  // For 3 * 2^61 a bare multiplication would give a third of the numbers twice the chance of the others.
  const Index n = Index(3) << 61;
  std::vector<Index> thirds(3, 0);
  for (int i = 0; i < 30000; ++i) {
    const Index x = rng.integer(n);
    CHECK((x >= 0 && x < n));
    ++thirds[static_cast<std::size_t>(x % 3)];
  }
  CHECK(std::fabs(unevenness(thirds)) < 4);
}

TEST_CASE("permutations of four: all 24 alike") {
  Rng rng(9);
  std::map<std::vector<Index>, Index> seen;
  for (int i = 0; i < 48000; ++i) ++seen[rng.permutation(4)];
  CHECK(seen.size() == 24);
  std::vector<Index> counts;
  for (const auto& [order, count] : seen) {
    CHECK(std::is_permutation(order.begin(), order.end(), std::vector<Index>{0, 1, 2, 3}.begin()));
    counts.push_back(count);
  }
  CHECK(std::fabs(unevenness(counts)) < 4);
  CHECK(rng.permutation(0).empty());
  CHECK(rng.permutation(1) == std::vector<Index>{0});
}

TEST_CASE("shuffle moves anything and keeps all of it") {
  Rng rng(13);
  std::vector<std::string> words{"a", "b", "c", "d", "e", "f", "g", "h"};
  const auto before = words;
  rng.shuffle(std::span<std::string>(words));
  CHECK(words != before);
  CHECK(std::is_permutation(words.begin(), words.end(), before.begin()));
  rng.shuffle(std::span<std::string>());
}

TEST_CASE_TEMPLATE("coins and masks", T, float, double) {
  Rng rng(17);
  for (double p : {0.0, 0.1, 0.5, 0.8, 1.0}) {
    const double spread = 4 * std::sqrt(p * (1 - p) / 100000) + 1e-9;
    const auto coins = drawn(100000, [&] { return rng.bernoulli(p) ? 1.0 : 0.0; });
    CHECK(std::fabs(moments(coins).mean - p) < spread);
    std::vector<T> mask(100000, T(9));
    rng.fill_mask(std::span(mask), p, T(1.25));
    Index kept = 0;
    for (T v : mask) {
      if (v != T(0) && v != T(1.25)) FAIL("a mask holds 0 or the value");
      kept += v != T(0);
    }
    CHECK(std::fabs(static_cast<double>(kept) / 100000 - p) < spread);
  }
}

TEST_CASE_TEMPLATE("a fill writes what it was given and no more", T, float, double) {
  for (std::size_t n : {0u, 1u, 5u, 63u, 64u, 127u, 128u, 129u, 300u}) {
    std::vector<T> x(n + 1, T(-7));
    Rng rng(n);
    rng.fill_uniform(std::span(x).first(n));
    CHECK(x[n] == T(-7));
    CHECK(
        std::none_of(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(n), [](T v) { return v == T(-7); }));
  }
}

TEST_CASE("state: saved and restored in mid-stream") {
  Rng rng(21);
  for (int i = 0; i < 5; ++i) rng.normal();
  const Rng::State saved = rng.state();
  const auto go_on = [](Rng& r) {
    std::vector<double> x;
    for (int i = 0; i < 20; ++i)
      x.insert(x.end(), {r.normal(), r.uniform(), static_cast<double>(r.integer(10))});
    std::vector<double> filled(100);
    r.fill_normal(std::span(filled));
    x.insert(x.end(), filled.begin(), filled.end());
    r.fill_uniform(std::span(filled));
    x.insert(x.end(), filled.begin(), filled.end());
    return x;
  };
  const auto first = go_on(rng);
  Rng other(99);
  CHECK_FALSE(other == rng);
  other.set_state(saved);
  CHECK(go_on(other) == first);
  CHECK(other == rng);
  const Rng copy = rng;
  rng.next();
  CHECK_FALSE(copy == rng);
}

TEST_CASE("streams: split and jump") {
  Rng a(1), b(1);
  b.jump();
  Rng child = a.split(), grandchild = child.split();
  std::vector<std::uint64_t> all;
  for (Rng* r : {&a, &b, &child, &grandchild})
    for (int i = 0; i < 1000; ++i) all.push_back(r->next());
  std::sort(all.begin(), all.end());
  CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
  // Jumping is linear: it may be done before or after other draws.
  Rng c(2), d(2);
  c.next();
  c.jump();
  d.jump();
  d.next();
  CHECK(c == d);
}

TEST_CASE("misuse is a ValueError") {
  Rng rng(1);
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  std::vector<float> x(3);
  CHECK_THROWS_WITH_AS(rng.integer(0), "[integer] n is 0, expected 1 or more", ValueError);
  CHECK_THROWS_AS(rng.integer(-3), ValueError);
  CHECK_THROWS_AS(rng.permutation(-1), ValueError);
  CHECK_THROWS_AS(rng.uniform(1.0, 0.0), ValueError);
  CHECK_THROWS_AS(rng.uniform(0.0, inf), ValueError);
  CHECK_THROWS_AS(rng.uniform(nan, 1.0), ValueError);
  CHECK_THROWS_AS(rng.bernoulli(1.5), ValueError);
  CHECK_THROWS_AS(rng.bernoulli(nan), ValueError);
  CHECK_THROWS_AS(rng.fill_mask(std::span(x), -0.5), ValueError);
  CHECK_THROWS_AS(rng.fill_normal(std::span(x), 0, -1), ValueError);
  CHECK_THROWS_AS(rng.fill_uniform(std::span(x), 1, 0), ValueError);
  CHECK_THROWS_AS(rng.set_state({0, 0, 0, 0}), ValueError);
}
