#pragma once
/// \file
/// The CMA evolution strategy, for small models.

#include "search.hpp"

namespace unroll {

struct CmaEsOptions {
  double sigma = 0.3;    ///< s, the deviation of the first candidates; about a third of where the optimum may lie
  Index population = 0;  ///< L, 4 or more; 0: 4 + floor(3 ln n)
  bool active = true;    ///< also learn from bad candidates: negative weights for the worse half
  std::uint64_t seed = 0;
};

/// Covariance matrix adaptation (Hansen, "The CMA evolution strategy: a tutorial", arXiv:1604.00772, 2016), with all of
/// its default numbers. Candidates are drawn from a normal distribution whose mean, step size and full covariance
/// follow the better ones:
///
///     x_k = m + s y_k,  y_k = B D z_k,  z_k ~ N(0, I),  C = B D^2 B^T;   y_w = sum of w_i y_i over the best half
///     m  += s y_w
///     p_s := (1 - c_s) p_s + sqrt(c_s (2 - c_s) mu) C^-1/2 y_w,       s := s exp(c_s / d_s (|p_s| / E|N(0,I)| - 1))
///     p_c := (1 - c_c) p_c + h sqrt(c_c (2 - c_c) mu) y_w
///     C  := (1 + c_1 (1 - h) c_c (2 - c_c) - c_1 - c_mu sum w) C + c_1 p_c p_c^T + c_mu sum_i w_i y_i y_i^T
///
/// (equations 38 to 47; h is 0 while |p_s| is large; a negative w_i is divided by |z_i|^2 / n). C is decomposed every
/// 1 / (10 n (c_1 + c_mu)) generations, which costs about 9 n^3 operations, a generation itself 4 L n^2: for up to some
/// hundreds of numbers. A generation in which all losses are equal makes s larger. Throws ValueError on options outside
/// their range.
class CmaEs : public Search {
 public:
  explicit CmaEs(std::span<const double> start, const CmaEsOptions& options = {});
  explicit CmaEs(const std::vector<double>& start, const CmaEsOptions& options = {})
      : CmaEs(std::span<const double>(start), options) {}

  std::span<const double> center() const override { return mean_; }
  double sigma() const { return sigma_; }
  /// C (n, n), row-major.
  std::span<const double> covariance() const { return c_; }
  /// The ratio of the largest to the smallest eigenvalue of C, when last decomposed.
  double condition() const;
  /// There is nothing more to find from here: steps are lost in rounding, or infinite, or C has a condition above 1e14.
  /// Start again, best with a larger population.
  bool stalled() const;

 private:
  void draw(std::span<double> candidates) override;
  void learn(std::span<const double> candidates, std::span<const double> losses) override;
  void update_paths(std::span<const double> y, std::span<const double> z);
  void update_covariance(std::span<const Index> order);
  void decompose();

  double sigma_;
  std::vector<double> weights_;  // (L), for the best to the worst
  double mu_, c_1_, c_mu_, c_s_, d_s_, c_c_, expected_length_;
  bool h_ = true;
  std::vector<double> mean_, path_s_, path_c_;  // (n)
  std::vector<double> c_, axes_, lengths_;      // C, rows of B^T, D
  std::vector<double> z_, y_;                   // (L, n)
  Index decomposed_ = 0;                        // the generation of axes_ and lengths_
};

}  // namespace unroll
