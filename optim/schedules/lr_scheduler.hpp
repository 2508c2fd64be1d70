#pragma once
/// \file
/// What moves an optimizer's learning rates: schedules by the step, and a plateau of the loss.

#include <vector>

#include "../optimizer.hpp"
#include "schedule.hpp"

namespace unroll {

/// Applies a schedule to an optimizer: in step t the rate of every group is the one it had when this was made, times
/// schedule(t).
///
///     Adam adam(parameters(model), {.lr = 3e-3});
///     LRScheduler scheduler(adam, warmup_lr(500) * cosine_annealing_lr(20000));   // the rate of step 0 holds now
///     for (...) {
///       ... adam.step();
///       scheduler.step();
///     }
///
/// Refers to the optimizer, which must outlive it. To resume, make both as at first, then restore the state of both.
template <class T = float>
class LRScheduler {
 public:
  LRScheduler(Optimizer<T>& optimizer, const Schedule& schedule);
  /// A schedule for each group: schedules[0] for parameters without a group, then one for each of
  /// `optimizer.groups()`. Throws ValueError on another number of them.
  LRScheduler(Optimizer<T>& optimizer, std::vector<Schedule> schedules);

  /// Goes to the next step and sets the rates, times `factor` (that of a ReduceLROnPlateau).
  void step(double factor = 1);
  /// The number of the step whose rates hold now: 0 at first.
  Index steps() const { return step_; }

  /// Shows "step" (integer) and "base_lr" (double, one a group). The rates themselves are the optimizer's state.
  void each_state(StateVisitor& visitor);

 private:
  void apply(double factor);

  Optimizer<T>& optimizer_;
  std::vector<Schedule> schedules_;
  std::vector<double> base_;
  Index step_ = 0;
};

extern template class LRScheduler<float>;
extern template class LRScheduler<double>;

struct PlateauOptions {
  bool maximize = false;    ///< the measure is one that should rise, an accuracy
  double factor = 0.1;      ///< of a reduction, in [0,1)
  Index patience = 10;      ///< measures without a better one that pass
  double threshold = 1e-4;  ///< better means by more than this
  bool relative = true;     ///< this part of the best; otherwise this difference
  Index cooldown = 0;       ///< measures after a reduction that are not counted
  double min_factor = 0;    ///< PyTorch's min_lr, in units of the optimizer's rate
  double eps = 1e-8;        ///< a smaller reduction is left out; in the same units
};

/// PyTorch's ReduceLROnPlateau as a factor: 1 at first, times `factor` whenever `patience` + 1 measures have not been
/// better than the best before.
///
///     ReduceLROnPlateau plateau({.patience = 3});
///     for (epoch...) adam.set_lr(lr * plateau.step(validation_loss));    // or scheduler.step(plateau.step(loss))
class ReduceLROnPlateau {
 public:
  /// Throws ValueError on numbers outside their range.
  explicit ReduceLROnPlateau(const PlateauOptions& options = {});

  /// Takes a measure and returns the factor from now on. NaN is not better than anything.
  double step(double measure);
  double factor() const { return numbers_[0]; }
  double best() const { return numbers_[1]; }

  /// Shows "numbers" (factor, best) and "counts" (bad measures, cool-down left).
  void each_state(StateVisitor& visitor);

 private:
  PlateauOptions options_;
  double numbers_[2];
  Index counts_[2] = {0, 0};
};

}  // namespace unroll
