#include "sequence_layout.hpp"

#include <algorithm>
#include <numeric>
#include <string>

namespace unroll {

template <class T>
const SequenceLayout* dense_layout(Tape<T>& tape, Index steps, Index batch) {
  Index* step = tape.template allocate<Index>(2 * steps);
  Index* sequence = tape.template allocate<Index>(2 * batch);
  for (Index t = 0; t < steps; ++t) {
    step[t] = batch;
    step[steps + t] = t * batch;
  }
  std::fill_n(sequence, batch, steps);
  std::iota(sequence + batch, sequence + 2 * batch, Index{0});
  return new (tape.template allocate<SequenceLayout>(1)) SequenceLayout{
      steps, batch, steps * batch, step, step + steps, sequence, sequence + batch, sequence + batch, true};
}

template <class T>
const SequenceLayout* ragged_layout(Tape<T>& tape, std::span<const Index> lengths) {
  const auto batch = static_cast<Index>(lengths.size());
  Index steps = 0;
  for (Index b = 0; b < batch; ++b) {
    const Index length = lengths[static_cast<std::size_t>(b)];
    if (length < 0) throw ValueError("[sequence] length ", length, " of sequence ", b, "; expected 0 or more");
    steps = std::max(steps, length);
  }
  // A counting sort: `start[l]` is the place of the first sequence of length l among those from long to short.
  Index* start = tape.template allocate<Index>(steps + 2);
  std::fill_n(start, steps + 2, Index{0});
  for (const Index length : lengths) ++start[length];
  Index longer = 0;
  for (Index l = steps; l >= 0; --l) {
    const Index count = start[l];
    start[l] = longer;
    longer += count;
  }
  Index* step = tape.template allocate<Index>(2 * steps);
  Index rows = 0;
  for (Index t = 0; t < steps; ++t) {
    step[t] = start[t];  // the sequences longer than t stand before the first one of length t
    step[steps + t] = rows;
    rows += step[t];
  }
  Index* sequence = tape.template allocate<Index>(3 * batch);
  bool ordered = true;
  for (Index b = 0; b < batch; ++b) {
    const Index length = lengths[static_cast<std::size_t>(b)];
    const Index k = start[length]++;
    sequence[k] = length;
    sequence[batch + k] = b;
    sequence[2 * batch + b] = k;
    ordered = ordered && k == b;
  }
  return new (tape.template allocate<SequenceLayout>(1))
      SequenceLayout{steps, batch, rows, step, step + steps, sequence, sequence + batch, sequence + 2 * batch, ordered};
}

template const SequenceLayout* dense_layout(Tape<float>&, Index, Index);
template const SequenceLayout* dense_layout(Tape<double>&, Index, Index);
template const SequenceLayout* ragged_layout(Tape<float>&, std::span<const Index>);
template const SequenceLayout* ragged_layout(Tape<double>&, std::span<const Index>);

}  // namespace unroll
