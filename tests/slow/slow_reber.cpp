// The embedded Reber grammar, learned by an LSTM of 302 weights within 40,000 strings: in at least 9 of 10 seeds.
//
// A seed counts when an exam of 5,120 fresh strings is passed: at every step of every string each legal symbol, the one
// that needs the long memory included, has a larger output than every illegal one. (Hochreiter and Schmidhuber, 1997:
// 256 strings; 264 or 276 weights; 97 to 100 % of the trials, after 8,440 to 39,740 strings in the mean.)
// Training is online, string by string: Adam, rate 0.01, forget gates open at the start.
//
//     seed                          1      2      3      4      5      6      7      8      9     10
//     strings read until passed  9000  12000  25000  16000  31000   6000  16000  11000   4000  14000
//
// 10 of 10, in 4 seconds of one core (AVX-512). With other kernels the figures are others; of 60 seeds some 57 do it.

#include <cstdio>

#include "long_time_lags.hpp"

using namespace unroll::test;

int main() {
  constexpr unroll::Index limit = 40'000, exam = 5'120;
  int solved = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const ReberResult r = learn_reber(seed, limit, exam);
    solved += r.sequences > 0;
    std::printf("seed %2d: %d weights, %s %d strings, wrong in the last exam %d of %d, %.1f s\n",
                static_cast<int>(seed), static_cast<int>(r.weights),
                r.sequences > 0 ? "all legal after" : "not learned in",
                static_cast<int>(r.sequences > 0 ? r.sequences : limit), static_cast<int>(r.wrong),
                static_cast<int>(exam), r.seconds);
    std::fflush(stdout);
    if (r.weights > 330) return 1;
  }
  std::printf("embedded Reber grammar: learned with %d of 10 seeds (bar: 9)\n", solved);
  return solved >= 9 ? 0 : 1;
}
