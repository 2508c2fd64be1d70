#pragma once
/// \file
/// Particle swarms.

#include "search.hpp"

namespace unroll {

struct ParticleSwarmOptions {
  Index population = 40;      ///< particles, 1 or more
  double inertia = 0.7298;    ///< w
  double cognitive = 1.4962;  ///< c1: pull towards the particle's own best place
  double social = 1.4962;     ///< c2: pull towards the swarm's best place
  double spread = 1;          ///< particles begin uniformly within this of the start; the first one on it
  double max_velocity = 0;    ///< bound on |v| of every number; 0: `spread`
  std::uint64_t seed = 0;
};

/// A swarm that knows its best place (Kennedy and Eberhart, "Particle swarm optimization", 1995; inertia: Shi and
/// Eberhart, 1998). For every particle, p its own best place and g the swarm's:
///
///     v := w v + c1 u1 (p - x) + c2 u2 (g - x)       u1, u2 uniform in [0,1), drawn for each number
///     v := v limited to -max_velocity .. max_velocity
///     x := x + v
///
/// All particles move, then all losses are told. The default numbers are Clerc and Kennedy's constriction for
/// phi1 = phi2 = 2.05, see `constriction`. Throws ValueError on options outside their range.
class ParticleSwarm : public Search {
 public:
  explicit ParticleSwarm(std::span<const double> start, const ParticleSwarmOptions& options = {});
  explicit ParticleSwarm(const std::vector<double>& start, const ParticleSwarmOptions& options = {})
      : ParticleSwarm(std::span<const double>(start), options) {}

  /// The best place so far.
  std::span<const double> center() const override { return best(); }
  /// For inertia that falls over time (0.9 to 0.4 in the paper). Throws ValueError unless 0 <= inertia.
  void set_inertia(double inertia);
  const ParticleSwarmOptions& options() const { return options_; }

 private:
  void draw(std::span<double> candidates) override;
  void learn(std::span<const double> candidates, std::span<const double> losses) override;

  ParticleSwarmOptions options_;
  std::vector<double> position_, velocity_, own_best_, own_loss_;
};

/// The options with the constriction of Clerc and Kennedy ("The particle swarm: explosion, stability, and convergence",
/// 2002), with which a swarm comes to rest without a bound on velocity:
///
///     chi = 2 / |2 - phi - sqrt(phi^2 - 4 phi)|,  phi = phi1 + phi2;   w = chi, c1 = chi phi1, c2 = chi phi2
///
/// Throws ValueError unless phi > 4 and neither is negative.
ParticleSwarmOptions constriction(double phi1, double phi2, ParticleSwarmOptions options = {});

}  // namespace unroll
