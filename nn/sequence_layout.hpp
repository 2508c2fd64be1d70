#pragma once
/// \file
/// Where the time steps of a batch of sequences lie.

#include <span>

#include "../core/tape.hpp"

namespace unroll {

/// Rows of all time steps of a batch, one step after the other, with no row for what is not there: step t holds one
/// row for each of the `active[t]` sequences that are longer than t. Sequences are ordered from long to short (those
/// of one length as the caller has them), so the rows of a step are those of the first `active[t]` sequences, and step
/// t of the caller's sequence b is row `first[t] + place[b]`.
///
/// Lives on the tape, as long as the scope it was made in. Made by `dense_layout` and `ragged_layout`.
struct SequenceLayout {
  Index steps = 0;                ///< T, the longest length
  Index batch = 0;                ///< B, the number of sequences, those of length 0 included
  Index rows = 0;                 ///< N, the sum of lengths
  const Index* active = nullptr;  ///< (T): sequences longer than t; never grows with t
  const Index* first = nullptr;   ///< (T): the first row of step t
  const Index* length = nullptr;  ///< (B): of the k-th longest sequence
  const Index* order = nullptr;   ///< (B): which of the caller's sequences is the k-th longest
  const Index* place = nullptr;   ///< (B): the inverse of `order`
  bool ordered = true;            ///< `order` changes nothing

  /// Length of the caller's sequence b.
  Index length_of(Index b) const { return length[place[b]]; }
  /// True when the rows are those of a (T, B, F) tensor.
  bool dense() const { return ordered && rows == steps * batch; }
};

/// The layout of B sequences of T steps each: the rows of a (T, B, F) tensor.
template <class T>
const SequenceLayout* dense_layout(Tape<T>& tape, Index steps, Index batch);

/// The layout of sequences of these lengths, in any order, zeros included. Throws ValueError on a negative one.
template <class T>
const SequenceLayout* ragged_layout(Tape<T>& tape, std::span<const Index> lengths);

}  // namespace unroll
