#include "classify/judge.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "common/plot.hpp"
#include "common/program.hpp"
#include "unroll/data/metrics/metrics.hpp"

namespace unroll::examples {

double error_of(const LabelledTask& task, std::span<const EncodedItem> items, std::span<const double> guesses) {
  double wrong = 0, squares = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    wrong += static_cast<double>(items[i].label) != guesses[i];
    const double error = (guesses[i] - static_cast<double>(items[i].rating)) * task.rating_deviation;
    squares += error * error;
  }
  const auto n = static_cast<double>(items.size());
  return task.classes.empty() ? std::sqrt(squares / n) : wrong / n;
}

double naive_bayes_accuracy(const LabelledTask& task) {
  const std::size_t n = task.classes.size();
  const Index border = task.vocabulary.size();
  std::map<std::pair<Index, Index>, std::vector<double>> counts;  // of each pair, by class
  std::vector<double> pairs(n), items(n);
  const auto each_pair = [&](const EncodedItem& item, auto&& visit) {
    Index before = border;
    for (const Index id : item.ids) visit(std::pair{std::exchange(before, id), id});
    visit(std::pair{before, border});
  };
  for (const auto& item : task.train) {
    const auto c = static_cast<std::size_t>(item.label);
    ++items[c];
    each_pair(item, [&](auto pair) {
      auto& count = counts[pair];
      count.resize(n);
      ++count[c], ++pairs[c];
    });
  }
  const auto kinds = static_cast<double>(counts.size()) + 1;  // and one for all that were never seen
  Index right = 0;
  for (const auto& item : task.test) {
    std::vector<double> score(n);
    for (std::size_t c = 0; c < n; ++c) score[c] = std::log(items[c]);
    each_pair(item, [&](auto pair) {
      const auto at = counts.find(pair);
      for (std::size_t c = 0; c < n; ++c)
        score[c] += std::log(((at == counts.end() ? 0 : at->second[c]) + 1) / (pairs[c] + kinds));
    });
    right += std::max_element(score.begin(), score.end()) - score.begin() == item.label;
  }
  return static_cast<double>(right) / static_cast<double>(task.test.size());
}

namespace {

// Counts of words, a sparse row an item.
class WordCounts {
 public:
  explicit WordCounts(const LabelledTask& task) : task_(task) {
    for (const auto& item : task.train) rows_.push_back(count(item, true));
  }

  /// The counts of an item's words that are known; with `learn` all become so.
  std::vector<std::pair<std::size_t, double>> count(const EncodedItem& item, bool learn) {
    std::map<std::size_t, double> counts;
    std::u32string word;
    for (const char32_t c : task_.vocabulary.decode(item.ids) + U' ') {
      const bool capital = c >= U'A' && c <= U'Z';
      if (capital || (c >= U'a' && c <= U'z') || (c >= U'0' && c <= U'9') || c > 0xbf) {
        word += capital ? c + (U'a' - U'A') : c;
      } else if (!word.empty()) {
        const auto at = learn ? words_.try_emplace(word, words_.size()).first : words_.find(word);
        if (at != words_.end()) ++counts[at->second];
        word.clear();
      }
    }
    return {counts.begin(), counts.end()};
  }

  static double product(const std::vector<std::pair<std::size_t, double>>& row, const std::vector<double>& w) {
    double sum = 0;
    for (const auto& [k, n] : row) sum += n * w[k];
    return sum;
  }

  /// The weights by the first `items` items: (X'X + l) w = X'y by conjugate gradients.
  std::vector<double> solve(std::size_t items, double l) const {
    const std::size_t width = words_.size();
    std::vector<double> w(width), r(width);
    for (std::size_t i = 0; i < items; ++i)
      for (const auto& [k, n] : rows_[i]) r[k] += n * static_cast<double>(task_.train[i].rating);
    std::vector<double> p = r;
    double rr = std::inner_product(r.begin(), r.end(), r.begin(), 0.0);
    for (int step = 0; step < 300 && rr > 1e-12 * static_cast<double>(items); ++step) {
      std::vector<double> q(width);
      for (std::size_t k = 0; k < width; ++k) q[k] = l * p[k];
      for (std::size_t i = 0; i < items; ++i) {
        const double xp = product(rows_[i], p);
        for (const auto& [k, n] : rows_[i]) q[k] += n * xp;
      }
      const double a = rr / std::inner_product(p.begin(), p.end(), q.begin(), 0.0), before = rr;
      for (std::size_t k = 0; k < width; ++k) w[k] += a * p[k], r[k] -= a * q[k];
      rr = std::inner_product(r.begin(), r.end(), r.begin(), 0.0);
      for (std::size_t k = 0; k < width; ++k) p[k] = r[k] + rr / before * p[k];
    }
    return w;
  }

  double error(std::size_t from, const std::vector<double>& w) const {
    double sum = 0;
    for (std::size_t i = from; i < rows_.size(); ++i)
      sum += std::pow(product(rows_[i], w) - static_cast<double>(task_.train[i].rating), 2);
    return sum;
  }

 private:
  const LabelledTask& task_;
  std::map<std::u32string, std::size_t> words_;
  std::vector<std::vector<std::pair<std::size_t, double>>> rows_;
};

}  // namespace

std::vector<double> ridge_ratings(const LabelledTask& task) {
  WordCounts words(task);
  const std::size_t all = task.train.size(), seen = all - all / 5;
  double best = 1, best_error = INFINITY;
  for (const double l : {0.1, 1.0, 10.0, 100.0}) {
    const double error = words.error(seen, words.solve(seen, l));
    if (error < best_error) best = l, best_error = error;
  }
  const auto w = words.solve(all, best);
  std::vector<double> ratings;
  for (const auto& item : task.test) ratings.push_back(WordCounts::product(words.count(item, false), w));
  return ratings;
}

Report::Report(std::span<const LabelledTask> tasks) : tasks_(tasks), confusion_(tasks.front().classes) {}

MetricsLine Report::add(std::span<const double> guesses) {
  const LabelledTask& task = tasks_[figures_.size()];
  const bool baseline = task.features == 0 && !task.train.empty();
  const double error = error_of(task, task.test, guesses);
  auto& line = figures_.emplace_back();
  if (!task.rates()) {
    line.emplace_back("accuracy", 1 - error);
    std::string beside;
    if (baseline) {
      line.emplace_back("naive_bayes", naive_bayes_accuracy(task));
      beside = examples::text("; naive Bayes of pairs of characters %.2f %%", 100 * line.back().second);
    }
    print("accuracy %.2f %%%s", 100 * (1 - error), beside.c_str());
    for (std::size_t i = 0; i < guesses.size(); ++i) confusion_.add(task.test[i].label, static_cast<Index>(guesses[i]));
  } else {
    std::vector<double> truths;
    for (const auto& item : task.test) truths.push_back(static_cast<double>(item.rating));
    const auto one = [&](const char* name, const std::string& key, std::span<const double> ratings) {
      const double rmse = error_of(task, task.test, ratings), rank = spearman(truths, ratings);
      line.emplace_back(key + "rmse", rmse), line.emplace_back(key + "rank_correlation", rank);
      print("%s: root mean square error %.3f, rank correlation %.3f", name, rmse, rank);
    };
    one("this model", "", guesses);
    if (baseline) one("ridge regression over words", "ridge_", ridge_ratings(task));
    one("always the mean", "mean_", std::vector<double>(truths.size(), 0.0));
    const auto in_own_unit = [&](double x) { return task.rating_mean + task.rating_deviation * x; };
    for (std::size_t i = 0; i < guesses.size(); ++i)
      truths_.push_back(in_own_unit(truths[i])), ratings_.push_back(in_own_unit(guesses[i]));
  }
  return MetricsLine(line.begin(), line.end());
}

MetricsLine Report::finish(const std::string& plot) const {
  MetricsLine means;
  std::string summary;
  for (std::size_t k = 0; k < figures_.front().size(); ++k) {
    double mean = 0;
    for (const auto& line : figures_) mean += line[k].second / static_cast<double>(figures_.size());
    means.emplace_back(figures_.front()[k].first, mean);
    summary += (k == 0 ? "" : ", ") + means.back().first + examples::text(" %.4f", mean);
  }
  const bool classes = !confusion_.classes.empty();
  if (classes) print("\n%s\n", confusion_.text().c_str());
  if (figures_.size() > 1) print("mean of %zu: %s", figures_.size(), summary.c_str());
  if (classes) {  // for unroll-plot
    const std::size_t n = confusion_.classes.size();
    nlohmann::json rows;
    for (auto row = confusion_.counts.begin(); row != confusion_.counts.end(); row += static_cast<std::ptrdiff_t>(n))
      rows.push_back(std::vector<Index>(row, row + static_cast<std::ptrdiff_t>(n)));
    means.emplace_back("classes", JsonText{nlohmann::json(confusion_.classes).dump()});
    means.emplace_back("confusion", JsonText{rows.dump()});
  }
  if (plot.empty()) return means;
  if (classes) {
    draw_matrix(plot, "confusion", confusion_.classes, confusion_.classes, confusion_.counts, "class", "taken for");
  } else {
    draw_points(plot, "ratings of the test items", "rating", "guess", truths_, ratings_);
  }
  return means;
}

}  // namespace unroll::examples
