// Numbers to numbers: reads a series and says what comes next, with bands, and how far that can be trusted.
//
//     x_t = [(y_t - base_{t-1,1}) / s_1; is y_t missing; changes over seasons; sines and cosines of the season; ...]
//     h_t = cell(x_t, h_{t-1})                              RNN, LSTM or GRU
//     z_t = W [dropout(h_t); x_t] + b                       one number for each distance j = 1 .. horizon
//     y(t+j) is forecast as base_{t,j} + s_j z_tj           base: a plain guess, mean changes of the season and least
//                                                           squares (forecast_task.hpp); s_j: what it is off by
//     loss = mean (z_tj - (y(t+j) - base_{t,j}) / s_j)^2    over all j whose y is known
//
// The forecast is the mean of several such networks. The rows are parted by time: to learn from, to choose by, to be
// judged by. The bands are quantiles of what forecasts were off by in the middle part, which chose the epoch but was
// not learnt from; how many values of the last part lie inside is printed. Missing values are welcome anywhere.
//
//     forecast                                  carbon dioxide at Mauna Loa since 1958, by the month (NOAA, Scripps)
//     forecast --data sales.csv --column units --horizon 14 --season 7 --out next.csv --plot next.png
//     forecast --data air.csv --column passengers --log     a season that grows with the level: models logarithms
//     forecast --save m.st, forecast --load m.st            the same model again, for a file that has grown
//
// To expect without arguments, over the last ten years (root mean square error in ppm, three seeds; 1 s on two cores):
//                      model         plain guess   persistence   seasonal naive   with its change   12-lag linear
//     1 month ahead    0.40          0.402         1.33          2.63             0.50              0.44
//     12 months ahead  0.51 .. 0.62  0.66          2.63          2.63             1.05              0.67
// and 86 .. 91 % of the values inside bands that are meant to hold 90 %.

#include "common/plot.hpp"
#include "common/training.hpp"
#include "forecast/report.hpp"
#include "forecast/task.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/ops/dropout.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/losses.hpp"

using namespace unroll;
using namespace unroll::examples;

struct Options : TrainingOptions {
  std::string data, column, out;
  Index season = 0, horizon = 12, holdout = 0, window = 0, hidden = 24, members = 4;
  double dropout = 0.3, coverage = 0.9;
  bool log = false;
};

template <class Cell>
struct Forecaster {
  Forecaster(Index features, const Options& o, Rng& rng)
      : layer(features, o.hidden, rng), out(o.hidden + features, o.horizon, rng), dropout(o.dropout) {
    for (float& w : out.weight.mutable_values()) w = 0;  // begins with the plain guess
    for (float& b : out.bias.mutable_values()) b = 0;
  }
  /// x (T, B, features) to what follows each step, (T, B, horizon).
  Variable<> operator()(const Variable<>& x) const {
    return out(concat<float>({unroll::dropout(layer(x), dropout), x}, -1));
  }
  void each(auto&& visit) { visit("layer", layer), visit("out", out), visit("dropout", dropout); }

  Rnn<Cell> layer;
  Linear<> out;
  double dropout;
};

/// Networks of one kind from different starts.
template <class Cell>
struct Ensemble {
  Ensemble(Index features, const Options& o, Rng& rng) {
    for (Index k = 0; k < o.members; ++k) members.emplace_back(features, o, rng);
  }
  void each(auto&& visit) { visit("members", members); }

  std::vector<Forecaster<Cell>> members;
};

/// Windows of one length, side by side: (T, B, ...). A target that is not known weighs nothing, nor do the first steps,
/// in which the network has seen little.
struct Windows {
  Windows(const ForecastTask& task, std::span<const Index> starts, Index steps) {
    const auto rows = static_cast<std::size_t>(steps * std::ssize(starts));
    x.resize(rows * static_cast<std::size_t>(task.features()));
    for (std::size_t b = 0; b < starts.size(); ++b) {
      const auto values = task.inputs(starts[b], steps);
      for (std::size_t t = 0, f = values.size() / static_cast<std::size_t>(steps); t < static_cast<std::size_t>(steps);
           ++t)
        std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(t * f), f,
                    x.begin() + static_cast<std::ptrdiff_t>((t * starts.size() + b) * f));
    }
    for (Index t = 0; t < steps; ++t)
      for (const Index start : starts)
        for (Index j = 1; j <= task.horizon; ++j) {
          const double z =
              t < std::min(task.season, steps / 4) && start > 0 ? NAN : task.target(start + t, j, task.parts.train);
          targets.push_back(std::isfinite(z) ? static_cast<float>(z) : 0), weights.push_back(std::isfinite(z) ? 1 : 0);
        }
  }
  std::vector<float> x, targets, weights;
};

/// What the networks say on average at every row of the series.
template <class Cell>
Forecasts forecasts_of(const Ensemble<Cell>& model, Tape<float>& tape, const ForecastTask& task) {
  const auto x = task.inputs(0, task.series.size());
  Forecasts said(static_cast<std::size_t>(task.series.size() * task.horizon));
  for (const auto& member : model.members) {
    const Evaluation scope(tape);
    const auto z = member(input(x, Shape{task.series.size(), 1, task.features()}));
    for (std::size_t i = 0; i < said.size(); ++i)
      said[i] += static_cast<double>(z.values()[i]) / static_cast<double>(model.members.size());
  }
  return said;
}

template <class Cell>
void run(Options& o, ForecastTask& task) {
  Rng rng(static_cast<std::uint64_t>(o.seed));
  MetricsFile metrics(o.metrics);
  Ensemble<Cell> model(task.features(), o, rng);
  if (!o.load.empty()) load_parameters(o.load, model);
  Shards<float> shards(o.threads, rng.next());
  const auto& parts = task.parts;
  print("%s: %d rows to learn from, %d to choose by, %d to be judged by; season %d; %s, parameters %d",
        task.series.name.c_str(), static_cast<int>(parts.train), static_cast<int>(parts.dev - parts.train),
        static_cast<int>(parts.size - parts.dev), static_cast<int>(task.season), o.cell.c_str(),
        static_cast<int>(parameter_count(model)));

  TrainingResult result;
  if (o.load.empty()) {
    const Index steps = std::min(o.window > 0 ? o.window : std::max<Index>(5 * task.season, 60), parts.train);
    TrainingPlan plan{.program = "forecast",
                      .validate = [&] { return scaled_error(task, forecasts_of(model, shards.tape(0), task)); },
                      .unit = "windows"};
    plan.data.add(task.series.values);
    using Items = std::span<const Index>;
    result = train(model, o, parts.train - steps + 1, metrics, plan, shards, [&](Items share, Items batch) {
      const Windows windows(task, share, steps);
      const auto count = static_cast<Index>(share.size());
      const auto x = input(windows.x, Shape{steps, count, task.features()});
      const auto z = input(windows.targets, Shape{steps, count, task.horizon});
      const auto all = static_cast<double>(std::ssize(batch) * steps * task.horizon * std::ssize(model.members));
      Variable<> loss;
      for (const auto& member : model.members) {
        const auto part = squared_error(member(x), z, {.weights = windows.weights, .denominator = all});
        loss = loss.defined() ? loss + part : part;
      }
      return loss;
    });
  }

  const Forecasts said = forecasts_of(model, shards.tape(0), task);
  if (o.load.empty()) set_bands(task, said, parts.train, parts.dev, o.coverage);
  auto figures = report_forecasts(task, said, o.coverage);
  const auto next = ahead_of(task, said, parts.size - 1);
  print_forecast(next);
  if (!o.out.empty()) write_forecast(o.out, next);
  if (!o.save.empty()) {
    auto settings = task.settings();
    settings.update({{"cell", o.cell}, {"hidden", o.hidden}, {"members", o.members}, {"coverage", o.coverage}});
    save_model(o.save, model, "forecast", settings);
  }
  draw_forecasts(o.plot, task, said, o.coverage);
  o.load.empty() ? finish_training(metrics, figures, result) : finish_metrics(metrics, figures);
}

int main(int argc, char** argv) {
  Options o;
  o.cell = "gru", o.batch = 32, o.epochs = 12, o.lr = 3e-3, o.weight_decay = 0.1;
  CLI::App app("Reads a series of numbers and says what comes next, with bands.", "forecast");
  app.add_option("--data", o.data, "CSV file [carbon dioxide at Mauna Loa since 1958]");
  app.add_option("--column", o.column, "name of the column, where there are several");
  add_training_options(app, o, "picture of forecasts and bands (.png, .svg), drawn by gnuplot");
  add_number(app, "--horizon", o.horizon, 1, 10000, "rows ahead to forecast");
  add_number(app, "--season", o.season, 0, 100000, "rows of a season; 1: none, 0: finds it by autocorrelation");
  add_number(app, "--holdout", o.holdout, 0, 100000000, "last rows, to be judged by; 0: a fifth, of the CO2 ten years");
  add_number(app, "--window", o.window, 0, 100000000, "rows back-propagated through; 0: five seasons, at least 60");
  add_number(app, "--hidden", o.hidden, 1, 16384, "units of a network");
  add_number(app, "--members", o.members, 1, 1000, "networks whose forecasts are averaged");
  add_number(app, "--dropout", o.dropout, 0, 0.99, "share of the units dropped in training");
  add_number(app, "--coverage", o.coverage, 0.01, 0.999, "share of the values that the bands are meant to hold");
  app.add_flag("--log", o.log, "models logarithms: for positive values whose swings grow with them");
  app.add_option("--out", o.out, "CSV file for what comes next");
  catch_interrupts();
  return run_program(app, argc, argv, [&] {
    check_plot(o.plot);
    nlohmann::json settings;
    if (!o.load.empty()) {
      settings = read_settings(o.load, "forecast");
      get_settings(settings, o.load, "cell", o.cell, "hidden", o.hidden, "members", o.members, "season", o.season);
      get_settings(settings, o.load, "horizon", o.horizon, "log", o.log, "coverage", o.coverage);
    }
    const Series series = o.data.empty() ? co2_series() : read_series(o.data, o.column, o.log);
    if (o.holdout == 0) o.holdout = o.data.empty() ? 120 : series.size() / 5;
    const Index rest = series.size() - o.holdout;
    if (o.season == 0) o.season = find_season(series, rest - rest / 5);
    const SeriesParts parts = parts_of(series, o.holdout, o.season, o.horizon);
    ForecastTask task = settings.is_object() ? ForecastTask(series, parts, settings, o.load)
                                             : ForecastTask(series, parts, o.season, o.horizon);
    with_cell(o.cell, [&]<class Cell>() { run<Cell>(o, task); });
  });
}
