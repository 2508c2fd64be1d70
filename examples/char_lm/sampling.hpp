#pragma once
/// \file
/// Symbols drawn from what a model puts out.

#include <algorithm>
#include <cmath>
#include <span>

#include "unroll/core/random.hpp"

namespace unroll::examples {

/// A symbol s with probability proportional to exp(logits[s] / temperature); the likeliest one at temperature 0.
/// `never` is not drawn (an index outside the logits: all may be).
inline Index draw(std::span<const float> logits, double temperature, Index never, Rng& rng) {
  const auto n = static_cast<Index>(logits.size());
  const auto logit = [&](Index s) { return static_cast<double>(logits[static_cast<std::size_t>(s)]); };
  Index best = never == 0 && n > 1 ? 1 : 0;
  for (Index s = 0; s < n; ++s)
    if (s != never && logit(s) > logit(best)) best = s;
  if (temperature <= 0) return best;
  const auto weight = [&](Index s) { return s == never ? 0 : std::exp((logit(s) - logit(best)) / temperature); };
  double total = 0;
  for (Index s = 0; s < n; ++s) total += weight(s);
  double left = rng.uniform() * total;
  for (Index s = 0; s < n; ++s)
    if ((left -= weight(s)) < 0) return s;
  return best;
}

}  // namespace unroll::examples
