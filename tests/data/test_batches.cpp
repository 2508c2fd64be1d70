// Which items go into which batch, padding, and batches made ahead on a thread.

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "unroll/core/error.hpp"
#include "unroll/data/batches/batches.hpp"
#include "unroll/data/batches/prefetch.hpp"
#include "unroll/optim/run/bucketed_batches.hpp"

using namespace unroll;

namespace {

std::vector<Index> some_lengths(Index n, Index most, Rng& rng) {
  std::vector<Index> lengths;
  for (Index i = 0; i < n; ++i) lengths.push_back(rng.integer(most + 1));
  return lengths;
}

std::vector<Index> sorted_items(const Batches& batches) {
  std::vector<Index> all;
  for (const auto& batch : batches) all.insert(all.end(), batch.begin(), batch.end());
  std::sort(all.begin(), all.end());
  return all;
}

std::vector<Index> numbers(Index n) {
  std::vector<Index> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), Index{0});
  return all;
}

/// Longest, sum and share of padding of a batch.
struct Measure {
  Index longest = 0, sum = 0, count = 0;
  Measure(const std::vector<Index>& batch, const std::vector<Index>& lengths) : count(std::ssize(batch)) {
    for (const Index i : batch) {
      longest = std::max(longest, lengths[static_cast<std::size_t>(i)]);
      sum += lengths[static_cast<std::size_t>(i)];
    }
  }
};

}  // namespace

TEST_CASE("batches by length: every item once, within the limits, long to short") {
  Rng rng(1);
  const auto lengths = some_lengths(1000, 60, rng);
  for (const BatchSize size : {BatchSize::steps, BatchSize::padded})
    for (const Index pool : {0, 7, 100, 5000}) {
      const Batches batches =
          batches_by_length(lengths, rng, {.tokens = 300, .max_items = 40, .size = size, .pool = pool});
      CHECK(sorted_items(batches) == numbers(1000));
      for (const auto& batch : batches) {
        const Measure m(batch, lengths);
        CHECK((size == BatchSize::steps ? m.sum : m.longest * m.count) <= 300);
        CHECK(m.count <= 40);
        CHECK(m.count > 0);
        for (std::size_t k = 1; k < batch.size(); ++k)
          CHECK(lengths[static_cast<std::size_t>(batch[k - 1])] >= lengths[static_cast<std::size_t>(batch[k])]);
      }
    }
}

TEST_CASE("batches by length: sorted ones are full and hardly need padding") {
  Rng rng(2);
  const auto lengths = some_lengths(5000, 50, rng);
  const auto waste = [&](Index pool) {
    Index padded = 0, sum = 0;
    for (const auto& batch :
         batches_by_length(lengths, rng, {.tokens = 1000, .size = BatchSize::padded, .pool = pool})) {
      const Measure m(batch, lengths);
      padded += m.longest * m.count, sum += m.sum;
    }
    return static_cast<double>(padded) / static_cast<double>(sum) - 1;
  };
  CHECK(waste(0) < 0.02);
  CHECK(waste(500) < 0.1);
  CHECK(waste(1) == 0);
  const Index total = std::accumulate(lengths.begin(), lengths.end(), Index{0});
  CHECK(std::ssize(batches_by_length(lengths, rng, {.tokens = 1000})) <= total / 950 + 2);
}

TEST_CASE("batches by length: the seed decides, and shuffles") {
  Rng a(3), b(3), c(4);
  const auto lengths = some_lengths(300, 20, c);
  const BatchOptions options{.tokens = 100};
  const Batches first = batches_by_length(lengths, a, options);
  CHECK(first == batches_by_length(lengths, b, options));
  CHECK(first != batches_by_length(lengths, a, options));
  std::vector<Index> longest;
  for (const auto& batch : first) longest.push_back(Measure(batch, lengths).longest);
  CHECK(!std::is_sorted(longest.rbegin(), longest.rend()));
}

TEST_CASE("batches by length: borders and errors") {
  Rng rng(5);
  const std::vector<Index> lengths = {9, 0, 100, 2};
  const Batches batches = batches_by_length(lengths, rng, {.tokens = 10});
  CHECK(sorted_items(batches) == numbers(4));
  CHECK(std::count(batches.begin(), batches.end(), std::vector<Index>{2}) == 1);  // too long for any other
  CHECK(batches.size() == 3);
  CHECK(batches_by_length({}, rng, {.tokens = 1}).empty());
  CHECK(batches_by_length(std::vector<Index>{0, 0, 0}, rng, {.tokens = 1}).size() == 1);
  CHECK(batches_by_length(lengths, rng, {.max_items = 3}).size() == 2);
  CHECK_THROWS_WITH_AS(batches_by_length(lengths, rng, {}),
                       "[batches_by_length] no limit, expected tokens or max_items", ValueError);
  CHECK_THROWS_WITH_AS(batches_by_length(std::vector<Index>{1, -1}, rng, {.tokens = 1}),
                       "[batches_by_length] item 1 has length -1", ValueError);
  CHECK_THROWS_AS(batches_by_length(lengths, rng, {.tokens = -1}), ValueError);
}

TEST_CASE("shuffled and ordered batches") {
  Rng a(6), b(6);
  const Batches batches = shuffled_batches(10, 4, a);
  CHECK(batches.size() == 3);
  CHECK(batches[2].size() == 2);
  CHECK(sorted_items(batches) == numbers(10));
  CHECK(batches == shuffled_batches(10, 4, b));
  CHECK(batches != ordered_batches(10, 4));
  CHECK(shuffled_batches(10, 4, a, true).size() == 2);
  CHECK(shuffled_batches(8, 4, a, true).size() == 2);
  CHECK(ordered_batches(5, 2) == Batches{{0, 1}, {2, 3}, {4}});
  CHECK(ordered_batches(0, 2).empty());
  CHECK_THROWS_AS(shuffled_batches(3, 0, a), ValueError);
  CHECK_THROWS_AS(ordered_batches(-1, 1), ValueError);
  const std::vector<std::string> words = {"a", "b", "c"};
  CHECK(chosen(words, std::vector<Index>{2, 0, 2}) == std::vector<std::string>{"c", "a", "c"});
  CHECK(lengths_of(std::vector<std::vector<int>>{{1, 2}, {}}) == std::vector<Index>{2, 0});
}

TEST_CASE("padding") {
  const auto ids = pad_lists(std::vector<std::vector<Index>>{{1, 2, 3}, {}, {4}}, -1);
  CHECK(ids.steps == 3);
  CHECK(ids.batch == 3);
  CHECK(ids.values == std::vector<Index>{1, -1, 4, 2, -1, -1, 3, -1, -1});
  CHECK(ids.lengths == std::vector<Index>{3, 0, 1});
  CHECK(ids.mask() == std::vector<float>{1, 0, 1, 1, 0, 0, 1, 0, 0});
  const auto rows = pad_lists(std::vector<std::vector<float>>{{1, 2, 3, 4}, {5, 6}}, 0, 2);
  CHECK(rows.values == std::vector<float>{1, 2, 5, 6, 3, 4, 0, 0});
  CHECK(rows.mask<double>() == std::vector<double>{1, 1, 1, 0});
  CHECK(pad_lists(std::vector<std::vector<double>>{}).values.empty());
  CHECK_THROWS_WITH_AS(pad_lists(std::vector<std::vector<float>>{{1, 2, 3}}, 0, 2),
                       "[pad_lists] list 0 has 3 numbers, expected a multiple of 2", ShapeError);
  CHECK_THROWS_AS(pad_lists(std::vector<std::vector<float>>{}, 0, 0), ValueError);
}

TEST_CASE("batches made ahead are those made in place, in order") {
  const auto run = [](Index ahead) {
    Rng rng(7);
    std::vector<std::vector<double>> all;
    Prefetch next(
        200,
        [&](Index k) {
          return std::vector<double>{static_cast<double>(k), rng.normal()};
        },
        ahead);
    while (auto batch = next()) all.push_back(*batch);
    CHECK(!next());
    return all;
  };
  const auto in_place = run(0);
  CHECK(in_place.size() == 200);
  CHECK(in_place[199][0] == 199);
  for (const Index ahead : {1, 2, 3, 500}) CHECK(run(ahead) == in_place);
}

TEST_CASE("batches are made ahead, but not further than asked") {
  std::atomic<Index> made = 0, asked = 0, furthest = 0;
  {
    Prefetch next(
        50,
        [&](Index k) {
          furthest = std::max(furthest.load(), ++made - asked);
          return k;
        },
        3);
    while (made < 3) std::this_thread::yield();  // without being asked
    for (Index k = 0; k < 50; ++k) {
      ++asked;
      CHECK(next() == k);
    }
    CHECK(!next());
  }
  CHECK(made == 50);
  CHECK(furthest <= 3);
}

TEST_CASE("what making a batch throws comes out in its turn, and ends it") {
  for (const Index ahead : {0, 1, 4}) {
    CAPTURE(ahead);
    Prefetch next(
        9,
        [](Index k) {
          if (k == 3) throw ValueError("[make] the third");
          return std::to_string(k);
        },
        ahead);
    for (int k = 0; k < 3; ++k) CHECK(next() == std::to_string(k));
    CHECK_THROWS_WITH_AS(next(), "[make] the third", ValueError);
    CHECK(!next());
    CHECK(!next());
  }
  Prefetch other(1, [](Index) -> int { throw std::runtime_error("other"); });
  CHECK_THROWS_WITH_AS(other(), "other", std::runtime_error);
}

TEST_CASE("it may be left at any moment") {
  for (Index read = 0; read < 6; ++read)
    for (int repeat = 0; repeat < 20; ++repeat) {
      Prefetch next(
          1000, [](Index k) { return std::vector<Index>(10, k); }, 2);
      for (Index k = 0; k < read; ++k) CHECK(next()->at(9) == k);
    }
  {
    Prefetch unread_error(5, [](Index) -> int { throw ValueError("never seen"); });
  }
  Prefetch none(0, [](Index k) { return k; });
  CHECK(!none());
}

TEST_CASE("batches that cannot be copied") {
  Prefetch next(3, [](Index k) { return std::make_unique<Index>(k); });
  CHECK(**next() == 0);
  CHECK(**next() == 1);
}

TEST_CASE("batches by length for training: a new order every epoch, and a state to go on from") {
  Rng rng(9);
  const auto lengths = some_lengths(200, 30, rng);
  const BatchOptions options{.tokens = 120, .pool = 50};
  const auto epoch = [](BucketedBatches& b) {
    Batches all;
    for (Index k = 0; k < b.size(); ++k) all.emplace_back(b.batch(k).begin(), b.batch(k).end());
    return all;
  };
  BucketedBatches batches(lengths, options, 3), other(lengths, options, 8);
  const Index size = batches.size();
  CHECK_THROWS_WITH_AS(batches.batch(size), doctest::Contains("[BucketedBatches] batch "), ValueError);
  CHECK_THROWS_WITH_AS(batches.batch(0), "[BucketedBatches] batch() before the first begin_epoch()", ValueError);
  std::vector<std::int64_t> fresh, saved;
  const auto save = [](BucketedBatches& b, std::vector<std::int64_t>& to) {
    each_state(b, [&](const std::string&, auto values) { to.assign(values.begin(), values.end()); });
  };
  save(batches, fresh);
  batches.begin_epoch();
  CHECK(batches.size() == size);
  const Batches first = epoch(batches);
  CHECK(sorted_items(first) == numbers(200));
  batches.begin_epoch();
  const Batches second = epoch(batches);
  CHECK(first != second);

  save(batches, saved);
  CHECK(epoch(batches) == second);
  const auto load = [](BucketedBatches& b, const std::vector<std::int64_t>& from) {
    each_state(b, [&](const std::string&, auto values) {
      using Number = std::decay_t<decltype(values[0])>;
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<Number>(from[i]);
    });
  };
  load(other, saved);
  CHECK(epoch(other) == second);
  batches.begin_epoch(), other.begin_epoch();
  CHECK(epoch(batches) == epoch(other));
  load(other, fresh);
  CHECK_THROWS_AS(other.batch(0), ValueError);
  other.begin_epoch();
  CHECK(epoch(other) == first);

  BucketedBatches shorter({1, 2}, options);
  CHECK_THROWS_WITH_AS(load(shorter, saved), "[BucketedBatches] a state of items of other lengths", ValueError);
  CHECK_THROWS_AS(BucketedBatches({1, -2}, options), ValueError);
  CHECK_THROWS_AS(BucketedBatches({1}, {}), ValueError);
}
