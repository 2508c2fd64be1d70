#include "unroll/core/threads.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>

#include "unroll/core/error.hpp"

namespace unroll {
namespace {

constinit std::atomic<int> said = 0;  // 0: nobody said

int default_threads() {
  const char* wanted = std::getenv("UNROLL_NUM_THREADS");
  if (!wanted || !*wanted) return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  const std::string_view text = wanted;
  int n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size() || n < 1 || n > 1024)
    throw ValueError("[UNROLL_NUM_THREADS] '" + std::string(text) + "'; expected a whole number from 1 to 1024");
  return n;
}

}  // namespace

int get_num_threads() {
  if (const int n = said.load(std::memory_order_relaxed); n > 0) return n;
  static const int n = default_threads();
  return n;
}

int set_num_threads(int n) {
  if (n < 1) throw ValueError("[set_num_threads] " + std::to_string(n) + " threads; expected 1 or more");
  const int old = get_num_threads();
  const int before = said.exchange(n, std::memory_order_relaxed);
  return before > 0 ? before : old;
}

}  // namespace unroll
