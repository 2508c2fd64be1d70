#pragma once
/// \file
/// What the programs that tag words have in common: options, settings of a saved model, reading of data.

#include <string>
#include <vector>

#include "common/tagged_sentences.hpp"
#include "common/training.hpp"
#include "common/word_encoder.hpp"
#include "unroll/data/batches/split.hpp"

namespace unroll::examples {

struct SentenceOptions : TrainingOptions {
  WordEncoderOptions words;
  Index hidden = 64, layers = 1, min_count = 2;
  std::string train, dev, test, predict;
};

/// Declares --train, --dev and --test, files of `files` ("CoNLL file"), without which there is what is `made`, and the
/// sizes and shares of the model.
void add_sentence_options(CLI::App& app, SentenceOptions& o, const std::string& files, const std::string& made);

/// What is needed to build a model again beside its weights.
struct SentenceKey {
  WordForms forms;
  std::vector<std::string> tags;  ///< in IOB2, "O" first
  bool made = false;              ///< trained on made sentences
};
SentenceKey learn_sentence_key(const TaggedSentences& train, const SentenceOptions& o);
nlohmann::json settings_of_sentences(const SentenceKey& key, const SentenceOptions& o);
/// Sets the sizes in `o` too. Throws DataError as `setting`.
SentenceKey read_sentence_key(const nlohmann::json& settings, SentenceOptions& o);

/// What there is to learn from, to choose the epoch by, and to be judged by.
template <class Items>
struct SentenceData {
  Items train, dev, test;  ///< without --dev and --test together, `dev` is empty
};

/// The files of the options. Without --test, --dev is the test; without either, a tenth of --train, in which no
/// sentence is one of the rest. Without --train `made` ones: `make(count, held_out, rng)`. `Items` are TaggedSentences,
/// or have words_of(items) and chosen_items(items, numbers) as those have. Throws DataError.
template <class Items>
SentenceData<Items> read_sentence_data(const SentenceOptions& o, const char* name, Items (*read)(const std::string&),
                                       Items (*make)(Index, bool, Rng&), Index count) {
  SentenceData<Items> data;
  if (!o.train.empty()) data.train = read(o.train);
  if (!o.test.empty()) data.test = read(o.test);
  if (!o.dev.empty()) (o.test.empty() ? data.test : data.dev) = read(o.dev);
  Rng rng(static_cast<std::uint64_t>(o.seed));
  if (o.train.empty()) {
    data.train = make(count, false, rng);
    if (words_of(data.test).empty()) data.test = make(500, true, rng);
  } else if (words_of(data.test).empty()) {
    const Split split = split_distinct(words_of(data.train), rng, {.test = 0.1});
    data.test = chosen_items(data.train, split.test);
    data.train = chosen_items(data.train, split.train);
  }
  if (words_of(data.train).empty() || words_of(data.test).empty())
    throw DataError(o.train + ": too little data: " + std::to_string(words_of(data.train).size()) + " " + name +
                    " to learn from, " + std::to_string(words_of(data.test).size()) + " to be judged by");
  return data;
}

}  // namespace unroll::examples
