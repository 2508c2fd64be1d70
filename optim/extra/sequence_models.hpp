#pragma once
/// \file
/// Models of sequences whose most likely parameters have a closed form: components of a Mixture.

#include <span>
#include <vector>

#include "../../core/random.hpp"
#include "../../core/shape.hpp"

namespace unroll {

/// A chain of symbols 0 .. S-1, each depending on the one before:
///
///     p(x) = start(x_1) prod_t  step(x_t | x_{t-1})
///
/// `fit` counts: step(j | i) = (c + weighted number of i followed by j) / (S c + weighted number of i followed by any),
/// and `start` alike; with c = 0 these are the most likely ones, and what was never seen has probability 0; a symbol
/// that nothing follows keeps the row it had. An empty sequence has probability 1.
class MarkovChain {
 public:
  /// All symbols equally likely. Throws ValueError on S below 1 or c below 0.
  explicit MarkovChain(Index symbols, double count = 0);
  /// Random probabilities: exponential numbers, divided by their sum.
  MarkovChain(Index symbols, Rng& rng, double count = 0);

  /// log p of each sequence. Throws ValueError on a symbol outside 0 .. S-1, ShapeError unless out has one place each.
  void log_likelihoods(std::span<const std::vector<Index>> data, std::span<double> out) const;
  /// The most likely probabilities for sequences that count weights[n] each.
  void fit(std::span<const std::vector<Index>> data, std::span<const double> weights);
  /// A sequence of a length.
  std::vector<Index> sample(Index length, Rng& rng) const;

  Index symbols() const { return symbols_; }
  std::span<const double> start() const { return start_; }  ///< (S)
  std::span<const double> step() const { return step_; }    ///< (S, S), row i: what follows i

 private:
  Index symbols_;
  double count_;
  std::vector<double> start_, step_;
};

struct AutoregressionOptions {
  bool lagged = true;   ///< false: A = 0, steps do not depend on each other
  bool full = true;     ///< covariances with all their entries; false: diagonal ones
  double ridge = 0;     ///< l >= 0, on the entries of A; see there
  double variance = 0;  ///< e >= 0: added to the variances; see there
};

/// A linear-Gaussian autoregression of vectors of F numbers, of order 1 (for more, put several steps side by side):
///
///     x_1 ~ N(m, P)        x_t ~ N(A x_{t-1} + b, Q)
///
/// Data: sequences (T_n, F), row-major in double, of any lengths. `fit` solves the weighted least
/// squares problem for A and b, and takes the weighted covariance of what is left as Q. With ridge and variance 0 these
/// are the most likely parameters. With more it finds the most probable ones under a prior, whose logarithm is, up to a
/// constant,
///
///     - (l / 2) trace(Q^-1 A A^T) - (e / 2) trace(Q^-1) - (e / 2) trace(P^-1)
///
/// that is A from (X X^T + l I), Q = (S + l A A^T + e I) / steps, P alike: which keeps small clusters in bounds.
/// Sequences that count nothing leave it as it is. Throws ValueError on options out of range, from `fit` where a
/// covariance is not positive definite (too few different steps: set `variance`).
class Autoregression {
 public:
  /// A = 0, b = m = 0, Q = P = I. Throws ValueError on F below 1.
  explicit Autoregression(Index features, const AutoregressionOptions& options = {});

  /// log p of each sequence; 0 for an empty one. Throws ShapeError when one is no whole number of steps.
  void log_likelihoods(std::span<const std::vector<double>> data, std::span<double> out) const;
  void fit(std::span<const std::vector<double>> data, std::span<const double> weights);
  /// The logarithm of the prior above; what never falls is the likelihood plus those of all components.
  double log_prior() const;
  /// A sequence of a length.
  std::vector<double> sample(Index length, Rng& rng) const;

  Index features() const { return features_; }
  std::span<const double> transition() const { return a_; }        ///< A (F, F)
  std::span<const double> offset() const { return b_; }            ///< b (F)
  std::span<const double> noise() const { return q_; }             ///< Q (F, F)
  std::span<const double> start_mean() const { return m_; }        ///< m (F)
  std::span<const double> start_covariance() const { return p_; }  ///< P (F, F)

 private:
  void factor();

  Index features_;
  AutoregressionOptions options_;
  std::vector<double> a_, b_, q_, m_, p_;
  std::vector<double> q_root_, p_root_;  // Cholesky factors, lower
};

}  // namespace unroll
