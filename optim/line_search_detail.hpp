#pragma once
/// \file
/// Internal: the strong Wolfe line search of L-BFGS.

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "../core/shape.hpp"

namespace unroll::detail {

/// A point x + t d of the line: the loss there, its derivative by t, and its gradient.
template <class T>
struct LinePoint {
  double t = 0, loss = 0, slope = 0;
  std::vector<T> grad;
};

/// Where the cubic through two points with these slopes is smallest, within low .. high; their middle where it has no
/// minimum.
template <class T>
double cubic_minimum(const LinePoint<T>& a, const LinePoint<T>& b, double low, double high) {
  const double d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t);
  const double square = d1 * d1 - a.slope * b.slope;
  if (!(square >= 0)) return (low + high) / 2;
  const double d2 = std::sqrt(square);
  const LinePoint<T>&left = a.t <= b.t ? a : b, &right = a.t <= b.t ? b : a;
  const double t = right.t - (right.t - left.t) * ((right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2));
  return std::min(std::max(t, low), high);
}

/// Finds a t with f(t) <= f(0) + 1e-4 t f'(0) and |f'(t)| <= 0.9 |f'(0)|, or the best after 25 tries: first longer and
/// longer steps until one is too long, then ever smaller intervals. `evaluate(t)` gives the point at t; `start` is the
/// one at 0, `t` the first guess, `reach` the largest |d_i|, `count` grows with the evaluations. A loss that is no
/// number is too high.
template <class T, class Evaluate>
LinePoint<T> strong_wolfe(const Evaluate& evaluate, const LinePoint<T>& start, double t, double reach,
                          double tolerance_change, Index& count) {
  constexpr int most = 25;
  constexpr double fall = 1e-4, flat = 0.9;
  const auto too_high = [&](const LinePoint<T>& p) { return !(p.loss <= start.loss + fall * p.t * start.slope); };
  const auto is_flat = [&](const LinePoint<T>& p) { return std::abs(p.slope) <= -flat * start.slope; };

  LinePoint<T> ends[2] = {start, evaluate(t)};
  ++count;
  int tries = 0;
  for (; tries < most; ++tries) {
    LinePoint<T>&previous = ends[0], &now = ends[1];
    if (too_high(now) || (tries > 1 && !(now.loss < previous.loss))) break;
    if (is_flat(now)) return std::move(now);
    if (now.slope >= 0) break;
    t = cubic_minimum(previous, now, now.t + 0.01 * (now.t - previous.t), 10 * now.t);
    previous = std::move(now);
    now = evaluate(t);
    ++count;
  }
  if (tries == most) ends[0] = start;

  const auto lower_end = [&] { return ends[1].loss < ends[0].loss ? 1 : 0; };
  int low = lower_end();
  bool slow = false;  // the last try was close to an end already
  for (; tries < most; ++tries) {
    if (std::abs(ends[1].t - ends[0].t) * reach < tolerance_change) break;
    const double left = std::min(ends[0].t, ends[1].t), right = std::max(ends[0].t, ends[1].t);
    t = cubic_minimum(ends[0], ends[1], left, right);
    const double margin = 0.1 * (right - left);
    const bool close = std::min(right - t, t - left) < margin;
    if (close && (slow || t >= right || t <= left)) {
      t = std::abs(t - right) < std::abs(t - left) ? right - margin : left + margin;
      slow = false;
    } else {
      slow = close;
    }
    LinePoint<T> now = evaluate(t);
    ++count;
    const int high = 1 - low;
    if (too_high(now) || !(now.loss < ends[low].loss)) {
      ends[high] = std::move(now);
      low = lower_end();
      continue;
    }
    const bool done = is_flat(now);
    if (!done && now.slope * (ends[high].t - ends[low].t) >= 0) ends[high] = std::move(ends[low]);
    ends[low] = std::move(now);
    if (done) break;
  }
  return std::move(ends[low]);
}

}  // namespace unroll::detail
