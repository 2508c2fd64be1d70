#pragma once
/// \file
/// What is timed: one contender's step of one workload.

#include <cstddef>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "problem.hpp"

namespace bench {

inline constexpr double no_loss = std::numeric_limits<double>::quiet_NaN();

struct Contender {
  std::string name;
  /// Forward, loss, backward, update. Returns the loss before the update, or `no_loss` for what has none.
  std::function<double()> step;
  /// Bytes that a step holds: tape, parameters, gradients. Empty where nobody counts.
  std::function<std::size_t()> bytes = {};

  explicit operator bool() const { return static_cast<bool>(step); }
};

/// Operations that one step of a chain makes, and steps of sampling in one call.
inline constexpr int chain_ops = 10000, sampling_steps = 100;

// Each is empty where the library is not installed or cannot do it. `p` must outlive the contender.

Contender unroll_labelling(const Labelling& p, bool own_cell, int threads);
Contender unroll_tagging(const Tagging& p, int threads);
Contender unroll_sampling(const Labelling& p);
Contender unroll_chain();

/// A stack of three bidirectional layers, and pyramids of them that join by concat and by mean.
std::vector<Contender> pyramid_contenders(int threads);

Contender floor_labelling(const Labelling& p, int threads);
Contender floor_tagging(const Tagging& p, int threads);
Contender floor_sampling(const Labelling& p);

Contender torch_labelling(const Labelling& p, int threads);
Contender torch_tagging(const Tagging& p, int threads);
Contender torch_sampling(const Labelling& p);
Contender torch_chain();

Contender onednn_labelling(const Labelling& p, int threads);
Contender onednn_tagging(const Tagging& p, int threads);
Contender onednn_sampling(const Labelling& p);

/// The floor prints its products, and who is fastest at each.
inline bool show_products = false;

/// Versions of what is compared, one line each; a line for each that is missing.
std::string floor_versions();
std::string torch_version();
std::string onednn_version();

}  // namespace bench
