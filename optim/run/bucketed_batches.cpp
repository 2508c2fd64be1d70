#include "bucketed_batches.hpp"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "../../core/error.hpp"

namespace unroll {

BucketedBatches::BucketedBatches(std::vector<Index> lengths, const BatchOptions& options, std::uint64_t seed)
    : lengths_(std::move(lengths)), options_(options), rng_(seed), start_(seed) {
  Rng copy = rng_;
  size_ = std::ssize(batches_by_length(lengths_, copy, options_));
}

void BucketedBatches::begin_epoch() {
  start_ = rng_;
  batches_ = batches_by_length(lengths_, rng_, options_);
  size_ = std::ssize(batches_);
  begun_ = true;
}

std::span<const Index> BucketedBatches::batch(Index k) const {
  if (k < 0 || k >= size()) throw ValueError("[BucketedBatches] batch ", k, " of ", size());
  if (!begun_) throw ValueError("[BucketedBatches] batch() before the first begin_epoch()");
  return batches_[k];
}

void BucketedBatches::each_state(StateVisitor& visitor) {
  std::uint64_t hash = 14695981039346656037u;  // FNV-1a, of the lengths
  for (const Index length : lengths_) hash = (hash ^ static_cast<std::uint64_t>(length)) * 1099511628211u;
  const Rng::State words = start_.state();
  std::int64_t before[6] = {begun_ ? 1 : 0, static_cast<std::int64_t>(hash)};
  for (std::size_t i = 0; i < 4; ++i) before[i + 2] = static_cast<std::int64_t>(words[i]);
  std::int64_t now[6];
  std::copy(std::begin(before), std::end(before), now);
  visitor.array("epoch", std::span<std::int64_t>(now));
  if (std::equal(std::begin(before), std::end(before), now)) return;
  if (now[1] != before[1]) throw ValueError("[BucketedBatches] a state of items of other lengths");
  Rng::State loaded;
  for (std::size_t i = 0; i < 4; ++i) loaded[i] = static_cast<std::uint64_t>(now[i + 2]);
  rng_.set_state(loaded);
  start_ = rng_;
  begin_epoch();
  if (now[0] == 0) rng_ = start_, begun_ = false;
}

}  // namespace unroll
