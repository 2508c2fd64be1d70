#pragma once
/// \file
/// What every program that trains a model has in common: options, the training itself, model files, the last line of
/// the metrics.

#include <algorithm>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/fingerprint.hpp"
#include "common/program.hpp"
#include "unroll/data/tensors/parameter_file.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/optim/adam.hpp"
#include "unroll/optim/run/fit.hpp"

namespace unroll::examples {

/// The options of a training; a program sets its own defaults before it declares them.
struct TrainingOptions {
  std::string cell = "lstm", save, load, metrics, plot;
  Index epochs = 10, batch = 32, patience = 0, seed = 1;
  double lr = 3e-3, weight_decay = 0, clip = 1;
  int threads = 0;  ///< as add_threads
  bool resume = false;

  /// Those that a training must be resumed with.
  void each(auto&& visit) {
    visit("cell", cell), visit("epochs", epochs), visit("batch", batch), visit("patience", patience);
    visit("seed", seed), visit("lr", lr), visit("weight_decay", weight_decay), visit("clip", clip);
    visit("threads", threads);
  }
};

/// Declares --epochs, --batch, --patience, --lr, --weight-decay, --clip, --seed, --threads, --save, --resume, --load,
/// --metrics, --plot, and with `cells` --cell. `plot` says what the picture shows.
void add_training_options(CLI::App& app, TrainingOptions& o, const char* plot, bool cells = true);

/// Calls `f.template operator()<Cell>()` with the cell that --cell names:
///
///     with_cell(o.cell, [&]<class Cell> { run<Cell>(o); });
template <class F>
auto with_cell(const std::string& cell, F&& f) {
  if (cell == "rnn") return f.template operator()<RNNCell<>>();
  if (cell == "gru") return f.template operator()<GRUCell<>>();
  if (cell == "lstm") return f.template operator()<LSTMCell<>>();
  throw DataError("no cell '" + cell + "': expected rnn, lstm or gru");
}

/// Writes a model with all that is needed to build it again: `settings` (sizes, vocabularies, the cell) as JSON text
/// beside the weights, and the program's name.
template <class Model>
void save_model(const std::string& path, const Model& model, const std::string& program,
                const nlohmann::json& settings) {
  save_parameters(path, model, {.metadata = {{"format", "pt"}, {"program", program}, {"settings", settings.dump()}}});
}

/// The settings of a model that `program` has saved. Throws DataError for a file of another program, FileError for
/// what is no model file. A setting that is missing or of another type throws DataError too: read them with
/// `setting`.
nlohmann::json read_settings(const std::string& path, const std::string& program);

/// One of the settings. Throws DataError, with the file's name, when it is missing or of another type.
template <class X>
X setting(const nlohmann::json& settings, const char* name, const std::string& path) {
  try {
    return settings.at(name).template get<X>();
  } catch (const nlohmann::json::exception&) {
    throw DataError(path + ": its settings have no proper '" + name + "'");
  }
}

/// Sets variables from settings of their names:
///
///     get_settings(settings, o.load, "cell", o.cell, "hidden", o.hidden);
///
/// Throws DataError as `setting`.
template <class X, class... More>
void get_settings(const nlohmann::json& settings, const std::string& path, const char* name, X& value, More&&... more) {
  value = setting<X>(settings, name, path);
  if constexpr (sizeof...(more) > 0) get_settings(settings, path, more...);
}

/// What a training has beside its options.
struct TrainingPlan {
  std::string program;                        ///< for the model's file
  nlohmann::json settings = {};               ///< as save_model
  std::vector<Index> work = {};               ///< steps of each item, by which shards are cut; none: all equal
  std::function<double()> validate = {};      ///< after each epoch: an error, lower is better; the best is kept
  std::string validation = "held-out error";  ///< its name, for people
  std::function<void(const FitEpoch&)> on_epoch = {};  ///< instead of a line an epoch
  std::string unit = "items";
  double warmup = 0.05;   ///< share of the steps in which the learning rate rises; then a cosine down to 0
  Fingerprint data = {};  ///< of what it learns from and is chosen by: --resume refuses to go on with other data
};

/// The work of a batch's items, for a loss that is divided by it.
double work_of(std::span<const Index> batch, const std::vector<Index>& work);

/// The curves of a training, an entry an epoch; NaN without validation.
struct TrainingResult : FitResult {
  std::vector<double> train_curve, val_curve;
};

/// Checkpoints beside a model of --save, none without. `data` is a fingerprint of what is learnt from; the training's
/// state is to have it as "data". Throws DataError when there are checkpoints and `resume` is not said, or when they
/// are of other data.
std::optional<Checkpoints> checkpoints_of(const std::string& save, bool resume, std::uint64_t data);

namespace detail {
/// FitOptions for a training of `steps` steps in all. `plan`, `o` and what else it is given must outlive the training.
FitOptions fit_options(const TrainingPlan& plan, TrainingOptions& o, Index steps, MetricsFile& metrics,
                       TrainingResult& curves, const std::function<void()>& keep_model);
/// Position of each shard's first item, and the end.
std::vector<Index> shares_of(std::span<const Index> items, const std::vector<Index>& work, int shards);
}  // namespace detail

/// Trains `model` on items 0 .. count-1 with AdamW: shuffled batches, a warm-up and a cosine down, clipped gradients,
/// validation after each epoch, --threads shards, --save and --resume, --metrics. `loss(share, batch)` gives the loss
/// of a shard's share of a batch, both spans of items, divided by what the whole batch counts:
///
///     TrainingResult result = train(model, o, count, metrics, plan, shards, [&](Items share, Items batch) {
///       return cross_entropy(model(texts(share)), labels(share), {.denominator = batch.size()}); });
template <class Model, class Loss>
TrainingResult train(Model& model, TrainingOptions& o, Index count, MetricsFile& metrics, const TrainingPlan& plan,
                     Shards<float>& shards, Loss&& loss) {
  if (count < 1) throw DataError("there is nothing to learn from");
  TrainingResult result;
  AdamW<float> adam(parameters(model), {.lr = o.lr, .weight_decay = o.weight_decay});
  ShuffledBatches batches(count, o.batch, static_cast<std::uint64_t>(o.seed));
  const auto keep_model = [&] {
    if (!o.save.empty()) save_model(o.save, model, plan.program, plan.settings);
  };
  auto options = detail::fit_options(plan, o, o.epochs * batches.size(), metrics, result, keep_model);
  std::uint64_t data = Fingerprint(plan.data).add(count, plan.work).value();
  auto checkpoints = checkpoints_of(o.save, o.resume, data);
  if (checkpoints) {
    options.checkpoints = &*checkpoints;
    options.state.add("options", o)
        .add("data", data)
        .add("train_curve", result.train_curve)
        .add("val_curve", result.val_curve);
  }
  static_cast<FitResult&>(result) = fit(
      model, adam, shards, batches,
      [&](std::span<const Index> batch, Tape<float>&, int shard) -> Variable<> {
        const auto at = detail::shares_of(batch, plan.work, shards.count());
        const auto from = static_cast<std::size_t>(at[static_cast<std::size_t>(shard)]);
        const auto to = static_cast<std::size_t>(at[static_cast<std::size_t>(shard) + 1]);
        return from == to ? Variable<>() : loss(batch.subspan(from, to - from), batch);
      },
      options);
  keep_model();
  if (checkpoints && !result.interrupted) checkpoints->remove();
  return result;
}

/// Writes the metrics' last line, `figures` first, and says how long it took.
void finish_training(MetricsFile& metrics, MetricsLine figures, const FitResult& result);
/// The last line of a program that did not train.
void finish_metrics(MetricsFile& metrics, MetricsLine figures);

/// A picture of the two curves by epoch.
void draw_training(const std::string& file, const std::string& title, const std::string& y_title,
                   const TrainingResult& result, bool log_y = false);

}  // namespace unroll::examples
