#include "studies.hpp"

#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>

namespace bench {
namespace {

constexpr double megabyte = 1e6;

/// A line of /proc/self/status, in bytes; 0 where there is no such file.
double status(const std::string& key) {
  std::ifstream file("/proc/self/status");
  std::string word;
  while (file >> word)
    if (word == key + ":") {
      double kilobytes = 0;
      file >> kilobytes;
      return kilobytes * 1024;
    }
  return 0;
}

struct Peak {
  double system = 0, counted = 0;  // bytes: resident, of the process; what the contender itself counts
};

/// In a process of its own: what four steps add to the most that was ever resident. Small steps first, so that code and
/// what libraries keep for themselves are there already.
template <class Make>
Peak peak(const Make& make, const Labelling& small, const Labelling& p) {
  int ends[2];
  if (pipe(ends) != 0) return {};
  const pid_t child = fork();
  if (child < 0) return {};
  if (child == 0) {
    Peak result;
    {
      const Contender warm = make(small);
      for (int i = 0; warm && i < 2; ++i) warm.step();
    }
    malloc_trim(0);
    const double before = status("VmRSS");
    const Contender contender = make(p);
    for (int i = 0; contender && i < 4; ++i) contender.step();
    if (contender) result = {status("VmHWM") - before, contender.bytes ? static_cast<double>(contender.bytes()) : 0};
    const bool sent = write(ends[1], &result, sizeof result) == static_cast<ssize_t>(sizeof result);
    _exit(sent ? 0 : 1);
  }
  close(ends[1]);
  Peak result;
  if (read(ends[0], &result, sizeof result) != static_cast<ssize_t>(sizeof result)) result = {};
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return result;
}

}  // namespace

void memory_study(const Size& size, Cell cell, bool own_cell) {
  const Labelling p(size, cell), small(sizes[0], cell);
  const auto rows = static_cast<double>(size.steps * size.batch), input = static_cast<double>(size.input),
             hidden = static_cast<double>(size.hidden), output = static_cast<double>(size.output);
  // What backward reads: the input, the states, for an LSTM its four gates, the logits (which may become their own
  // gradient).
  const double activations = 4 * rows * (input + (cell == lstm ? 6 : 1) * hidden + output);
  const auto bytes = [](const Floats& v) { return static_cast<double>(v.size() * sizeof(float)); };
  const double parameters = bytes(p.layer.w_ih) + bytes(p.layer.w_hh) + bytes(p.layer.b_ih) + bytes(p.layer.b_hh) +
                            bytes(p.out.w) + bytes(p.out.b);
  const double count = activations + 2 * parameters;
  std::printf("memory %s:%s  MB: activations that backward needs %.1f + parameters %.1f + gradients %.1f = %.1f\n",
              cell == tanh_rnn ? (own_cell ? "W1" : "W2") : (own_cell ? "W3" : "W4"), size.name, activations / megabyte,
              parameters / megabyte, parameters / megabyte, count / megabyte);
  const Peak ours = peak([&](const Labelling& q) { return unroll_labelling(q, own_cell, 1); }, small, p);
  std::printf("  %-10s %8.1f  %.2f of the count (tape, parameters, gradients); %.1f resident in the system\n", "unroll",
              ours.counted / megabyte, ours.counted / count, ours.system / megabyte);
  const auto other = [&](const char* name, const auto& make) {
    const Peak theirs = peak([&](const Labelling& q) { return make(q, 1); }, small, p);
    if (theirs.system > 0)
      std::printf("  %-10s %8.1f  resident\n", name, theirs.system / megabyte);
    else
      std::printf("  %-10s        -  not installed\n", name);
  };
  other("LibTorch", torch_labelling);
  other("oneDNN", onednn_labelling);
  std::fflush(stdout);
}

void long_study(const Effort& effort) {
  constexpr Index lengths[] = {100, 300, 1000, 3000, 10000};
  for (const Cell cell : {tanh_rnn, lstm}) {
    std::vector<std::unique_ptr<Labelling>> problems;
    std::vector<Entrant> entrants;
    for (const Index steps : lengths) {
      Size size = sizes[1];
      size.steps = steps;
      problems.push_back(std::make_unique<Labelling>(size, cell));
      problems.back()->lr = 1e-6;  // gradients are sums over time
      entrants.push_back({unroll_labelling(*problems.back(), false, 1)});
    }
    measure(entrants, effort, false);
    const double first = timing(entrants[0].times).median / static_cast<double>(lengths[0]);
    for (std::size_t i = 0; i < entrants.size(); ++i) {
      const Timing t = timing(entrants[i].times);
      const auto steps = static_cast<double>(lengths[i]);
      std::printf("long     %s S, T = %5.0f   %9.3f ms a step, %7.3f us per time step, %.3f of that at T = 100\n",
                  cell == lstm ? "LSTM    " : "tanh RNN", steps, t.median * 1e3, t.median / steps * 1e6,
                  t.median / steps / first);
    }
  }
  std::fflush(stdout);
}

void pyramid_study(int threads, const Effort& effort) {
  std::vector<Entrant> entrants;
  for (Contender& c : pyramid_contenders(threads)) entrants.push_back({std::move(c)});
  measure(entrants, effort, threads > 1);
  for (const Entrant& e : entrants) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < e.times.size(); ++i) ratios.push_back(entrants[0].times[i] / e.times[i]);
    const Timing r = timing(ratios);
    std::printf(
        "pyramid  B=16 T=400 F=40, 3 bidirectional LSTMs of 128, threads %d: %-16s %7.2f steps/s, %.2f [%.2f %.2f] "
        "of the stack's\n",
        threads, e.contender.name.c_str(), 1 / timing(e.times).median, r.median, r.low, r.high);
  }
  std::fflush(stdout);
}

}  // namespace bench
