#include "evolution_strategy.hpp"

#include <algorithm>
#include <cmath>

#include "../../core/error.hpp"

namespace unroll {

EvolutionStrategy::EvolutionStrategy(std::span<const double> start, const EvolutionStrategyOptions& options)
    : Search("EvolutionStrategy", start, options.population, 2, options.seed),
      options_(options),
      mean_(Shape{size()}),
      gradient_(start.size()) {
  if (options.mirrored && options.population % 2 != 0)
    refuse("mirrored sampling with a population of ", options.population, ", expected an even one");
  check_positive("sigma", options.sigma);
  std::ranges::copy(start, mean_.mutable_values().begin());
  const ParameterList<double> list = {{"mean", mean_.share()}};
  std::visit(
      [&]<class O>(const O& o) {
        if constexpr (std::is_same_v<O, AdamOptions>) optimizer_ = std::make_unique<Adam<double>>(list, o);
        if constexpr (std::is_same_v<O, AdamWOptions>) optimizer_ = std::make_unique<AdamW<double>>(list, o);
        if constexpr (std::is_same_v<O, SGDOptions>) optimizer_ = std::make_unique<SGD<double>>(list, o);
      },
      options.optimizer);
}

void EvolutionStrategy::set_sigma(double sigma) {
  check_positive("sigma", sigma);
  options_.sigma = sigma;
}

void EvolutionStrategy::draw(std::span<double> candidates) {
  const auto n = static_cast<std::size_t>(size()), count = static_cast<std::size_t>(population());
  noise_.resize(candidates.size());
  const std::span<double> noise(noise_);
  const std::span<const double> mean = mean_.values();
  for (std::size_t k = 0; k < count; ++k) {
    const auto e = noise.subspan(k * n, n);
    if (options_.mirrored && k % 2 == 1) {
      std::transform(e.begin() - n, e.begin(), e.begin(), [](double x) { return -x; });
    } else {
      rng_.fill_normal(e);
    }
    for (std::size_t i = 0; i < n; ++i) candidates[k * n + i] = mean[i] + options_.sigma * e[i];
  }
}

void EvolutionStrategy::learn(std::span<const double>, std::span<const double> losses) {
  std::vector<double> u(losses.begin(), losses.end());
  if (options_.centred_ranks) {
    u = centred_ranks(losses);
  } else {
    for (std::size_t k = 0; k < u.size(); ++k)
      if (!std::isfinite(losses[k]) || (options_.mirrored && !std::isfinite(losses[k ^ 1]))) u[k] = 0;
  }
  const std::size_t n = gradient_.size();
  std::ranges::fill(gradient_, 0.0);
  for (std::size_t k = 0; k < u.size(); ++k)
    for (std::size_t i = 0; i < n; ++i) gradient_[i] += u[k] * noise_[k * n + i];
  const double scale = 1 / (static_cast<double>(u.size()) * options_.sigma);
  for (double& g : gradient_) g *= scale;
  ParameterStorage<double>& mean = mean_.storage();
  mean.ensure_grad();
  mean.touched_densely();
  std::ranges::copy(gradient_, mean.grad);
  mean.grad_is_zero = false;
  optimizer_->step();
}

std::vector<double> centred_ranks(std::span<const double> losses) {
  const std::vector<Index> order = rank_order(losses);
  std::vector<double> ranks(losses.size());
  const auto at = [&](std::size_t place) { return losses[order[place]]; };
  for (std::size_t first = 0, end = 0; first < order.size(); first = end) {
    while (end < order.size() && at(end) == at(first)) ++end;
    const double place = static_cast<double>(first + end - 1) / 2;
    for (std::size_t k = first; k < end; ++k)
      ranks[order[k]] = order.size() > 1 ? place / static_cast<double>(order.size() - 1) - 0.5 : 0.0;
  }
  return ranks;
}

}  // namespace unroll
