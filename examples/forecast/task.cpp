#include "forecast/task.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "common/program.hpp"
#include "common/training.hpp"
#include "unroll/core/error.hpp"
#include "unroll/data/series/table.hpp"

namespace unroll::examples {

namespace {

constexpr Index kHarmonics = 3;

/// Mean and deviation as numbers come in.
struct Moments {
  double count = 0, sum = 0, squares = 0;
  void add(double x) {
    if (std::isfinite(x)) ++count, sum += x, squares += x * x;
  }
  double mean() const { return count > 0 ? sum / count : 0; }
  /// 1 where all are the same.
  double deviation() const {
    const double variance = count > 1 ? squares / count - mean() * mean() : 0;
    return variance > 1e-20 * (1 + squares / std::max(count, 1.0)) ? std::sqrt(variance) : 1;
  }
};

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

}  // namespace

std::string Series::label(Index t) const {
  if (std::abs(step - 1.0 / 12) > 1e-9) return std::to_string(std::lround(time(t)));
  const double months = std::floor(time(t) * 12 + 1e-6);
  return text("%04d-%02d", static_cast<int>(months / 12), static_cast<int>(std::fmod(months, 12)) + 1);
}

double Series::original(double value) const { return log ? std::exp(value) : value; }

Series read_series(const std::string& path, const std::string& column, bool log) {
  CsvOptions options;
  if (!column.empty()) options.columns = {column};
  CsvTable table;
  try {
    table = read_csv(path, options);
  } catch (const DataError& e) {
    throw DataError(e.what() + std::string(column.empty() ? " (--column names the one to read)" : ""));
  }
  if (table.columns.size() != 1)
    throw DataError(path + ": has " + std::to_string(table.columns.size()) +
                    " columns: --column names the one to read");
  Series series{.name = column.empty() ? table.names[0] : column, .values = table.columns[0], .log = log};
  bool known = false;
  for (std::size_t r = 0; r < series.values.size(); ++r) {
    double& x = series.values[r];
    if (log && x <= 0)
      throw DataError(path + ":" + std::to_string(table.lines[r]) + ": " + text("%g", x) + " has no logarithm (--log)");
    if (log) x = std::log(x);
    known = known || std::isfinite(x);
  }
  if (!known) throw DataError(path + ": no value of column '" + series.name + "' is known");
  return series;
}

Index find_season(const Series& series, Index end) {
  std::vector<double> x;
  double last = NAN, mean = 0;
  for (Index t = 0; t < end; ++t) {
    const double y = std::isfinite(series[t]) ? series[t] : last;
    x.push_back(std::isfinite(y - last) ? y - last : 0);
    last = y;
    mean += x.back();
  }
  const Index longest = std::min<Index>(std::max<Index>(end, 0) / 3, 400);
  std::vector<double> correlation(at(longest + 2));
  double variance = 0;
  for (double& v : x) v -= mean / static_cast<double>(std::max<Index>(end, 1)), variance += v * v;
  for (Index lag = 1; lag < std::min(longest + 2, end); ++lag) {
    for (Index t = lag; t < end; ++t) correlation[at(lag)] += x[at(t)] * x[at(t - lag)];
    correlation[at(lag)] /= variance > 0 ? variance : 1;
  }
  const auto peak = [&](Index lag) {
    return correlation[at(lag)] > 0.3 && correlation[at(lag)] >= correlation[at(lag - 1)] &&
           correlation[at(lag)] >= correlation[at(lag + 1)];
  };
  double highest = 0;
  for (Index lag = 2; lag <= longest; ++lag)
    if (peak(lag)) highest = std::max(highest, correlation[at(lag)]);
  for (Index lag = 2; lag <= longest; ++lag)
    if (peak(lag) && correlation[at(lag)] >= 0.9 * highest) return lag;
  return 1;
}

SeriesParts parts_of(const Series& series, Index holdout, Index season, Index horizon) {
  const Index rest = series.size() - holdout, train = rest - rest / 5;
  const Index least = 3 * season + 2 * horizon + 24;
  if (train < least)
    throw DataError("too few rows: " + std::to_string(series.size()) + ", of which " +
                    std::to_string(std::max<Index>(train, 0)) + " to learn from; expected at least " +
                    std::to_string(least) + " there");
  return {train, rest, series.size()};
}

std::vector<double> least_squares(const std::vector<double>& x, const std::vector<double>& y, double ridge) {
  if (y.empty() || x.size() % y.size() != 0) throw ValueError("[least_squares] x has no whole number of columns");
  const std::size_t rows = y.size(), n = x.size() / rows;
  std::vector<double> a(n * n), w(n);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t p = 0; p < n; ++p) {
      w[p] += x[r * n + p] * y[r];
      for (std::size_t q = 0; q <= p; ++q) a[p * n + q] += x[r * n + p] * x[r * n + q];
    }
  for (std::size_t p = 0; p < n; ++p) a[p * n + p] += (p > 0 ? ridge : 0) * a[p * n + p] + 1e-12 * (1 + a[p * n + p]);
  for (std::size_t p = 0; p < n; ++p) {
    for (std::size_t q = 0; q <= p; ++q) {
      for (std::size_t k = 0; k < q; ++k) a[p * n + q] -= a[p * n + k] * a[q * n + k];
      a[p * n + q] = p == q ? std::sqrt(std::max(a[p * n + p], 1e-300)) : a[p * n + q] / a[q * n + q];
    }
    for (std::size_t k = 0; k < p; ++k) w[p] -= a[p * n + k] * w[k];
    w[p] /= a[p * n + p];
  }
  for (std::size_t p = n; p-- > 0;) {
    for (std::size_t k = p + 1; k < n; ++k) w[p] -= a[k * n + p] * w[k];
    w[p] /= a[p * n + p];
  }
  return w;
}

ForecastTask::ForecastTask(Series series_, SeriesParts parts_, Index season_, Index horizon_)
    : series(std::move(series_)),
      parts(parts_),
      season(season_),
      horizon(horizon_),
      low(at(horizon)),
      high(at(horizon)),
      change_(at(season * horizon)) {
  fill();
  learn_changes();
  fill();
  learn_weights();
}

void ForecastTask::learn_changes() {
  Moments levels, slopes;
  for (Index t = 0; t < parts.train; ++t) levels.add(level(t));
  for (Index t = span(); t < parts.train; ++t) slopes.add(level(t) - level(t - span()));
  level_mean_ = levels.mean(), level_scale_ = levels.deviation();
  slope_mean_ = slopes.mean(), slope_scale_ = slopes.deviation();
  for (Index j = 1; j <= horizon; ++j) {
    Moments all, left;
    std::vector<Moments> places(at(season));
    for (Index t = 0; t + j < parts.train; ++t)
      all.add(series[t + j] - series[t]), places[at(t % season)].add(series[t + j] - series[t]);
    for (Index p = 0; p < season; ++p)
      change_[at(p * horizon + j - 1)] = (places[at(p)].count > 0 ? places[at(p)] : all).mean();
    for (Index t = 0; t + j < parts.train; ++t) left.add(series[t + j] - change(t, j));
    if (j == 1) unit_ = left.deviation();
  }
}

void ForecastTask::learn_weights() {
  const Index lags = std::min(season > 1 && season < 25 ? season : 12, parts.train / 10);
  weights_.resize(at(horizon * (2 + lags)));
  for (Index j = 1; j <= horizon; ++j) {
    std::vector<double> x, y;
    for (Index t = lags; t + j < parts.train; ++t)
      if (std::isfinite(series[t + j])) add_row(t, lags, x), y.push_back(series[t + j] - change(t, j));
    if (y.empty()) continue;
    std::ranges::copy(least_squares(x, y, 1e-3), weights_.begin() + (j - 1) * (2 + lags));
  }
  for (Index j = 1; j <= horizon; ++j) {
    Moments left;
    for (Index t = lags; t + j < parts.train; ++t) left.add(series[t + j] - plain(t, j));
    scale_.push_back(left.deviation());
  }
}

ForecastTask::ForecastTask(Series series_, SeriesParts parts_, const nlohmann::json& settings, const std::string& file)
    : series(std::move(series_)),
      parts(parts_),
      season(setting<Index>(settings, "season", file)),
      horizon(setting<Index>(settings, "horizon", file)),
      low(setting<std::vector<double>>(settings, "low", file)),
      high(setting<std::vector<double>>(settings, "high", file)),
      change_(setting<std::vector<double>>(settings, "change", file)),
      weights_(setting<std::vector<double>>(settings, "weights", file)),
      scale_(setting<std::vector<double>>(settings, "scale", file)),
      unit_(setting<double>(settings, "unit", file)),
      level_mean_(setting<double>(settings, "level_mean", file)),
      level_scale_(setting<double>(settings, "level_scale", file)),
      slope_mean_(setting<double>(settings, "slope_mean", file)),
      slope_scale_(setting<double>(settings, "slope_scale", file)) {
  if (season < 1 || horizon < 1 || low.size() != at(horizon) || high.size() != at(horizon) ||
      scale_.size() != at(horizon) || change_.size() != at(season * horizon) || weights_.size() < at(2 * horizon) ||
      weights_.size() % at(horizon) != 0)
    throw DataError(file + ": its settings do not fit together");
  fill();
}

nlohmann::json ForecastTask::settings() const {
  return {{"season", season},
          {"horizon", horizon},
          {"low", low},
          {"high", high},
          {"change", change_},
          {"weights", weights_},
          {"scale", scale_},
          {"unit", unit_},
          {"log", series.log},
          {"level_mean", level_mean_},
          {"level_scale", level_scale_},
          {"slope_mean", slope_mean_},
          {"slope_scale", slope_scale_}};
}

void ForecastTask::fill() {
  const auto known = std::ranges::find_if(series.values, [](double x) { return std::isfinite(x); });
  double last = known == series.values.end() ? 0 : *known;
  last_.clear(), level_.clear(), surprise_.clear();
  for (const double x : series.values) last_.push_back(last = std::isfinite(x) ? x : last);
  for (Index t = 0; t < series.size(); ++t) {
    const bool known = std::isfinite(series[t]);
    level_.push_back(known ? series[t] : t > 0 ? change(t - 1, 1) : last_[0]);
    surprise_.push_back(t > 0 && known ? (series[t] - change(t - 1, 1)) / unit_ : 0);
  }
}

void ForecastTask::add_row(Index t, Index lags, std::vector<double>& rows) const {
  rows.push_back(1), rows.push_back((level(t) - level_mean_) / level_scale_);
  for (Index i = 0; i < lags; ++i) rows.push_back(t >= i ? surprise_[at(t - i)] : 0);
}

double ForecastTask::plain(Index t, Index j) const {
  const double* w = weights_.data() + (j - 1) * (2 + lags());
  double sum = w[0] + w[1] * (level(t) - level_mean_) / level_scale_;
  for (Index i = 0; i < std::min(lags(), t + 1); ++i) sum += w[2 + i] * surprise_[at(t - i)];
  return change(t, j) + sum;
}

Index ForecastTask::features() const { return 5 + 2 * std::min(kHarmonics, season / 2); }

std::vector<float> ForecastTask::inputs(Index from, Index count) const {
  std::vector<float> rows;
  rows.reserve(at(count * features()));
  const auto add = [&](double x) { rows.push_back(static_cast<float>(x)); };
  for (Index t = from; t < from + count; ++t) {
    const bool known = std::isfinite(series[t]);
    add(known && t > 0 ? target(t - 1, 1, series.size()) : 0);
    add(surprise_[at(t)]);
    add(known ? 0 : 1);
    for (const Index spans : {1, 4}) add((slope(t, spans) - slope_mean_) / slope_scale_);
    for (Index k = 1; k <= std::min(kHarmonics, season / 2); ++k) {
      const double angle = 2 * std::numbers::pi * static_cast<double>(k * (t % season)) / static_cast<double>(season);
      add(std::sin(angle)), add(std::cos(angle));
    }
  }
  return rows;
}

double ForecastTask::slope(Index t, Index spans) const {
  const Index rows = std::min(spans * span(), t);
  if (rows < span()) return slope_mean_;
  return (level(t) - level(t - rows)) * static_cast<double>(span()) / static_cast<double>(rows);
}

double ForecastTask::target(Index t, Index j, Index end) const {
  return t + j < end ? (series[t + j] - plain(t, j)) / scale_at(j) : NAN;
}

}  // namespace unroll::examples
