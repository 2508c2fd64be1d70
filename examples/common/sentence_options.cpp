#include "common/sentence_options.hpp"

namespace unroll::examples {

void add_sentence_options(CLI::App& app, SentenceOptions& o, const std::string& files, const std::string& made) {
  app.add_option("--train", o.train, files + " to learn from [" + made + "]");
  app.add_option("--dev", o.dev, files + " to choose the epoch by, if there is a --test; else it stands for that");
  app.add_option("--test", o.test, files + " to be judged by [--dev, or a tenth of --train]");
  add_number(app, "--hidden", o.hidden, 1, 16384, "units of a layer in each direction");
  add_number(app, "--layers", o.layers, 1, 64, "layers of cells");
  add_number(app, "--embed", o.words.embed, 1, 16384, "size of a feature's vector");
  add_number(app, "--char-embed", o.words.char_embed, 1, 16384, "size of a character's vector");
  add_number(app, "--char-hidden", o.words.char_hidden, 1, 16384, "units over characters in each direction");
  add_number(app, "--min-count", o.min_count, 1, 1000000, "how often training must show a feature");
  add_number(app, "--dropout", o.words.dropout, 0, 0.99, "share of vectors' elements dropped");
  add_number(app, "--drop-features", o.words.drop_features, 0, 0.99, "share of words' features left out in training");
}

SentenceKey learn_sentence_key(const TaggedSentences& train, const SentenceOptions& o) {
  return {WordForms(train.words, o.min_count), tag_names(train), o.train.empty()};
}

nlohmann::json settings_of_sentences(const SentenceKey& key, const SentenceOptions& o) {
  return {{"cell", o.cell},
          {"hidden", o.hidden},
          {"layers", o.layers},
          {"embed", o.words.embed},
          {"char_embed", o.words.char_embed},
          {"char_hidden", o.words.char_hidden},
          {"tags", key.tags},
          {"made", key.made},
          {"characters", tokens_of(key.forms.characters())},
          {"features", tokens_of(key.forms.features())}};
}

SentenceKey read_sentence_key(const nlohmann::json& settings, SentenceOptions& o) {
  SentenceKey key;
  std::vector<std::string> characters, features;
  get_settings(settings, o.load, "cell", o.cell, "hidden", o.hidden, "layers", o.layers, "embed", o.words.embed);
  get_settings(settings, o.load, "char_embed", o.words.char_embed, "char_hidden", o.words.char_hidden);
  get_settings(settings, o.load, "tags", key.tags, "made", key.made, "characters", characters, "features", features);
  key.forms = WordForms(characters, features);
  return key;
}

}  // namespace unroll::examples
