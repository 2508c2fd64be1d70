#pragma once
/// \file
/// A long text as a batch of parallel streams, read in chunks of some steps.

#include <span>
#include <vector>

#include "unroll/core/shape.hpp"

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
