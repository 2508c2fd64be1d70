#pragma once
/// \file
/// Making the next batches while this one is used.

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "../../core/shape.hpp"

namespace unroll {

namespace detail {

/// The thread of a Prefetch and its hand-over, without the batches' type.
class PrefetchThread {
 public:
  /// Calls `make(self, slot)` for slots 0, 1, ..., slots-1, 0, ... as they are free, until it gives false or throws.
  PrefetchThread(std::size_t slots, bool (*make)(void* self, std::size_t slot), void* self);
  ~PrefetchThread();

  /// Waits for the next slot that is filled, and gives its number; -1 after the last. Throws what `make` threw, once,
  /// when its turn has come. The slot stays the caller's until release().
  Index next();
  void release();
  /// Ends the thread, after the call of `make` that may be running. Nothing comes afterwards.
  void stop() noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace detail

/// Batches one after the other, made by a function on a thread of its own up to `ahead` before they are asked for. They
/// are made in the same order and one at a time, so what comes out is what would without a thread, to the bit.
///
///     Rng rng(1);
///     const Batches batches = batches_by_length(lengths, rng, {.tokens = 2000});
///     Prefetch next_batch(std::ssize(batches), [&](Index k) { return prepare(batches[k]); });
///     while (auto batch = next_batch()) ...                     // std::optional of what prepare gives
///
/// `make` must not use what the caller changes meanwhile, nor a tape that the caller records on; it may keep a
/// generator of its own (a copy, or a `split`) for noise. What it throws comes out of the call that would have given
/// that batch, after which there are no more. The destructor waits for the batch that is being made, and drops the
/// others.
template <class F>
class UNROLL_PER_ISA Prefetch {
 public:
  using Batch = std::decay_t<std::invoke_result_t<F&, Index>>;

  /// make(0), ..., make(count - 1), at most `ahead` of them waiting. With `ahead` 0 there is no thread: each is made
  /// when it is asked for.
  Prefetch(Index count, F make, Index ahead = 2) : make_(std::move(make)), count_(count) {
    if (ahead < 1) return;
    slots_.resize(ahead);
    thread_.emplace(slots_.size(), &Prefetch::fill, this);
  }
  Prefetch(const Prefetch&) = delete;
  Prefetch& operator=(const Prefetch&) = delete;

  /// The next batch; nothing after the last.
  std::optional<Batch> operator()() {
    if (thread_) {
      const Index slot = thread_->next();
      if (slot < 0) return {};
      std::optional<Batch> batch = std::exchange(slots_[slot], std::nullopt);
      thread_->release();
      return batch;
    }
    if (made_ >= count_) return {};
    try {
      return make_(made_++);
    } catch (...) {
      made_ = count_;
      throw;
    }
  }

 private:
  static bool fill(void* self, std::size_t slot) {
    auto& p = *static_cast<Prefetch*>(self);
    if (p.made_ >= p.count_) return false;
    p.slots_[slot].emplace(p.make_(p.made_++));
    return true;
  }

  F make_;
  Index count_, made_ = 0;
  std::vector<std::optional<Batch>> slots_;
  std::optional<detail::PrefetchThread> thread_;  // last: ends before what it uses
};

}  // namespace unroll
