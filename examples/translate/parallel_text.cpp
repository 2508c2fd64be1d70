#include "translate/parallel_text.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include "common/program.hpp"
#include "unroll/core/error.hpp"
#include "unroll/data/batches/batches.hpp"
#include "unroll/data/batches/split.hpp"
#include "unroll/data/metrics/edit_distance.hpp"
#include "unroll/data/series/table.hpp"
#include "unroll/data/text/tokenize.hpp"

namespace unroll::examples {
namespace {

using Words = std::vector<std::string>;

const Words ones = {"",         "one",     "two",     "three",     "four",     "five",    "six",
                    "seven",    "eight",   "nine",    "ten",       "eleven",   "twelve",  "thirteen",
                    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
const Words tens = {"", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"};
const Words ordinals = {"",           "first",     "second",    "third",       "fourth",     "fifth",      "sixth",
                        "seventh",    "eighth",    "ninth",     "tenth",       "eleventh",   "twelfth",    "thirteenth",
                        "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth", "twentieth"};
const Words months = {"January", "February", "March",     "April",   "May",      "June",
                      "July",    "August",   "September", "October", "November", "December"};
const Words weekdays = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

const std::string& at(const Words& words, unsigned i) { return words.at(i); }

std::string number(unsigned n) {
  if (n < 20) return at(ones, n);
  return at(tens, n / 10) + (n % 10 ? "-" + at(ones, n % 10) : "");
}

std::string ordinal(unsigned n) {
  if (n <= 20) return at(ordinals, n);
  if (n == 30) return "thirtieth";
  return at(tens, n / 10) + "-" + at(ordinals, n % 10);
}

std::string year_in_words(unsigned year, Rng& rng) {
  const unsigned century = year / 100, rest = year % 100;
  const bool thousand = century == 20 && (rest < 10 || rng.bernoulli(0.5));
  if (thousand) return "two thousand" + (rest ? " and " + number(rest) : "");
  if (rest == 0) return number(century) + " hundred";
  return number(century) + " " + (rest < 10 ? "oh " : "") + number(rest);
}

TextPair date_pair(std::chrono::sys_days day, Rng& rng) {
  const std::chrono::year_month_day date(day);
  const auto d = static_cast<unsigned>(date.day()), m = static_cast<unsigned>(date.month());
  const auto y = static_cast<unsigned>(static_cast<int>(date.year()));
  const std::string month = at(months, m - 1), year = year_in_words(y, rng), nth = ordinal(d);
  const std::array<std::string, 4> forms = {"the " + nth + " of " + month + " " + year,
                                            month + " the " + nth + ", " + year, month + " " + nth + ", " + year,
                                            "in the year " + year + ", on the " + nth + " of " + month};
  std::string source = forms[static_cast<std::size_t>(rng.integer(4))];
  if (rng.bernoulli(0.3)) source = at(weekdays, std::chrono::weekday(day).c_encoding()) + ", " + source;
  return {source, text("%04u-%02u-%02u", y, m, d)};
}

std::string one_space(const std::string& text) {
  std::string out;
  for (const auto& word : tokenize_space(text)) out += (out.empty() ? "" : " ") + word;
  return out;
}

}  // namespace

std::vector<TextPair> read_pairs(const std::string& path) {
  std::vector<TextPair> pairs;
  for (auto& row : read_tsv(path, 0)) {
    if (row.cells.size() < 2) throw DataError(row.where + ": no tab; expected source TAB target");
    for (std::size_t i = 0; i < 2; ++i)
      if (tokenize_space(row.cells[i]).empty())
        throw DataError(row.where + ": no " + (i ? "target" : "source") + "; expected source TAB target");
    pairs.push_back({std::move(row.cells[0]), std::move(row.cells[1])});
  }
  return pairs;
}

PairTask date_task(Index train, Index dev, Index test, Rng& rng) {
  using namespace std::chrono;
  const sys_days first = year(1800) / January / 1, end = year(2100) / January / 1;
  const auto days = rng.permutation((end - first).count());
  PairTask task{{}, {}, {}, "dates in words"};
  for (std::size_t i = 0; i < static_cast<std::size_t>(train + dev + test); ++i) {
    auto& part = std::ssize(task.train) < train ? task.train : std::ssize(task.dev) < dev ? task.dev : task.test;
    part.push_back(date_pair(first + std::chrono::days(days.at(i)), rng));
  }
  return task;
}

PairTask part_pairs(std::vector<TextPair> pairs, double dev_share, double test_share, Rng& rng) {
  std::vector<std::string> sources;
  for (const auto& pair : pairs) sources.push_back(pair.source);
  const Split split = split_distinct(sources, rng, {.dev = dev_share, .test = test_share});
  PairTask task{chosen(pairs, split.train), chosen(pairs, split.dev), chosen(pairs, split.test), ""};
  if (task.train.empty() || task.test.empty())
    throw DataError(
        text("too little data: %zu pairs to train on, %zu to be judged by", task.train.size(), task.test.size()));
  return task;
}

std::vector<std::string> nearest_translations(std::span<const TextPair> train, std::span<const TextPair> test) {
  std::map<std::string, Index> ids;
  const auto words_of = [&](const std::string& text) {
    std::vector<Index> words;
    for (const auto& word : tokenize_words(text)) words.push_back(ids.try_emplace(word, std::ssize(ids)).first->second);
    return words;
  };
  std::vector<std::vector<Index>> known;
  for (const auto& pair : train) known.push_back(words_of(pair.source));
  std::vector<std::string> guesses;
  for (const auto& pair : test) {
    const auto words = words_of(pair.source);
    Index least = std::numeric_limits<Index>::max();
    std::size_t best = 0;
    for (std::size_t k = 0; k < known.size() && least > 0; ++k) {
      if (std::abs(std::ssize(known[k]) - std::ssize(words)) >= least) continue;
      const Index changes = edit_distance(known[k], words);
      if (changes < least) least = changes, best = k;
    }
    guesses.push_back(train.empty() ? "" : train[best].target);
  }
  return guesses;
}

double TranslationScore::quality() const { return bleu.reference_length < 4 * sentences ? 100 * exact : bleu.score; }

TranslationScore score_translations(std::span<const TextPair> pairs, std::span<const std::string> guesses) {
  std::vector<std::string> references;
  for (const auto& pair : pairs) references.push_back(pair.target);
  TranslationScore score;
  score.bleu = corpus_bleu(guesses, std::span<const std::string>(references));
  for (std::size_t i = 0; i < references.size(); ++i) score.exact += one_space(guesses[i]) == one_space(references[i]);
  score.sentences = std::ssize(references);
  if (!references.empty()) score.exact /= static_cast<double>(references.size());
  return score;
}

}  // namespace unroll::examples
