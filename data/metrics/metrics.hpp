#pragma once
/// \file
/// Numbers that say how good a model is. Spans: span_score.hpp. Translations: bleu.hpp. Errors in words or characters:
/// edit_distance.hpp. Classes: also confusion_matrix.hpp.

#include <cmath>
#include <span>

#include "../../core/shape.hpp"

namespace unroll {

/// Share of guesses that are the truth, 0 when none counts. Places whose truth is `ignore` do not count. Throws
/// ValueError when there are more of one than of the other.
double accuracy(std::span<const Index> truths, std::span<const Index> guesses, Index ignore = -100);

/// exp(nats): of a mean cross-entropy in nats a token (which is what the losses give), the number of equally likely
/// tokens that would be as hard to guess.
UNROLL_PER_ISA inline double perplexity(double nats) { return std::exp(nats); }
/// nats / ln 2: the same in bits a token.
UNROLL_PER_ISA inline double bits(double nats) { return nats / 0.693147180559945309417; }

/// A mean of numbers as they come, and their deviation, without keeping them (West, "Updating mean and variance
/// estimates: an improved method", Communications of the ACM 22, 1979).
///
///     RunningMean loss;
///     loss.add(batch_loss, tokens_of_batch);      // a mean over all tokens
class RunningMean {
 public:
  /// Throws ValueError on a weight that is negative or not finite.
  void add(double value, double weight = 1);
  /// Sum of w x / sum of w; 0 when there is nothing.
  double mean() const { return mean_; }
  /// sqrt(sum of w (x - mean)^2 / sum of w), of all that came; 0 when there is nothing.
  double deviation() const { return weight_ > 0 ? std::sqrt(squares_ / weight_) : 0; }
  /// Sum of w.
  double weight() const { return weight_; }
  void reset() { *this = RunningMean(); }

 private:
  double mean_ = 0, squares_ = 0, weight_ = 0;
};

/// Pearson's correlation, sum (a - mean a)(b - mean b) / sqrt(sum (a - mean a)^2 sum (b - mean b)^2), from -1 to 1; 0
/// where one side is constant or there is nothing. Throws ValueError when there are more of one than of the other.
double pearson(std::span<const double> a, std::span<const double> b);

/// Spearman's rank correlation: Pearson's of the ranks, those of equal numbers the mean of their ranks (Spearman, "The
/// proof and measurement of association between two things", American Journal of Psychology 15, 1904). Throws as
/// pearson.
double spearman(std::span<const double> a, std::span<const double> b);

/// How far two partings of the same items agree, whatever their groups are called, adjusted for chance: 1 for the same
/// parting, about 0 for unrelated ones, below 0 for worse (Hubert and Arabie, "Comparing partitions", Journal of
/// Classification 2, 1985). With n items, a_i of them in group i of the one, b_j in group j of the other, n_ij in both,
/// and pairs(m) = m (m - 1) / 2:
///
///     index = sum pairs(n_ij)        expected = sum pairs(a_i) sum pairs(b_j) / pairs(n)
///     ARI = (index - expected) / ((sum pairs(a_i) + sum pairs(b_j)) / 2 - expected)
///
/// and 1 where that is 0 / 0 (both one group, or both n groups, or fewer than two items). Groups are any numbers.
/// Throws ValueError when there are more of one than of the other.
double adjusted_rand_index(std::span<const Index> a, std::span<const Index> b);

}  // namespace unroll
