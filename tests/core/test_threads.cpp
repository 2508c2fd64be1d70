// How many threads are used, and that nobody uses more.

#include <doctest/doctest.h>

#ifdef __linux__
#include <sched.h>
#include <stdlib.h>
#endif

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "temporary_folder.hpp"
#include "unroll/core/gemm/gemm.hpp"
#include "unroll/core/shards.hpp"
#include "unroll/core/threads.hpp"
#include "unroll/core/threads_detail.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/reduce.hpp"
#include "unroll/optim/sgd.hpp"

using namespace unroll;

namespace {

// Loss and weight after a step on `used` shards of the rows of one input.
std::vector<float> trained(Shards<float>& shards, int used, Index rows) {
  Rng rng(1);
  const Linear<> model(3, 2, rng);
  SGD sgd(parameters(model), {.lr = 0.1});
  std::vector<float> result;
  for (int step = 0; step < 3; ++step) {
    result.push_back(static_cast<float>(shards.step(
        [&](Tape<float>&, int k) -> Variable<float> {
          const Index begin = rows * k / used, end = rows * (k + 1) / used;
          if (begin == end) return {};
          const auto y = model(
              input(std::vector<float>(static_cast<std::size_t>(3 * (end - begin)), 0.5f), Shape{end - begin, 3}));
          return sum(y * y);
        },
        used)));
    sgd.step();
  }
  const auto w = model.weight.values();
  result.insert(result.end(), w.begin(), w.end());
  return result;
}

}  // namespace

TEST_CASE("by default there are as many threads as cores; whoever says otherwise is heeded") {
  if (const char* wanted = std::getenv("UNROLL_NUM_THREADS"); wanted && *wanted)
    CHECK(get_num_threads() == std::stoi(wanted));
  else
    CHECK(get_num_threads() == detail::default_threads());
  const int before = get_num_threads();
  CHECK(Shards<float>().count() == before);
  CHECK(set_num_threads(3) == before);
  CHECK(get_num_threads() == 3);
  int seen = 0;
  std::thread([&] { seen = get_num_threads(); }).join();  // for the whole process
  CHECK(seen == 3);
  CHECK(Shards<float>().count() == 3);
  CHECK(Shards<double>(2).count() == 2);
  CHECK(set_num_threads(before) == 3);
  CHECK_THROWS_WITH_AS(set_num_threads(0), "[set_num_threads] 0 threads; expected 1 or more", ValueError);
  CHECK(get_num_threads() == before);
}

#ifdef __linux__
TEST_CASE("cores are those that the thread may run on; the environment's number is heeded or refused when asked for") {
  const char* before = std::getenv("UNROLL_NUM_THREADS");
  const std::string kept = before ? before : "";
  unsetenv("UNROLL_NUM_THREADS");
  const int all = detail::default_threads();
  CHECK(all >= 1);
  CHECK(all <= static_cast<int>(std::thread::hardware_concurrency()));
  std::thread([&] {
    cpu_set_t allowed, one;
    REQUIRE(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    std::size_t cpu = 0;
    while (!CPU_ISSET(cpu, &allowed)) ++cpu;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK(detail::default_threads() == 1);
    setenv("UNROLL_NUM_THREADS", "7", 1);
    CHECK(detail::default_threads() == 7);
  }).join();
  for (const char* bad : {"0", "1025", "-1", "2x", " 2", "two", "99999999999"}) {
    setenv("UNROLL_NUM_THREADS", bad, 1);
    const std::string expected =
        "[UNROLL_NUM_THREADS] '" + std::string(bad) + "'; expected a whole number from 1 to 1024";
    CHECK_THROWS_WITH_AS(detail::default_threads(), expected.c_str(), ValueError);
    CHECK(Shards<float>(2).count() == 2);  // nobody asked
  }
  setenv("UNROLL_NUM_THREADS", "", 1);
  CHECK(detail::default_threads() == all);
  before ? setenv("UNROLL_NUM_THREADS", kept.c_str(), 1) : unsetenv("UNROLL_NUM_THREADS");
}
#endif

TEST_CASE("a control group's quota counts as CPUs, rounded up; the least of the groups above") {
  const TemporaryFolder folder;
  const auto put = [&](const std::string& name, const char* text) {
    std::filesystem::create_directories(std::filesystem::path(folder.file(name)).parent_path());
    put_file(folder.file(name), text);
  };
  const auto cpus = [&](const char* groups) { return detail::quota_cpus(folder.file("."), groups); };
  CHECK(cpus("") == 0);
  CHECK(cpus("0::/\n") == 0);

  put("a/cpu.max", "max 100000\n");
  put("a/b/cpu.max", "250000 100000\n");
  put("a/b/c/cpu.max", "400000 100000\n");
  put("a/d/cpu.max", "1000 100000\n");
  put("a/e/cpu.max", "nonsense\n");
  CHECK(cpus("0::/a\n") == 0);
  CHECK(cpus("0::/a/b\n") == 3);
  CHECK(cpus("0::/a/b/c\n") == 3);
  CHECK(cpus("0::/a/b/missing/x\n") == 3);
  CHECK(cpus("0::/a/d\n") == 1);
  CHECK(cpus("0::/a/e\n") == 0);
  CHECK(cpus("0::/../../a/b\n") == 0);  // outside of what this process sees
  CHECK(cpus("nonsense\n1:\n") == 0);

  put("cpu/x/cpu.cfs_quota_us", "-1\n");
  put("cpu/x/cpu.cfs_period_us", "100000\n");
  put("cpu/x/y/cpu.cfs_quota_us", "200000\n");
  put("cpu/x/y/cpu.cfs_period_us", "100000\n");
  CHECK(cpus("3:cpuset:/x/y\n") == 0);
  CHECK(cpus("4:cpu,cpuacct:/x\n") == 0);
  CHECK(cpus("4:cpu,cpuacct:/x/y\n0::/a/b\n") == 2);
  CHECK(cpus("4:cpuacct,cpu:/x/y\n0::/a/d\n") == 1);

  put("cpu.max", "500000 100000\n");  // a container's own root
  CHECK(cpus("0::/\n") == 5);
  CHECK(cpus("0::/docker/0123\n") == 5);
  CHECK(cpus("0::/a/b\n") == 3);
}

TEST_CASE("products stay on one thread in every shard, whatever the caller asked for outside") {
  const int before = set_blas_threads(4);
  Shards<float> shards(3);
  std::vector<int> threads(3);
  std::vector<std::thread::id> ids(3);
  shards.run([&](Tape<float>&, int k) {
    threads[static_cast<std::size_t>(k)] = blas_threads();
    ids[static_cast<std::size_t>(k)] = std::this_thread::get_id();
  });
  CHECK(threads == std::vector<int>{1, 1, 1});
  CHECK(std::set<std::thread::id>(ids.begin(), ids.end()).size() == 3);
  CHECK(ids[0] == std::this_thread::get_id());
  CHECK(blas_threads() == 4);
  CHECK_THROWS_AS(shards.run([&](Tape<float>&, int k) {
    if (k == 0) throw ValueError("no");
  }),
                  ValueError);
  CHECK(blas_threads() == 4);
  set_blas_threads(before);
}

TEST_CASE("a step on some of the shards runs these alone") {
  Shards<float> shards(3);
  for (const int used : {1, 2, 3, 1, 3}) {
    std::atomic<int> runs = 0;
    std::atomic<unsigned> which = 0;
    shards.step(
        [&](Tape<float>&, int k) {
          ++runs;
          which |= 1u << k;
          return Variable<float>();
        },
        used);
    CHECK(runs == used);
    CHECK(which == (1u << used) - 1u);
  }
  const auto nothing = [](Tape<float>&, int) { return Variable<float>(); };
  CHECK_THROWS_WITH_AS(shards.step(nothing, 0), "[Shards] step on 0 of 3 shards; expected 1 to all of them",
                       ValueError);
  CHECK_THROWS_AS(shards.step(nothing, 4), ValueError);
}

TEST_CASE("steps on one, two and all shards, in any order, train alike") {
  Shards<float> one(1), several(3);
  const auto expected = trained(one, 1, 6);
  for (const int used : {3, 1, 2, 3}) {
    const auto got = trained(several, used, 6);
    REQUIRE(got.size() == expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == doctest::Approx(expected[i]).epsilon(1e-5));
    CHECK(trained(several, used, 6) == got);  // to the bit
  }
  CHECK(trained(several, 1, 6) == expected);  // one shard of several is one shard
}

TEST_CASE("an exception on some of the shards leaves the others as they were") {
  Shards<float> shards(3);
  const auto expected = trained(shards, 2, 4);
  CHECK_THROWS_AS(shards.step([](Tape<float>&, int) -> Variable<float> { throw ValueError("no"); }), ValueError);
  CHECK(trained(shards, 2, 4) == expected);
  CHECK(trained(shards, 1, 1).size() == expected.size());
}

TEST_CASE("the number may be asked for and set from several threads at once") {
  const int before = get_num_threads();
  std::vector<std::thread> threads;
  std::atomic<bool> right = true;
  for (int k = 1; k <= 4; ++k)
    threads.emplace_back([&, k] {
      for (int i = 0; i < 200; ++i) {
        set_num_threads(k);
        if (const int n = get_num_threads(); n < 1 || n > 4) right = false;
      }
    });
  for (auto& t : threads) t.join();
  CHECK(right);
  set_num_threads(before);
}
