#pragma once
/// \file
/// Connectionist temporal classification: labels for a sequence whose steps nobody has aligned with them.

#include <optional>
#include <span>
#include <vector>

#include "../../ops/losses.hpp"
#include "../sequence.hpp"

namespace unroll {

struct CtcOptions {
  Index blank = 0;  ///< the class that stands for "no label"
  /// mean: each sequence's loss over the length of its target (over 1 for an empty one), then the mean over the
  /// sequences, as PyTorch has it. none: (B), in the caller's order.
  Reduction reduction = Reduction::mean;
  bool zero_infinity = false;  ///< an infinite loss counts as 0
  /// What the mean divides by instead of the number of sequences: the shards of a batch are given that of the batch.
  std::optional<double> denominator = {};
};

/// The CTC loss (Graves, Fernandez, Gomez and Schmidhuber, "Connectionist temporal classification: labelling
/// unsegmented sequence data with recurrent neural networks", 2006): - log of the probability of a target l of L
/// labels, given logits x (T_b,C) of one sequence. A path a_0 .. a_(T-1) of classes stands for the labels that are left
/// when repetitions are joined and then blanks are dropped (written B(a)), and
///
///     p(l | x) = sum over all a with B(a) = l of prod_t softmax(x_t)_(a_t)
///     d loss / d x_tc = softmax(x_t)_c - P(a_t = c | B(a) = l, x)
///
/// `logits` (N,C), the softmax is taken inside; log-probabilities (PyTorch's input) may be given as they are. The
/// target of the caller's sequence b is `targets[b]`: any labels but the blank, any length, empty ones and repeated
/// labels included. Returns a scalar (), or (B) with Reduction::none. The mean of no sequences is 0.
///
/// The loss is +inf for a target that needs more steps than there are, which is one a label and one between two equal
/// ones, and where logits of -inf rule it out; such a sequence gets no gradient (PyTorch's gives NaN), with or without
/// zero_infinity. A sequence of no steps has loss 0 for an empty target.
///
/// Computed in double in log space, also for float, with time and, for backward, memory O(sum_b T_b L_b); a sequence of
/// any length stays finite.
///
/// Throws ShapeError when the targets are not as many as the sequences, ValueError on a blank outside 0 .. C-1, on a
/// label that is outside or the blank, naming sequence and position, and on a denominator that is not positive or comes
/// with another reduction than mean.
template <class T>
Variable<T> ctc_loss(const Sequence<T>& logits, std::span<const std::vector<Index>> targets,
                     const CtcOptions& options = {});
template <class T> UNROLL_PER_ISA
Variable<T> ctc_loss(const Sequence<T>& logits, const std::vector<std::vector<Index>>& targets,
                     const CtcOptions& options = {}) {
  return ctc_loss(logits, std::span<const std::vector<Index>>(targets), options);
}

}  // namespace unroll
