#pragma once
/// \file
/// Softmax, weighted sums and dot products over segments of rows: attention over sequences of different lengths,
/// without padding.

#include "../core/tape.hpp"
#include "../core/variable.hpp"
#include "gather.hpp"

namespace unroll {

/// P members, each of one of S segments, in any order; member p stands for row row[p] of some tensor (N, ...). A
/// segment may have no member, and a row may stand in several segments (several queries over one memory).
///
/// Lives on the tape, as long as the scope it was made in.
struct Segments {
  Index count = 0;                 ///< S
  Index members = 0;               ///< P
  Index rows = 0;                  ///< N
  const Index* segment = nullptr;  ///< (P), each in 0 .. S-1
  const Index* row = nullptr;      ///< (P), each in 0 .. N-1; null: member p is row p, and P = N
};

/// Member p is row p, of segment segment[p]. Throws ValueError for a segment out of 0 .. count-1.
template <class T>
const Segments* make_segments(Tape<T>& tape, const Indices& segment, Index count);
/// Member p is row row[p] of `rows`. Throws ShapeError unless there are as many as segments, ValueError for one out of
/// range.
template <class T>
const Segments* make_segments(Tape<T>& tape, const Indices& segment, Index count, const Indices& row, Index rows);

/// y_p = exp(x_p) / sum of exp(x_q) over the members q of p's segment. x (P), y (P).
///
/// The largest x of a segment is subtracted first. Entries of -inf get 0; where all are, all get 0, and so does the
/// gradient. A NaN makes its segment NaN and no other. Throws ShapeError unless x has P elements.
template <class T>
Variable<T> segment_softmax(const Variable<T>& x, const Segments& segments);

/// y_s = sum over the members p of segment s of weights_p x_row(p). weights (P), x (N, F), y (S, F); zeros for a
/// segment without members. Throws ShapeError when the shapes do not fit the segments.
template <class T>
Variable<T> segment_weighted_sum(const Variable<T>& weights, const Variable<T>& x, const Segments& segments);

/// y_p = scale * <a_segment(p), x_row(p)>: the product of each segment's vector with its members' rows. a (S, F),
/// x (N, F), y (P). Throws ShapeError when the shapes do not fit the segments or each other.
template <class T>
Variable<T> segment_dot(const Variable<T>& a, const Variable<T>& x, const Segments& segments, double scale = 1);

/// y_p = a_segment(p) + x_row(p): each segment's vector beside each of its members' rows. a (S, F), x (N, F), y (P, F).
/// Throws ShapeError when the shapes do not fit the segments or each other.
template <class T>
Variable<T> segment_add(const Variable<T>& a, const Variable<T>& x, const Segments& segments);

}  // namespace unroll
