#pragma once
/// \file
/// What a classifier's or a rating model's guesses are worth, and what simpler models reach.

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "classify/labelled_items.hpp"
#include "unroll/core/tape.hpp"
#include "unroll/data/metrics/confusion_matrix.hpp"
#include "unroll/optim/run/metrics_file.hpp"

namespace unroll::examples {

/// Of `guesses` (class numbers, or scaled ratings) for `items`: the share of wrong classes, or the root of the mean
/// squared error in the labels' own unit.
double error_of(const LabelledTask& task, std::span<const EncodedItem> items, std::span<const double> guesses);

/// What a model guesses for each item: the class with the highest of its outputs (B, classes), or the rating (B, 1).
template <class Model>
std::vector<double> guesses_of(const Model& model, Tape<float>& tape, std::span<const EncodedItem> items) {
  std::vector<double> guesses;
  for (const Batch& batch : batches_of(items, 64)) {
    const Evaluation scope(tape);
    const auto y = model(batch);
    const auto width = static_cast<std::size_t>(y.dim(-1));
    for (auto row = y.values(); !row.empty(); row = row.subspan(width)) {
      const auto best = std::max_element(row.begin(), row.begin() + y.dim(-1)) - row.begin();
      guesses.push_back(width == 1 ? static_cast<double>(row[0]) : static_cast<double>(best));
    }
  }
  return guesses;
}

/// Share of `test` that a naive Bayes model of pairs of neighbouring code points (borders of the text included) gets
/// right: p(class) times the product of p(pair | class), counts plus one. For texts.
double naive_bayes_accuracy(const LabelledTask& task);

/// Ratings of `test` by ridge regression over counts of words (runs of letters and digits, in lower case where they are
/// ASCII), w = argmin |X w - y|^2 + l |w|^2 by conjugate gradients; l is the best of 0.1, 1, 10 and 100 for a fifth of
/// the training items that the other four do not see. For texts.
std::vector<double> ridge_ratings(const LabelledTask& task);

/// Collects the guesses for the test items of one or several tasks of the same classes.
class Report {
 public:
  /// Several tasks: figures are means over them.
  explicit Report(std::span<const LabelledTask> tasks);
  /// Prints what `guesses` for the next task's test items are worth, beside the baselines where there is something to
  /// learn from; the same as figures.
  MetricsLine add(std::span<const double> guesses);
  /// Prints the summary, and draws the confusions or ratings into `plot` if it has a name; the means of the figures.
  MetricsLine finish(const std::string& plot) const;

 private:
  std::span<const LabelledTask> tasks_;
  std::vector<std::vector<std::pair<std::string, double>>> figures_;
  ConfusionMatrix confusion_;
  std::vector<double> truths_, ratings_;
};

}  // namespace unroll::examples
