#include "particle_swarm.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "../../core/error.hpp"

namespace unroll {

ParticleSwarm::ParticleSwarm(std::span<const double> start, const ParticleSwarmOptions& options)
    : Search("ParticleSwarm", start, options.population, 1, options.seed),
      options_(options),
      own_loss_(static_cast<std::size_t>(options.population), std::numeric_limits<double>::infinity()) {
  check_positive("inertia", options.inertia, true);
  check_positive("cognitive", options.cognitive, true);
  check_positive("social", options.social, true);
  check_positive("spread", options.spread);
  check_positive("max_velocity", options.max_velocity, true);
  if (options_.max_velocity == 0) options_.max_velocity = options_.spread;
  for (Index k = 0; k < population(); ++k) position_.insert(position_.end(), start.begin(), start.end());
  const double s = options_.spread;
  for (std::size_t i = start.size(); i < position_.size(); ++i) position_[i] += rng_.uniform(-s, s);
  own_best_ = position_;
  // Half a random step, as a particle has that came from one random place to another (Clerc, 2006).
  const double v = std::min(s / 2, options_.max_velocity);
  velocity_.resize(position_.size());
  for (double& x : velocity_) x = rng_.uniform(-v, v);
}

void ParticleSwarm::set_inertia(double inertia) {
  check_positive("inertia", inertia, true);
  options_.inertia = inertia;
}

void ParticleSwarm::draw(std::span<double> candidates) {
  const auto n = static_cast<std::size_t>(size());
  const std::span<const double> swarm_best = best();
  if (generations() > 0) {
    for (std::size_t i = 0; i < position_.size(); ++i) {
      const double x = position_[i], pull = options_.cognitive * rng_.uniform() * (own_best_[i] - x),
                   swarm = options_.social * rng_.uniform() * (swarm_best[i % n] - x);
      velocity_[i] =
          std::clamp(options_.inertia * velocity_[i] + pull + swarm, -options_.max_velocity, options_.max_velocity);
      position_[i] = x + velocity_[i];
    }
  }
  std::ranges::copy(position_, candidates.begin());
}

void ParticleSwarm::learn(std::span<const double> candidates, std::span<const double> losses) {
  const auto n = static_cast<std::size_t>(size());
  for (std::size_t k = 0; k < losses.size(); ++k) {
    if (!(losses[k] < own_loss_[k])) continue;
    own_loss_[k] = losses[k];
    std::ranges::copy(candidates.subspan(k * n, n), own_best_.begin() + k * n);
  }
}

ParticleSwarmOptions constriction(double phi1, double phi2, ParticleSwarmOptions options) {
  const double phi = phi1 + phi2;
  if (!(phi1 >= 0 && phi2 >= 0 && phi > 4) || !std::isfinite(phi))
    throw ValueError("[constriction] phi1 ", phi1, " and phi2 ", phi2,
                     ", expected numbers of 0 or more with a sum above 4");
  const double chi = 2 / std::abs(2 - phi - std::sqrt(phi * phi - 4 * phi));
  options.inertia = chi;
  options.cognitive = chi * phi1;
  options.social = chi * phi2;
  return options;
}

}  // namespace unroll
