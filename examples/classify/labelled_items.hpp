#pragma once
/// \file
/// What a classifier or a rating model learns from: texts or series with labels, and their numbers.

#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "common/corpus.hpp"
#include "unroll/core/random.hpp"
#include "unroll/core/shape.hpp"

namespace unroll::examples {

/// A text or a series with its label.
struct LabelledItem {
  std::string label;
  std::u32string text;        ///< empty for a series
  Index steps = 0;            ///< of a series
  std::vector<float> values;  ///< (steps, features) row-major, NaN where missing
  std::string where;          ///< "file:line"
};

/// A file's items; all texts (features 0), or all series of so many features.
struct LabelledItems {
  Index features = 0;
  std::vector<LabelledItem> items;
};

/// Reads a .ts file (by its name's ending), or lines `label TAB text`, or a folder with one file a class. Throws
/// DataError as the readers in data/ do, and for a .ts file without labels.
LabelledItems read_labelled_items(const std::string& path);

/// Short judgements of things ("the soup was not at all bad, but I disliked the waiter") made by a grammar: negations
/// turn a word's sense round, and of two clauses the one after "but" or without "although" decides. `held_out` takes
/// the things from another list. The label is "positive" or "negative", or with `rated` a number from -2 to 2: words
/// are mild or strong, "very" and its like add, a negation turns round and weakens.
LabelledItems make_judgements(Index count, bool held_out, bool rated, Rng& rng);

/// An item as a model sees it.
struct EncodedItem {
  std::vector<Index> ids;     ///< code points of a text, by number
  std::vector<float> values;  ///< a series, each feature with mean 0 and deviation 1 in training; missing ones are 0
  Index steps = 0;
  Index label = 0;   ///< number of the class
  float rating = 0;  ///< with mean 0 and deviation 1 in training
};

/// Some items of a task, and what models and losses need of them.
using Batch = std::vector<const EncodedItem*>;
std::vector<std::vector<Index>> ids_of(const Batch& batch);
/// With normal noise of a deviation where that is above 0.
std::vector<std::vector<float>> values_of(const Batch& batch, double noise, Rng& rng);
std::vector<Index> labels_of(const Batch& batch);
std::vector<float> ratings_of(const Batch& batch);

/// The items in batches of `size`, the last one smaller.
std::vector<Batch> batches_of(std::span<const EncodedItem> items, Index size);
/// Those of these numbers.
Batch batch_of(std::span<const EncodedItem> items, std::span<const Index> numbers);

/// How items become numbers: what training has shown.
class Encoding {
 public:
  /// `classes` sorted, or with `rate` none: labels are numbers then. Throws DataError, with file and line, for a label
  /// that is no number, and when there is nothing in training, only one class, or one rating.
  Encoding(const LabelledItems& train, std::vector<std::string> classes, bool rate);
  /// That of a model's file. Throws DataError for settings that are none.
  Encoding(const nlohmann::json& settings, const std::string& path);
  nlohmann::json settings() const;

  /// Throws DataError, with file and line, for a label that is no class or no number (unless not `labelled`), another
  /// number of features than in training, and texts among series.
  std::vector<EncodedItem> encode(const LabelledItems& list, bool labelled = true) const;
  bool rates() const { return classes.empty(); }

  Index features;  ///< of a step; 0 for texts
  std::vector<std::string> classes;
  Vocabulary vocabulary;
  double rating_mean = 0, rating_deviation = 1;

 private:
  EncodedItem encode(const LabelledItem& item, bool labelled) const;
  std::vector<double> mean_, scale_;  // of each feature
};

/// A task: items to learn from, to choose by (may be none) and to be judged by. Throws DataError as Encoding does, and
/// when there is nothing to be judged by.
struct LabelledTask : Encoding {
  LabelledTask(const LabelledItems& train, const LabelledItems& dev, const LabelledItems& test,
               std::vector<std::string> classes, bool rate);
  /// Nothing to learn from any more.
  LabelledTask(const Encoding& encoding, const LabelledItems& test);

  /// "90 items to learn from, 0 to choose by, 10 to be judged by".
  std::string sizes() const;

  std::vector<EncodedItem> train, dev, test;
};

/// The labels there are, sorted.
std::vector<std::string> classes_of(std::span<const LabelledItem> items);

/// Where tasks come from.
struct TaskOptions {
  std::string data, train, dev, test;
  Index splits = 1;
  double test_share = 0.1, dev_share = 0;
  bool regress = false;
};

/// Declares --data, --train, --dev, --test, --splits, --test-share, --dev-share and --regress.
void add_task_options(CLI::App& app, TaskOptions& options);

/// One task; with `data` one for each of `splits` partings of its different items (those equal in everything count
/// once). With no file named: made judgements, those to be judged by about other things. Prints what it reads.
std::vector<LabelledTask> read_tasks(const TaskOptions& options, Index seed);
/// What a model that is there already is to be judged by: all of `data`, or `test`, or those made judgements.
LabelledItems read_test(const TaskOptions& options, Index seed);

/// Calls `visit` with what stands in a .ts file for each series (their labels do not count), or in any other for each
/// line that is not blank, a text; "-" is the standard input. Throws DataError as the readers do.
void each_unlabelled(const std::string& path, const std::function<void(const LabelledItems& one)>& visit);

}  // namespace unroll::examples
