#pragma once
/// \file
/// Labels from the logits of a network trained with the CTC loss.

#include <vector>

#include "../sequence.hpp"

namespace unroll {

/// A labelling, and the natural logarithm of its probability.
struct CtcHypothesis {
  std::vector<Index> symbols;  ///< without blanks
  double log_prob = 0;
};

/// The most likely class of every step (of equal ones the lowest), repetitions joined, blanks dropped: the labels of
/// the best path, with the path's log-probability. Usually, not always, the most likely labels. One for each sequence,
/// in the caller's order; logits (N,C).
///
/// Throws ShapeError when the logits are no matrix, ValueError on a blank outside 0 .. C-1, and on NaN or +inf among
/// the logits, naming sequence and step.
template <class T>
std::vector<CtcHypothesis> ctc_decode_greedy(const Sequence<T>& logits, Index blank = 0);

struct CtcBeamOptions {
  Index blank = 0;
  Index width = 16;  ///< prefixes kept at each step
  Index n_best = 1;  ///< hypotheses returned a sequence, at most
};

/// Prefix beam search (Hannun, Maas, Jurafsky and Ng, "First-pass large vocabulary continuous speech recognition using
/// bi-directional recurrent DNNs", 2014, without a language model): goes through the steps with the `width` most likely
/// prefixes of labels, each with the probabilities of its paths so far that end in a blank and that end in its last
/// label. Paths of one prefix are added up, so `log_prob` is that of the labels, not of a path: log p(l | x) as in
/// ctc_loss, exactly when no prefix had to be dropped, and less by what was dropped otherwise.
///
/// For each sequence, in the caller's order, up to `n_best` hypotheses from the most likely one down, at least one
/// unless logits of -inf leave nothing possible; of equal ones the first found. Time O(N width C).
///
/// Throws as ctc_decode_greedy does, and ValueError unless 1 <= n_best <= width.
template <class T>
std::vector<std::vector<CtcHypothesis>> ctc_decode_beam(const Sequence<T>& logits, const CtcBeamOptions& options = {});

}  // namespace unroll
