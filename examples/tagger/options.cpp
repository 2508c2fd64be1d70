#include "tagger/options.hpp"

#include "common/plot.hpp"
#include "unroll/data/text/tags.hpp"

namespace unroll::examples {

namespace {

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
}

void add_tagger_options(CLI::App& app, TaggerOptions& o) {
  add_sentence_options(app, o, "CoNLL file", "made sentences");
  app.add_option("--predict", o.predict, "file for `word tag guess` lines of the test");
  app.add_option("--score", o.score, "only judges such a file");
  app.add_option("--sentence", o.sentences, "to be tagged in the end, words parted by spaces; repeatable");
  add_number(app, "--recall", o.recall, 0, 100, "margin of a name's words over O in training, in nats");
  app.add_flag("--crf,!--no-crf", o.crf, "a conditional random field over the tags (--no-crf: each tag by itself)");
  app.add_flag("!--one-way", o.two_way, "cells read forward only");
}

TaggerKey learn_key(const TaggedSentences& train, const TaggerOptions& o) {
  return {learn_sentence_key(train, o), train.scheme};
}

nlohmann::json settings_of(const TaggerKey& key, const TaggerOptions& o) {
  auto settings = settings_of_sentences(key, o);
  settings.update({{"crf", o.crf}, {"two_way", o.two_way}, {"scheme", name_of(key.scheme)}});
  return settings;
}

TaggerKey read_key(TaggerOptions& o) {
  const auto settings = read_settings(o.load, "tagger");
  TaggerKey key{read_sentence_key(settings, o)};
  std::string scheme;
  get_settings(settings, o.load, "crf", o.crf, "two_way", o.two_way, "scheme", scheme);
  for (const auto s : {TagScheme::iob1, TagScheme::bioes})
    if (scheme == name_of(s)) key.scheme = s;
  return key;
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
