#pragma once
/// \file
/// Internal: the slope of a function along a line at t = 0, with a bound of its own error. Used by gradcheck.

#include <functional>
#include <limits>
#include <vector>

namespace unroll::detail {

/// f(x + t d) as a function of t. Writes back the offset that was really made when x + t d had to be rounded.
using LineFunction = std::function<double(double& t)>;

/// What judging a slope rests on.
struct LineSetting {
  double value = 0;       ///< f at t = 0
  double noise = 0;       ///< bound of the rounding error of f
  double precision = 0;   ///< the same relative to |f|, at least
  double first_step = 0;  ///< h of the first difference
  double last_step = 0;   ///< smallest h that x can still represent
  double rtol = 0;        ///< relative tolerance
  double slack = 0;       ///< rounding error that the analytic slope may carry
};

/// The slope at t = 0 as far as it was needed to judge `analytic`.
struct LineSlope {
  double value = 0,
         error = 0;            ///< two-sided slope, or at a kink the value between the slopes nearest to analytic
  double left = 0, right = 0;  ///< one-sided slopes; meaningful at a kink
  double tolerance = 0;        ///< what |analytic - value| may be
  bool kink = false;
  bool finite = true;    ///< false when f is finite at no step on either side
  bool agrees = false;   ///< |analytic - value| <= tolerance
  bool resolved = true;  ///< false when neither value nor analytic exceeds the error, and f changes somewhere
};

/// How bad an error is beside what it may be.
inline double badness(double error, double tolerance) {
  return error == 0 ? 0 : tolerance > 0 ? error / tolerance : std::numeric_limits<double>::infinity();
}

/// Measures the slope of f at t = 0 and judges `analytic` by it.
LineSlope judge_slope(const LineFunction& f, const LineSetting& setting, double analytic);

/// Standard deviation of the rounding error of f near `t`, from fourth differences of twelve points t + dt
/// ... t + 12 dt (Moré and Wild, "Estimating computational noise", 2011). Zero where f does not change at
/// all.
double rounding_noise(const LineFunction& f, double t, double dt);

}  // namespace unroll::detail
