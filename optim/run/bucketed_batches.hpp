#pragma once
/// \file
/// Batches of items of similar lengths for `fit`, in a new order every epoch.

#include <span>
#include <vector>

#include "../../data/batches/batches.hpp"
#include "../state.hpp"

namespace unroll {

/// Batches by length, as ShuffledBatches are batches of equal counts: every epoch calls `batches_by_length` with the
/// same options and a generator that goes on. A checkpoint keeps the generator's state, so that a training that is
/// resumed gets the same batches.
///
///     BucketedBatches batches(lengths_of(sentences), {.tokens = 2000}, seed);
///     fit(model, adam, shards, batches, loss, options);
class BucketedBatches {
 public:
  /// Throws ValueError as batches_by_length does.
  BucketedBatches(std::vector<Index> lengths, const BatchOptions& options, std::uint64_t seed = 0);

  /// The number of batches of this epoch; before the first epoch begins, that of the first. With a pool, epochs differ.
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
