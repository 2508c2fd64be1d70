#include "batches.hpp"

#include <algorithm>
#include <numeric>
#include <string>

#include "../../core/error.hpp"

namespace unroll {

namespace {

Batches cut(const std::vector<Index>& order, Index size, bool drop_last) {
  Batches batches;
  const auto step = static_cast<std::size_t>(size);
  for (std::size_t from = 0; from < order.size(); from += step) {
    const std::size_t to = std::min(from + step, order.size());
    if (to - from == step || !drop_last) batches.emplace_back(order.begin() + from, order.begin() + to);
  }
  return batches;
}

void check_sizes(const char* op, Index count, Index size) {
  if (count < 0 || size < 1)
    throw ValueError("[", op, "] ", count, " items in batches of ", size,
                     ", expected 0 or more in batches of 1 or more");
}

}  // namespace

Batches batches_by_length(std::span<const Index> lengths, Rng& rng, const BatchOptions& o) {
  const auto refuse = [](const auto&... what) { throw ValueError("[batches_by_length] ", what...); };
  if (o.tokens < 0 || o.max_items < 0 || o.pool < 0)
    refuse("tokens ", o.tokens, ", max_items ", o.max_items, ", pool ", o.pool, ", expected 0 or more");
  if (o.tokens == 0 && o.max_items == 0) refuse("no limit, expected tokens or max_items");
  for (std::size_t i = 0; i < lengths.size(); ++i)
    if (lengths[i] < 0) refuse("item ", i, " has length ", lengths[i]);
  const auto length = [&](Index i) { return lengths[i]; };

  std::vector<Index> order = rng.permutation(lengths.size());
  const std::size_t pool = o.pool > 0 ? static_cast<std::size_t>(o.pool) : std::max<std::size_t>(order.size(), 1);
  Batches batches;
  for (std::size_t from = 0; from < order.size(); from += pool) {
    const std::size_t to = std::min(from + pool, order.size());
    const std::span<Index> items = std::span(order).subspan(from, to - from);
    std::stable_sort(items.begin(), items.end(), [&](Index a, Index b) { return length(a) > length(b); });
    Index measure = 0, longest = 0;
    bool open = false;
    for (const Index i : items) {
      if (open) {
        const Index count = std::ssize(batches.back()) + 1;
        const Index with = o.size == BatchSize::padded ? longest * count : measure + length(i);
        open = (o.tokens == 0 || with <= o.tokens) && (o.max_items == 0 || count <= o.max_items);
      }
      if (!open) {
        batches.emplace_back();
        measure = 0, longest = length(i), open = true;
      }
      batches.back().push_back(i);
      measure += length(i);
    }
  }
  rng.shuffle(std::span(batches));
  return batches;
}

Batches shuffled_batches(Index count, Index size, Rng& rng, bool drop_last) {
  check_sizes("shuffled_batches", count, size);
  return cut(rng.permutation(count), size, drop_last);
}

Batches ordered_batches(Index count, Index size) {
  check_sizes("ordered_batches", count, size);
  std::vector<Index> order(count);
  std::iota(order.begin(), order.end(), Index{0});
  return cut(order, size, false);
}

template <class T>
Padded<T> pad_lists(std::span<const std::vector<T>> lists, std::type_identity_t<T> value, Index features) {
  if (features < 1) throw ValueError("[pad_lists] ", features, " features, expected 1 or more");
  const auto width = static_cast<std::size_t>(features);
  Padded<T> padded;
  padded.batch = std::ssize(lists);
  for (const auto& list : lists) {
    if (list.size() % width != 0)
      throw ShapeError("[pad_lists] list ", padded.lengths.size(), " has ", list.size(),
                       " numbers, expected a multiple of ", features);
    padded.lengths.push_back(list.size() / width);
    padded.steps = std::max(padded.steps, padded.lengths.back());
  }
  padded.values.assign(static_cast<std::size_t>(padded.steps) * lists.size() * width, value);
  for (std::size_t b = 0; b < lists.size(); ++b)
    for (std::size_t i = 0; i < lists[b].size(); ++i)
      padded.values[(i / width * lists.size() + b) * width + i % width] = lists[b][i];
  return padded;
}

template Padded<Index> pad_lists<Index>(std::span<const std::vector<Index>>, Index, Index);
template Padded<float> pad_lists<float>(std::span<const std::vector<float>>, float, Index);
template Padded<double> pad_lists<double>(std::span<const std::vector<double>>, double, Index);

}  // namespace unroll
