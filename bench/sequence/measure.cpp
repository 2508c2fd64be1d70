#include "measure.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <thread>

#include "clock.hpp"

namespace bench {
namespace {

constexpr int checked_steps = 4;
constexpr double tolerance = 1e-4, sample_seconds = 2e-3;

double seconds(const Contender& c, int calls) {
  return seconds_of([&] {
           for (int i = 0; i < calls; ++i) c.step();
         }) /
         calls;
}

}  // namespace

Timing timing(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  const auto at = [&](double share) {
    const double place = share * static_cast<double>(v.size() - 1);
    const auto i = static_cast<std::size_t>(place);
    const double part = place - static_cast<double>(i);
    return v[i] + part * (v[std::min(i + 1, v.size() - 1)] - v[i]);
  };
  return {at(0.5), at(0.25), at(0.75)};
}

bool check_losses(std::vector<Entrant>& entrants, const std::string& what) {
  std::vector<std::vector<double>> losses(entrants.size());
  std::size_t reference = entrants.size();
  for (std::size_t i = 0; i < entrants.size(); ++i) {
    if (!entrants[i].runs()) continue;
    for (int k = 0; k < checked_steps; ++k) losses[i].push_back(entrants[i].contender.step());
    if (std::isnan(losses[i][0]) && entrants[i].contender.name == "floor") continue;
    if (reference == entrants.size() || entrants[i].contender.name == "libtorch") reference = i;
  }
  bool right = true;
  for (std::size_t i = 0; i < entrants.size(); ++i) {
    if (!entrants[i].runs() || entrants[i].contender.name == "floor") continue;
    for (std::size_t k = 0; k < losses[i].size(); ++k) {
      const double got = losses[i][k], expected = losses[reference][k];
      if (std::abs(got - expected) <= tolerance * std::max(std::abs(expected), 1e-2)) continue;
      std::fprintf(stderr, "%s: loss of %s in step %zu is %.7g, that of %s %.7g: its time does not count\n",
                   what.c_str(), entrants[i].contender.name.c_str(), k, got, entrants[reference].contender.name.c_str(),
                   expected);
      entrants[i].contender.step = nullptr;
      right = false;
      break;
    }
  }
  return right;
}

void measure(std::vector<Entrant>& entrants, const Effort& effort, bool pause) {
  for (Entrant& e : entrants) {
    if (!e.runs()) continue;
    e.times.clear();
    const double once = seconds(e.contender, 1);
    e.calls = once < sample_seconds ? static_cast<int>(std::ceil(sample_seconds / std::max(once, 1e-7))) : 1;
  }
  const double begin = now();
  for (int r = 0; r < effort.repeats; ++r) {
    if (r >= 3 && now() - begin > effort.seconds) break;
    for (Entrant& e : entrants) {
      if (!e.runs()) continue;
      // Threads of OpenMP and of the BLAS spin for a while after their last piece of work.
      if (pause) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      if (e.calls > 1 || pause) e.contender.step();
      e.times.push_back(seconds(e.contender, e.calls));
    }
  }
}

}  // namespace bench
