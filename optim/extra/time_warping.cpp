#include "time_warping.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "../../core/error.hpp"
#include "../../core/shards.hpp"

namespace unroll {
namespace {

constexpr double out_of_reach = std::numeric_limits<double>::infinity();

Index steps_of(std::size_t numbers, Index features) {
  if (features < 1 || static_cast<Index>(numbers) % features != 0)
    throw ShapeError("[warping_distance] a series of ", numbers, " numbers, steps have ", features);
  return static_cast<Index>(numbers) / features;
}

// The band that series of these lengths can keep to.
Index band_for(Index n, Index m, const WarpingOptions& options) {
  return options.band < 0 ? std::max(n, m) : std::max(options.band, std::abs(n - m));
}

double step_distance(const float* a, const float* b, Index n) {
  float sum = 0;
  for (Index i = 0; i < n; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return static_cast<double>(sum);
}

}  // namespace

double warping_distance(std::span<const float> x, std::span<const float> y, Index features,
                        const WarpingOptions& options, double bound) {
  const Index n = steps_of(x.size(), features), m = steps_of(y.size(), features);
  if (n == 0 || m == 0) return n == m && bound > 0 ? 0 : out_of_reach;
  const Index w = band_for(n, m, options);
  const double limit = bound * bound;
  // Two rows of D, each with an infinite number in front.
  std::vector<double> before(m + 1, out_of_reach), now = before;
  before[0] = 0;
  for (Index i = 0; i < n; ++i) {
    const Index first = std::max<Index>(0, i - w), last = std::min(m - 1, i + w);
    now[first] = out_of_reach;
    double least = out_of_reach;
    for (Index j = first; j <= last; ++j) {
      const auto at = static_cast<std::size_t>(j);
      const double d = step_distance(x.data() + i * features, y.data() + j * features, features) +
                       std::min({before[at], before[at + 1], now[at]});
      now[at + 1] = d;
      least = std::min(least, d);
    }
    if (last + 2 <= m) now[last + 2] = out_of_reach;  // the next row reads one further
    if (!(least < limit)) return out_of_reach;
    std::swap(before, now);
  }
  return before.back() < limit ? std::sqrt(before.back()) : out_of_reach;
}

WarpingEnvelope::WarpingEnvelope(std::span<const float> y, Index features, Index steps, Index band) {
  const Index m = steps_of(y.size(), features);
  if (steps > 0 && (m == 0 || band < 0 || steps - m > band))
    throw ValueError("[WarpingEnvelope] ", steps, " steps, a band of ", band, " and a series of ", m,
                     ": some step has none to be matched with");
  for (Index i = 0; i < steps; ++i)
    for (Index f = 0; f < features; ++f) {
      float low = std::numeric_limits<float>::infinity(), high = -low;
      for (Index j = std::max<Index>(0, i - band); j <= std::min(m - 1, i + band); ++j) {
        low = std::min(low, y[j * features + f]);
        high = std::max(high, y[j * features + f]);
      }
      lower.push_back(low);
      upper.push_back(high);
    }
}

double keogh_bound(std::span<const float> x, const WarpingEnvelope& envelope) {
  if (x.size() != envelope.lower.size())
    throw ShapeError("[keogh_bound] a series of ", x.size(), " numbers, an envelope of ", envelope.lower.size());
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double d = static_cast<double>(std::max({x[i] - envelope.upper[i], envelope.lower[i] - x[i], 0.f}));
    sum += d * d;
  }
  return std::sqrt(sum);
}

NearestSeries::NearestSeries(std::vector<std::vector<float>> series, Index features, std::vector<Index> labels,
                             const WarpingOptions& options)
    : series_(std::move(series)), features_(features), labels_(std::move(labels)), options_(options) {
  if (series_.size() != labels_.size())
    throw ShapeError("[NearestSeries] ", series_.size(), " series, ", labels_.size(), " labels");
  if (series_.empty()) throw ValueError("[NearestSeries] got no series, expected at least one");
  for (const auto& s : series_) {
    steps_of(s.size(), features);
    if (!std::ranges::all_of(s, [](float v) { return std::isfinite(v); }))
      throw ValueError("[NearestSeries] a series has a number that is not finite");
  }
}

Neighbour NearestSeries::search(std::span<const float> x, Index& compared) const {
  const Index n = steps_of(x.size(), features_);
  // Envelopes are those of x, which serve all series of one length.
  std::map<Index, WarpingEnvelope> envelopes;
  std::vector<Neighbour> order;
  for (std::size_t k = 0; k < series_.size(); ++k) {
    const Index m = steps_of(series_[k].size(), features_);
    double bound = 0;
    if (n > 0 && m > 0) {
      const auto place = envelopes.try_emplace(m, x, features_, m, band_for(n, m, options_)).first;
      // A little less, for what rounding may have added.
      bound = keogh_bound(series_[k], place->second) * (1 - 1e-5);
    }
    order.push_back({static_cast<Index>(k), bound});
  }
  std::ranges::stable_sort(order, {}, &Neighbour::distance);
  Neighbour best{order.front().example, out_of_reach};
  for (const Neighbour& next : order) {
    if (next.distance > best.distance) break;
    ++compared;
    // A little more, so that an equal one that came first is found.
    const double d =
        warping_distance(series_[next.example], x, features_, options_, best.distance * (1 + 1e-12) + 1e-100);
    if (d < best.distance || (d == best.distance && next.example < best.example)) best = {next.example, d};
  }
  return best;
}

Neighbour NearestSeries::nearest(std::span<const float> x) const {
  Index count = 0;
  return search(x, count);
}

Index NearestSeries::compared(std::span<const float> x) const {
  Index count = 0;
  search(x, count);
  return count;
}

std::vector<Index> NearestSeries::classify_all(std::span<const std::vector<float>> series, int threads) const {
  std::vector<Index> classes(series.size());
  Shards<float>(threads).run([&](Tape<float>&, int shard) {
    for (auto k = static_cast<std::size_t>(shard); k < series.size(); k += static_cast<std::size_t>(threads))
      classes[k] = classify(series[k]);
  });
  return classes;
}

}  // namespace unroll
