#include <cmath>
#include <string>

#include "../../core/error.hpp"
#include "sequence_models.hpp"

namespace unroll {
namespace {

using Size = std::size_t;

void check_symbols(std::span<const std::vector<Index>> data, Size results, Index symbols) {
  if (data.size() != results) throw ShapeError("[MarkovChain] ", results, " numbers for ", data.size(), " sequences");
  for (const auto& x : data)
    for (const Index s : x)
      if (s < 0 || s >= symbols) throw ValueError("[MarkovChain] symbol ", s, " of ", symbols);
}

// Counts to probabilities, in place; a row of nothing becomes what it was.
void normalise(std::span<double> counts, std::span<const double> before) {
  double sum = 0;
  for (const double c : counts) sum += c;
  for (Size j = 0; j < counts.size(); ++j) counts[j] = sum > 0 ? counts[j] / sum : before[j];
}

}  // namespace

MarkovChain::MarkovChain(Index symbols, double count) : symbols_(symbols), count_(count) {
  if (symbols < 1) throw ValueError("[MarkovChain] ", symbols, " symbols, expected at least 1");
  if (!(count >= 0) || !std::isfinite(count)) throw ValueError("[MarkovChain] count ", count, ", expected 0 or more");
  const auto s = static_cast<Size>(symbols);
  start_.assign(s, 1 / static_cast<double>(s));
  step_.assign(s * s, 1 / static_cast<double>(s));
}

MarkovChain::MarkovChain(Index symbols, Rng& rng, double count) : MarkovChain(symbols, count) {
  const auto s = static_cast<Size>(symbols);
  const auto draw = [&](std::span<double> row) {
    for (double& p : row) p = -std::log(1 - rng.uniform());
    normalise(row, row);
  };
  draw(start_);
  for (Size i = 0; i < s; ++i) draw(std::span(step_).subspan(i * s, s));
}

void MarkovChain::log_likelihoods(std::span<const std::vector<Index>> data, std::span<double> out) const {
  check_symbols(data, out.size(), symbols_);
  for (Size n = 0; n < data.size(); ++n) {
    const auto& x = data[n];
    double sum = x.empty() ? 0 : std::log(start_[static_cast<Size>(x[0])]);
    for (Size t = 1; t < x.size(); ++t) sum += std::log(step_[static_cast<Size>(x[t - 1] * symbols_ + x[t])]);
    out[n] = sum;
  }
}

void MarkovChain::fit(std::span<const std::vector<Index>> data, std::span<const double> weights) {
  check_symbols(data, weights.size(), symbols_);
  const auto s = static_cast<Size>(symbols_);
  std::vector<double> start(s, count_), step(s * s, count_);
  for (Size n = 0; n < data.size(); ++n) {
    const auto& x = data[n];
    if (x.empty()) continue;
    start[static_cast<Size>(x[0])] += weights[n];
    for (Size t = 1; t < x.size(); ++t) step[static_cast<Size>(x[t - 1] * symbols_ + x[t])] += weights[n];
  }
  normalise(start, start_);
  for (Size i = 0; i < s; ++i)
    normalise(std::span(step).subspan(i * s, s), std::span<const double>(step_).subspan(i * s, s));
  start_ = std::move(start);
  step_ = std::move(step);
}

std::vector<Index> MarkovChain::sample(Index length, Rng& rng) const {
  std::vector<Index> x;
  for (Index t = 0; t < length; ++t) {
    const double* p = t == 0 ? start_.data() : step_.data() + x.back() * symbols_;
    double u = rng.uniform();
    Index s = 0;
    while (s + 1 < symbols_ && (u -= p[s]) >= 0) ++s;
    x.push_back(s);
  }
  return x;
}

}  // namespace unroll
