#include "assistant/utterances.hpp"

#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "unroll/core/error.hpp"
#include "unroll/data/batches/batches.hpp"
#include "unroll/data/text/tags.hpp"
#include "unroll/data/text/text_file.hpp"
#include "unroll/data/text/tokenize.hpp"

namespace unroll::examples {

namespace {

/// Adds an utterance after a look at it.
void add(Utterances& all, std::vector<std::string> words, std::vector<std::string> tags, std::string intent,
         const std::string& where) {
  if (words.empty()) throw DataError(where + "no words");
  if (words.size() != tags.size())
    throw DataError(where + std::to_string(words.size()) + " words and " + std::to_string(tags.size()) + " tags");
  if (intent.empty()) throw DataError(where + "no intent");
  try {
    all.sentences.tags.push_back(convert_tags(tags, TagScheme::iob2));
  } catch (const ValueError& e) {
    throw DataError(where + e.what());
  }
  all.sentences.words.push_back(std::move(words));
  all.intents.push_back(std::move(intent));
}

std::string only_word(const std::string& line) {
  const auto words = tokenize_space(line);
  return words.size() == 1 ? words[0] : "";
}

Utterances read_folder(const std::string& path) {
  const std::string names[] = {path + "/seq.in", path + "/seq.out", path + "/label"};
  const auto words = read_utf8_lines(names[0]), tags = read_utf8_lines(names[1]), intents = read_utf8_lines(names[2]);
  if (words.size() != tags.size() || words.size() != intents.size())
    throw DataError(path + ": seq.in has " + std::to_string(words.size()) + " lines, seq.out " +
                    std::to_string(tags.size()) + ", label " + std::to_string(intents.size()));
  Utterances all;
  for (std::size_t k = 0; k < words.size(); ++k)
    add(all, tokenize_space(words[k]), tokenize_space(tags[k]), only_word(intents[k]), at_line(names[0], k + 1));
  return all;
}

void add_atis_line(Utterances& all, const std::string& line, const std::string& where) {
  const auto tab = line.find('\t');
  if (tab == line.npos) throw DataError(where + "no tab, expected BOS words EOS TAB tags intent");
  auto words = tokenize_space(line.substr(0, tab)), labels = tokenize_space(line.substr(tab));
  if (words.size() < 3 || words.front() != "BOS" || words.back() != "EOS")
    throw DataError(where + "expected BOS, words and EOS before the tab");
  if (labels.size() != words.size())
    throw DataError(where + std::to_string(words.size()) + " words with BOS and EOS, and " +
                    std::to_string(labels.size()) + " labels");
  std::string intent = labels.back();
  add(all, {words.begin() + 1, words.end() - 1}, {labels.begin() + 1, labels.end() - 1}, std::move(intent), where);
}

Utterances read_columns(const std::vector<std::string>& lines, const std::string& path) {
  Utterances all;
  std::vector<std::string> words, tags;
  for (std::size_t k = 0; k < lines.size(); ++k) {
    const auto parts = tokenize_space(lines[k]);
    if (parts.empty()) {
      if (!words.empty()) throw DataError(at_line(path, k + 1) + "the utterance above ends without an intent");
    } else if (parts.size() == 1) {
      add(all, std::move(words), std::move(tags), parts[0], at_line(path, k + 1));
      words.clear(), tags.clear();
    } else {
      words.push_back(parts.front()), tags.push_back(parts.back());
    }
  }
  if (!words.empty()) throw DataError(at_line(path, lines.size()) + "the utterance above ends without an intent");
  return all;
}

}  // namespace

Utterances chosen_items(const Utterances& utterances, std::span<const Index> numbers) {
  return {chosen_items(utterances.sentences, numbers), chosen(utterances.intents, numbers)};
}

Utterances read_utterances(const std::string& path) {
  Utterances all;
  if (std::filesystem::is_directory(path)) {
    all = read_folder(path);
  } else {
    const auto lines = read_utf8_lines(path);
    std::size_t first = 0;
    while (first < lines.size() && tokenize_space(lines[first]).empty()) ++first;
    if (first < lines.size() && lines[first].starts_with("BOS ")) {
      for (std::size_t k = first; k < lines.size(); ++k)
        if (!tokenize_space(lines[k]).empty()) add_atis_line(all, lines[k], at_line(path, k + 1));
    } else {
      all = read_columns(lines, path);
    }
  }
  if (all.intents.empty()) throw DataError(path + ": no utterance");
  return all;
}

std::vector<std::string> intent_names(const Utterances& utterances) {
  const std::set<std::string> names(utterances.intents.begin(), utterances.intents.end());
  return {names.begin(), names.end()};
}

UtteranceScore score_of(const Utterances& truth, const Utterances& guess) {
  UtteranceScore score;
  score.slots = score_of(truth.sentences, guess.sentences.tags);
  const std::size_t count = truth.intents.size();
  for (std::size_t k = 0; k < count; ++k) {
    const bool right = truth.intents[k] == guess.intents[k];
    score.intent_accuracy += right;
    score.sentence_accuracy += right && spans_of(truth.sentences.tags[k]) == spans_of(guess.sentences.tags[k]);
  }
  const double percent = count > 0 ? 100 / static_cast<double>(count) : 0;
  score.slot_f1 = 100 * score.slots.overall.f1();
  score.intent_accuracy *= percent, score.sentence_accuracy *= percent;
  return score;
}

Utterances guess_by_words(const Utterances& train, const Lists& words) {
  std::map<std::string, TokenCounts> tags_of_word, words_of_intent;
  TokenCounts intents;
  count_tokens(intents, train.intents);
  for (std::size_t k = 0; k < train.intents.size(); ++k) {
    count_tokens(words_of_intent[train.intents[k]], train.sentences.words[k]);
    for (std::size_t t = 0; t < train.sentences.words[k].size(); ++t)
      ++tags_of_word[train.sentences.words[k][t]][train.sentences.tags[k][t]];
  }
  const auto most = [](const TokenCounts& counts) {
    auto best = counts.begin();
    for (auto at = counts.begin(); at != counts.end(); ++at)
      if (at->second > best->second) best = at;
    return best->first;
  };
  const auto different = static_cast<double>(tags_of_word.size());
  std::map<std::string, double> totals;
  for (const auto& [intent, counts] : words_of_intent)
    for (const auto& [word, n] : counts) totals[intent] += static_cast<double>(n);
  Utterances guess;
  guess.sentences.words = words;
  for (const auto& sentence : words) {
    std::vector<std::string> tags;
    for (const auto& word : sentence) {
      const auto known = tags_of_word.find(word);
      tags.push_back(known == tags_of_word.end() ? "O" : most(known->second));
    }
    guess.sentences.tags.push_back(std::move(tags));
    double best = -INFINITY;
    guess.intents.emplace_back();
    for (const auto& [intent, n] : intents) {
      double log_p = std::log(static_cast<double>(n));
      for (const auto& word : sentence) {
        const auto& counts = words_of_intent[intent];
        const auto at = counts.find(word);
        log_p += std::log((at == counts.end() ? 0.0 : static_cast<double>(at->second)) + 1.0) -
                 std::log(totals[intent] + different);
      }
      if (log_p > best) best = log_p, guess.intents.back() = intent;
    }
  }
  return guess;
}

}  // namespace unroll::examples
