#pragma once
/// \file
/// What time is: of the wall, or of the processor.

#include <ctime>

namespace bench {

/// True: time is what this process spent on the processor, which other programs disturb less. Means something for one
/// thread only.
inline bool cpu_time = false;

inline double now() {
  timespec t{};
  clock_gettime(cpu_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// Seconds that f() takes.
template <class F>
double seconds_of(const F& f) {
  const double begin = now();
  f();
  return now() - begin;
}

}  // namespace bench
