// The copying task with T = 50: ten letters of eight, remembered for 60 steps each. At least 99 % of the letters right
// on 1,000 fresh sequences (chance: 12.5 %), by a GRU of 128 units after 160,000 sequences, 16 an update. Other seeds
// than 1 and 2: as arguments.
//
//     right, %    seed 1   seed 2
//     GRU          99.74    99.65     390 s each, side by side on two busy cores

#include <cstdio>
#include <string>
#include <vector>

#include "long_time_lags.hpp"
#include "unroll/nn/gru.hpp"

using namespace unroll::test;

int main(int argc, char** argv) {
  std::vector<std::uint64_t> seeds = {1, 2};
  if (argc > 1) seeds.clear();
  for (int i = 1; i < argc; ++i) seeds.push_back(std::stoull(argv[i]));
  int failed = 0;
  for (const std::uint64_t seed : seeds) {
    const Stopwatch watch;
    const double right = learn_copying<unroll::GRUCell<float>>(
        seed, 50, 1000, {.hidden = 128, .updates = 10'000, .keep = 4, .clip = 0.2});
    std::printf("GRU, seed %d: %.2f %% of letters right (bar: 99 %%), %.1f s\n", static_cast<int>(seed), 100 * right,
                watch.seconds());
    std::fflush(stdout);
    failed += !(right >= 0.99);
  }
  return failed;
}
