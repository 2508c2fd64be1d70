// Nearest neighbours: among vectors, and among series by dynamic time warping, against plain spellings of both.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "unroll/core/error.hpp"
#include "unroll/core/random.hpp"
#include "unroll/optim/extra/time_warping.hpp"

using namespace unroll;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
using Series = std::vector<float>;

/// The best way of all ways, by trying each: exponential.
double all_ways(const Series& x, const Series& y, Index features, Index band, Index i, Index j) {
  if (i < 0 || j < 0 || std::abs(i - j) > band) return infinity;
  double d = 0;
  for (Index f = 0; f < features; ++f) {
    const auto a = static_cast<std::size_t>(i * features + f), b = static_cast<std::size_t>(j * features + f);
    d += std::pow(static_cast<double>(x[a] - y[b]), 2);
  }
  if (i == 0 && j == 0) return d;
  return d + std::min({all_ways(x, y, features, band, i - 1, j - 1), all_ways(x, y, features, band, i - 1, j),
                       all_ways(x, y, features, band, i, j - 1)});
}

Series random_series(Index steps, Index features, Rng& rng) {
  Series x(static_cast<std::size_t>(steps * features));
  for (float& v : x) v = static_cast<float>(rng.normal());
  for (std::size_t i = static_cast<std::size_t>(features); i < x.size(); ++i)
    x[i] += x[i - static_cast<std::size_t>(features)];  // walks
  return x;
}

}  // namespace

TEST_CASE("nearest neighbours vote") {
  const std::vector<float> x = {0, 0, 1, 0, 0, 2, 5, 5, 0, 1};
  const std::vector<Index> labels = {3, 1, 1, 2, 3};
  const NearestNeighbours one(x, 2, labels), three(x, 2, labels, {.k = 3}), many(x, 2, labels, {.k = 99}),
      near(x, 2, labels, {.k = 99, .by_distance = true});
  const std::vector<float> q = {0.6f, 0};
  CHECK(one.neighbours(q).size() == 1);
  CHECK(one.neighbours(q)[0].example == 1);
  CHECK(one.neighbours(q)[0].distance == doctest::Approx(0.4));
  CHECK(one.classify(q) == 1);
  CHECK(three.classify(q) == 3);  // examples 1, 0, 4
  CHECK(three.neighbours(q)[2].example == 4);
  CHECK(many.neighbours(q).size() == 5);
  CHECK(many.classify(q) == 1);  // two of 1, two of 3, one of 2: that of the nearest
  CHECK(near.classify(std::vector<float>{5, 5}) == 2);
  CHECK(one.neighbours(std::vector<float>{0.5f, 0})[0].example == 0);  // equally near: the first
  const NearestNeighbours angle(x, 2, labels, {.k = 5, .distance = Distance::cosine});
  const auto by_angle = angle.neighbours(std::vector<float>{0, 9});
  CHECK(by_angle[0].example == 2);
  CHECK(by_angle[0].distance == doctest::Approx(0).epsilon(1e-12));
  CHECK(by_angle[2].example == 3);
  CHECK(by_angle[2].distance == doctest::Approx(1 - std::sqrt(0.5)));
  CHECK(by_angle[3].example == 0);  // zero has no direction
  CHECK(by_angle[3].distance == 1);
  CHECK(one.classify_all(std::vector<float>{0.6f, 0, 4, 4}) == std::vector<Index>{1, 2});

  CHECK_THROWS_WITH_AS(NearestNeighbours(x, 3, labels), "[NearestNeighbours] 10 numbers for 5 labels and 3 features",
                       ShapeError);
  CHECK_THROWS_WITH_AS(NearestNeighbours(x, 2, labels, {.k = 0}), "[NearestNeighbours] k 0, expected at least 1",
                       ValueError);
  CHECK_THROWS_WITH_AS(NearestNeighbours({}, 2, {}), "[NearestNeighbours] got no examples, expected at least one",
                       ValueError);
  CHECK_THROWS_WITH_AS(NearestNeighbours(q, 2, {-1}), "[NearestNeighbours] label -1, expected 0 or more", ValueError);
  CHECK_THROWS_WITH_AS(NearestNeighbours(std::vector<float>{1, std::numeric_limits<float>::quiet_NaN()}, 2, {0}),
                       "[NearestNeighbours] an example has a number that is not finite", ValueError);
  CHECK_THROWS_WITH_AS(one.neighbours(x), "[NearestNeighbours] a vector of 10 numbers, examples have 2", ShapeError);
  CHECK_THROWS_WITH_AS(one.classify_all(std::vector<float>(3)), "[NearestNeighbours] 3 numbers, vectors have 2",
                       ShapeError);
  CHECK_THROWS_WITH_AS(vote({}, labels), "[vote] got no neighbours, expected at least one", ValueError);
}

TEST_CASE("warping: the best of all ways, with any band") {
  CHECK(warping_distance(Series{1, 2, 3}, Series{1, 1, 2, 2, 3}, 1) == 0);
  CHECK(warping_distance(Series{0, 0}, Series{3, 4}, 2) == 5);
  CHECK(warping_distance(Series{}, Series{}, 1) == 0);
  CHECK(warping_distance(Series{}, Series{1}, 1) == infinity);
  Rng rng(4);
  for (int trial = 0; trial < 300; ++trial) {
    const Index features = 1 + rng.integer(2), n = 1 + rng.integer(7), m = 1 + rng.integer(7);
    const Series x = random_series(n, features, rng), y = random_series(m, features, rng);
    const Index band = rng.integer(8) - 1, w = band < 0 ? 100 : std::max(band, std::abs(n - m));
    const double expected = std::sqrt(all_ways(x, y, features, w, n - 1, m - 1));
    const double found = warping_distance(x, y, features, {.band = band});
    CHECK(found == doctest::Approx(expected).epsilon(1e-5));
    CHECK(warping_distance(y, x, features, {.band = band}) == found);
    CHECK(warping_distance(x, y, features, {.band = band}, found * 1.001) == found);
    CHECK(warping_distance(x, y, features, {.band = band}, found * 0.999) == infinity);
    const WarpingEnvelope envelope(y, features, n, w);
    CHECK(keogh_bound(x, envelope) <= found * (1 + 1e-5));
  }
  CHECK_THROWS_WITH_AS(warping_distance(Series{1, 2, 3}, Series{1}, 2),
                       "[warping_distance] a series of 3 numbers, steps have 2", ShapeError);
  CHECK_THROWS_WITH_AS(
      WarpingEnvelope(Series{1, 2}, 1, 5, 2),
      "[WarpingEnvelope] 5 steps, a band of 2 and a series of 2: some step has none to be matched with", ValueError);
  CHECK_THROWS_WITH_AS(keogh_bound(Series{1}, WarpingEnvelope(Series{1, 2}, 1, 2, 0)),
                       "[keogh_bound] a series of 1 numbers, an envelope of 2", ShapeError);
}

TEST_CASE("Keogh's bound is that of the formula, and tight for a band of 0") {
  const Series y = {1, 3, 2}, x = {5, 2, 0};
  // Envelopes with a band of 1: 1..3, 1..3, 2..3
  CHECK(keogh_bound(x, WarpingEnvelope(y, 1, 3, 1)) == doctest::Approx(std::sqrt(4.0 + 0 + 4)));
  CHECK(keogh_bound(x, WarpingEnvelope(y, 1, 3, 0)) == doctest::Approx(warping_distance(x, y, 1, {.band = 0})));
}

TEST_CASE("the nearest series is that of comparing with all, in fewer comparisons, on any number of threads") {
  Rng rng(6);
  std::vector<Series> known, asked;
  std::vector<Index> labels;
  for (Index n = 0; n < 60; ++n) {
    known.push_back(random_series(15 + (n % 3 == 0 ? rng.integer(6) : 0), 2, rng));
    labels.push_back(n);
  }
  known[40] = known[20];
  for (int n = 0; n < 20; ++n) asked.push_back(random_series(15 + rng.integer(4), 2, rng));
  asked.push_back(known[40]);
  asked.push_back({});
  for (const Index band : {-1, 0, 3}) {
    const NearestSeries nearest(known, 2, labels, {.band = band});
    std::vector<Index> expected;
    Index compared = 0;
    for (const Series& x : asked) {
      Neighbour best{0, infinity};
      for (std::size_t k = 0; k < known.size(); ++k)
        if (const double d = warping_distance(x, known[k], 2, {.band = band}); d < best.distance)
          best = {static_cast<Index>(k), d};
      const Neighbour found = nearest.nearest(x);
      CHECK(found.example == best.example);
      CHECK(found.distance == best.distance);
      expected.push_back(best.example);
      compared += nearest.compared(x);
    }
    CHECK(expected[20] == 20);  // of two that are equal the first
    CHECK(compared < 22 * 60 * 3 / 4);
    MESSAGE("band " << band << ": " << compared << " of " << 22 * 60 << " compared");
    CHECK(nearest.classify_all(asked) == expected);
    CHECK(nearest.classify_all(asked, 3) == expected);
  }
  CHECK_THROWS_WITH_AS(NearestSeries(known, 2, {1}), "[NearestSeries] 60 series, 1 labels", ShapeError);
  CHECK_THROWS_WITH_AS(NearestSeries({}, 2, {}), "[NearestSeries] got no series, expected at least one", ValueError);
  CHECK_THROWS_WITH_AS(NearestSeries({{1, std::numeric_limits<float>::infinity()}}, 2, {0}),
                       "[NearestSeries] a series has a number that is not finite", ValueError);
}
