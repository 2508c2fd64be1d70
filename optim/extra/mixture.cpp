#include "mixture.hpp"

#include <algorithm>

namespace unroll {

double responsibilities(std::span<const double> log_likelihoods, std::span<const double> log_priors,
                        std::span<double> out) {
  const std::size_t k = log_priors.size(), n = k > 0 ? log_likelihoods.size() / k : 0;
  if (k == 0 || log_likelihoods.size() != k * n || out.size() != k * n)
    throw ShapeError("[responsibilities] ", log_likelihoods.size(), " log-likelihoods and ", out.size(),
                     " results for ", k, " components");
  double total = 0;
  for (std::size_t j = 0; j < n; ++j) {
    double largest = -std::numeric_limits<double>::infinity(), sum = 0;
    for (std::size_t i = 0; i < k; ++i) largest = std::max(largest, log_priors[i] + log_likelihoods[i * n + j]);
    const bool possible = largest > -std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < k; ++i) {
      double& r = out[i * n + j];
      r = std::exp(log_priors[i] + (possible ? log_likelihoods[i * n + j] - largest : 0));
      sum += r;
    }
    for (std::size_t i = 0; i < k; ++i) out[i * n + j] /= sum;
    total += possible ? largest + std::log(sum) : largest;
  }
  return total;
}

}  // namespace unroll
