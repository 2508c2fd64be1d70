#include "assistant/options.hpp"

#include <algorithm>

#include "assistant/domain.hpp"
#include "common/plot.hpp"
#include "unroll/data/files/atomic_file.hpp"
#include "unroll/data/text/tags.hpp"
#include "unroll/data/text/tokenize.hpp"

namespace unroll::examples {

namespace {

std::string small_letters(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

/// The utterances in the ATIS form.
void write_utterances(const std::string& path, const Utterances& all) {
  std::string lines;
  for (std::size_t k = 0; k < all.intents.size(); ++k) {
    lines += "BOS";
    for (const auto& word : all.sentences.words[k]) lines += " " + word;
    lines += " EOS\tO";
    for (const auto& tag : all.sentences.tags[k]) lines += " " + tag;
    lines += " " + all.intents[k] + "\n";
  }
  atomic_write(path, lines);
}

void draw_intents(const std::string& file, const Utterances& truth, const Utterances& guess) {
  std::vector<std::string> names = intent_names(truth);
  for (const auto& name : intent_names(guess))
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  const Vocabulary numbers(names);
  std::vector<Index> counts(names.size() * names.size());
  for (std::size_t k = 0; k < truth.intents.size(); ++k)
    ++counts[static_cast<std::size_t>(numbers.id(truth.intents[k]) * std::ssize(names) + numbers.id(guess.intents[k]))];
  draw_matrix(file, "Utterances by intent", names, names, counts, "truth", "guess");
}

}  // namespace

AssistantOptions::AssistantOptions() {
  epochs = 12, min_count = 10;
  words.dropout = words.drop_features = 0.5;
}

void add_assistant_options(CLI::App& app, AssistantOptions& o) {
  add_sentence_options(app, o, "file or folder of utterances", "made ones");
  app.add_option("--predict", o.predict, "file for the guesses for the test, in the ATIS form");
  app.add_flag("--interactive", o.interactive, "answers the lines of standard input in the end");
}

std::vector<std::string> AssistantKey::words_of(const std::string& line) const {
  std::vector<std::string> words;
  for (const auto& word : tokenize_words(lower ? small_letters(line) : line)) {
    const auto code = static_cast<unsigned char>(word[0]);
    if (word.size() > 1 || code >= 0x80 || std::isalnum(code)) words.push_back(word);
  }
  return words;
}

AssistantKey learn_key(const Utterances& train, const AssistantOptions& o) {
  AssistantKey key{learn_sentence_key(train.sentences, o), intent_names(train)};
  key.lower = std::all_of(train.sentences.words.begin(), train.sentences.words.end(), [](const auto& words) {
    return std::all_of(words.begin(), words.end(), [](const auto& word) { return word == small_letters(word); });
  });
  return key;
}

nlohmann::json settings_of(const AssistantKey& key, const AssistantOptions& o) {
  auto settings = settings_of_sentences(key, o);
  settings.update({{"intents", key.intents}, {"lower", key.lower}});
  return settings;
}

AssistantKey read_key(AssistantOptions& o) {
  const auto settings = read_settings(o.load, "assistant");
  AssistantKey key{read_sentence_key(settings, o), {}};
  get_settings(settings, o.load, "intents", key.intents, "lower", key.lower);
  return key;
}

MetricsLine report_utterances(const AssistantData& data, const Utterances& guess, const AssistantOptions& o) {
  const UtteranceScore score = score_of(data.test, guess);
  print("\n%s", score.slots.text().c_str());
  const auto line = [](const char* name, const UtteranceScore& s) {
    print("%-22s slot F1 %6.2f   intents %6.2f %%   sentences %6.2f %%", name, s.slot_f1, s.intent_accuracy,
          s.sentence_accuracy);
  };
  line("this model", score);
  MetricsLine figures = {{"slot_f1", score.slot_f1},
                         {"intent_accuracy", score.intent_accuracy},
                         {"sentence_accuracy", score.sentence_accuracy}};
  if (!data.train.intents.empty()) {
    const auto base = score_of(data.test, guess_by_words(data.train, data.test.sentences.words));
    line("words without order", base);
    figures.insert(figures.end(), {{"words_slot_f1", base.slot_f1},
                                   {"words_intent_accuracy", base.intent_accuracy},
                                   {"words_sentence_accuracy", base.sentence_accuracy}});
  }
  if (!o.predict.empty()) write_utterances(o.predict, guess);
  if (!o.plot.empty()) draw_intents(o.plot, data.test, guess);
  return figures;
}

std::string answer_text(const AssistantKey& key, const std::vector<std::string>& words,
                        const std::vector<std::string>& tags, const std::string& intent) {
  std::string answer = intent;
  const char* gap = ": ";
  for (const auto& span : spans_of(tags)) {
    answer += gap + span.type + " =";
    for (auto t = span.begin; t < span.end; ++t) answer += " " + words[static_cast<std::size_t>(t)];
    gap = ", ";
  }
  const std::string said = key.made ? reply(intent, words, tags) : "";
  return said.empty() ? answer : answer + "\n" + said;
}

}  // namespace unroll::examples
