#include "speech/report.hpp"

#include <algorithm>

#include "common/plot.hpp"
#include "common/program.hpp"

namespace unroll::examples {

namespace {

std::string written(const Said& said) {
  std::string text;
  for (const Utterance* u : said) text += (text.empty() ? "" : " ") + letters_of(u->word);
  return text;
}

}  // namespace

void SpeechReport::add(const std::string& name, const std::vector<Said>& said, const std::vector<Heard>& heard,
                       double nearest) {
  Figures f{.nearest = nearest};
  ErrorRate letters, words;
  Index right = 0, shown = 0;
  const auto number = [&](const std::string& word) {
    return std::ranges::lower_bound(confusion_.classes, word) - confusion_.classes.begin();
  };
  for (std::size_t i = 0; i < said.size(); ++i) {
    const std::string truth = letters_ ? written(said[i]) : said[i][0]->word, &guess = heard[i].text;
    right += guess == truth;
    if (!letters_) {
      confusion_.add(number(truth), number(guess));
    } else {
      letters.add_characters(truth, guess), words.add_words(truth, guess);
      if (shown++ < 8) print("    said: %-24s heard: %s", truth.c_str(), guess.c_str());
    }
  }
  f.accuracy = static_cast<double>(right) / static_cast<double>(said.size());
  std::string line = text("held out: %s (%zu recordings): ", name.c_str(), said.size());
  if (letters_) {
    f.letter_error_rate = letters.rate(), f.word_error_rate = words.rate();
    line += text("%.1f %% of letters and %.1f %% of words wrong; %.1f %% of all that was said exactly right",
                 100 * f.letter_error_rate, 100 * f.word_error_rate, 100 * f.accuracy);
  } else {
    line += text("accuracy %.1f %%", 100 * f.accuracy);
  }
  if (nearest >= 0) line += text("; nearest recording %.1f %%", 100 * nearest);
  print("%s", line.c_str());
  all_.push_back(f);
}

MetricsLine SpeechReport::finish() const {
  MetricsLine line;
  const auto mean = [&](const char* name, double Figures::*figure) {
    double sum = 0;
    for (const Figures& f : all_) sum += f.*figure / static_cast<double>(all_.size());
    if (sum < 0 || all_.empty()) return;
    line.emplace_back(name, sum);
    if (all_.size() > 1) print("mean %s %.1f %%", name, 100 * sum);
  };
  mean("accuracy", &Figures::accuracy), mean("nearest_accuracy", &Figures::nearest);
  mean("letter_error_rate", &Figures::letter_error_rate), mean("word_error_rate", &Figures::word_error_rate);
  return line;
}

void SpeechReport::draw(const std::string& file) const {
  if (file.empty() || confusion_.total() == 0) return;
  draw_matrix(file, text("words, %.1f %% right", 100 * confusion_.accuracy()), confusion_.classes, confusion_.classes,
              confusion_.counts, "said", "heard");
}

}  // namespace unroll::examples
