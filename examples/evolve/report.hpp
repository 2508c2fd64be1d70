#pragma once
/// \file
/// What the program `evolve` says about its ways of training.

#include <span>
#include <string>
#include <vector>

#include "unroll/optim/run/metrics_file.hpp"

namespace unroll::examples {

/// How good a network was at a moment.
struct EvolvePoint {
  Index evaluations = 0;  ///< losses computed, with their gradients where there are any
  Index strings = 0;      ///< read for them
  double seconds = 0;     ///< of training
  double loss = 0;        ///< nats a symbol of the exam
  double wrong = 0;  ///< share of the exam's strings with an illegal symbol before a legal one; NaN without grammar
};

/// A way of training, and the moments at which it was looked at.
struct EvolveRun {
  std::string way;
  std::vector<EvolvePoint> points = {};
  bool learned = false;
};

/// Losses of those who need no training.
struct EvolveBaselines {
  double single = 0, pairs = 0, least = 0;
};

/// Prints the table and writes a line for each way.
void report_evolution(std::span<const EvolveRun> runs, const EvolveBaselines& baselines, MetricsFile& metrics);
/// "particle_swarm_loss" and the like, with strings, seconds and wrong strings, and the baselines.
MetricsLine last_figures(std::span<const EvolveRun> runs, const EvolveBaselines& baselines);
/// One picture of two: the loss against strings read, and against seconds.
void draw_evolution(const std::string& plot, std::span<const EvolveRun> runs, const EvolveBaselines& baselines);

}  // namespace unroll::examples
