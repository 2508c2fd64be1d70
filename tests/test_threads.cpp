// How many threads are used, and that nobody uses more.

#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "unroll/core/gemm.hpp"
#include "unroll/core/shards.hpp"
#include "unroll/core/threads.hpp"
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
  const auto cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  if (const char* wanted = std::getenv("UNROLL_NUM_THREADS"); wanted && *wanted)
    CHECK(get_num_threads() == std::stoi(wanted));
  else
    CHECK(get_num_threads() == cores);
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
