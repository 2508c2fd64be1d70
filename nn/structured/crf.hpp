#pragma once
/// \file
/// A linear-chain conditional random field: sequence labelling where neighbouring tags know of each other.

#include <optional>
#include <span>
#include <vector>

#include "../../core/random.hpp"
#include "../module.hpp"
#include "../sequence.hpp"
#include "tag_rules.hpp"

namespace unroll {

/// What the losses of the sequences become; the names are those of the pytorch-crf package.
enum class CrfReduction {
  token_mean,  ///< their sum over the number of all steps
  mean,        ///< their sum over the number of sequences; those of length 0 do not count
  sum,
  none,  ///< one loss a sequence, (B), in the caller's order
};

struct CrfLossOptions {
  CrfReduction reduction = CrfReduction::token_mean;
  /// What a mean divides by, when it is not the steps or sequences at hand: the shards of a batch are given the divisor
  /// of the whole batch.
  std::optional<double> denominator = {};
};

struct CrfOptions {
  /// Which tag may follow which; without rules any tag may follow any.
  TagRules rules = {};
};

/// The best path of each sequence and its score; both in the caller's order.
struct CrfPaths {
  std::vector<std::vector<Index>> tags;
  std::vector<double> scores;
};

/// A linear-chain conditional random field over K tags (Lafferty, McCallum and Pereira, "Conditional random fields:
/// probabilistic models for segmenting and labeling sequence data", 2001). A path y of tags along a sequence of L steps
/// with emissions x (L,K), usually the outputs of a Linear on an encoder, has
///
///     score(x, y) = start[y_0] + sum_t x[t][y_t] + sum_(t>0) transitions[y_(t-1)][y_t] + end[y_(L-1)]
///     p(y | x) = exp(score(x, y)) / Z(x),    Z(x) = sum over all paths y' of exp(score(x, y'))
///
/// Parameters: `start_transitions` (K), `end_transitions` (K), `transitions` (K,K) as [from][to]; all start uniform in
/// +-0.1. Names and layout are those of the pytorch-crf package.
///
/// With rules, paths that break them do not exist: their transitions count as -inf, whatever the parameters hold, and
/// get no gradient. A finite penalty such as -1e4 would not do: emissions can outweigh it.
///
/// Everything is computed in double in log space, also for float, with time O(N K^2) and memory O(N K) for N steps
/// in all; a sequence of any length stays finite. An emission of -inf forbids its tag at its step.
///
/// Throws ValueError when `tags` is below 1 or the rules are for another number of tags.
template <class T = float>
class Crf {
 public:
  using scalar = T;

  Crf(Index tags, Rng& rng, CrfOptions options = {});

  /// - log p(y | x) of the gold paths, `tags[b][t]` for step t of the caller's sequence b; emissions (N,K). A scalar
  /// (), or (B) with CrfReduction::none. A sequence of length 0 has loss 0; the mean of nothing is 0.
  ///
  /// One operation with a gradient of its own: the marginals minus the gold path. Where emissions of -inf rule out the
  /// gold path its loss is +inf, where they rule out all paths the sequence gets no gradient either.
  ///
  /// Throws ShapeError when the emissions have not K columns or the tags are not as many as the steps, ValueError on a
  /// tag outside 0 .. K-1 and on a gold path that breaks the rules, naming sequence and step; on a denominator that is
  /// not positive or comes with a reduction that is no mean.
  Variable<T> negative_log_likelihood(const Sequence<T>& emissions, std::span<const std::vector<Index>> tags,
                                      const CrfLossOptions& options = {}) const;
  Variable<T> negative_log_likelihood(const Sequence<T>& emissions, const std::vector<std::vector<Index>>& tags,
                                      const CrfLossOptions& options = {}) const {
    return negative_log_likelihood(emissions, std::span<const std::vector<Index>>(tags), options);
  }

  /// The path of the highest score of each sequence (Viterbi 1967), emissions (N,K); of several the one whose last
  /// tags are smallest. A sequence of length 0 has an empty path of score 0. Throws ShapeError when the emissions have
  /// not K columns, ValueError naming a sequence that no path is allowed for.
  CrfPaths viterbi(const Sequence<T>& emissions) const;

  /// p(y_t = k | x) of every step, (N,K) in the emissions' order; a constant, no gradient flows through it.
  /// Throws as viterbi does.
  Sequence<T> marginals(const Sequence<T>& emissions) const;

  /// K.
  Index tags() const { return transitions.shape()[0]; }
  const TagRules& rules() const { return rules_; }
  void each(auto&& visit) {
    visit("start_transitions", start_transitions), visit("end_transitions", end_transitions);
    visit("transitions", transitions);
  }

  Parameter<T> start_transitions, end_transitions, transitions;

 private:
  TagRules rules_;
};

extern template class Crf<float>;
extern template class Crf<double>;

}  // namespace unroll
