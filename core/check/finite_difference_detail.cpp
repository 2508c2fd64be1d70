#include "finite_difference_detail.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <exception>
#include <limits>
#include <span>

namespace unroll::detail {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
// Each step is a quarter of the one before, which cuts the truncation error of a central difference by 16.
constexpr double shrink = 0.25;
constexpr int max_smaller = 50;  // down to 2^-100 of the first step: some functions are that steep
constexpr int max_larger = 10;   // up to 2^20 of it, for slopes drowned in rounding

// A pair of evaluations at +-h.
struct Level {
  double h = 0, step_right = 0, step_left = 0, value_right = 0, value_left = 0;
  double central = 0, right = 0, left = 0;
  double noise = 0;  // of `central`; one-sided slopes carry twice that
  bool right_finite = false, left_finite = false;

  bool finite() const { return right_finite && left_finite; }
  double jump() const { return std::abs(right - left); }
};

struct Estimate {
  double value = 0, error = infinity, noise = infinity;
};

class Ladder {
 public:
  Ladder(const LineFunction& f, const LineSetting& setting, double analytic)
      : f_(f), set_(setting), noise_(setting.noise), analytic_(analytic) {}

  LineSlope judge() {
    levels_.push_back(sample(set_.first_step));
    levels_.push_back(sample(set_.first_step * shrink));
    if (LineSlope quick = first_look(); quick.agrees) return quick;
    step_down();
    step_up();
    LineSlope slope = conclude();
    // Before an element is called wrong: rounding may be larger along this line than where it was first
    // measured, and once it is known larger steps may be the better ones.
    for (double measured_at = 0; !slope.agrees && slope.finite && best_step_ > measured_at;) {
      measured_at = best_step_;
      for (double at : {measured_at, -measured_at})
        noise_ =
            std::max(noise_, 4 * std::min(rounding_noise(f_, at, -at * 0x1p-6), rounding_noise(f_, at, -at * 0x1p-10)));
      for (Level& level : levels_) update_noise(level);
      step_up();
      slope = conclude();
    }
    return slope;
  }

 private:
  Level sample(double h) {
    Level level;
    level.h = level.step_right = h;
    level.value_right = f_(level.step_right);
    level.step_left = -h;
    level.value_left = f_(level.step_left);
    level.right_finite = std::isfinite(level.value_right) && level.step_right > 0;
    level.left_finite = std::isfinite(level.value_left) && level.step_left < 0;
    level.right = (level.value_right - set_.value) / level.step_right;
    level.left = (level.value_left - set_.value) / level.step_left;
    level.central = (level.value_right - level.value_left) / (level.step_right - level.step_left);
    update_noise(level);
    return level;
  }

  void update_noise(Level& level) const {
    const double right = level.right_finite ? std::abs(level.value_right) : 0;
    const double left = level.left_finite ? std::abs(level.value_left) : 0;
    level.noise = std::max(noise_, set_.precision * std::max({std::abs(set_.value), right, left})) / level.h;
  }

  // A kink between -h and h of both levels: the slopes differ and the difference does not shrink with h.
  bool kinked(std::size_t i) const {
    const Level &large = levels_[i], &small = levels_[i + 1];
    if (!large.finite() || !small.finite()) return false;
    return small.jump() > 0.4 * large.jump() && small.jump() > 16 * small.noise &&
           small.jump() > set_.rtol * std::max(std::abs(small.left), std::abs(small.right));
  }

  double scale(double value) const { return std::max(std::abs(value), std::abs(analytic_)); }
  double allowed(const Estimate& e) const { return set_.rtol * scale(e.value) + e.error + set_.slack; }
  bool agrees(const Estimate& e) const { return std::abs(e.value - analytic_) <= allowed(e); }
  bool sharp(const Estimate& e) const { return e.error <= set_.rtol * scale(e.value); }

  // Two independent computations that agree to rtol need no error bound: most elements end here.
  LineSlope first_look() {
    const Level &a = levels_[0], &b = levels_[1];
    LineSlope slope;
    if (!a.finite() || !b.finite() || kinked(0)) return slope;
    const double change = (b.central - a.central) / 15;
    slope.value = b.central + change;
    slope.error = std::abs(change) + 1.2 * b.noise;
    slope.tolerance = set_.rtol * scale(slope.value) + slope.error;
    slope.agrees = std::abs(slope.value - analytic_) <= set_.rtol * scale(slope.value);
    // Zero against zero proves nothing while rounding may have swallowed a slope.
    if (slope.agrees && scale(slope.value) == 0) slope.agrees = flat_far_away();
    return slope;
  }

  bool flat_far_away() {
    try {
      const Level far = sample(set_.first_step * std::pow(1 / shrink, max_larger));
      return far.value_right == set_.value && far.value_left == set_.value;
    } catch (const std::exception&) {
      return false;  // nobody promised that the function exists so far away
    }
  }

  // First level that lies below every kink seen.
  std::size_t smooth_from() const {
    for (std::size_t i = levels_.size() - 1; i-- > 0;)
      if (kinked(i)) return i + 2;
    return 0;
  }

  // Best extrapolation among three neighbouring levels; `order` 2 for central differences, else 1.
  template <class Usable>
  Estimate best(std::size_t from, double order, double noise_factor, double Level::*slope, Usable usable) {
    Estimate best;
    const double gain = std::pow(1 / shrink, order);
    for (std::size_t i = from; i + 2 < levels_.size(); ++i) {
      const Level &a = levels_[i], &b = levels_[i + 1], &c = levels_[i + 2];
      if (!std::ranges::all_of(std::span(&a, 3), usable)) continue;
      const double before = (gain * b.*slope - a.*slope) / (gain - 1);
      const double value = (gain * c.*slope - b.*slope) / (gain - 1);
      const double noise = noise_factor * c.noise;
      // The last term guards against two extrapolations that meet by chance.
      const double error = 2 * std::abs(value - before) + std::abs(value - c.*slope) / 1000 + noise;
      if (error < best.error) {
        best = {value, error, noise};
        best_step_ = a.h;
      }
    }
    return best;
  }
  Estimate central() { return best(smooth_from(), 2, 1.2, &Level::central, &Level::finite); }
  Estimate right() { return best(0, 1, 3, &Level::right, &Level::right_finite); }
  Estimate left() { return best(0, 1, 3, &Level::left, &Level::left_finite); }

  // Smaller steps, while they can teach something.
  void step_down() {
    for (int i = 0; i < max_smaller; ++i) {
      const Level& last = levels_.back();
      if (last.h * shrink < set_.last_step) return;
      if (levels_.size() > 2) {
        const Estimate now = central();
        const double misfit = std::abs(now.value - analytic_);
        const bool kink_seen = kinked(levels_.size() - 2);
        // Half the difference of the one-sided slopes is what a kink can explain.
        const bool kink_possible = !agrees(now) && last.jump() > misfit && last.jump() > 8 * last.noise;
        const bool can_improve = last.noise / shrink < now.error && !(agrees(now) && sharp(now));
        if (last.finite() && !kink_seen && !kink_possible && !can_improve) return;
      }
      levels_.push_back(sample(last.h * shrink));
    }
  }

  // At the three largest steps the function's bending shows clearly above its rounding.
  bool truncated_at_top() const {
    if (levels_.size() < 3) return false;
    const double before = (16 * levels_[1].central - levels_[0].central) / 15;
    const double after = (16 * levels_[2].central - levels_[1].central) / 15;
    return std::abs(after - before) > 16 * levels_[2].noise;
  }

  // Larger steps, while rounding is what limits the estimate.
  void step_up() {
    for (int i = larger_; i < max_larger; ++i) {
      const Estimate now = central();
      const bool settled = now.error <= std::max(set_.rtol * scale(now.value), std::abs(now.value - analytic_) / 8);
      if (settled || truncated_at_top() || kinked(0) || !levels_[0].finite()) return;
      try {
        const Level larger = sample(levels_.front().h / shrink);
        if (!larger.finite()) return;
        levels_.insert(levels_.begin(), larger);
        ++larger_;
      } catch (const std::exception&) {
        larger_ = max_larger;
        return;
      }
    }
  }

  LineSlope conclude() {
    const Estimate r = right(), l = left();
    const double step = best_step_;
    const Estimate c = central();
    const bool central_known = c.error < infinity;
    LineSlope slope;
    if (r.error == infinity && l.error == infinity) {
      slope.finite = false;
      return slope;
    }
    slope.left = l.value;
    slope.right = r.value;
    const bool both = r.error < infinity && l.error < infinity;
    // A kink at the point itself stays in sight at the smallest steps; of one beside it the two-sided slope
    // is free.
    const double jump = std::abs(r.value - l.value);
    const bool at_point = kinked(levels_.size() - 2) || (smooth_from() > 0 && c.error >= jump / 4);
    slope.kink = both && at_point && jump > r.error + l.error;
    Estimate e = c;
    if (slope.kink) {
      best_step_ = step;
      const Estimate &low = r.value < l.value ? r : l, &high = r.value < l.value ? l : r;
      e.value = std::clamp(analytic_, low.value, high.value);
      e.error = analytic_ < low.value ? low.error : analytic_ > high.value ? high.error : 0;
    } else if (!central_known && both) {
      // Too ragged for extrapolation at any step: the smallest, off by what its sides differ.
      e = {levels_.back().central, levels_.back().jump() + levels_.back().noise, 0};
    } else if (!central_known) {
      e = r.error < l.error ? r : l;  // the function exists on one side only
      best_step_ = step;
    }
    slope.value = e.value;
    slope.error = e.error;
    slope.tolerance = allowed(e);
    slope.agrees = agrees(e);
    slope.resolved = slope.kink || scale(e.value) > e.error;
    return slope;
  }

  const LineFunction& f_;
  const LineSetting& set_;
  double noise_;
  double analytic_;
  double best_step_ = 0;  // the largest of the three that gave the last estimate
  int larger_ = 0;
  std::vector<Level> levels_;  // from the largest step to the smallest
};

}  // namespace

LineSlope judge_slope(const LineFunction& f, const LineSetting& setting, double analytic) {
  return Ladder(f, setting, analytic).judge();
}

double rounding_noise(const LineFunction& f, double t, double dt) {
  constexpr int points = 12, order = 4;
  std::array<double, points> v{};
  for (int i = 0; i < points; ++i) {
    double at = t + (i + 1) * dt;
    v[i] = f(at);
  }
  for (int k = 0; k < order; ++k)
    for (std::size_t i = 0; i + 1 < points; ++i) v[i] = v[i + 1] - v[i];
  double sum = 0;
  for (std::size_t i = 0; i + order < points; ++i) sum += v[i] * v[i];
  // A fourth difference of independent errors has 1 + 16 + 36 + 16 + 1 = 70 times their variance.
  const double sigma = std::sqrt(sum / (points - order) / 70);
  return std::isfinite(sigma) ? sigma : 0;
}

}  // namespace unroll::detail
