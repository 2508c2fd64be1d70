#include "assistant/options.hpp"

#include <algorithm>

#include "assistant/domain.hpp"
#include "common/plot.hpp"
#include "unroll/data/atomic_file.hpp"
#include "unroll/data/batches.hpp"
#include "unroll/data/split.hpp"
#include "unroll/data/tags.hpp"
#include "unroll/data/tokenize.hpp"

namespace unroll::examples {

namespace {

Utterances chosen_utterances(const Utterances& all, std::span<const Index> items) {
  return {{chosen(all.sentences.words, items), chosen(all.sentences.tags, items)}, chosen(all.intents, items)};
}

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
  app.add_option("--train", o.train, "utterances to learn from: a file or folder [made ones]");
  app.add_option("--dev", o.dev, "utterances that choose the epoch, if there is a --test; else they stand for that");
  app.add_option("--test", o.test, "utterances to be judged by [--dev, or a tenth of --train]");
  app.add_option("--predict", o.predict, "file for the guesses for the test, in the ATIS form");
  app.add_flag("--interactive", o.interactive, "answers the lines of standard input in the end");
  add_number(app, "--hidden", o.hidden, 1, 16384, "units of a layer in each direction");
  add_number(app, "--layers", o.layers, 1, 64, "layers of cells");
  add_number(app, "--embed", o.words.embed, 1, 16384, "size of a feature's vector");
  add_number(app, "--char-embed", o.words.char_embed, 1, 16384, "size of a character's vector");
  add_number(app, "--char-hidden", o.words.char_hidden, 1, 16384, "units over characters in each direction");
  add_number(app, "--min-count", o.min_count, 1, 1000000, "how often training must show a feature");
  add_number(app, "--dropout", o.words.dropout, 0, 0.99, "share of vectors' elements dropped");
  add_number(app, "--drop-features", o.words.drop_features, 0, 0.99, "share of words' features left out in training");
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
  AssistantKey key{WordForms(train.sentences.words, o.min_count), tag_names(train.sentences), intent_names(train)};
  key.made = o.train.empty();
  key.lower = std::all_of(train.sentences.words.begin(), train.sentences.words.end(), [](const auto& words) {
    return std::all_of(words.begin(), words.end(), [](const auto& word) { return word == small_letters(word); });
  });
  return key;
}

nlohmann::json settings_of(const AssistantKey& key, const AssistantOptions& o) {
  return {{"cell", o.cell},
          {"hidden", o.hidden},
          {"layers", o.layers},
          {"embed", o.words.embed},
          {"char_embed", o.words.char_embed},
          {"char_hidden", o.words.char_hidden},
          {"tags", key.tags},
          {"intents", key.intents},
          {"lower", key.lower},
          {"made", key.made},
          {"characters", tokens_of(key.forms.characters())},
          {"features", tokens_of(key.forms.features())}};
}

AssistantKey read_assistant_key(const std::string& path, AssistantOptions& o) {
  const auto settings = read_settings(path, "assistant");
  const auto get = [&](const char* name, auto& value) {
    value = setting<std::decay_t<decltype(value)>>(settings, name, path);
  };
  get("cell", o.cell), get("hidden", o.hidden), get("layers", o.layers), get("embed", o.words.embed);
  get("char_embed", o.words.char_embed), get("char_hidden", o.words.char_hidden);
  AssistantKey key;
  std::vector<std::string> characters, features;
  get("tags", key.tags), get("intents", key.intents), get("lower", key.lower), get("made", key.made);
  get("characters", characters), get("features", features);
  key.forms = WordForms(characters, features);
  return key;
}

AssistantData read_assistant_data(const AssistantOptions& o) {
  AssistantData data;
  if (!o.train.empty()) data.train = read_utterances(o.train);
  if (!o.test.empty()) data.test = read_utterances(o.test);
  if (!o.dev.empty()) (o.test.empty() ? data.test : data.dev) = read_utterances(o.dev);
  Rng rng(static_cast<std::uint64_t>(o.seed));
  if (o.train.empty()) {
    data.train = make_utterances(2400, false, rng);
    if (data.test.intents.empty()) data.test = make_utterances(500, true, rng);
  } else if (data.test.intents.empty()) {
    const Split split = split_distinct(data.train.sentences.words, rng, {.test = 0.1});
    data.test = chosen_utterances(data.train, split.test);
    data.train = chosen_utterances(data.train, split.train);
  }
  if (data.train.intents.empty() || data.test.intents.empty())
    throw DataError(o.train + ": too little data: " + std::to_string(data.train.intents.size()) +
                    " utterances to learn from, " + std::to_string(data.test.intents.size()) + " to be judged by");
  return data;
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
