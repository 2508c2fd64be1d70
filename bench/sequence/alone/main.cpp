// unroll's step of one workload and nothing else, for profilers and for counting instructions:
//
//   perf record build/bench/sequence_alone W4 M 100
//   valgrind --tool=callgrind build/bench/sequence_alone W4 XS 20
//
// One thread. W5, W6 and W7 have no size: sequence_alone W5 - 3. Three steps more are made beforehand, until every
// buffer has its size; `--collect-atstart=no --toggle-collect=counted_steps` leaves them out of callgrind's count.

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "../clock.hpp"
#include "../contender.hpp"

/// The steps that count. By its C name, so that callgrind can be told about it.
extern "C" [[gnu::noinline]] double counted_steps(const bench::Contender* contender, int steps) {
  double last = 0;
  for (int i = 0; i < steps; ++i) last = contender->step();
  return last;
}

namespace {

using namespace bench;

int run(const Contender& contender, int steps) {
  for (int i = 0; i < 3; ++i) contender.step();
  cpu_time = true;
  const double begin = now(), last = counted_steps(&contender, steps);
  std::printf("loss %.9g, %.6f ms a step on the processor\n", last, (now() - begin) / steps * 1e3);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4) {
    const std::string workload = argv[1], size_name = argv[2];
    const int steps = std::atoi(argv[3]);
    if (workload == "W5") return run(unroll_chain(), steps);
    if (workload == "W6") {
      const Labelling p(sampling_size, lstm);
      return run(unroll_sampling(p), steps);
    }
    if (workload == "W7") {
      const Tagging p;
      return run(unroll_tagging(p, 1), steps);
    }
    for (const Size& size : sizes)
      for (int w = 1; w <= 4; ++w)
        if (workload == "W" + std::to_string(w) && size_name == size.name) {
          const Labelling p(size, w <= 2 ? tanh_rnn : lstm);
          return run(unroll_labelling(p, w % 2 == 1, 1), steps);
        }
  }
  std::fprintf(stderr, "usage: sequence_alone W1..W7 XS|S|M|L|XL steps\n");
  return 2;
}
