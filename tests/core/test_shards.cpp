// Data-parallel training: what several tapes on several threads compute is what one would.

#include <doctest/doctest.h>

#include <numeric>
#include <string>
#include <vector>

#include "unroll/core/shards.hpp"
#include "unroll/nn/embedding.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/sequence.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/ops/losses.hpp"
#include "unroll/optim/sgd.hpp"

using namespace unroll;

namespace {

template <class T>
struct Tagger {
  using scalar = T;
  Embedding<T> embedding;
  Stack<Rnn<LSTMCell<T>>> layers;
  Linear<T> output;
  explicit Tagger(Rng& rng) : embedding(11, 5, rng), layers(5, 6, rng, {.layers = 2}), output(6, 4, rng) {}
  void each(auto&& visit) { visit("embedding", embedding), visit("layers", layers), visit("output", output); }

  Sequence<T> operator()(const PackedIds& ids) const {
    return {output(layers(Sequence<T>{embedding(Indices(ids.ids)), ids.layout}).rows), ids.layout};
  }
};

struct Batch {
  std::vector<std::vector<Index>> words, tags;
  std::vector<Index> lengths;
  double tokens = 0;
};

Batch make_batch(std::uint64_t seed) {
  Rng rng(seed);
  Batch b;
  for (int k = 0; k < 9; ++k) {
    const Index length = rng.integer(8);
    b.lengths.push_back(length);
    b.tokens += static_cast<double>(length);
    b.words.emplace_back();
    b.tags.emplace_back();
    for (Index t = 0; t < length; ++t) {
      b.words.back().push_back(rng.integer(11));
      b.tags.back().push_back(rng.integer(4));
    }
  }
  return b;
}

// Loss and all gradients of one step on `count` shards.
template <class T>
std::vector<T> gradients(const Tagger<T>& model, const Batch& batch, Shards<T>& shards) {
  const auto cuts = cut_by_work(batch.lengths, shards.count());
  const double loss = shards.step([&](Tape<T>& tape, int k) {
    const auto from = static_cast<std::size_t>(cuts[static_cast<std::size_t>(k)]);
    const auto count = static_cast<std::size_t>(cuts[static_cast<std::size_t>(k) + 1]) - from;
    if (count == 0) return Variable<T>();
    const std::span<const std::vector<Index>> words(batch.words.data() + from, count), tags(batch.tags.data() + from, count);
    return softmax_cross_entropy(model(pack_ids(tape, words)), tags,
                                 CrossEntropyOptions<T>{.denominator = batch.tokens});
  });
  std::vector<T> all{static_cast<T>(loss)};
  for (const auto& p : parameters(model)) {
    REQUIRE(p.storage->has_grad);
    all.insert(all.end(), p.storage->grad, p.storage->grad + p.storage->shape.size());
    p.storage->clear_grad();
  }
  return all;
}

}  // namespace

TEST_CASE("several shards equal one up to rounding, and themselves to the bit") {
  Rng rng(3);
  const Tagger<double> model(rng);
  Shards<double> one(1);
  for (const int count : {2, 3, 5}) {
    Shards<double> several(count), again(count);
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      const Batch batch = make_batch(seed);
      const auto expected = gradients(model, batch, one);
      const auto got = gradients(model, batch, several);
      REQUIRE(got.size() == expected.size());
      for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == doctest::Approx(expected[i]).epsilon(1e-11));
      CHECK(gradients(model, batch, again) == got);
    }
  }
}

TEST_CASE("gradients of several rounds add up, and a step uses them") {
  Rng rng(3);
  const Tagger<double> model(rng), other = clone(model);
  Shards<double> one(1), two(2);
  SGD sgd(parameters(model), {.lr = 0.1}), other_sgd(parameters(other), {.lr = 0.1});
  const Batch batch = make_batch(7);
  const auto accumulate = [&](const Tagger<double>& m, Shards<double>& shards) {
    for (int round = 0; round < 3; ++round)
      shards.step([&](Tape<double>& tape, int k) {
        if (shards.count() == 2 && k != round % 2) return Variable<double>();  // a shard with nothing to do
        return softmax_cross_entropy(m(pack_ids(tape, std::span<const std::vector<Index>>(batch.words))), batch.tags);
      });
  };
  accumulate(model, one);
  accumulate(other, two);
  sgd.step();
  other_sgd.step();
  const auto a = parameters(model), b = parameters(other);
  for (std::size_t i = 0; i < a.size(); ++i)
    for (Index j = 0; j < a[i].storage->shape.size(); ++j)
      CHECK(a[i].storage->value[j] == doctest::Approx(b[i].storage->value[j]).epsilon(1e-12));
}

TEST_CASE("an exception of a shard reaches the caller, and no gradient is added") {
  Rng rng(3);
  const Tagger<double> model(rng);
  Shards<double> shards(3);
  const Batch batch = make_batch(7);
  for (const int bad : {0, 2}) {
    CHECK_THROWS_WITH_AS(
        shards.step([&](Tape<double>& tape, int k) {
          if (k == bad) throw ValueError("shard " + std::to_string(k));
          return softmax_cross_entropy(model(pack_ids(tape, std::span<const std::vector<Index>>(batch.words))),
                                       batch.tags);
        }),
        ("shard " + std::to_string(bad)).c_str(), ValueError);
    for (const auto& p : parameters(model)) CHECK_FALSE(p.storage->has_grad);
  }
  CHECK(gradients(model, batch, shards).size() > 1);  // and the next step works
}

TEST_CASE("work is cut into runs of about equal size") {
  const std::vector<Index> work{5, 1, 1, 1, 5, 1, 1, 1};
  CHECK(cut_by_work(work, 1) == std::vector<Index>{0, 8});
  CHECK(cut_by_work(work, 2) == std::vector<Index>{0, 4, 8});
  CHECK(cut_by_work(std::vector<Index>{}, 3) == std::vector<Index>{0, 0, 0, 0});
  CHECK(cut_by_work(std::vector<Index>{9}, 2).size() == 3);
  const auto cuts = cut_by_work(std::vector<Index>(100, 3), 7);
  for (std::size_t k = 0; k + 1 < cuts.size(); ++k) {
    CHECK(cuts[k + 1] - cuts[k] >= 14);
    CHECK(cuts[k + 1] - cuts[k] <= 15);
  }
  CHECK_THROWS_AS(cut_by_work(work, 0), ValueError);
  CHECK_THROWS_AS(cut_by_work(std::vector<Index>{-1}, 2), ValueError);
  CHECK_THROWS_AS(Shards<float>(0), ValueError);
}
