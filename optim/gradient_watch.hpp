#pragma once
/// \file
/// Warnings about parameters whose gradient is always zero, or suddenly very large.

#include <string>
#include <vector>

#include "../core/parameter_list.hpp"

namespace unroll {

enum class GradientTrouble {
  dead,       ///< all zeros for many steps in a row: nothing leads to it, or everything before it is switched off
  exploding,  ///< far above what is usual for it
  non_finite,
};

struct GradientWarning {
  GradientTrouble trouble;
  std::string parameter;  ///< dotted name
  Index step;             ///< which call of look(), from 1
  double norm;            ///< of its gradient now
  double usual;           ///< what it was before; 0 when not known
  std::string text;       ///< all of it as one line
};

struct GradientWatchOptions {
  Index dead_after = 20;   ///< steps of zeros in a row before a parameter counts as dead
  double exploding = 100;  ///< times the usual norm
  Index warm_up = 10;      ///< steps with a gradient before it is known what is usual
};

/// Looks at gradients between backward() and the optimizer's step:
///
///     GradientWatch watch(parameters(model));
///     ...
///     tape.backward(loss);
///     for (const GradientWarning& warning : watch.look()) std::cerr << warning.text << '\n';
///     adam.step();
///
/// The usual norm u of a parameter is a running geometric mean: log u <- 0.9 log u + 0.1 log min(|g|, `exploding` * u)
/// over the steps with a gradient that is not zero, from the plain mean over the first ten. Each trouble of a parameter
/// is told once, and again when it had gone in between. Frozen parameters are passed over. It changes nothing, and
/// costs a pass over the gradients.
template <class T = float>
class GradientWatch {
 public:
  /// Throws ValueError on a `dead_after` below 1 or `exploding` not above 1.
  explicit GradientWatch(ParameterList<T> parameters, GradientWatchOptions options = {});

  /// What is wrong with the gradients as they are now, in the order of the parameters.
  std::vector<GradientWarning> look();
  /// Norms of the gradients at the last look, in the order of the parameters.
  const std::vector<double>& norms() const { return norms_; }

 private:
  struct History {
    Index zeros = 0, seen = 0;
    double log_usual = 0;
    bool dead = false, exploding = false, non_finite = false;
  };

  ParameterList<T> parameters_;
  GradientWatchOptions options_;
  std::vector<History> histories_;
  std::vector<double> norms_;
  Index steps_ = 0;
};

extern template class GradientWatch<float>;
extern template class GradientWatch<double>;

}  // namespace unroll
