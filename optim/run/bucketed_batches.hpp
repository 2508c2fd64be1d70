#pragma once
/// \file
/// Batches of items of similar lengths for `fit`, in a new order every epoch.

#include <span>
#include <vector>

#include "../../data/batches/batches.hpp"
#include "../state.hpp"

namespace unroll {

/// What ShuffledBatches is for batches of equal counts, this is for batches by length: every epoch `batches_by_length`
/// with the same options, of a generator that goes on. A checkpoint keeps where it is, so that a training that goes on
/// gets the same batches.
///
///     BucketedBatches batches(lengths_of(sentences), {.tokens = 2000}, seed);
///     fit(model, adam, shards, batches, loss, options);
class BucketedBatches {
 public:
  /// Throws ValueError as batches_by_length does.
  BucketedBatches(std::vector<Index> lengths, const BatchOptions& options, std::uint64_t seed = 0);

  /// Of this epoch, before the first of that one: with a pool, one may have more batches than another.
  Index size() const { return size_; }
  void begin_epoch();
  /// Good until the next epoch begins. Throws ValueError outside 0 .. size()-1, and before the first epoch.
  std::span<const Index> batch(Index k) const;
  /// Throws ValueError when the state is that of other lengths.
  void each_state(StateVisitor& visitor);

 private:
  std::vector<Index> lengths_;
  BatchOptions options_;
  Rng rng_, start_;  // start_: what rng_ was when this epoch began
  Batches batches_;
  Index size_ = 0;
  bool begun_ = false;
};

}  // namespace unroll
