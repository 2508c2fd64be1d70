#pragma once
/// \file
/// Parting items into those to train on and those to be judged by.

#include <iterator>
#include <map>
#include <span>
#include <type_traits>
#include <vector>

#include "../../core/random.hpp"

namespace unroll {

struct SplitOptions {
  double dev = 0;     ///< share of the items for choosing among models, from 0 to 1
  double test = 0.1;  ///< share of the items for the last word, from 0 to 1
  /// One number an item: items of one number stay together, so that nothing in one part has its like in another. Give
  /// `group_equal(texts)` where data may hold duplicates. Empty: each item by itself.
  std::span<const Index> groups = {};
};

/// Which items are in which part, each in random order.
struct Split {
  std::vector<Index> train, dev, test;
};

/// Parts the items 0 .. count-1 at random, the same for the same state of `rng`. `test` and `dev` get round(share *
/// count) items each; with groups a whole group goes to test while test lacks items, then to dev likewise, the rest to
/// train, so that a part may be larger than its share by less than one group.
///
/// Throws ValueError on a negative count, shares that are negative or add up to more than 1, or another number of
/// groups than items.
Split split_items(Index count, Rng& rng, const SplitOptions& options = {});

/// The same number for equal keys, from 0 in the order of first appearance. Keys are whatever has an order: texts,
/// lists of words or of numbers that are not NaN, pairs of those.
template <class Keys>
UNROLL_PER_ISA std::vector<Index> group_equal(const Keys& keys) {
  std::map<std::decay_t<decltype(*std::begin(keys))>, Index> numbers;
  std::vector<Index> groups;
  for (const auto& key : keys) groups.push_back(numbers.try_emplace(key, numbers.size()).first->second);
  return groups;
}

/// Parts items by their keys so that no two equal ones lie in different parts: `split_items` with `group_equal(keys)`.
///
///     const Split split = split_distinct(sentences, rng, {.dev = 0.1, .test = 0.1});
///     auto train = chosen(sentences, split.train);           // data/batches/batches.hpp
template <class Keys>
UNROLL_PER_ISA Split split_distinct(const Keys& keys, Rng& rng, SplitOptions options = {}) {
  const std::vector<Index> groups = group_equal(keys);
  options.groups = groups;
  return split_items(groups.size(), rng, options);
}

/// The first item of each group, in order: what is left when duplicates are dropped.
std::vector<Index> first_of_groups(std::span<const Index> groups);

}  // namespace unroll
