#pragma once
/// \file
/// How long two layers take, side by side.

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

#include "unroll/core/tape.hpp"
#include "unroll/ops/reduce.hpp"

namespace unroll::examples {

/// Medians of the milliseconds that two layers, as wide as their input, take forward and backward over zeros of shape
/// `x` (T, B, F). They take turns, so that whatever else the machine does meets both alike.
template <class One, class Other>
std::array<double, 2> paired_milliseconds(const Shape& x, int turns = 51) {
  Rng rng(1);
  const One one(x[-1], x[-1], rng);
  const Other other(x[-1], x[-1], rng);
  using Clock = std::chrono::steady_clock;
  Tape<float> tape;
  const auto time = [&](const auto& layer, std::vector<double>& times) {
    const auto begin = Clock::now();
    {
      const Recording<float> recording(tape);
      tape.backward(sum(layer(zeros<float>(x))));
    }
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  };
  std::vector<double> of_one, of_other;
  for (int turn = 0; turn < turns; ++turn) time(one, of_one), time(other, of_other);
  const auto median = [](std::vector<double>& times) {
    const auto middle = times.begin() + std::ssize(times) / 2;
    std::nth_element(times.begin(), middle, times.end());
    return *middle;
  };
  return {median(of_one), median(of_other)};
}

}  // namespace unroll::examples
