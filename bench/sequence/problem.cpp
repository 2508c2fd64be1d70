#include "problem.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "unroll/core/random.hpp"

namespace bench {
namespace {

Floats normal(unroll::Rng& rng, Index n) {
  Floats v(static_cast<std::size_t>(n));
  rng.fill_normal(std::span<float>(v), 0.0f, 1.0f);
  return v;
}

Floats uniform(unroll::Rng& rng, Index n, Index fan) {
  const float bound = 1 / std::sqrt(static_cast<float>(fan));
  Floats v(static_cast<std::size_t>(n));
  for (float& a : v) a = (2 * rng.uniform<float>() - 1) * bound;
  return v;
}

LayerWeights layer_weights(unroll::Rng& rng, Index gates, Index input, Index hidden) {
  const Index rows = gates * hidden;
  return {gates,
          input,
          hidden,
          uniform(rng, rows * input, hidden),
          uniform(rng, rows * hidden, hidden),
          uniform(rng, rows, hidden),
          uniform(rng, rows, hidden)};
}

OutputWeights output_weights(unroll::Rng& rng, Index hidden, Index output) {
  return {hidden, output, uniform(rng, output * hidden, hidden), uniform(rng, output, hidden)};
}

std::vector<Index> classes(unroll::Rng& rng, Index n, Index count) {
  std::vector<Index> v(static_cast<std::size_t>(n));
  for (Index& c : v) c = static_cast<Index>(rng.next() % static_cast<std::uint64_t>(count));
  return v;
}

}  // namespace

Labelling::Labelling(const Size& s, Cell c) : size(s), cell(c) {
  unroll::Rng rng(1);
  x = normal(rng, s.steps * s.batch * s.input);
  target = classes(rng, s.steps * s.batch, s.output);
  layer = layer_weights(rng, c, s.input, s.hidden);
  out = output_weights(rng, s.hidden, s.output);
}

Tagging::Tagging() {
  unroll::Rng rng(1);
  for (Index b = 0; b < batch; ++b) {
    const Index n = 5 + static_cast<Index>(rng.next() % 56);
    length.push_back(n);
    x.push_back(normal(rng, n * input));
    target.push_back(classes(rng, n, output));
    words += n;
  }
  fwd = layer_weights(rng, lstm, input, hidden);
  bwd = layer_weights(rng, lstm, input, hidden);
  out = output_weights(rng, 2 * hidden, output);
}

std::vector<Index> Tagging::by_length() const {
  std::vector<Index> order(length.size());
  std::iota(order.begin(), order.end(), Index(0));
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) {
    return length[static_cast<std::size_t>(a)] > length[static_cast<std::size_t>(b)];
  });
  return order;
}

}  // namespace bench
