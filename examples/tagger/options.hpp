#pragma once
/// \file
/// Options of the tagger program, and what it reads and reports.

#include <string>
#include <vector>

#include "common/sentence_options.hpp"

namespace unroll::examples {

struct TaggerOptions : SentenceOptions {
  TaggerOptions();
  double recall = 2;
  bool crf = true, two_way = true;
  std::string score;
  std::vector<std::string> sentences;
};

/// Declares all options of the program.
void add_tagger_options(CLI::App& app, TaggerOptions& o);

struct TaggerKey : SentenceKey {
  TagScheme scheme = TagScheme::iob2;  ///< of what it was trained on, and of its predictions
};
TaggerKey learn_key(const TaggedSentences& train, const TaggerOptions& o);
nlohmann::json settings_of(const TaggerKey& key, const TaggerOptions& o);
/// That of the model of --load; sets the sizes in `o` too. Throws DataError as read_settings.
TaggerKey read_key(TaggerOptions& o);

using TaggerData = SentenceData<TaggedSentences>;

/// Prints what `guesses` (in IOB2) for `test` are worth, writes --predict and --plot. Returns the F1 in percent.
MetricsLine report_tags(const TaggedSentences& test, const Lists& guesses, TagScheme scheme, const TaggerOptions& o);

}  // namespace unroll::examples
