// Long, wide and large: steps whose time is set beside what their arithmetic and their bytes explain.

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <vector>

#include "clock.hpp"
#include "studies.hpp"
#include "trainer.hpp"
#include "unroll/nn/embedding.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/ops/losses.hpp"

namespace bench {
namespace {

/// Bytes a second of this machine's memory on one thread: y = a x + y over 64 MB each, the best of some.
double bandwidth() {
  constexpr std::size_t n = 16u << 20;
  Floats x(n, 1.0f), y(n, 2.0f);
  double best = 1e30;
  for (int r = 0; r < 5; ++r) {
    best = std::min(best, seconds_of([&] {
                      for (std::size_t i = 0; i < n; ++i) y[i] += 0.5f * x[i];
                    }));
  }
  return y[n / 2] > 0 ? 3.0 * static_cast<double>(n) * sizeof(float) / best : 0;
}

/// A language model of many words: embedding, LSTM, a score for every word.
class Vocabulary {
 public:
  explicit Vocabulary(const Labelling& p)
      : rng_(1), model_(p.size, rng_), trainer_(model_, p.lr, 1), p_(p), ids_(p.target.size()) {
    for (auto& id : ids_) id = rng_.integer(p.size.output);
  }
  double step() {
    return trainer_.step([&](int) {
      const unroll::Shape shape{p_.size.steps, p_.size.batch, p_.size.input};
      const auto x = reshape(model_.words(unroll::Indices(ids_)), shape);
      return unroll::softmax_cross_entropy<float>(model_.out(model_.rnn(x)), std::span<const Index>(p_.target),
                                                  {.denominator = static_cast<double>(p_.size.batch)});
    });
  }

 private:
  struct Model {
    using scalar = float;
    unroll::Embedding<> words;
    unroll::Rnn<unroll::LSTMCell<>> rnn;
    unroll::Linear<> out;
    Model(const Size& s, unroll::Rng& rng)
        : words(s.output, s.input, rng), rnn(s.input, s.hidden, rng), out(s.hidden, s.output, rng) {}
    void each(auto&& visit) { visit("words", words), visit("rnn", rnn), visit("out", out); }
  };
  unroll::Rng rng_;
  Model model_;
  Trainer<Model> trainer_;
  const Labelling& p_;
  std::vector<Index> ids_;
};

/// Multiplications and additions of the matrix products of a step: forward, gradients of the weights, and of what comes
/// in but for the data.
double operations(const Size& s) {
  const auto rows = static_cast<double>(s.steps * s.batch), i = static_cast<double>(s.input),
             h = static_cast<double>(s.hidden), o = static_cast<double>(s.output);
  return 2 * rows * (2 * 4 * h * i + 3 * 4 * h * h + 3 * h * o);
}

/// Bytes that a step moves beside those of the products: what lies on the tape (states, gates, logits) is written and
/// read forward, and so is its gradient backward; of each parameter the update reads value and gradient and writes
/// both.
double bytes(const Size& s) {
  const auto rows = static_cast<double>(s.steps * s.batch), i = static_cast<double>(s.input),
             h = static_cast<double>(s.hidden), o = static_cast<double>(s.output);
  const double on_tape = rows * (6 * h + o), parameters = 4 * h * (i + h + 2) + o * (h + 1);
  return 4 * (4 * on_tape + 4 * parameters);
}

}  // namespace

void large_study(const Effort& effort) {
  const Size cases[] = {{"one sequence of 10,000 steps", 1, 10000, 128, 128, 64},
                        {"a batch of 512 sequences", 512, 50, 128, 128, 64},
                        {"2,048 hidden units", 16, 20, 512, 2048, 128},
                        {"a vocabulary of 100,000", 4, 25, 64, 128, 100000}};
  const double speed = bandwidth();
  std::printf("large    LSTM, one thread; memory at %.1f GB/s\n", speed * 1e-9);
  for (const Size& size : cases) {
    Labelling p(size, lstm);
    p.lr = 1e-6;
    const bool words = size.output >= 10000;
    std::vector<Entrant> entrants(2);
    if (words) {
      const auto run = std::make_shared<Vocabulary>(p);
      entrants[0].contender = {"unroll", [run] { return run->step(); }};
    } else {
      entrants[0].contender = unroll_labelling(p, false, 1);
    }
    entrants[1].contender = floor_labelling(p, 1);
    for (Entrant& e : entrants)
      if (e.runs()) e.contender.step();
    measure(entrants, effort, false);
    const double time = timing(entrants[0].times).median, memory = bytes(size) / speed;
    std::printf("large    %-30s B=%ld T=%ld I=%ld H=%ld O=%ld: %9.2f ms", size.name, static_cast<long>(size.batch),
                static_cast<long>(size.steps), static_cast<long>(size.input), static_cast<long>(size.hidden),
                static_cast<long>(size.output), time * 1e3);
    if (entrants[1].runs()) {
      const double products = timing(entrants[1].times).median;
      std::printf("; products alone %.2f ms (%.1f Gflop, %.0f Gflop/s), %.2f GB beside them %.2f ms: %.2f of the sum",
                  products * 1e3, operations(size) * 1e-9, operations(size) * 1e-9 / products, bytes(size) * 1e-9,
                  memory * 1e3, time / (products + memory));
    }
    std::printf("\n");
    std::fflush(stdout);
  }
}

}  // namespace bench
