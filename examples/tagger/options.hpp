#pragma once
/// \file
/// Options of the tagger program, and what it reads and reports.

#include <string>
#include <vector>

#include "common/tagged_sentences.hpp"
#include "common/training.hpp"
#include "common/word_encoder.hpp"

namespace unroll::examples {

struct TaggerOptions : TrainingOptions {
  TaggerOptions();
  WordEncoderOptions words;
  Index hidden = 64, layers = 1, min_count = 2;
  double recall = 0;
  bool crf = true, two_way = true;
  std::string train, dev, test, predict, score;
  std::vector<std::string> sentences;
};

/// Declares all options of the program.
void add_tagger_options(CLI::App& app, TaggerOptions& o);

/// What is needed to build a model again beside its weights.
struct TaggerKey {
  WordForms forms;
  std::vector<std::string> tags;       ///< in IOB2, "O" first
  TagScheme scheme = TagScheme::iob2;  ///< of what it was trained on, and of its predictions
  bool made = false;                   ///< trained on made sentences
};
TaggerKey learn_key(const TaggedSentences& train, const TaggerOptions& o);
nlohmann::json settings_of(const TaggerKey& key, const TaggerOptions& o);
/// Sets the sizes in `o` too. Throws DataError as read_settings.
TaggerKey read_key(const std::string& path, TaggerOptions& o);

struct TaggerData {
  TaggedSentences train, dev, test;  ///< without --dev and --test together, `dev` is empty
};
/// The files of the options. Without --test, --dev is the test; without either, a tenth of --train. Without --train
/// made sentences. Throws DataError.
TaggerData read_tagger_data(const TaggerOptions& o);

/// Prints what `guesses` (in IOB2) for `test` are worth, writes --predict and --plot. Returns the F1 in percent.
MetricsLine report_tags(const TaggedSentences& test, const Lists& guesses, TagScheme scheme, const TaggerOptions& o);

}  // namespace unroll::examples
