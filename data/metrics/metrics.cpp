#include "metrics.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "../../core/error.hpp"

namespace unroll {

namespace {

void check_equal(const char* op, std::size_t a, std::size_t b) {
  if (a != b) throw ValueError("[", op, "] ", a, " and ", b, " items, expected as many of both");
}

std::vector<double> ranks(std::span<const double> x) {
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return x[a] < x[b]; });
  std::vector<double> rank(x.size());
  for (std::size_t from = 0, to = 0; from < order.size(); from = to) {
    while (to < order.size() && x[order[to]] == x[order[from]]) ++to;
    if (to == from) ++to;  // not a number: equal to nothing
    for (std::size_t k = from; k < to; ++k) rank[order[k]] = static_cast<double>(from + to - 1) / 2;
  }
  return rank;
}

}  // namespace

double accuracy(std::span<const Index> truths, std::span<const Index> guesses, Index ignore) {
  check_equal("accuracy", truths.size(), guesses.size());
  Index right = 0, count = 0;
  for (std::size_t i = 0; i < truths.size(); ++i) {
    if (truths[i] == ignore) continue;
    ++count;
    right += truths[i] == guesses[i];
  }
  return count > 0 ? static_cast<double>(right) / static_cast<double>(count) : 0;
}

void RunningMean::add(double value, double weight) {
  if (!(weight >= 0) || std::isinf(weight)) throw ValueError("[RunningMean] weight ", weight, ", expected 0 or more");
  if (weight == 0) return;
  weight_ += weight;
  const double step = value - mean_;
  mean_ += step * (weight / weight_);
  squares_ += weight * step * (value - mean_);
}

double pearson(std::span<const double> a, std::span<const double> b) {
  check_equal("pearson", a.size(), b.size());
  if (a.empty()) return 0;
  const auto mean = [](std::span<const double> x) {
    return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
  };
  const double mean_a = mean(a), mean_b = mean(b);
  double aa = 0, bb = 0, ab = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i] - mean_a, y = b[i] - mean_b;
    aa += x * x, bb += y * y, ab += x * y;
  }
  return aa > 0 && bb > 0 ? std::clamp(ab / (std::sqrt(aa) * std::sqrt(bb)), -1.0, 1.0) : 0;
}

double spearman(std::span<const double> a, std::span<const double> b) {
  check_equal("spearman", a.size(), b.size());
  return pearson(ranks(a), ranks(b));
}

double adjusted_rand_index(std::span<const Index> a, std::span<const Index> b) {
  check_equal("adjusted_rand_index", a.size(), b.size());
  std::map<std::pair<Index, Index>, double> both;
  std::map<Index, double> in_a, in_b;
  for (std::size_t i = 0; i < a.size(); ++i) ++both[{a[i], b[i]}], ++in_a[a[i]], ++in_b[b[i]];
  const auto pairs = [](const auto& counts) {
    double sum = 0;
    for (const auto& [group, n] : counts) sum += n * (n - 1) / 2;
    return sum;
  };
  const auto n = static_cast<double>(a.size());
  const double all = n * (n - 1) / 2, of_a = pairs(in_a), of_b = pairs(in_b);
  const double expected = all > 0 ? of_a * of_b / all : 0, most = (of_a + of_b) / 2;
  return most > expected ? (pairs(both) - expected) / (most - expected) : 1;
}

}  // namespace unroll
