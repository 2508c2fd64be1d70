#pragma once
/// \file
/// What a forecast is worth, beside simple ones: tables and a picture.

#include <span>
#include <string>
#include <vector>

#include "forecast/task.hpp"
#include "unroll/optim/run/metrics_file.hpp"

namespace unroll::examples {

/// What a model says at every row of the series: (size, horizon) targets of a ForecastTask.
using Forecasts = std::vector<double>;

/// Sets the bands: between the quantiles (1 - coverage) / 2 and (1 + coverage) / 2 of what the model was off by in
/// rows from .. to-1, for each distance. Rows that the model did not learn from, or the bands come out too narrow.
void set_bands(ForecastTask& task, const Forecasts& said, Index from, Index to, double coverage);

/// Root mean square error in the series' own unit, of forecasts j rows ahead of values in rows from .. to-1.
double error_of(const ForecastTask& task, const Forecasts& said, Index j, Index from, Index to);

/// Root mean square of what the forecasts of all distances for values in the middle part (to choose by) are off by, in
/// the targets' own measure.
double scaled_error(const ForecastTask& task, const Forecasts& said);

/// Prints, for rows parts.dev .. size-1 and some distances, the errors of the model and of
///     plain             the task's plain guess, which the model mends
///     persistence       the last known value
///     seasonal naive    the value a season (or several) before
///     with its change   the last known value and the change from one to the other a season before
///     linear            least squares on the last 12 (or a season's, if that is less than 25) values, and a constant,
///                       one for each distance
/// and the share of values inside the bands. As figures: rmse, plain, persistence, seasonal, seasonal_change, linear,
/// coverage one row ahead, the same with "_h" behind at the farthest distance, and coverage_all.
MetricsLine report_forecasts(const ForecastTask& task, const Forecasts& said, double coverage);

/// What comes after the series, distance j - 1.
struct Ahead {
  std::string label;
  double time, forecast, low, high;
};
/// The forecast made at row `t`, in the series' own unit.
std::vector<Ahead> ahead_of(const ForecastTask& task, const Forecasts& said, Index t);
/// Prints the first 24 rows.
void print_forecast(const std::vector<Ahead>& rows);
/// Writes the rows as CSV. Throws FileError.
void write_forecast(const std::string& path, const std::vector<Ahead>& rows);
/// A picture of the last part of the series, of forecasts made every `horizon` rows of it, and of the one from its end
/// on.
void draw_forecasts(const std::string& file, const ForecastTask& task, const Forecasts& said, double coverage);

}  // namespace unroll::examples
