#include "forecast/report.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "common/plot.hpp"
#include "common/program.hpp"
#include "unroll/data/files/atomic_file.hpp"

namespace unroll::examples {

namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

double said_at(const ForecastTask& task, const Forecasts& said, Index t, Index j) {
  return said[at(t * task.horizon + j - 1)];
}

/// Below it lies `share` of what the same source gives next, on average over n values drawn from it: the k-th of n
/// sorted values stands for k / (n + 1) (split conformal prediction; Papadopoulos and others, 2002). Between them
/// linear.
double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const auto n = static_cast<double>(values.size());
  const double place = std::clamp(share * (n + 1) - 1, 0.0, n - 1);
  const auto below = static_cast<std::size_t>(place), above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

/// f(t, j) as a forecast of values in rows from .. to-1: its root mean square error. NaN without a known value.
double rmse(const ForecastTask& task, Index j, Index from, Index to, const std::function<double(Index t)>& f) {
  double sum = 0, count = 0;
  for (Index t = std::max<Index>(from - j, 0); t + j < to; ++t) {
    if (!std::isfinite(task.series[t + j])) continue;
    const double off = task.series.original(f(t)) - task.series.original(task.series[t + j]);
    sum += off * off, ++count;
  }
  return count > 0 ? std::sqrt(sum / count) : NAN;
}

/// y(t+j) by least squares on the last known values at t, t-1, .. and a constant, from the rows to learn from.
class LinearModel {
 public:
  LinearModel(const ForecastTask& task, Index lags, Index j) : task_(task), lags_(lags) {
    for (Index t = 0; t < task.parts.train; ++t) mean_ += task.last(t) / static_cast<double>(task.parts.train);
    std::vector<double> x, y;
    for (Index t = lags - 1; t + j < task.parts.train; ++t)
      if (std::isfinite(task.series[t + j])) add_row(t, x), y.push_back(task.series[t + j] - task.last(t));
    w_ = y.empty() ? std::vector<double>(static_cast<std::size_t>(lags + 1)) : least_squares(x, y, 0);
  }

  double operator()(Index t) const {
    std::vector<double> x;
    add_row(t, x);
    return std::inner_product(x.begin(), x.end(), w_.begin(), task_.last(t));
  }

 private:
  // Differences say the same as the values do, and keep more digits.
  void add_row(Index t, std::vector<double>& x) const {
    x.push_back(1), x.push_back(task_.last(t) - mean_);
    for (Index i = 1; i < lags_; ++i) x.push_back(task_.last(std::max<Index>(t - i, 0)) - task_.last(t));
  }

  const ForecastTask& task_;
  Index lags_;
  double mean_ = 0;
  std::vector<double> w_;
};

bool inside(const ForecastTask& task, const Forecasts& said, Index t, Index j) {
  const double off = task.target(t, j, task.parts.size) - said_at(task, said, t, j);
  return off >= task.low[at(j - 1)] && off <= task.high[at(j - 1)];
}

}  // namespace

void set_bands(ForecastTask& task, const Forecasts& said, Index from, Index to, double coverage) {
  for (Index j = 1; j <= task.horizon; ++j) {
    std::vector<double> off;
    for (Index t = std::max<Index>(from - j, 0); t + j < to; ++t)
      if (const double target = task.target(t, j, to); std::isfinite(target))
        off.push_back(target - said_at(task, said, t, j));
    task.low[at(j - 1)] = quantile(off, (1 - coverage) / 2), task.high[at(j - 1)] = quantile(off, (1 + coverage) / 2);
  }
}

double error_of(const ForecastTask& task, const Forecasts& said, Index j, Index from, Index to) {
  return rmse(task, j, from, to, [&](Index t) { return task.forecast(t, j, said_at(task, said, t, j)); });
}

double scaled_error(const ForecastTask& task, const Forecasts& said) {
  double sum = 0, count = 0;
  for (Index j = 1; j <= task.horizon; ++j)
    for (Index t = task.parts.train - j; t + j < task.parts.dev; ++t)
      if (const double z = task.target(t, j, task.parts.dev); std::isfinite(z)) {
        const double off = z - said_at(task, said, t, j);
        sum += off * off, ++count;
      }
  return count > 0 ? std::sqrt(sum / count) : 0;
}

MetricsLine report_forecasts(const ForecastTask& task, const Forecasts& said, double coverage) {
  const Index from = task.parts.dev, to = task.parts.size, season = task.season, h = task.horizon;
  const Index lags = season > 1 && season < 25 ? season : 12;
  print("errors over the last %d rows (root mean square), and the share inside the bands, meant to be %.0f %%:",
        static_cast<int>(to - from), 100 * coverage);
  print("  ahead     model     plain  persistence  seasonal naive  with its change  %d-lag linear  inside",
        static_cast<int>(lags));
  MetricsLine figures;
  double in_all = 0, known_all = 0;
  for (Index j = 1; j <= h; ++j) {
    double in = 0, known = 0;
    for (Index t = std::max<Index>(from - j, 0); t + j < to; ++t)
      if (std::isfinite(task.series[t + j])) ++known, in += inside(task, said, t, j) ? 1 : 0;
    in_all += in, known_all += known;
    if (j != 1 && j != h && j != 2 && j != 3 && j != 6 && j % 12 != 0) continue;
    const auto before = [&](Index t) { return std::max<Index>(t + j - (j + season - 1) / season * season, 0); };
    const auto start = [&](Index t) { return std::max<Index>(t - (j + season - 1) / season * season, 0); };
    const LinearModel linear(task, lags, j);
    const std::pair<const char*, double> errors[] = {
        {"rmse", error_of(task, said, j, from, to)},
        {"plain", rmse(task, j, from, to, [&](Index t) { return task.plain(t, j); })},
        {"persistence", rmse(task, j, from, to, [&](Index t) { return task.last(t); })},
        {"seasonal", rmse(task, j, from, to, [&](Index t) { return task.last(before(t)); })},
        {"seasonal_change",
         rmse(task, j, from, to, [&](Index t) { return task.last(t) + task.last(before(t)) - task.last(start(t)); })},
        {"linear", rmse(task, j, from, to, linear)},
        {"coverage", known > 0 ? in / known : NAN}};
    print("  %5d  %8.4g  %8.4g  %11.4g  %14.4g  %15.4g  %13.4g  %4.0f %%", static_cast<int>(j), errors[0].second,
          errors[1].second, errors[2].second, errors[3].second, errors[4].second, errors[5].second,
          100 * errors[6].second);
    if (j == 1)
      for (const auto& [name, value] : errors) figures.emplace_back(name, value);
    if (j == h)
      for (const auto& [name, value] : errors) figures.emplace_back(std::string(name) + "_h", value);
  }
  figures.emplace_back("coverage_all", known_all > 0 ? in_all / known_all : NAN);
  print("inside the bands at all distances: %.0f %%", 100 * in_all / std::max(known_all, 1.0));
  return figures;
}

std::vector<Ahead> ahead_of(const ForecastTask& task, const Forecasts& said, Index t) {
  std::vector<Ahead> rows;
  for (Index j = 1; j <= task.horizon; ++j) {
    const double y = said_at(task, said, t, j);
    const auto value = [&](double target) { return task.series.original(task.forecast(t, j, target)); };
    rows.push_back({task.series.label(t + j), task.series.time(t + j), value(y), value(y + task.low[at(j - 1)]),
                    value(y + task.high[at(j - 1)])});
  }
  return rows;
}

void print_forecast(const std::vector<Ahead>& rows) {
  print("what comes next:");
  for (std::size_t j = 0; j < std::min<std::size_t>(rows.size(), 24); ++j)
    print("  %10s  %10.5g  (%.5g .. %.5g)", rows[j].label.c_str(), rows[j].forecast, rows[j].low, rows[j].high);
}

void write_forecast(const std::string& path, const std::vector<Ahead>& rows) {
  std::string csv = "time,forecast,low,high\n";
  for (const Ahead& row : rows)
    csv += text("%s,%.10g,%.10g,%.10g\n", row.label.c_str(), row.forecast, row.low, row.high);
  atomic_write(path, csv);
}

void draw_forecasts(const std::string& file, const ForecastTask& task, const Forecasts& said, double coverage) {
  if (file.empty()) return;
  const Index size = task.parts.size;
  std::string known = "$known << EOD\n", bands = "$bands << EOD\n", lines = "$lines << EOD\n",
              future = "$future << EOD\n";
  for (Index t = std::max<Index>(task.parts.dev - 2 * task.horizon, 0); t < size; ++t)
    known += std::isfinite(task.series[t])
                 ? text("%.9g %.9g\n", task.series.time(t), task.series.original(task.series[t]))
                 : "\n";
  const auto add = [&](Index t, std::string& points) {
    const std::string start = text("%.9g %.9g", task.series.time(t), task.series.original(task.last(t)));
    bands += start + text(" %.9g\n", task.series.original(task.last(t)));
    points += start + "\n";
    for (const Ahead& row : ahead_of(task, said, t)) {
      bands += text("%.9g %.9g %.9g\n", row.time, row.low, row.high);
      points += text("%.9g %.9g\n", row.time, row.forecast);
    }
    bands += "\n\n", points += "\n\n";
  };
  Index t = task.parts.dev - 1, blocks = 1;
  for (; t + task.horizon < size; t += task.horizon, ++blocks) add(t, lines);
  add(size - 1, future);
  const std::string title =
      gnuplot_string(task.series.name + ": forecasts for " + std::to_string(task.horizon) + " rows");
  draw(file,
       known + "EOD\n" + bands + "EOD\n" + lines + "EOD\n" + future + "EOD\n" + "set title " + title +
           "\nset xlabel 'time'\nset ylabel " + gnuplot_string(task.series.name) + "\nset key top left\nset grid\n" +
           text("plot for [k=0:%d] $bands index k using 1:2:3 with filledcurves lc rgb '#c6dbef' notitle, "
                "NaN with filledcurves lc rgb '#c6dbef' title 'meant to hold %.0f %%', "
                "$known with lines lw 1.5 lc rgb '#404040' title 'known', "
                "$lines with lines lw 2 lc rgb '#2171b5' title 'forecast', "
                "$future with lines lw 2 lc rgb '#d94801' title 'what comes next'\n",
                static_cast<int>(blocks - 1), 100 * coverage),
       1100, 600);
}

}  // namespace unroll::examples
