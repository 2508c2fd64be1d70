// Operations by themselves: ns a call, forward alone (in an Evaluation) and forward with backward.
//
//   ops --benchmark_enable_random_interleaving=true --benchmark_repetitions=5 --benchmark_filter=map

#include <benchmark/benchmark.h>

#include "unroll/nn/embedding.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/losses.hpp"
#include "unroll/ops/map.hpp"
#include "unroll/ops/reduce.hpp"
#include "unroll/ops/softmax.hpp"

using namespace unroll;

namespace {

constexpr Index batch = 32;

/// `f(x)` of x (batch, width): y, whose sum is the loss.
template <class F>
void run(benchmark::State& state, Index width, const F& f) {
  Rng rng(1);
  std::vector<float> values(static_cast<std::size_t>(batch * width));
  rng.fill_normal(std::span<float>(values), 0.0f, 1.0f);
  Tape<float> tape;
  const bool backward = state.range(1) != 0;
  const auto step = [&] {
    if (backward) {
      const Recording recording(tape);
      const auto y = f(input(values, Shape{batch, width}, requires_grad));
      tape.backward(y.size() == 1 ? y : sum(y));
    } else {
      const Evaluation evaluation(tape);
      benchmark::DoNotOptimize(f(input(values, Shape{batch, width})).values().data());
    }
  };
  step();  // makes the memory
  for (auto _ : state) step();
  state.SetItemsProcessed(state.iterations() * batch * width);
}

void add(benchmark::State& state) {
  run(state, state.range(0), [](auto x) { return x + x; });
}
void map_tanh(benchmark::State& state) {
  run(state, state.range(0), [](auto x) { return map([](auto a, auto b) { return tanh(a + b); }, x, x); });
}
void map_lstm(benchmark::State& state) {  // the gates of a step: `width` is that of all four
  const Index hidden = state.range(0) / 4;
  const std::vector<float> cells(static_cast<std::size_t>(batch * hidden), 0.5f);
  run(state, 4 * hidden, [&](auto x) {
    const auto [i, f, g, o] = chunk<4>(x);
    const auto [h, c] = map(
        [](auto i, auto f, auto g, auto o, auto c) {
          const auto c_next = sigmoid(f) * c + sigmoid(i) * tanh(g);
          return std::pair(sigmoid(o) * tanh(c_next), c_next);
        },
        i, f, g, o, input(cells, Shape{batch, hidden}));
    return h;
  });
}
void softmax_rows(benchmark::State& state) {
  run(state, state.range(0), [](auto x) { return softmax(x); });
}
void cross_entropy(benchmark::State& state) {
  const std::vector<Index> target(batch, 1);
  run(state, state.range(0), [&](auto x) { return softmax_cross_entropy<float>(x, std::span<const Index>(target)); });
}
void linear_layer(benchmark::State& state) {
  Rng rng(2);
  const Linear<> layer(state.range(0), state.range(0), rng);
  run(state, state.range(0), [&](auto x) { return layer(x); });
}
void embedding_rows(benchmark::State& state) {
  Rng rng(2);
  const Embedding<> table(10000, state.range(0), rng);
  std::vector<Index> ids;
  for (Index i = 0; i < batch; ++i) ids.push_back(i * 311 % 10000);
  run(state, state.range(0), [&](auto x) { return x + table(ids); });
}

/// Width, and whether backward runs as well.
void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"width", "backward"});
  for (Index width : {32, 512})
    for (Index backward : {0, 1}) b->Args({width, backward});
}

BENCHMARK(add)->Apply(sizes);
BENCHMARK(map_tanh)->Apply(sizes);
BENCHMARK(map_lstm)->Apply(sizes);
BENCHMARK(softmax_rows)->Apply(sizes);
BENCHMARK(cross_entropy)->Apply(sizes);
BENCHMARK(linear_layer)->Apply(sizes);
BENCHMARK(embedding_rows)->Apply(sizes);

}  // namespace

BENCHMARK_MAIN();
