#pragma once
/// \file
/// A long text as a batch of parallel streams, read in chunks of some steps.

#include <span>
#include <utility>
#include <vector>

#include "unroll/core/random.hpp"
#include "unroll/core/shape.hpp"
#include "unroll/optim/state.hpp"

namespace unroll::examples {

/// Inputs and targets of T steps of B streams, time-major: the symbol of step t in stream b is [t * B + b], and its
/// target is the symbol after it.
struct Chunk {
  Index steps = 0, batch = 0;
  std::vector<Index> inputs, targets;
};

/// Streams `from` .. `to` of a chunk, for one of several threads.
void take_streams(const Chunk& chunk, Index from, Index to, Chunk& share);

/// What a target is where a stream has ended before the others.
inline constexpr Index kNoTarget = -1;

/// For training: the text cut into `batch` pieces of equal length that are read side by side, chunk after chunk, so
/// that a state can be carried from one to the next. It is read as a ring from `offset` on: with another offset in
/// every epoch the chunks never are the same ones.
class TrainingStreams {
 public:
  /// Reduces `batch`, and then `steps`, when the text is too short for even one chunk. The text needs two symbols.
  TrainingStreams(std::span<const Index> text, Index batch, Index steps);

  Index batch() const { return batch_; }
  Index steps() const { return steps_; }
  Index chunks() const { return chunks_; }
  /// Chunk `k` of an epoch; good until the next call.
  const Chunk& chunk(Index k, Index offset);

 private:
  std::span<const Index> text_;
  Index batch_, steps_, length_, chunks_;
  Chunk chunk_;
};

/// Training streams as `fit` wants its batches: in every epoch they begin elsewhere in the text.
class ShiftedStreams {
 public:
  /// Draws from `rng`, whose state is the caller's to save.
  ShiftedStreams(TrainingStreams streams, Index symbols, Rng& rng)
      : streams_(std::move(streams)), symbols_(symbols), rng_(rng) {}

  Index size() const { return streams_.chunks(); }
  void begin_epoch() { offset_ = rng_.integer(symbols_); }
  const Chunk& batch(Index k) { return streams_.chunk(k, offset_); }
  void each_state(StateVisitor& visitor) { visitor.array("offset", std::span<Index>(&offset_, 1)); }

 private:
  TrainingStreams streams_;
  Index symbols_, offset_ = 0;
  Rng& rng_;
};

/// For validation: every symbol of `text` is a target once, the first one from `before` it. The last chunk is padded.
class ValidationStreams {
 public:
  ValidationStreams(Index before, std::span<const Index> text, Index batch, Index steps);
  Index chunks() const { return (length_ + steps_ - 1) / steps_; }
  const Chunk& chunk(Index k);

 private:
  Index before_;
  std::span<const Index> text_;
  Index batch_, steps_, length_;
  Chunk chunk_;
};

}  // namespace unroll::examples
