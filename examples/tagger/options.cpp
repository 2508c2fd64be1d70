#include "tagger/options.hpp"

#include "common/plot.hpp"
#include "tagger/name_frames.hpp"
#include "unroll/data/batches.hpp"
#include "unroll/data/split.hpp"
#include "unroll/data/tags.hpp"

namespace unroll::examples {

namespace {

TaggedSentences chosen_sentences(const TaggedSentences& all, std::span<const Index> items) {
  return {chosen(all.words, items), chosen(all.tags, items), all.scheme};
}

std::string type_of(const std::string& tag) { return tag.size() > 2 ? tag.substr(2) : tag; }

void draw_types(const std::string& file, const TaggedSentences& test, const Lists& guesses) {
  std::map<std::string, std::size_t> types;
  for (const auto* lists : {&test.tags, &guesses})
    for (const auto& list : *lists)
      for (const auto& tag : list) types.emplace(type_of(tag), 0);
  std::vector<std::string> names;
  for (auto& [name, number] : types) number = names.size(), names.push_back(name);
  std::vector<Index> counts(names.size() * names.size());
  for (std::size_t k = 0; k < guesses.size(); ++k)
    for (std::size_t t = 0; t < guesses[k].size(); ++t)
      ++counts[types[type_of(test.tags[k][t])] * names.size() + types[type_of(guesses[k][t])]];
  draw_matrix(file, "Words by the type of the name they are part of", names, names, counts, "truth", "guess");
}

}  // namespace

TaggerOptions::TaggerOptions() {
  epochs = 24;
  words.dropout = 0.5;
  recall = 2;
}

void add_tagger_options(CLI::App& app, TaggerOptions& o) {
  app.add_option("--train", o.train, "CoNLL file to learn from [made sentences]");
  app.add_option("--dev", o.dev, "CoNLL file that chooses the epoch, if there is a --test; else it stands for that");
  app.add_option("--test", o.test, "CoNLL file to be judged by [--dev, or a tenth of --train]");
  app.add_option("--predict", o.predict, "file for `word tag guess` lines of the test");
  app.add_option("--score", o.score, "only judges such a file");
  app.add_option("--sentence", o.sentences, "to be tagged in the end, words parted by spaces; repeatable");
  add_number(app, "--hidden", o.hidden, 1, 16384, "units of a layer in each direction");
  add_number(app, "--layers", o.layers, 1, 64, "layers of cells");
  add_number(app, "--embed", o.words.embed, 1, 16384, "size of a feature's vector");
  add_number(app, "--char-embed", o.words.char_embed, 1, 16384, "size of a character's vector");
  add_number(app, "--char-hidden", o.words.char_hidden, 1, 16384, "units over characters in each direction");
  add_number(app, "--min-count", o.min_count, 1, 1000000, "how often training must show a feature");
  add_number(app, "--dropout", o.words.dropout, 0, 0.99, "share of vectors' elements dropped");
  add_number(app, "--drop-features", o.words.drop_features, 0, 0.99, "share of words' features left out in training");
  add_number(app, "--recall", o.recall, 0, 100, "margin of a name's words over O in training, in nats");
  app.add_flag("--crf,!--no-crf", o.crf, "a conditional random field over the tags (--no-crf: each tag by itself)");
  app.add_flag("!--one-way", o.two_way, "cells read forward only");
}

TaggerKey learn_key(const TaggedSentences& train, const TaggerOptions& o) {
  return {WordForms(train.words, o.min_count), tag_names(train), train.scheme, o.train.empty()};
}

nlohmann::json settings_of(const TaggerKey& key, const TaggerOptions& o) {
  return {{"cell", o.cell},
          {"hidden", o.hidden},
          {"layers", o.layers},
          {"embed", o.words.embed},
          {"char_embed", o.words.char_embed},
          {"char_hidden", o.words.char_hidden},
          {"crf", o.crf},
          {"two_way", o.two_way},
          {"tags", key.tags},
          {"scheme", name_of(key.scheme)},
          {"made", key.made},
          {"characters", tokens_of(key.forms.characters())},
          {"features", tokens_of(key.forms.features())}};
}

TaggerKey read_key(const std::string& path, TaggerOptions& o) {
  const auto settings = read_settings(path, "tagger");
  const auto get = [&](const char* name, auto& value) {
    value = setting<std::decay_t<decltype(value)>>(settings, name, path);
  };
  get("cell", o.cell), get("hidden", o.hidden), get("layers", o.layers), get("embed", o.words.embed);
  get("char_embed", o.words.char_embed), get("char_hidden", o.words.char_hidden);
  get("crf", o.crf), get("two_way", o.two_way);
  TaggerKey key;
  std::string scheme;
  std::vector<std::string> characters, features;
  get("tags", key.tags), get("scheme", scheme), get("made", key.made);
  get("characters", characters), get("features", features);
  key.forms = WordForms(characters, features);
  for (const auto s : {TagScheme::iob1, TagScheme::bioes})
    if (scheme == name_of(s)) key.scheme = s;
  return key;
}

TaggerData read_tagger_data(const TaggerOptions& o) {
  TaggerData data;
  if (!o.train.empty()) data.train = read_tagged(o.train);
  if (!o.test.empty()) data.test = read_tagged(o.test);
  if (!o.dev.empty()) (o.test.empty() ? data.test : data.dev) = read_tagged(o.dev);
  Rng rng(static_cast<std::uint64_t>(o.seed));
  if (o.train.empty()) {
    data.train = make_name_sentences(3000, false, rng);
    if (data.test.words.empty()) data.test = make_name_sentences(500, true, rng);
  } else if (data.test.words.empty()) {
    const Split split = split_distinct(data.train.words, rng, {.test = 0.1});
    data.test = chosen_sentences(data.train, split.test);
    data.train = chosen_sentences(data.train, split.train);
  }
  if (data.train.words.empty() || data.test.words.empty())
    throw DataError(o.train + ": too little data: " + std::to_string(data.train.words.size()) +
                    " sentences to learn from, " + std::to_string(data.test.words.size()) + " to be judged by");
  return data;
}

MetricsLine report_tags(const TaggedSentences& test, const Lists& guesses, TagScheme scheme, const TaggerOptions& o) {
  const Lists written = in_scheme(guesses, scheme);
  const SpanScore score = score_of(test, written);
  print("\n%s", score.text().c_str());
  if (!o.predict.empty()) write_predictions(o.predict, test, written);
  if (!o.plot.empty()) draw_types(o.plot, test, guesses);
  const SpanCounts& all = score.overall;
  return {{"f1", 100 * all.f1()},
          {"precision", 100 * all.precision()},
          {"recall", 100 * all.recall()},
          {"accuracy", 100 * score.accuracy()}};
}

}  // namespace unroll::examples
