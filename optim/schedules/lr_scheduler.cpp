#include "lr_scheduler.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "../../core/error.hpp"

namespace unroll {

template <class T>
LRScheduler<T>::LRScheduler(Optimizer<T>& optimizer, const Schedule& schedule)
    : LRScheduler(optimizer, std::vector<Schedule>(optimizer.groups().size() + 1, schedule)) {}

template <class T>
LRScheduler<T>::LRScheduler(Optimizer<T>& optimizer, std::vector<Schedule> schedules)
    : optimizer_(optimizer), schedules_(std::move(schedules)) {
  const std::size_t groups = optimizer.groups().size() + 1;
  if (schedules_.size() != groups)
    throw ValueError("[LRScheduler] got ", schedules_.size(), " schedules, expected ", groups,
                     ": for parameters without a group and for each group");
  for (std::size_t k = 0; k < groups; ++k) base_.push_back(optimizer.group_lr(k));
  apply(1);
}

template <class T>
void LRScheduler<T>::step(double factor) {
  ++step_;
  apply(factor);
}

template <class T>
void LRScheduler<T>::apply(double factor) {
  for (std::size_t k = 0; k < base_.size(); ++k) optimizer_.set_group_lr(k, base_[k] * schedules_[k](step_) * factor);
}

template <class T>
void LRScheduler<T>::each_state(StateVisitor& visitor) {
  visitor.array("step", std::span(&step_, 1));
  visitor.array("base_lr", std::span(base_));
}

template class LRScheduler<float>;
template class LRScheduler<double>;

ReduceLROnPlateau::ReduceLROnPlateau(const PlateauOptions& o) : options_(o) {
  const auto check = [](bool right, const char* what, double value, const char* expected) {
    if (!right) throw ValueError("[ReduceLROnPlateau] ", what, " ", value, ", expected ", expected);
  };
  check(o.factor >= 0 && o.factor < 1, "factor", o.factor, "0 up to, not including, 1");
  check(o.patience >= 0, "patience", static_cast<double>(o.patience), "0 or more");
  check(o.threshold >= 0, "threshold", o.threshold, "0 or more");
  check(o.cooldown >= 0, "cooldown", static_cast<double>(o.cooldown), "0 or more");
  check(o.min_factor >= 0 && o.min_factor <= 1, "min_factor", o.min_factor, "0 to 1");
  check(o.eps >= 0, "eps", o.eps, "0 or more");
  numbers_[0] = 1;
  numbers_[1] = std::numeric_limits<double>::infinity() * (o.maximize ? -1 : 1);
}

double ReduceLROnPlateau::step(double measure) {
  auto& [factor, best] = numbers_;
  auto& [bad, cooldown] = counts_;
  const PlateauOptions& o = options_;
  const double margin = o.maximize ? o.threshold : -o.threshold;
  const double bar = o.relative ? best * (1 + margin) : best + margin;
  if (o.maximize ? measure > bar : measure < bar) {
    best = measure;
    bad = 0;
  } else {
    ++bad;
  }
  if (cooldown > 0) {
    --cooldown;
    bad = 0;
  }
  if (bad > o.patience) {
    const double less = std::max(factor * o.factor, o.min_factor);
    if (factor - less > o.eps) factor = less;
    cooldown = o.cooldown;
    bad = 0;
  }
  return factor;
}

void ReduceLROnPlateau::each_state(StateVisitor& visitor) {
  visitor.array("numbers", std::span(numbers_));
  visitor.array("counts", std::span(counts_));
}

}  // namespace unroll
