#pragma once
/// \file
/// Which items go into which batch, and padding.

#include <span>
#include <vector>

#include "../../core/random.hpp"

namespace unroll {

/// Batches of item numbers.
using Batches = std::vector<std::vector<Index>>;

/// What a batch is measured by.
enum class BatchSize {
  steps,   ///< the sum of its items' lengths: what a ragged Sequence computes
  padded,  ///< its longest length times its number of items: what padded tensors compute
};

struct BatchOptions {
  Index tokens = 0;     ///< the most that a batch may measure, by `size`; 0: no limit
  Index max_items = 0;  ///< the most items; 0: no limit
  BatchSize size = BatchSize::steps;
  /// So many items at a time (in random order) are sorted by length together: fewer give more random batches of less
  /// equal lengths; 0: all.
  Index pool = 0;
};

/// Parts items of these lengths into batches of similar lengths, each item in exactly one: in random order, pool by
/// pool, sorted by length (those of one length stay in random order), cut into batches from the longest down as soon as
/// the next item would go over a limit, and the batches put into random order. An item that is over `tokens` by itself
/// makes a batch of its own. The same for the same state of `rng`. Within a batch items go from long to short, as
/// Sequences do inside.
///
///     for (const auto& batch : batches_by_length(lengths, rng, {.tokens = 2000})) ...   // an epoch
///
/// Throws ValueError on a negative length or limit, and when neither `tokens` nor `max_items` is given.
Batches batches_by_length(std::span<const Index> lengths, Rng& rng, const BatchOptions& options);

/// Items 0 .. count-1 in random order in batches of `size`, the last one smaller or, with `drop_last`, left out.
/// Throws ValueError on a negative count or a size below 1.
Batches shuffled_batches(Index count, Index size, Rng& rng, bool drop_last = false);
/// The same in their own order: for evaluation.
Batches ordered_batches(Index count, Index size);

/// The elements of `list` that a batch names, copied: `pack_ids(tape, chosen(sentences, batch))`.
template <class Element>
UNROLL_PER_ISA std::vector<Element> chosen(const std::vector<Element>& list, std::span<const Index> batch) {
  std::vector<Element> items;
  items.reserve(batch.size());
  for (const Index i : batch) items.push_back(list[i]);
  return items;
}

/// The length of each list.
template <class Element>
UNROLL_PER_ISA std::vector<Index> lengths_of(const std::vector<std::vector<Element>>& lists) {
  std::vector<Index> lengths;
  lengths.reserve(lists.size());
  for (const auto& list : lists) lengths.push_back(list.size());
  return lengths;
}

/// Sequences of different lengths made equally long at their ends.
template <class Element>
struct Padded {
  Index steps = 0;              ///< T, the longest length
  Index batch = 0;              ///< B
  std::vector<Element> values;  ///< (T, B) or (T, B, F), row-major: time first, as layers take it
  std::vector<Index> lengths;   ///< (B)

  /// (T, B): 1 where there is an element, 0 where there is padding.
  template <class T = float>
  UNROLL_PER_ISA std::vector<T> mask() const {
    std::vector<T> ones(steps * batch);
    for (Index t = 0; t < steps; ++t)
      for (Index b = 0; b < batch; ++b) ones[t * batch + b] = T(t < lengths[b]);
    return ones;
  }
};

/// Pads lists of F `features` a step (1 for numbers of tokens) with `value`. For other tools and tensors (T, B, F) of
/// one size; layers here take ragged Sequences (`pack_ids`, `sequence`), which need no padding. T is Index, float or
/// double. Throws ShapeError when a list is no whole number of steps, ValueError when `features` is below 1.
template <class T>
Padded<T> pad_lists(std::span<const std::vector<T>> lists, std::type_identity_t<T> value = 0, Index features = 1);
template <class T> UNROLL_PER_ISA
Padded<T> pad_lists(const std::vector<std::vector<T>>& lists, std::type_identity_t<T> value = 0, Index features = 1) {
  return pad_lists(std::span<const std::vector<T>>(lists), value, features);
}

}  // namespace unroll
