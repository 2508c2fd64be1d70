#pragma once
/// \file
/// A series of numbers as a model sees it.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "unroll/core/shape.hpp"

namespace unroll::examples {

/// Numbers at equal distances of time.
struct Series {
  std::string name;
  std::vector<double> values = {};  ///< NaN where missing
  double first = 1, step = 1;       ///< time of the first one, and between two
  bool log = false;                 ///< `values` are logarithms of what was read

  Index size() const { return static_cast<Index>(values.size()); }
  double operator[](Index t) const { return values[static_cast<std::size_t>(t)]; }
  double time(Index t) const { return first + step * static_cast<double>(t); }
  /// "1987-05" for months of years, else the row's number.
  std::string label(Index t) const;
  /// A value as it was read.
  double original(double value) const;
};

/// Monthly means of carbon dioxide in the air at Mauna Loa, in ppm, from March 1958 to June 2026, by Dr. Xin Lan,
/// NOAA Global Monitoring Laboratory (gml.noaa.gov/ccgg/trends), and Dr. Ralph Keeling, Scripps Institution of
/// Oceanography (scrippsco2.ucsd.edu); months without measurements are interpolated there.
Series co2_series();

/// A column of a CSV file; `column` may be empty when there is only one. Throws DataError as read_csv, when there are
/// several columns and none is named, when nothing in it is known, and with `log` for a value that is not positive.
Series read_series(const std::string& path, const std::string& column, bool log);

/// The length of the season by the autocorrelation of the differences between neighbours, for rows 0 .. end-1: the
/// shortest lag that is a peak above 0.3 and reaches nine tenths of the highest one; 1 when there is none. Lags go up
/// to a third of the rows, at most 400.
Index find_season(const Series& series, Index end);

/// Which rows are to learn from (0 .. train-1), to choose by (train .. dev-1) and to be judged by (dev .. size-1).
struct SeriesParts {
  Index train, dev, size;
};
/// The last `holdout` rows, before them a fifth of the rest. Throws DataError when less is left to learn from than
/// three seasons, two horizons and 24 rows.
SeriesParts parts_of(const Series& series, Index holdout, Index season, Index horizon);

/// w of the lowest sum_r (y_r - sum_k x_rk w_k)^2 + ridge * rows * sum_k>0 v_k w_k^2, v_k the mean of x_rk^2. `x`
/// (rows, y.size()) row-major, its first column the constant 1. In double, by Cholesky's factors of the normal
/// equations.
std::vector<double> least_squares(const std::vector<double>& x, const std::vector<double>& y, double ridge);

/// A series in the numbers of a model that, after row t, says what comes 1 .. horizon rows later. What it says is
/// measured from a plain guess, two models without a network one after the other:
///
///     l_t = y_t, where it is missing change(t-1, 1)
///     change(t, j) = l_t + mean over training rows s in t's place of the season of (y(s+j) - y(s))
///     u_t = (y_t - change(t-1, 1)) / deviation of that difference in training            0 where y_t is missing
///     plain(t, j) = change(t, j) + w_j . [1, l_t, u_t, ..., u_{t-p+1}]                   w_j by least squares
///     target(t, j) = (y(t+j) - plain(t, j)) / deviation of that difference in training
///
/// p is the season, 12 where it is 1 or above 24, and at most a tenth of the rows to learn from.
class ForecastTask {
 public:
  ForecastTask(Series series, SeriesParts parts, Index season, Index horizon);
  /// With what was learnt about another series' scale: `settings()` of its task.
  ForecastTask(Series series, SeriesParts parts, const nlohmann::json& settings, const std::string& file);
  nlohmann::json settings() const;

  /// Numbers that stand for a row: its value as a target of the row before, its u, whether it is missing, how much the
  /// series has changed over a season (without one: over 8 rows) and, for as long, over four of them, and where in the
  /// season it is (sine and cosine of up to three harmonics).
  Index features() const;
  /// (count, features) for rows from .. from+count-1.
  std::vector<float> inputs(Index from, Index count) const;
  /// NaN where y(t+j) is missing or not below row `end`.
  double target(Index t, Index j, Index end) const;
  /// What a target stands for, as a value of the series.
  double forecast(Index t, Index j, double target) const { return plain(t, j) + target * scale_at(j); }
  /// The last known value at row t, or the first one known at all.
  double last(Index t) const { return last_[static_cast<std::size_t>(t)]; }

  Series series;
  SeriesParts parts;
  Index season, horizon;
  /// Quantiles of the targets less what the model said, for each distance j - 1: the borders of its bands.
  std::vector<double> low, high;

  /// The plain guess.
  double plain(Index t, Index j) const;

 private:
  void learn_changes();
  void learn_weights();
  void fill();
  double change(Index t, Index j) const {
    return level(t) + change_[static_cast<std::size_t>(t % season * horizon + j - 1)];
  }
  double level(Index t) const { return level_[static_cast<std::size_t>(t)]; }
  double scale_at(Index j) const { return scale_[static_cast<std::size_t>(j - 1)]; }
  Index span() const { return season > 1 ? season : 8; }
  double slope(Index t, Index spans) const;  // change of a span, mean over so many
  Index lags() const { return static_cast<Index>(weights_.size()) / horizon - 2; }
  void add_row(Index t, Index lags, std::vector<double>& rows) const;

  std::vector<double> last_, level_, surprise_;  // of each row: last known value, l, u
  // Learnt: changes (season, horizon); unit of u; weights (horizon, 2 + p); scale of the targets; of levels, of slopes.
  std::vector<double> change_, weights_, scale_;
  double unit_ = 1, level_mean_ = 0, level_scale_ = 1, slope_mean_ = 0, slope_scale_ = 1;
};

}  // namespace unroll::examples
