#pragma once
/// \file
/// Schedules of the learning rate: functions of the step, which multiply an optimizer's rate.

#include <concepts>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "../../core/shape.hpp"

namespace unroll {

/// A factor for every step t = 0, 1, 2, ...: a pure function, copied freely. A step is whatever the caller counts,
/// updates or epochs.
///
///     const Schedule s = sequential_lr({warmup_lr(1000), cosine_annealing_lr(9000)}, {1000});
///     adam.set_lr(3e-3 * s(t));                   // by hand, or by an LRScheduler
///     const Schedule mine = [](Index t) { return 1 / (1 + 0.01 * double(t)); };
///
/// The factors are those of PyTorch's lr_scheduler classes of the same names. Where these take a rate at the end
/// (`eta_min`), the functions here take it in units of the optimizer's rate. Steps below 0 throw ValueError.
class Schedule {
 public:
  /// Any function of an Index.
  template <class F>
  requires(!std::same_as<std::remove_cvref_t<F>, Schedule> && std::is_invocable_r_v<double, const F&, Index>)
      UNROLL_PER_ISA Schedule(F f)
      : function_(std::make_shared<const Of<F>>(std::move(f))) {}

  double operator()(Index step) const {
    if (step < 0) refuse(step);
    return function_->at(step);
  }

 private:
  struct Function {
    virtual ~Function() = default;
    virtual double at(Index step) const = 0;
  };
  template <class F>
  struct UNROLL_PER_ISA Of final : Function {
    explicit Of(F g) : f(std::move(g)) {}
    double at(Index step) const override { return f(step); }
    F f;
  };
  [[noreturn]] static void refuse(Index step);

  std::shared_ptr<const Function> function_;
};

/// The product of two schedules; PyTorch's ChainedScheduler.
Schedule operator*(const Schedule& a, const Schedule& b);
/// The product with a number.
Schedule operator*(double a, const Schedule& b);

/// One schedule after the other: schedules[k] from step milestones[k-1] on, each beginning with its own step 0;
/// PyTorch's SequentialLR. Throws ValueError unless there is one milestone less than schedules, each above the one
/// before and above 0.
Schedule sequential_lr(std::vector<Schedule> schedules, std::vector<Index> milestones);

/// `factor` for `total_iters` steps, 1 afterwards. ConstantLR.
Schedule constant_lr(double factor = 1.0 / 3, Index total_iters = 5);
/// gamma^floor(t / step_size). StepLR.
Schedule step_lr(Index step_size, double gamma = 0.1);
/// gamma^(number of milestones that are at most t). MultiStepLR. Milestones may come in any order.
Schedule multi_step_lr(std::vector<Index> milestones, double gamma = 0.1);
/// gamma^t. ExponentialLR.
Schedule exponential_lr(double gamma);
/// From `start_factor` in a straight line to `end_factor` in step `total_iters`, which stays. LinearLR.
Schedule linear_lr(double start_factor = 1.0 / 3, double end_factor = 1, Index total_iters = 5);
/// min(1, (t + 1) / steps): a linear warm-up whose step number `steps` has the whole rate.
Schedule warmup_lr(Index steps);
/// (1 - min(t, total_iters) / total_iters)^power. PolynomialLR.
Schedule polynomial_lr(Index total_iters, double power = 1);
/// eta_min + (1 - eta_min) (1 + cos(pi t / t_max)) / 2: from 1 to eta_min in step t_max, and up again afterwards, as
/// CosineAnnealingLR goes.
Schedule cosine_annealing_lr(Index t_max, double eta_min = 0);
/// The same half waves from 1 to eta_min, one of t_0 steps, then t_mult times as long each. CosineAnnealingWarmRestarts
/// (Loshchilov and Hutter, "SGDR", 2017).
Schedule cosine_warm_restarts_lr(Index t_0, Index t_mult = 1, double eta_min = 0);
/// min((t + 1) / w, sqrt(w / (t + 1))) with w = `warmup`: up in a straight line, then down with the root of the step.
/// With the rate (d w)^(-1/2) it is d^(-1/2) min(s^(-1/2), s w^(-3/2)), s = t + 1, of Vaswani and others, "Attention is
/// all you need", 2017.
Schedule inverse_square_root_lr(Index warmup);

struct OneCycleOptions {
  double pct_start = 0.3;         ///< part of the steps that go up, in 0..1
  double div_factor = 25;         ///< begins with 1 / div_factor
  double final_div_factor = 1e4;  ///< ends with 1 / (div_factor final_div_factor)
  bool linear = false;            ///< straight lines instead of half waves
  bool three_phase = false;       ///< up, down to the beginning as fast, then to the end
};
/// Up to 1, the optimizer's rate, which is PyTorch's max_lr, and down in `total_steps` steps; it stays at the last
/// value (where OneCycleLR raises an error). (Smith and Topin, "Super-convergence", 2018.)
Schedule one_cycle_lr(Index total_steps, const OneCycleOptions& options = {});

}  // namespace unroll
