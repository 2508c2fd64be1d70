#pragma once
/// \file
/// Evolution strategies as OpenAI has them: a gradient estimated from losses, for any optimizer.

#include <memory>
#include <variant>

#include "../adam.hpp"
#include "../sgd.hpp"
#include "search.hpp"

namespace unroll {

struct EvolutionStrategyOptions {
  Index population = 64;      ///< L, 2 or more; even when mirrored
  double sigma = 0.1;         ///< s, deviation of the noise on every number
  bool mirrored = true;       ///< candidates in pairs m + s e, m - s e: half the variance or less
  bool centred_ranks = true;  ///< learn from ranks instead of losses: the scale of losses and outliers do not matter
  /// What the estimated gradient is handed to; its weight decay applies.
  std::variant<AdamOptions, AdamWOptions, SGDOptions> optimizer = AdamOptions{.lr = 0.01};
  std::uint64_t seed = 0;
};

/// Gradient descent on the loss blurred by normal noise (Salimans, Ho, Chen, Sidor and Sutskever, "Evolution strategies
/// as a scalable alternative to reinforcement learning", 2017):
///
///     x_k = m + s e_k,   e_k ~ N(0, I),   mirrored: e_{2j+1} = - e_{2j}
///     g   = 1 / (L s) sum_k u_k e_k,      u_k the loss of x_k, or its centred rank: from -1/2 (best) to 1/2, the mean
///                                         of their places for equal losses
///     m  := the optimizer's step from m along g
///
/// With losses for u and small s, g estimates the gradient of the loss at m. Infinite losses are ranked last; without
/// ranks they count nothing, nor do their mirror images. Throws ValueError on options outside their range.
class EvolutionStrategy : public Search {
 public:
  explicit EvolutionStrategy(std::span<const double> start, const EvolutionStrategyOptions& options = {});
  explicit EvolutionStrategy(const std::vector<double>& start, const EvolutionStrategyOptions& options = {})
      : EvolutionStrategy(std::span<const double>(start), options) {}

  std::span<const double> center() const override { return mean_.values(); }
  /// g of the last generation; zeros before the first.
  std::span<const double> gradient() const { return gradient_; }

  double sigma() const { return options_.sigma; }
  /// Throws ValueError unless sigma > 0.
  void set_sigma(double sigma);
  /// For the learning rate, and its schedule.
  Optimizer<double>& optimizer() { return *optimizer_; }

 private:
  void draw(std::span<double> candidates) override;
  void learn(std::span<const double> candidates, std::span<const double> losses) override;

  EvolutionStrategyOptions options_;
  Parameter<double> mean_;
  std::unique_ptr<Optimizer<double>> optimizer_;
  std::vector<double> noise_, gradient_;
};

/// The centred ranks of losses: places from small to large, equal ones sharing the mean of theirs, mapped to
/// -1/2 .. 1/2; a single one gets 0.
std::vector<double> centred_ranks(std::span<const double> losses);

}  // namespace unroll
