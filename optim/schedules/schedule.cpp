#include "schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "../../core/error.hpp"

namespace unroll {
namespace {

void check(const char* op, bool right, const char* what, double value, const char* expected) {
  if (right) return;
  std::string number = std::to_string(value);
  number.erase(number.find_last_not_of('0') + 1);
  if (number.ends_with('.')) number.pop_back();
  throw ValueError("[", op, "] ", what, " ", number, ", expected ", expected);
}

void check_steps(const char* op, const char* what, Index value) {
  check(op, value >= 1, what, static_cast<double>(value), "1 or more");
}
void check_factor(const char* op, const char* what, double value) {
  check(op, value >= 0 && std::isfinite(value), what, value, "0 or more");
}

double real(Index t) { return static_cast<double>(t); }

/// From a to b in half a wave, or in a straight line.
double between(double a, double b, double part, bool linear = false) {
  return linear ? a + (b - a) * part : b + (a - b) / 2 * (1 + std::cos(std::numbers::pi * part));
}

}  // namespace

void Schedule::refuse(Index step) { throw ValueError("[Schedule] step ", step, ", expected 0 or more"); }

Schedule operator*(const Schedule& a, const Schedule& b) {
  return [a, b](Index t) { return a(t) * b(t); };
}
Schedule operator*(double a, const Schedule& b) {
  return [a, b](Index t) { return a * b(t); };
}

Schedule sequential_lr(std::vector<Schedule> schedules, std::vector<Index> milestones) {
  if (schedules.empty() || milestones.size() != schedules.size() - 1)
    throw ValueError("[sequential_lr] ", schedules.size(), " schedules with ", milestones.size(),
                     " milestones, expected one milestone less than schedules");
  for (std::size_t k = 0; k < milestones.size(); ++k)
    if (milestones[k] <= (k ? milestones[k - 1] : 0))
      throw ValueError("[sequential_lr] milestone ", milestones[k], " after ", k ? milestones[k - 1] : 0,
                       ", expected a later one");
  return [schedules = std::move(schedules), milestones = std::move(milestones)](Index t) {
    const auto next = std::ranges::upper_bound(milestones, t);
    const auto k = static_cast<std::size_t>(next - milestones.begin());
    return schedules[k](k == 0 ? t : t - milestones[k - 1]);
  };
}

Schedule constant_lr(double factor, Index total_iters) {
  check_factor("constant_lr", "factor", factor);
  check("constant_lr", total_iters >= 0, "total_iters", real(total_iters), "0 or more");
  return [=](Index t) { return t < total_iters ? factor : 1.0; };
}

Schedule step_lr(Index step_size, double gamma) {
  check_steps("step_lr", "step_size", step_size);
  check_factor("step_lr", "gamma", gamma);
  return [=](Index t) { return std::pow(gamma, real(t / step_size)); };
}

Schedule multi_step_lr(std::vector<Index> milestones, double gamma) {
  check_factor("multi_step_lr", "gamma", gamma);
  std::ranges::sort(milestones);
  return [milestones = std::move(milestones), gamma](Index t) {
    return std::pow(gamma, real(std::ranges::upper_bound(milestones, t) - milestones.begin()));
  };
}

Schedule exponential_lr(double gamma) {
  check_factor("exponential_lr", "gamma", gamma);
  return [=](Index t) { return std::pow(gamma, real(t)); };
}

Schedule linear_lr(double start_factor, double end_factor, Index total_iters) {
  check_factor("linear_lr", "start_factor", start_factor);
  check_factor("linear_lr", "end_factor", end_factor);
  check_steps("linear_lr", "total_iters", total_iters);
  return [=](Index t) {
    return start_factor + (end_factor - start_factor) * real(std::min(t, total_iters)) / real(total_iters);
  };
}

Schedule warmup_lr(Index steps) {
  check_steps("warmup_lr", "steps", steps);
  return [=](Index t) { return std::min(1.0, real(t + 1) / real(steps)); };
}

Schedule polynomial_lr(Index total_iters, double power) {
  check_steps("polynomial_lr", "total_iters", total_iters);
  check_factor("polynomial_lr", "power", power);
  return [=](Index t) { return std::pow(1 - real(std::min(t, total_iters)) / real(total_iters), power); };
}

Schedule cosine_annealing_lr(Index t_max, double eta_min) {
  check_steps("cosine_annealing_lr", "t_max", t_max);
  check_factor("cosine_annealing_lr", "eta_min", eta_min);
  return [=](Index t) { return between(1, eta_min, real(t) / real(t_max)); };
}

Schedule cosine_warm_restarts_lr(Index t_0, Index t_mult, double eta_min) {
  check_steps("cosine_warm_restarts_lr", "t_0", t_0);
  check_steps("cosine_warm_restarts_lr", "t_mult", t_mult);
  check_factor("cosine_warm_restarts_lr", "eta_min", eta_min);
  return [=](Index t) {
    Index length = t_0;
    if (t_mult == 1) {
      t %= t_0;
    } else {
      for (; t >= length; length *= t_mult) t -= length;
    }
    return between(1, eta_min, real(t) / real(length));
  };
}

Schedule inverse_square_root_lr(Index warmup) {
  check_steps("inverse_square_root_lr", "warmup", warmup);
  return [=](Index t) { return std::min(real(t + 1) / real(warmup), std::sqrt(real(warmup) / real(t + 1))); };
}

Schedule one_cycle_lr(Index total_steps, const OneCycleOptions& o) {
  check_steps("one_cycle_lr", "total_steps", total_steps);
  check("one_cycle_lr", o.pct_start >= 0 && o.pct_start <= 1, "pct_start", o.pct_start, "0 to 1");
  check("one_cycle_lr", o.div_factor > 0, "div_factor", o.div_factor, "more than 0");
  check("one_cycle_lr", o.final_div_factor > 0, "final_div_factor", o.final_div_factor, "more than 0");
  const double first = 1 / o.div_factor, last = first / o.final_div_factor, end = real(total_steps - 1);
  const double top = o.pct_start * real(total_steps) - 1, down = o.three_phase ? 2 * top : end;
  const auto phase = [linear = o.linear](double a, double b, double from, double to, double t) {
    return between(a, b, to > from ? (t - from) / (to - from) : 1, linear);
  };
  return [=, three = o.three_phase](Index step) {
    const double t = std::min(real(step), end);
    if (t <= top) return phase(first, 1, 0, top, t);
    if (!three) return phase(1, last, top, down, t);
    return t <= down ? phase(1, first, top, down, t) : phase(first, last, down, end, t);
  };
}

}  // namespace unroll
