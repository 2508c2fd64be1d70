#include "char_lm/streams.hpp"

#include <algorithm>

namespace unroll::examples {

namespace {

Chunk make_chunk(Index steps, Index batch) {
  const auto n = static_cast<std::size_t>(steps * batch);
  return {steps, batch, std::vector<Index>(n), std::vector<Index>(n)};
}

}  // namespace

void take_streams(const Chunk& chunk, Index from, Index to, Chunk& share) {
  share.steps = chunk.steps;
  share.batch = to - from;
  share.inputs.clear();
  share.targets.clear();
  for (Index row = 0; row < static_cast<Index>(chunk.inputs.size()); row += chunk.batch) {
    share.inputs.insert(share.inputs.end(), chunk.inputs.begin() + row + from, chunk.inputs.begin() + row + to);
    share.targets.insert(share.targets.end(), chunk.targets.begin() + row + from, chunk.targets.begin() + row + to);
  }
}

TrainingStreams::TrainingStreams(std::span<const Index> text, Index batch, Index steps) : text_(text) {
  const auto n = static_cast<Index>(text.size());
  steps_ = std::clamp<Index>(steps, 1, std::max<Index>(n - 1, 1));
  batch_ = std::clamp<Index>(batch, 1, std::max<Index>(n / steps_, 1));
  length_ = n / batch_;
  chunks_ = length_ / steps_;
  chunk_ = make_chunk(steps_, batch_);
}

const Chunk& TrainingStreams::chunk(Index k, Index offset) {
  const auto n = static_cast<Index>(text_.size());
  const auto symbol = [&](Index at) { return text_[static_cast<std::size_t>((offset + at) % n)]; };
  std::size_t i = 0;
  for (Index t = k * steps_; t < (k + 1) * steps_; ++t) {
    for (Index b = 0; b < batch_; ++b, ++i) {
      chunk_.inputs[i] = symbol(b * length_ + t);
      chunk_.targets[i] = symbol(b * length_ + t + 1);
    }
  }
  return chunk_;
}

ValidationStreams::ValidationStreams(Index before, std::span<const Index> text, Index batch, Index steps)
    : before_(before), text_(text) {
  const auto n = static_cast<Index>(text.size());
  batch_ = std::clamp<Index>(batch, 1, std::max<Index>(n, 1));
  length_ = (n + batch_ - 1) / batch_;
  steps_ = std::clamp<Index>(steps, 1, std::max<Index>(length_, 1));
  chunk_ = make_chunk(steps_, batch_);
}

const Chunk& ValidationStreams::chunk(Index k) {
  const auto n = static_cast<Index>(text_.size());
  std::size_t i = 0;
  for (Index t = k * steps_; t < (k + 1) * steps_; ++t) {
    for (Index b = 0; b < batch_; ++b, ++i) {
      const Index at = b * length_ + t;
      const bool there = t < length_ && at < n;
      chunk_.targets[i] = there ? text_[static_cast<std::size_t>(at)] : kNoTarget;
      chunk_.inputs[i] = there && at > 0 ? text_[static_cast<std::size_t>(at - 1)] : before_;
    }
  }
  return chunk_;
}

}  // namespace unroll::examples
