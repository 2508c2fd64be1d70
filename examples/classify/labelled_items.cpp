#include "classify/labelled_items.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iostream>
#include <set>
#include <tuple>

#include "common/training.hpp"
#include "unroll/data/batches/split.hpp"
#include "unroll/data/series/time_series.hpp"
#include "unroll/data/text/labelled_text.hpp"

namespace unroll::examples {

namespace {

std::u32string all_texts(const LabelledItems& list) {
  std::u32string all;
  for (const auto& item : list.items) all += item.text;
  return all;
}

double number(const LabelledItem& item) {
  double value = 0;
  const char* end = item.label.data() + item.label.size();
  const auto parsed = std::from_chars(item.label.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || !std::isfinite(value))
    throw DataError(item.where + ": label '" + item.label + "', expected a number to rate by");
  return value;
}

/// Mean and deviation of what is not NaN; deviation 1 where nothing differs.
std::pair<double, double> mean_and_deviation(const std::vector<double>& values) {
  double sum = 0, squares = 0, n = 0;
  for (const double x : values)
    if (!std::isnan(x)) sum += x, ++n;
  const double mean = n > 0 ? sum / n : 0;
  for (const double x : values)
    if (!std::isnan(x)) squares += (x - mean) * (x - mean);
  return {mean, squares > 0 ? std::sqrt(squares / n) : 1};
}

const LabelledItems& enough(const LabelledItems& train, const LabelledItems& test) {
  if (train.items.empty() || test.items.empty())
    throw DataError("too little data: " + std::to_string(train.items.size()) + " items to train on, " +
                    std::to_string(test.items.size()) + " to be judged by");
  return train;
}

}  // namespace

LabelledItems read_labelled_items(const std::string& path) {
  LabelledItems list;
  if (!path.ends_with(".ts")) {
    for (auto& item : read_labelled_texts(path))
      list.items.push_back({std::move(item.label), std::move(item.text), 0, {}, std::move(item.where)});
    return list;
  }
  TimeSeriesFile file = read_ts(path);
  if (!file.labels) throw DataError(path + ": its series have no labels (@classLabel or @targetLabel)");
  list.features = file.dimensions;
  for (auto& series : file.series)
    list.items.push_back(
        {std::move(series.label), {}, series.steps, std::move(series.values), std::move(series.where)});
  return list;
}

std::vector<std::string> classes_of(std::span<const LabelledItem> items) {
  std::set<std::string> classes;
  for (const auto& item : items) classes.insert(item.label);
  return {classes.begin(), classes.end()};
}

std::vector<std::vector<Index>> ids_of(const Batch& batch) {
  std::vector<std::vector<Index>> list;
  for (const auto* item : batch) list.push_back(item->ids);
  return list;
}
std::vector<std::vector<float>> values_of(const Batch& batch, double noise, Rng& rng) {
  std::vector<std::vector<float>> list;
  for (const auto* item : batch) {
    list.push_back(item->values);
    if (noise <= 0) continue;
    for (float& x : list.back()) x += static_cast<float>(noise * rng.normal());
  }
  return list;
}
std::vector<Index> labels_of(const Batch& batch) {
  std::vector<Index> list;
  for (const auto* item : batch) list.push_back(item->label);
  return list;
}
std::vector<float> ratings_of(const Batch& batch) {
  std::vector<float> list;
  for (const auto* item : batch) list.push_back(item->rating);
  return list;
}

std::vector<Batch> batches_of(std::span<const EncodedItem> items, Index size) {
  std::vector<Batch> batches;
  for (std::size_t k = 0; k < items.size(); ++k) {
    if (k % static_cast<std::size_t>(size) == 0) batches.emplace_back();
    batches.back().push_back(&items[k]);
  }
  return batches;
}
Batch batch_of(std::span<const EncodedItem> items, std::span<const Index> numbers) {
  Batch batch;
  for (const Index k : numbers) batch.push_back(&items[static_cast<std::size_t>(k)]);
  return batch;
}

Encoding::Encoding(const LabelledItems& train, std::vector<std::string> class_names, bool rate)
    : features(train.features), classes(std::move(class_names)), vocabulary(all_texts(train)) {
  if (!rate && classes.size() < 2) throw DataError("only one class, '" + classes.at(0) + "', expected at least two");
  if (rate) {
    classes.clear();
    std::vector<double> ratings;
    for (const auto& item : train.items) ratings.push_back(number(item));
    std::tie(rating_mean, rating_deviation) = mean_and_deviation(ratings);
    if (std::count(ratings.begin(), ratings.end(), ratings[0]) == std::ssize(ratings))
      throw DataError("all ratings are " + train.items[0].label + ", expected different ones");
  }
  const auto width = static_cast<std::size_t>(features);
  for (std::size_t f = 0; f < width; ++f) {
    std::vector<double> column;
    for (const auto& item : train.items)
      for (std::size_t i = f; i < item.values.size(); i += width) column.push_back(static_cast<double>(item.values[i]));
    const auto [mean, deviation] = mean_and_deviation(column);
    mean_.push_back(mean), scale_.push_back(1 / deviation);
  }
}

Encoding::Encoding(const nlohmann::json& settings, const std::string& path)
    : features(setting<Index>(settings, "features", path)),
      classes(setting<std::vector<std::string>>(settings, "classes", path)),
      vocabulary(decode_utf8(setting<std::string>(settings, "characters", path), path)),
      rating_mean(setting<double>(settings, "rating_mean", path)),
      rating_deviation(setting<double>(settings, "rating_deviation", path)),
      mean_(setting<std::vector<double>>(settings, "mean", path)),
      scale_(setting<std::vector<double>>(settings, "scale", path)) {
  if (std::ssize(mean_) != features || std::ssize(scale_) != features || classes.size() == 1)
    throw DataError(path + ": its settings contradict each other");
}

nlohmann::json Encoding::settings() const {
  std::u32string characters;
  for (Index id = 0; id < vocabulary.unknown(); ++id) characters += vocabulary.symbol(id);
  return {{"features", features},
          {"classes", classes},
          {"characters", encode_utf8(characters)},
          {"rating_mean", rating_mean},
          {"rating_deviation", rating_deviation},
          {"mean", mean_},
          {"scale", scale_}};
}

std::vector<EncodedItem> Encoding::encode(const LabelledItems& list, bool labelled) const {
  if (!list.items.empty() && list.features != features)
    throw DataError(list.items[0].where + ": " + std::to_string(list.features) + " features, in training " +
                    std::to_string(features) + " (0 is a text)");
  std::vector<EncodedItem> encoded;
  for (const auto& item : list.items) encoded.push_back(encode(item, labelled));
  return encoded;
}

EncodedItem Encoding::encode(const LabelledItem& item, bool labelled) const {
  EncodedItem result{vocabulary.encode(item.text), {}, item.steps, 0, 0};
  if (features == 0) result.steps = static_cast<Index>(result.ids.size());
  for (std::size_t i = 0; i < item.values.size(); ++i) {
    const std::size_t f = i % mean_.size();
    const double x = (static_cast<double>(item.values[i]) - mean_[f]) * scale_[f];
    result.values.push_back(std::isnan(x) ? 0.0f : static_cast<float>(x));
  }
  if (!labelled) return result;
  if (rates()) {
    result.rating = static_cast<float>((number(item) - rating_mean) / rating_deviation);
    return result;
  }
  const auto at = std::lower_bound(classes.begin(), classes.end(), item.label);
  if (at == classes.end() || *at != item.label)
    throw DataError(item.where + ": label '" + item.label + "' does not occur in training");
  result.label = at - classes.begin();
  return result;
}

LabelledTask::LabelledTask(const LabelledItems& train_items, const LabelledItems& dev_items,
                           const LabelledItems& test_items, std::vector<std::string> class_names, bool rate)
    : Encoding(enough(train_items, test_items), std::move(class_names), rate),
      train(encode(train_items)),
      dev(encode(dev_items)),
      test(encode(test_items)) {}

LabelledTask::LabelledTask(const Encoding& encoding, const LabelledItems& test_items)
    : Encoding(encoding), test(encode(test_items)) {
  if (test.empty()) throw DataError("there is nothing to be judged by");
}

std::string LabelledTask::sizes() const {
  return text("%zu items to learn from, %zu to choose by, %zu to be judged by", train.size(), dev.size(), test.size());
}

namespace {

LabelledItems chosen(const LabelledItems& all, std::span<const Index> which) {
  LabelledItems list{all.features, {}};
  for (const Index i : which) list.items.push_back(all.items[static_cast<std::size_t>(i)]);
  return list;
}

/// Items that are equal in everything, once.
LabelledItems different(const LabelledItems& all) {
  std::vector<std::string> keys;
  for (const auto& item : all.items)
    keys.push_back(item.label + '\0' + encode_utf8(item.text) +
                   std::string(reinterpret_cast<const char*>(item.values.data()), sizeof(float) * item.values.size()));
  return chosen(all, first_of_groups(group_equal(keys)));
}

}  // namespace

std::vector<LabelledTask> read_tasks(const TaskOptions& o, Index seed) {
  std::vector<LabelledTask> tasks;
  Rng rng(static_cast<std::uint64_t>(seed));
  if (!o.data.empty()) {
    const LabelledItems read = read_labelled_items(o.data), all = different(read);
    print("%s: %zu items, %zu different ones", o.data.c_str(), read.items.size(), all.items.size());
    for (Index k = 0; k < o.splits; ++k) {
      const Split split = split_items(std::ssize(all.items), rng, {.dev = o.dev_share, .test = o.test_share});
      tasks.emplace_back(chosen(all, split.train), chosen(all, split.dev), chosen(all, split.test),
                         classes_of(all.items), o.regress);
    }
    return tasks;
  }
  LabelledItems train, dev;
  if (o.train.empty()) {
    train = make_judgements(3000, false, o.regress, rng);
    print("sentences made by a grammar, such as\n  %s\t%s", train.items[0].label.c_str(),
          encode_utf8(train.items[0].text).c_str());
  } else {
    train = read_labelled_items(o.train);
    if (!o.dev.empty()) dev = read_labelled_items(o.dev);
  }
  const LabelledItems test = read_test(o, seed);
  const auto classes = classes_of(train.items);
  if (o.dev_share > 0) {
    const Split split = split_items(std::ssize(train.items), rng, {.dev = o.dev_share, .test = 0});
    dev = chosen(train, split.dev);
    train = chosen(train, split.train);
  }
  tasks.emplace_back(train, dev, test, classes, o.regress);
  return tasks;
}

LabelledItems read_test(const TaskOptions& o, Index seed) {
  if (!o.data.empty() || !o.test.empty()) return read_labelled_items(o.data.empty() ? o.test : o.data);
  Rng rng(static_cast<std::uint64_t>(seed) + 1000);
  return make_judgements(500, true, o.regress, rng);
}

void each_unlabelled(const std::string& path, const std::function<void(const LabelledItems&)>& visit) {
  if (path.ends_with(".ts")) {
    const TimeSeriesFile file = read_ts(path);
    for (const auto& series : file.series)
      visit({file.dimensions, {{"", {}, series.steps, series.values, series.where}}});
    return;
  }
  std::ifstream opened;
  if (path != "-") {
    errno = 0;
    opened.open(path);
    if (!opened) throw DataError(path + ": cannot be read: " + std::strerror(errno ? errno : EIO));
  }
  std::istream& in = path == "-" ? std::cin : opened;
  std::string line;
  for (Index k = 1; std::getline(in, line); ++k) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.empty()) continue;
    const std::string where = (path == "-" ? "standard input" : path) + ":" + std::to_string(k);
    visit({0, {{"", decode_utf8(line, where), 0, {}, where}}});
  }
}

void add_task_options(CLI::App& app, TaskOptions& o) {
  auto* data = app.add_option("--data", o.data,
                              "lines `label TAB text`, a folder with one file a class, or a .ts file [made sentences]");
  auto* train = app.add_option("--train", o.train, "such data to learn from")->excludes(data);
  auto* test = app.add_option("--test", o.test, "such data to be judged by")->excludes(data);
  train->needs(test);
  auto* dev = app.add_option("--dev", o.dev, "such data to choose the best epoch by")->needs(train);
  add_number(app, "--splits", o.splits, 1, 1000, "partings of --data to train and judge on, and take the mean of")
      ->needs(data);
  add_number(app, "--test-share", o.test_share, 0, 0.9, "share of --data to be judged by");
  add_number(app, "--dev-share", o.dev_share, 0, 0.9,
             "share of the training data to choose the best epoch by; 0: the last")
      ->excludes(dev);
  app.add_flag("--regress", o.regress, "labels are numbers, to be guessed");
}

}  // namespace unroll::examples
