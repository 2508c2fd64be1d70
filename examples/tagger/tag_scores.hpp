#pragma once
/// \file
/// Scores of tags: the best ones, and a margin for those of names.

#include <algorithm>
#include <vector>

#include "unroll/nn/sequence.hpp"
#include "unroll/ops/elementwise.hpp"

namespace unroll::examples {

/// argmax_k scores[t][k] of each step t of each sequence, in the caller's order; of equal ones the first. (N, K).
inline std::vector<std::vector<Index>> best_of_steps(const Sequence<>& scores) {
  const SequenceLayout& layout = scores.checked();
  const auto width = static_cast<std::size_t>(scores.rows.dim(1));
  std::vector<std::vector<Index>> best(static_cast<std::size_t>(layout.batch));
  for (Index b = 0; b < layout.batch; ++b)
    for (Index t = 0; t < layout.length_of(b); ++t) {
      const auto row = static_cast<std::size_t>(layout.first[t] + layout.place[b]);
      const auto x = scores.rows.values().subspan(row * width, width);
      best[static_cast<std::size_t>(b)].push_back(std::max_element(x.begin(), x.end()) - x.begin());
    }
  return best;
}

/// Scores in which tag 0 (O) is `margin` higher at every step whose truth is another one: a loss of these wants the
/// right tag that much above O, which finds more names at some cost in precision (softmax-margin; Gimpel and Smith,
/// 2010; for recall Mohit et al., "Recall-oriented learning of named entities in Arabic Wikipedia", EACL 2012).
inline Sequence<> with_margin(const Sequence<>& scores, const std::vector<std::vector<Index>>& truth, double margin) {
  if (margin == 0) return scores;
  std::vector<float> gain(static_cast<std::size_t>(scores.rows.size()));
  const auto rows = in_row_order<float, Index>(*current_tape<float>, scores.checked(), truth);
  const std::size_t width = rows.empty() ? 0 : gain.size() / rows.size();
  for (std::size_t n = 0; n < rows.size(); ++n) gain[n * width] = rows[n] == 0 ? 0 : static_cast<float>(margin);
  return scores.with(scores.rows + input(gain, scores.rows.shape()));
}

}  // namespace unroll::examples
