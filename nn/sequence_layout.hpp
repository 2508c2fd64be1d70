#pragma once
/// \file
/// Where the time steps of a batch of sequences lie.

#include "unroll/core/tape.hpp"

namespace unroll {

/// Rows of all time steps of a batch, one step after the other, with no row for what is not there: step t holds one
/// row for each of the `active[t]` sequences that are longer than t. Sequences are ordered from long to short, so the
/// rows of a step are those of the first `active[t]` sequences.
///
/// Lives on the tape; made by `dense_layout`.
struct SequenceLayout {
  Index steps = 0;                ///< T, the longest length
  Index batch = 0;                ///< B, the number of sequences
  Index rows = 0;                 ///< N, the sum of lengths
  const Index* active = nullptr;  ///< (T): sequences longer than t; never grows with t
  const Index* first = nullptr;   ///< (T): the first row of step t
};

/// The layout of B sequences of T steps each: the rows of a (T, B, F) tensor.
template <class T>
const SequenceLayout* dense_layout(Tape<T>& tape, Index steps, Index batch) {
  Index* active = tape.template allocate<Index>(steps);
  Index* first = tape.template allocate<Index>(steps);
  for (Index t = 0; t < steps; ++t) {
    active[t] = batch;
    first[t] = t * batch;
  }
  return new (tape.template allocate<SequenceLayout>(1)) SequenceLayout{steps, batch, steps * batch, active, first};
}

}  // namespace unroll
