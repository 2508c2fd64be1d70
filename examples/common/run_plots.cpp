#include "common/run_plots.hpp"

#include <algorithm>
#include <cmath>

#include "common/plot.hpp"
#include "common/run_file.hpp"
#include "unroll/core/error.hpp"

namespace unroll::examples {

namespace {

using nlohmann::json;

bool has_number(const json& line, const std::string& key) { return line.contains(key) && line[key].is_number(); }

bool has(const RunFile& run, const std::string& x, const std::string& y) {
  return std::ranges::any_of(run.lines, [&](const json& l) { return has_number(l, x) && has_number(l, y); });
}

/// What figures are called in words.
std::string title_of(const std::string& key) {
  if (key == "train_loss" || key == "loss") return "training";
  if (key == "val_loss") return "validation";
  if (key == "dev_loss" || key == "dev_error") return "development part";
  if (key == "lr") return "learning rate";
  if (key == "grad_norm") return "norm of the gradient";
  if (key == "seconds") return "time (s)";
  if (key == "step") return "step of training";
  return key;
}

std::vector<RunFile> read_runs(const PlotRequest& request) {
  if (!request.names.empty() && request.names.size() != request.files.size())
    throw DataError(std::to_string(request.names.size()) + " names for " + std::to_string(request.files.size()) +
                    " files");
  std::vector<RunFile> runs;
  for (const std::string& file : request.files) {
    runs.push_back(read_run(file));
    if (!request.names.empty()) runs.back().name = request.names[runs.size() - 1];
  }
  return runs;
}

std::string x_of(const PlotRequest& request, std::span<const RunFile> runs, std::span<const std::string> keys) {
  if (!request.x.empty()) return request.x;
  for (const char* x : {"step", "epoch", "seconds"})
    if (std::ranges::all_of(runs, [&](const RunFile& run) {
          return std::ranges::any_of(keys, [&](const std::string& y) { return has(run, x, y); });
        }))
      return x;
  return "step";
}

void draw_keys(const PlotRequest& request, std::span<const RunFile> runs, std::span<const std::string> keys,
               const std::string& title, const std::string& y_title) {
  const std::string x = x_of(request, runs, keys);
  std::vector<Curve> curves;
  for (std::size_t r = 0; r < runs.size(); ++r)
    for (std::size_t k = 0; k < keys.size(); ++k) {
      Curve curve;
      curve.name = runs.size() == 1   ? title_of(keys[k])
                   : keys.size() == 1 ? runs[r].name
                                      : runs[r].name + ", " + title_of(keys[k]);
      curve.colour = static_cast<int>(runs.size() == 1 ? k : r);
      curve.dashed = runs.size() > 1 && keys.size() > 1 && title_of(keys[k]) == "training";
      for (const json& line : runs[r].lines)
        if (has_number(line, x) && has_number(line, keys[k]))
          curve.points.emplace_back(line[x].get<double>(), line[keys[k]].get<double>());
      std::ranges::stable_sort(curve.points, {}, &std::pair<double, double>::first);
      curves.push_back(std::move(curve));
    }
  if (std::ranges::all_of(curves, [](const Curve& c) { return c.points.empty(); })) {
    std::string list;
    for (const std::string& key : keys) list += (list.empty() ? "'" : "', '") + key;
    throw DataError(request.files.front() + ": no line has '" + x + "' and one of " + list + "'");
  }
  draw_curves(request.output, request.title.empty() ? title : request.title, title_of(x),
              y_title + (request.unit.empty() ? "" : " (" + request.unit + ")"), curves, request.log_y);
}

}  // namespace

void draw_figures(const PlotRequest& request) {
  check_plot(request.output);
  const auto runs = read_runs(request);
  std::string y_title;
  for (const std::string& key : request.y) y_title += (y_title.empty() ? "" : ", ") + title_of(key);
  draw_keys(request, runs, request.y, y_title, y_title);
}

void draw_losses(PlotRequest request) {
  check_plot(request.output);
  const auto runs = read_runs(request);
  const auto any_has = [&](const char* key) {
    return std::ranges::any_of(runs, [&](const RunFile& run) {
      return std::ranges::any_of(run.lines, [&](const json& l) { return has_number(l, key); });
    });
  };
  std::vector<std::string> keys;
  for (const char* key : {"train_loss", "val_loss", "dev_loss", "dev_error"})
    if (any_has(key)) keys.push_back(key);
  if (std::ranges::find(keys, "train_loss") == keys.end()) keys.insert(keys.begin(), "loss");
  draw_keys(request, runs, keys, "loss", "loss");
}

void draw_rates(PlotRequest request) {
  check_plot(request.output);
  const auto runs = read_runs(request);
  draw_keys(request, runs, std::vector<std::string>{"lr"}, "learning rate", "learning rate");
}

void draw_flow(const PlotRequest& request) {
  check_plot(request.output);
  const RunFile run = read_run(request.files.front());
  std::vector<Curve> curves;
  if (run.path.ends_with(".csv")) {
    for (const auto& [key, value] : run.lines.front().items())
      if (key != "time_step") curves.push_back({key, {}});
    for (const json& line : run.lines) {
      if (!has_number(line, "time_step")) throw DataError(run.path + ": a row has no 'time_step'");
      for (Curve& curve : curves)
        if (has_number(line, curve.name))
          curve.points.emplace_back(line["time_step"].get<double>(), line[curve.name].get<double>());
    }
  } else {
    last_with(run, {"gradient_norms"});
    for (const json& line : run.lines) {
      if (!line.contains("gradient_norms")) continue;
      Curve curve;
      curve.name = line.contains("name") && line["name"].is_string() ? line["name"].get<std::string>()
                   : has_number(line, "step")                        ? "step " + line["step"].dump()
                                                                     : "";
      const auto norms = numbers_of(run, line, "gradient_norms");
      for (std::size_t t = 0; t < norms.size(); ++t) curve.points.emplace_back(static_cast<double>(t), norms[t]);
      curves.push_back(std::move(curve));
    }
  }
  draw_curves(request.output, request.title.empty() ? "gradient through time" : request.title,
              "time step t of the state", "norm of dE/ds_t", curves, request.log_y);
}

void draw_attention(const PlotRequest& request) {
  check_plot(request.output);
  const NamedMatrix m = read_matrix(request.files.front(), "attention", "outputs", "inputs");
  draw_heat(request.output, request.title.empty() ? "attention" : request.title, m.rows, m.columns, m.values, "output",
            "input", "weight");
}

void draw_confusion(const PlotRequest& request) {
  check_plot(request.output);
  const NamedMatrix m = read_matrix(request.files.front(), "confusion", "classes", "classes");
  std::vector<Index> counts;
  for (const double v : m.values) {
    if (!(v >= 0 && v < 9e15 && std::floor(v) == v))
      throw DataError(request.files.front() + ": 'confusion' holds something that is no count");
    counts.push_back(static_cast<Index>(v));
  }
  draw_matrix(request.output, request.title.empty() ? "confusion" : request.title, m.rows, m.columns, counts, "class",
              "taken for");
}

}  // namespace unroll::examples
