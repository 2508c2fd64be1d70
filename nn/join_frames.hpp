#pragma once
/// \file
/// Fewer, wider steps: what a pyramid does between its layers.

#include "sequence.hpp"

namespace unroll {

/// How neighbouring frames become one.
enum class JoinFrames {
  concat,  ///< one after the other, k times as wide; zeros for frames that are not there
  mean,    ///< of the frames that are there
  max,     ///< of the frames that are there
};

/// Joins every `k` neighbouring steps: a sequence of length L becomes one of length ceil(L / k), and none of its frames
/// is lost. Output step s stands for input steps s*k .. min(L, (s+1)*k) - 1; when k does not divide L the last of them
/// has fewer than k frames. Features: F, or k*F with JoinFrames::concat. (Listen, Attend and Spell: Chan et al., 2016.)
///
/// Throws ValueError when k is below 1.
template <class T>
Sequence<T> join_frames(const Sequence<T>& x, Index k, JoinFrames how = JoinFrames::concat);

/// The way back: step t of the result, which has the layout of `frames`, is step t / k of `x`; for outputs of a pyramid
/// that joined k frames in all (2 * 2 for two halvings). Throws ShapeError when the lengths do not belong together.
template <class T>
Sequence<T> expand_frames(const Sequence<T>& x, Index k, const Sequence<T>& frames);

}  // namespace unroll
