// Workload W5: a chain of 10,000 elementwise products of 8 floats, forward and backward, nanoseconds an operation;
// unroll beside LibTorch, in turns within one run.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <vector>

#ifdef UNROLL_HAVE_TORCH
#include <torch/torch.h>
#endif

#include "unroll/core/tape.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/reduce.hpp"

namespace {

constexpr int ops = 10000, repeats = 21;

double nanoseconds_an_op(const std::function<void()>& step) {
  const auto begin = std::chrono::steady_clock::now();
  step();
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count() / ops;
}

void print(const char* name, std::vector<double> times) {
  std::sort(times.begin(), times.end());
  std::printf("%-10s %9.1f  (%.1f .. %.1f)\n", name, times[times.size() / 2], times.front(), times.back());
}

}  // namespace

int main() {
  const std::vector<float> x(8, 0.5f), factor(8, 0.9999f);
  unroll::Tape<float> tape;
  const auto ours = [&] {
    const unroll::Recording step(tape);
    auto y = input(x, unroll::Shape{8}, unroll::requires_grad);
    const auto w = input(factor, unroll::Shape{8});
    for (int i = 0; i < ops; ++i) y = y * w;
    tape.backward(sum(y));
  };
  std::vector<double> unroll_times, torch_times;
  ours();
#ifdef UNROLL_HAVE_TORCH
  torch::set_num_threads(1);
  const auto theirs = [&] {
    auto first = torch::full({8}, 0.5f, torch::requires_grad());
    const auto w = torch::full({8}, 0.9999f);
    auto y = first;
    for (int i = 0; i < ops; ++i) y = y * w;
    y.sum().backward();
  };
  theirs();
#endif
  for (int i = 0; i < repeats; ++i) {
    unroll_times.push_back(nanoseconds_an_op(ours));
#ifdef UNROLL_HAVE_TORCH
    torch_times.push_back(nanoseconds_an_op(theirs));
#endif
  }
  std::printf("W5: %d products of 8 floats, forward + backward, ns an op: median (least .. most) of %d\n", ops, repeats);
  print("unroll", unroll_times);
  if (torch_times.empty()) {
    std::printf("LibTorch is not installed and left out\n");
  } else {
    print("LibTorch", torch_times);
  }
}
