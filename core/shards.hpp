#pragma once
/// \file
/// One training step on several cores: each takes a part of the batch, on a tape of its own.

#include <functional>
#include <memory>
#include <span>

#include "variable.hpp"
#include "threads.hpp"

namespace unroll {

/// Data-parallel training: the same parameters, one tape and one thread for each shard of a batch.
///
///     Shards<float> shards(2);
///     const double loss = shards.step([&](Tape<float>& tape, int shard) {     // a Recording of `tape` is open
///       return softmax_cross_entropy(model(x[shard]), y[shard], {.denominator = tokens_of_all});
///     });
///     adam.step();
///
/// Every shard keeps the gradients of its parameters to itself; they are added in the order of the shards, so that the
/// result does not depend on which finishes first: the same bits for the same number of shards. Divide by what the
/// whole batch counts (the `denominator` of the losses), and several shards equal one up to rounding.
///
/// Threads are started once. Shard 0 runs on the calling thread. Matrix products run on one thread each meanwhile.
template <class T = float>
class Shards {
 public:
  /// `count` shards, by default as many as `get_num_threads()` says; the generator of shard k's tape starts from `seed`
  /// and k. Results depend on the count: give one where they must be the same on another machine. Throws ValueError on
  /// a count below 1.
  explicit Shards(int count = get_num_threads(), std::uint64_t seed = 0);
  ~Shards();
  Shards(const Shards&) = delete;
  Shards& operator=(const Shards&) = delete;

  int count() const;
  /// The tape of a shard; for its generator.
  Tape<T>& tape(int shard);

  /// What a shard does: records its part and returns its loss, a scalar, or an undefined Variable when it has nothing
  /// to do. It may copy values out (a carried state) before it returns.
  using Shard = std::function<Variable<T>(Tape<T>&, int shard)>;
  /// Runs every shard in a Recording, back-propagates each loss, and adds the gradients up. Returns the sum of the
  /// losses in the order of the shards. When shards throw, all are awaited, no gradient is added, and the first
  /// exception in that order reaches the caller.
  double step(const Shard& shard);
  /// Runs the first `used` shards alone, for a batch that has no work for the others. One of them runs as if there were
  /// no threads: nobody is woken and gradients are not copied, which a small step would notice. Throws ValueError
  /// unless 1 <= used <= count().
  double step(const Shard& shard, int used);
  /// Runs `work(tape, shard)` for every shard without a scope: for evaluations.
  void run(const std::function<void(Tape<T>&, int shard)>& work);

 private:
  void run_first(int used, const std::function<void(Tape<T>&, int shard)>& work);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Cuts `items` items of the given work (lengths) into `count` runs of about equal work; returns count + 1 positions.
/// Throws ValueError on a count below 1 or negative work.
std::vector<Index> cut_by_work(std::span<const Index> work, int count);

extern template class Shards<float>;
extern template class Shards<double>;

}  // namespace unroll
