#pragma once
/// \file
/// What a model says of a batch of sequences, as plain lists: the way back from `pack_ids` and `sequence`.

#include <vector>

#include "../../nn/sequence.hpp"

namespace unroll {

/// The values of each sequence, in the caller's order: list b has length_b * F numbers, row-major. What
/// `sequence(lists, features)` takes. Throws as any use of a Variable whose scope is gone, as does the other.
template <class T>
std::vector<std::vector<T>> lists_of(const Sequence<T>& x);

/// For each step of each sequence, in the caller's order, which of the F values is the greatest (the first of equal
/// ones): the guesses of a tagger by its logits. Throws ShapeError when F is 0 and there are steps.
template <class T>
std::vector<std::vector<Index>> argmax_lists(const Sequence<T>& x);

}  // namespace unroll
