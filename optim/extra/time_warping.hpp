#pragma once
/// \file
/// Dynamic time warping, and the nearest series by it: a classifier that needs no training.

#include <limits>
#include <span>
#include <vector>

#include "nearest.hpp"

namespace unroll {

struct WarpingOptions {
  /// w >= 0, the Sakoe-Chiba band: step i may be matched with step j where |i - j| <= w; for series whose lengths
  /// differ by more, that difference. Negative: any with any.
  Index band = -1;
};

/// The distance of two series x (n, F) and y (m, F), row-major, along the best of all ways to match their steps in
/// order (Sakoe and Chiba, "Dynamic programming algorithm optimization for spoken word recognition", 1978):
///
///     D(i, j) = |x_i - y_j|^2 + min(D(i-1, j-1), D(i-1, j), D(i, j-1)),       result sqrt(D(n-1, m-1))
///
/// Infinite when one is empty and the other is not, 0 for two empty ones. Infinite as well, and found early, when it
/// is not below `bound`. Throws ShapeError when a series is no whole number of steps.
double warping_distance(std::span<const float> x, std::span<const float> y, Index features,
                        const WarpingOptions& options = {}, double bound = std::numeric_limits<double>::infinity());

/// The smallest and largest value of each feature of y (m, F) in the steps j with |i - j| <= w, for i in 0 .. steps
/// - 1.
struct WarpingEnvelope {
  /// Throws ValueError where a step i would have no j (steps - m > w), ShapeError as above.
  WarpingEnvelope(std::span<const float> y, Index features, Index steps, Index band);
  std::vector<float> lower, upper;  ///< (steps, F)
};

/// No more than warping_distance(x, y) with that band, in O(n F) (Keogh, "Exact indexing of dynamic time warping",
/// 2002):
///
///     sqrt(sum_i sum_f max(x_if - upper_if, lower_if - x_if, 0)^2)
///
/// since every step i is matched with at least one of those under its envelope. Throws ShapeError unless the envelope
/// is of as many steps.
double keogh_bound(std::span<const float> x, const WarpingEnvelope& envelope);

/// The labelled series that warps best onto a new one. Series that a bound rules out are not compared.
class NearestSeries {
 public:
  /// series[n] (T_n, F). Throws ShapeError when numbers do not fit, ValueError on no series or a number that is not
  /// finite.
  NearestSeries(std::vector<std::vector<float>> series, Index features, std::vector<Index> labels,
                const WarpingOptions& options = {});

  /// The nearest one; of equally near ones that which came first.
  Neighbour nearest(std::span<const float> x) const;
  /// Its label.
  Index classify(std::span<const float> x) const { return label_of(nearest(x)); }
  /// The labels for many series, on several threads: the same whatever their number.
  std::vector<Index> classify_all(std::span<const std::vector<float>> series, int threads = 1) const;

  Index label_of(const Neighbour& n) const { return labels_[n.example]; }
  /// How many warping distances `nearest(x)` begins to compute, of as many as there are series.
  Index compared(std::span<const float> x) const;

 private:
  Neighbour search(std::span<const float> x, Index& compared) const;

  std::vector<std::vector<float>> series_;
  Index features_;
  std::vector<Index> labels_;
  WarpingOptions options_;
};

}  // namespace unroll
