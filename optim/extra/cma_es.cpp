#include "cma_es.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "../../core/error.hpp"
#include "../../core/gemm/gemm.hpp"
#include "symmetric_eigen.hpp"

namespace unroll {
namespace {

Index default_population(std::span<const double> start) {
  return 4 + static_cast<Index>(std::floor(3 * std::log(static_cast<double>(std::max<std::size_t>(start.size(), 1)))));
}

double square_sum(std::span<const double> x) { return std::inner_product(x.begin(), x.end(), x.begin(), 0.0); }

}  // namespace

CmaEs::CmaEs(std::span<const double> start, const CmaEsOptions& options)
    : Search("CmaEs", start, options.population != 0 ? options.population : default_population(start), 4, options.seed),
      sigma_(options.sigma),
      mean_(start.begin(), start.end()),
      path_s_(start.size()),
      path_c_(start.size()),
      c_(start.size() * start.size()),
      lengths_(start.size(), 1.0) {
  check_positive("sigma", options.sigma);
  for (std::size_t i = 0; i < start.size(); ++i) c_[i * start.size() + i] = 1;
  axes_ = c_;

  // Table 1 of the tutorial.
  const auto n = static_cast<double>(size()), count = static_cast<double>(population());
  double sum_best = 0, squares_best = 0, sum_rest = 0, squares_rest = 0;
  for (Index i = 1; i <= population(); ++i) {
    const double w = std::log((count + 1) / 2) - std::log(static_cast<double>(i));
    weights_.push_back(w);
    const bool best = i <= population() / 2;
    (best ? sum_best : sum_rest) += w;
    (best ? squares_best : squares_rest) += w * w;
  }
  mu_ = sum_best * sum_best / squares_best;
  const double mu_rest = squares_rest > 0 ? sum_rest * sum_rest / squares_rest : 0;
  c_1_ = 2 / ((n + 1.3) * (n + 1.3) + mu_);
  c_mu_ = std::min(1 - c_1_, 2 * (0.25 + mu_ + 1 / mu_ - 2) / ((n + 2) * (n + 2) + mu_));
  c_s_ = (mu_ + 2) / (n + mu_ + 5);
  d_s_ = 1 + 2 * std::max(0.0, std::sqrt((mu_ - 1) / (n + 1)) - 1) + c_s_;
  c_c_ = (4 + mu_ / n) / (n + 4 + 2 * mu_ / n);
  expected_length_ = std::sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n));
  const double negative =
      !options.active || c_mu_ <= 0
          ? 0
          : std::min({1 + c_1_ / c_mu_, 1 + 2 * mu_rest / (mu_ + 2), (1 - c_1_ - c_mu_) / (n * c_mu_)});
  double negative_sum = 0;
  for (const double w : weights_) negative_sum -= std::min(w, 0.0);
  for (double& w : weights_) w = w >= 0 ? w / sum_best : w * negative / negative_sum;
}

void CmaEs::draw(std::span<double> candidates) {
  decompose();
  const Index n = size();
  z_.resize(candidates.size());
  y_.resize(candidates.size());
  rng_.fill_normal(std::span<double>(z_));
  std::vector<double> stretched = z_;
  for (std::size_t k = 0; k < stretched.size(); ++k) stretched[k] *= lengths_[k % lengths_.size()];
  gemm(Trans::no, Trans::no, population(), n, n, 1.0, stretched.data(), n, axes_.data(), n, 0.0, y_.data(), n);
  for (std::size_t k = 0; k < candidates.size(); ++k) candidates[k] = mean_[k % mean_.size()] + sigma_ * y_[k];
}

void CmaEs::learn(std::span<const double>, std::span<const double> losses) {
  const std::vector<Index> order = rank_order(losses);
  const std::size_t n = mean_.size();
  std::vector<double> y(n), z(n);
  for (std::size_t i = 0; i < order.size() / 2; ++i) {
    const std::size_t from = static_cast<std::size_t>(order[i]) * n;
    for (std::size_t j = 0; j < n; ++j) {
      y[j] += weights_[i] * y_[from + j];
      z[j] += weights_[i] * z_[from + j];
    }
  }
  for (std::size_t j = 0; j < n; ++j) mean_[j] += sigma_ * y[j];
  update_paths(y, z);
  update_covariance(order);
  sigma_ *= std::exp(std::min(1.0, c_s_ / d_s_ * (std::sqrt(square_sum(path_s_)) / expected_length_ - 1)));
  if (std::ranges::all_of(losses, [&](double loss) { return loss == losses[0]; }))
    sigma_ *= std::exp(0.2 + c_s_ / d_s_);
}

void CmaEs::update_paths(std::span<const double> y, std::span<const double> z) {
  // C^-1/2 y = B z, with the B and D that y was drawn with.
  const Index n = size();
  gemm(Trans::no, Trans::no, 1, n, n, std::sqrt(c_s_ * (2 - c_s_) * mu_), z.data(), n, axes_.data(), n, 1 - c_s_,
       path_s_.data(), n);
  const auto g = static_cast<double>(generations() + 1);
  const double length = std::sqrt(square_sum(path_s_)) / std::sqrt(1 - std::pow(1 - c_s_, 2 * g));
  h_ = length < (1.4 + 2 / (static_cast<double>(n) + 1)) * expected_length_;
  const double step = h_ ? std::sqrt(c_c_ * (2 - c_c_) * mu_) : 0;
  for (std::size_t j = 0; j < path_c_.size(); ++j) path_c_[j] = (1 - c_c_) * path_c_[j] + step * y[j];
}

void CmaEs::update_covariance(std::span<const Index> order) {
  const std::size_t n = mean_.size();
  const double sum = std::accumulate(weights_.begin(), weights_.end(), 0.0);
  const double keep = 1 - c_1_ - c_mu_ * sum + (h_ ? 0 : c_1_ * c_c_ * (2 - c_c_));
  // The rank-one and the rank-mu part in one product: (L + 1, n)^T (L + 1, n).
  std::vector<double> right(path_c_), left(path_c_);
  for (double& x : left) x *= c_1_;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (weights_[i] == 0) continue;
    const std::size_t from = static_cast<std::size_t>(order[i]) * n;
    const std::span<const double> y(y_.data() + from, n), z(z_.data() + from, n);
    const double w = c_mu_ * weights_[i] * (weights_[i] < 0 ? static_cast<double>(n) / square_sum(z) : 1);
    right.insert(right.end(), y.begin(), y.end());
    for (const double x : y) left.push_back(w * x);
  }
  const auto rows = static_cast<Index>(right.size() / n);
  gemm(Trans::yes, Trans::no, size(), size(), rows, 1.0, left.data(), size(), right.data(), size(), keep, c_.data(),
       size());
}

void CmaEs::decompose() {
  // As often as costs no more than the rest: C changes little in between.
  const double gap = 1 / (10 * static_cast<double>(size()) * (c_1_ + c_mu_));
  const Index since = generations() - decomposed_;
  if (since < 1 || static_cast<double>(since) < gap) return;
  decomposed_ = generations();
  const std::size_t n = mean_.size();
  if (!std::ranges::all_of(c_, [](double x) { return std::isfinite(x); })) return;  // stalled() will say so
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < i; ++j) c_[i * n + j] = c_[j * n + i] = (c_[i * n + j] + c_[j * n + i]) / 2;
  SymmetricEigen eigen = symmetric_eigen(c_, size());
  const double least = eigen.values.back() * 1e-16;
  for (std::size_t i = 0; i < n; ++i) lengths_[i] = std::sqrt(std::max({eigen.values[i], least, 1e-300}));
  axes_ = std::move(eigen.vectors);
}

double CmaEs::condition() const {
  const auto [least, most] = std::ranges::minmax(lengths_);
  return (most / least) * (most / least);
}

bool CmaEs::stalled() const {
  const double most = std::ranges::max(lengths_);
  double scale = 0;
  for (const double x : mean_) scale = std::max(scale, std::abs(x));
  const bool finite = std::isfinite(sigma_ * most) && std::isfinite(scale) && std::isfinite(square_sum(path_c_));
  return !finite || sigma_ * most <= 1e-16 * scale || sigma_ * most < 1e-150 || condition() > 1e14;
}

}  // namespace unroll
