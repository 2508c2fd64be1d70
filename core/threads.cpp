#include "threads.hpp"

#ifdef __linux__
#include <sched.h>
#endif

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>

#include "error.hpp"
#include "threads_detail.hpp"

namespace unroll {
namespace {

constinit std::atomic<int> said = 0;  // 0: nobody said
constinit thread_local int threads_of_products = 1;

// The CPUs that the calling thread may run on.
int allowed_cpus() {
#ifdef __linux__
  // The kernel refuses a set that is smaller than its own.
  for (std::size_t most = 1024; most <= std::size_t{1} << 20; most *= 2) {
    const std::size_t bytes = CPU_ALLOC_SIZE(most);
    const auto set = std::make_unique<cpu_set_t[]>(bytes / sizeof(cpu_set_t) + 1);
    if (sched_getaffinity(0, bytes, set.get()) == 0) return CPU_COUNT_S(bytes, set.get());
  }
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

// What one control group says by itself; 0 for no limit.
int group_cpus(const std::filesystem::path& group) {
  long long quota = 0, period = 0;  // in microseconds; they stay 0 when a file is missing or says "max"
  if (std::ifstream v2(group / "cpu.max"); v2) {
    v2 >> quota >> period;
  } else {
    std::ifstream(group / "cpu.cfs_quota_us") >> quota;
    std::ifstream(group / "cpu.cfs_period_us") >> period;
  }
  if (quota <= 0 || period <= 0) return 0;
  return static_cast<int>(std::min((quota - 1) / period + 1, 1'000'000LL));
}

}  // namespace

namespace detail {

int quota_cpus(const std::filesystem::path& root, const std::string& groups) {
  int least = 0;
  std::istringstream lines(groups);
  for (std::string line; std::getline(lines, line);) {  // number:controllers:path; v2 names no controllers
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool v2 = controllers == ",,";
    if (!v2 && controllers.find(",cpu,") == std::string::npos) continue;
    // In a container the path may be the host's, and only what is above it is there.
    std::filesystem::path path = std::filesystem::path(line.substr(second + 1)).relative_path();
    for (bool more = true; more; path = path.parent_path()) {
      more = !path.empty();
      if (const int n = group_cpus((v2 ? root : root / "cpu") / path); n > 0 && (least == 0 || n < least)) least = n;
    }
  }
  return least;
}

int default_threads() {
  if (const char* wanted = std::getenv("UNROLL_NUM_THREADS"); wanted && *wanted) {
    const std::string_view text = wanted;
    int n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc() || end != text.data() + text.size() || n < 1 || n > 1024)
      throw ValueError("[UNROLL_NUM_THREADS] '", text, "'; expected a whole number from 1 to 1024");
    return n;
  }
  const int cpus = std::max(1, allowed_cpus());
  std::ifstream file("/proc/self/cgroup");
  const int quota = quota_cpus("/sys/fs/cgroup", {std::istreambuf_iterator<char>(file), {}});
  return quota > 0 ? std::min(cpus, quota) : cpus;
}

}  // namespace detail

int get_num_threads() {
  if (const int n = said.load(std::memory_order_relaxed); n > 0) return n;
  static const int n = detail::default_threads();
  return n;
}

int set_num_threads(int n) {
  if (n < 1) throw ValueError("[set_num_threads] ", n, " threads; expected 1 or more");
  const int old = get_num_threads();
  const int before = said.exchange(n, std::memory_order_relaxed);
  return before > 0 ? before : old;
}

int blas_threads() noexcept { return threads_of_products; }

int set_blas_threads(int n) {
  if (n < 1) throw ValueError("[set_blas_threads] ", n, " threads; expected 1 or more");
  const int old = threads_of_products;
  threads_of_products = n;
  return old;
}

}  // namespace unroll
