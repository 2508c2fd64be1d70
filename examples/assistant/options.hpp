#pragma once
/// \file
/// Options of the assistant program, and what it reads and reports.

#include <string>
#include <vector>

#include "assistant/utterances.hpp"
#include "common/sentence_options.hpp"

namespace unroll::examples {

struct AssistantOptions : SentenceOptions {
  AssistantOptions();
  bool interactive = false;
};

/// Declares all options of the program.
void add_assistant_options(CLI::App& app, AssistantOptions& o);

struct AssistantKey : SentenceKey {
  std::vector<std::string> intents;
  bool lower = false;  ///< training had no capitals

  /// The words of what somebody typed, in training's manner: no marks, and no capitals where that had none.
  std::vector<std::string> words_of(const std::string& line) const;
};
AssistantKey learn_key(const Utterances& train, const AssistantOptions& o);
nlohmann::json settings_of(const AssistantKey& key, const AssistantOptions& o);
/// That of the model of --load; sets the sizes in `o` too. Throws DataError as read_settings.
AssistantKey read_key(AssistantOptions& o);

using AssistantData = SentenceData<Utterances>;

/// Prints what `guess` for data.test is worth, beside the baseline's; writes --predict and --plot.
MetricsLine report_utterances(const AssistantData& data, const Utterances& guess, const AssistantOptions& o);

/// "book_flight: from = lagos, to = new york", and in the made world what the assistant says to it.
std::string answer_text(const AssistantKey& key, const std::vector<std::string>& words,
                        const std::vector<std::string>& tags, const std::string& intent);

}  // namespace unroll::examples
