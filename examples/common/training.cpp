#include "common/training.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "common/plot.hpp"
#include "unroll/optim/schedules/schedule.hpp"

namespace unroll::examples {

void add_training_options(CLI::App& app, TrainingOptions& o, const char* plot, bool cells) {
  if (cells)
    app.add_option("--cell", o.cell, "the recurrent cell")
        ->check(CLI::IsMember({"rnn", "lstm", "gru"}))
        ->capture_default_str();
  add_number(app, "--epochs", o.epochs, 1, 1000000, "times through what there is to learn from");
  add_number(app, "--batch", o.batch, 1, 16384, "items of a step");
  add_number(app, "--patience", o.patience, 0, 1000000, "epochs without a better result before it stops (0: never)");
  add_number(app, "--lr", o.lr, 0, 10, "highest learning rate (AdamW; up, then a cosine down)");
  add_number(app, "--weight-decay", o.weight_decay, 0, 10, "of AdamW");
  add_number(app, "--clip", o.clip, 0, 1e9, "highest norm of the gradient");
  add_number(app, "--seed", o.seed, 0, Index{1} << 62, "of everything that is random");
  add_threads(app, o.threads, "of the training, each with its share of a batch");
  auto* save = app.add_option("--save", o.save, "file for the best model (safetensors); beside it, <file>.run-...");
  app.add_flag("--resume", o.resume, "goes on with the training of --save that was ended or killed, to the same bits")
      ->needs(save);
  app.add_option("--load", o.load, "model of --save, used as it is")->excludes(save);
  app.add_option("--metrics", o.metrics, "file for the figures: JSON lines, or a table (.csv)");
  app.add_option("--plot", o.plot, plot);
}

nlohmann::json read_settings(const std::string& path, const std::string& program) {
  const SafetensorsFile file(path);
  const auto text = [&](const char* key) {
    const auto found = file.metadata().find(key);
    return found == file.metadata().end() ? std::string() : found->second;
  };
  if (text("program") != program)
    throw DataError(path + ": expected a model that " + program + " has saved" +
                    (text("program").empty() ? "" : ", this one is by " + text("program")));
  auto settings = nlohmann::json::parse(text("settings"), nullptr, false);
  if (!settings.is_object()) throw DataError(path + ": its settings are not readable");
  return settings;
}

std::optional<Checkpoints> checkpoints_of(const std::string& save, bool resume, std::uint64_t data) {
  if (save.empty()) return {};
  Checkpoints checkpoints(save + ".run", {.keep = 2, .keep_best = false});
  for (const std::string& file : checkpoints.files()) {
    if (!resume)
      throw DataError(file + " is of an unfinished training: --resume goes on with it; remove it to begin anew");
    try {
      check_checkpoint(file);
    } catch (const FileError&) {
      continue;  // who goes on will say so, and take an older one
    }
    const SafetensorsFile checkpoint(file);
    std::uint64_t before = data;
    if (const TensorView* t = checkpoint.find("data"); t && t->bytes.size() == sizeof before)
      std::memcpy(&before, t->bytes.data(), sizeof before);
    if (before != data)
      throw DataError(file + " is of a training with other data, or options of its data; remove it to begin anew");
    break;
  }
  return checkpoints;
}

double work_of(std::span<const Index> batch, const std::vector<Index>& work) {
  Index sum = 0;
  for (const Index item : batch) sum += work.at(static_cast<std::size_t>(item));
  return static_cast<double>(sum);
}

namespace detail {

FitOptions fit_options(const TrainingPlan& plan, TrainingOptions& o, Index steps, MetricsFile& metrics,
                       TrainingResult& curves, const std::function<void()>& keep_model) {
  FitOptions options{.epochs = o.epochs,
                     .clip_norm = o.clip,
                     .validate = plan.validate,
                     .patience = plan.validate ? o.patience : 0,
                     .checkpoint_every = 500,
                     .metrics = {&metrics},
                     .items = static_cast<double>(o.batch),
                     .unit = plan.unit};
  const auto up = std::max<Index>(1, std::lround(plan.warmup * static_cast<double>(steps)));
  const Schedule schedule = warmup_lr(up) * cosine_annealing_lr(steps);
  options.lr = [lr = o.lr, schedule](Index step) { return lr * schedule(step); };
  options.on_epoch = [&, keep_model](const FitEpoch& e) {
    curves.train_curve.push_back(e.train_loss), curves.val_curve.push_back(e.val_loss);
    if (e.best) keep_model();
    if (plan.on_epoch) return plan.on_epoch(e);
    const std::string held_out =
        plan.validate ? text(", %s %.4f%s", plan.validation.c_str(), e.val_loss, e.best ? "" : " (not the best)") : "";
    print("epoch %d: loss %.4f%s", static_cast<int>(e.epoch), e.train_loss, held_out.c_str());
  };
  return options;
}

std::vector<Index> shares_of(std::span<const Index> items, const std::vector<Index>& work, int shards) {
  std::vector<Index> work_of_items(items.size(), 1);
  if (!work.empty())
    std::transform(items.begin(), items.end(), work_of_items.begin(),
                   [&](Index item) { return work.at(static_cast<std::size_t>(item)); });
  return cut_by_work(work_of_items, shards);
}

}  // namespace detail

void finish_training(MetricsFile& metrics, MetricsLine figures, const FitResult& result) {
  figures.insert(figures.end(), {{"steps", result.steps},
                                 {"epochs", result.epochs},
                                 {"seconds", result.seconds},
                                 {"interrupted", result.interrupted}});
  finish_metrics(metrics, std::move(figures));
  print("%s after %d steps in %s of training", result.interrupted ? "interrupted" : "done",
        static_cast<int>(result.steps), duration_text(result.seconds).c_str());
}

void finish_metrics(MetricsFile& metrics, MetricsLine figures) {
  figures.insert(figures.begin(), {"final", true});
  metrics.write(figures);
}

void draw_training(const std::string& file, const std::string& title, const std::string& y_title,
                   const TrainingResult& result, bool log_y) {
  if (file.empty()) return;
  const auto curve = [](const char* name, const std::vector<double>& values) {
    Curve c{name, {}};
    for (std::size_t i = 0; i < values.size(); ++i) c.points.emplace_back(static_cast<double>(i + 1), values[i]);
    return c;
  };
  const Curve curves[] = {curve("training", result.train_curve), curve("held out", result.val_curve)};
  draw_curves(file, title, "epoch", y_title, curves, log_y);
}

}  // namespace unroll::examples
