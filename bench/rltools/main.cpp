// RLtools' GRU on text: batches a second of training, one thread, unroll beside RLtools. See ../README.md.
//
//   rltools_gru [FILE]        a text; without one, letters drawn at random (the time does not depend on them)
//
// Medians on the processor's clock, everybody in turns. RLtools' losses of the first steps must be unroll's to 1e-4
// where its tanh is exact, or the program returns 1.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "../sequence/clock.hpp"
#include "text_gru.hpp"
#include "unroll/core/random.hpp"

namespace {

using namespace text_gru;

constexpr int repeats = 15, batches_a_repeat = 10, checked = 4;

struct Entry {
  const char* name;
  std::unique_ptr<Contender> contender;
  double tolerance;
  std::vector<double> seconds{};
  double error = 0;
};

// A batch of pieces of the text that begin anywhere, time-major.
void draw(const std::string& text, unroll::Rng& rng, std::vector<std::ptrdiff_t>& bytes,
          std::vector<std::ptrdiff_t>& next) {
  bytes.resize(static_cast<std::size_t>(steps * batch));
  next.resize(bytes.size());
  for (std::ptrdiff_t b = 0; b < batch; ++b) {
    const auto from = static_cast<std::size_t>(rng.integer(static_cast<std::ptrdiff_t>(text.size()) - steps - 1));
    for (std::ptrdiff_t t = 0; t < steps; ++t) {
      const auto at = static_cast<std::size_t>(t * batch + b);
      bytes[at] = static_cast<unsigned char>(text[from + static_cast<std::size_t>(t)]);
      next[at] = static_cast<unsigned char>(text[from + static_cast<std::size_t>(t) + 1]);
    }
  }
}

double median(std::vector<double>& v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  bench::cpu_time = true;
  unroll::Rng rng(1);
  std::string text;
  if (argc > 1) {
    std::ifstream file(argv[1], std::ios::binary);
    text.assign(std::istreambuf_iterator<char>(file), {});
    if (text.size() < 1000) {
      std::fprintf(stderr, "rltools_gru: '%s' has %zu bytes; expected a text of 1000 or more\n", argv[1], text.size());
      return 2;
    }
  } else {
    for (int k = 0; k < 100000; ++k) text += static_cast<char>(' ' + rng.integer(95));
  }

  Weights weights;
  std::vector<Entry> entries;
  entries.push_back({"unroll", make_unroll(weights), 0});
#ifdef BENCH_RLTOOLS
  entries.push_back({"RLtools", make_rltools(weights), 1e-4});
  entries.push_back({"RLtools, tanh approximated", make_rltools_approximate(weights), 0.05});
#ifdef BENCH_RLTOOLS_BLAS
  entries.push_back({"RLtools, OpenBLAS", make_rltools_blas(weights), 1e-4});
  entries.push_back({"RLtools, OpenBLAS, approximated", make_rltools_blas_approximate(weights), 0.05});
#endif
#endif

  std::vector<std::ptrdiff_t> bytes, next;
  bool good = true;
  for (int k = 0; k < checked; ++k) {
    draw(text, rng, bytes, next);
    double ours = 0;
    for (Entry& e : entries) {
      e.contender->step(bytes, next);
      const double loss = e.contender->loss();
      if (&e == &entries.front()) ours = loss;
      e.error = std::max(e.error, std::abs(loss - ours) / ours);
    }
  }
  for (int r = 0; r < repeats; ++r) {
    draw(text, rng, bytes, next);
    for (Entry& e : entries) {
      const double begin = bench::now();
      for (int k = 0; k < batches_a_repeat; ++k) e.contender->step(bytes, next);
      e.seconds.push_back((bench::now() - begin) / batches_a_repeat);
    }
  }

  std::printf("%-34s %12s %10s %14s\n", "", "batches/s", "ms", "loss differs");
  for (Entry& e : entries) {
    const double seconds = median(e.seconds);
    if (!(e.error <= e.tolerance)) {
      good = false;
      std::printf("%-34s %12s %10s %14.1e: the result is wrong\n", e.name, "-", "-", e.error);
    } else {
      std::printf("%-34s %12.1f %10.3f %14.1e\n", e.name, 1 / seconds, 1e3 * seconds, e.error);
    }
  }
  return !good;
}
