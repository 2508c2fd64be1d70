#pragma once
/// \file
/// Options of the assistant program, and what it reads and reports.

#include <string>
#include <vector>

#include "assistant/utterances.hpp"
#include "common/training.hpp"
#include "common/word_encoder.hpp"

namespace unroll::examples {

struct AssistantOptions : TrainingOptions {
  AssistantOptions();
  WordEncoderOptions words;
  Index hidden = 64, layers = 1, min_count = 2;
  std::string train, dev, test, predict;
  bool interactive = false;
};

/// Declares all options of the program.
void add_assistant_options(CLI::App& app, AssistantOptions& o);

/// What is needed to build a model again beside its weights.
struct AssistantKey {
  WordForms forms;
  std::vector<std::string> tags, intents;  ///< tags in IOB2, "O" first
  bool lower = false;                      ///< training had no capitals
  bool made = false;                       ///< trained on made utterances

  /// The words of what somebody typed, in training's manner: no marks, and no capitals where that had none.
  std::vector<std::string> words_of(const std::string& line) const;
};
AssistantKey learn_key(const Utterances& train, const AssistantOptions& o);
nlohmann::json settings_of(const AssistantKey& key, const AssistantOptions& o);
/// Sets the sizes in `o` too. Throws DataError as read_settings.
AssistantKey read_assistant_key(const std::string& path, AssistantOptions& o);

struct AssistantData {
  Utterances train, dev, test;  ///< without --dev and --test together, `dev` is empty
};
/// The files of the options. Without --test, --dev is the test; without either, a tenth of --train. Without --train
/// made utterances. Throws DataError.
AssistantData read_assistant_data(const AssistantOptions& o);

/// Prints what `guess` for data.test is worth, beside the baseline's; writes --predict and --plot.
MetricsLine report_utterances(const AssistantData& data, const Utterances& guess, const AssistantOptions& o);

/// "book_flight: from = lagos, to = new york", and in the made world what the assistant says to it.
std::string answer_text(const AssistantKey& key, const std::vector<std::string>& words,
                        const std::vector<std::string>& tags, const std::string& intent);

}  // namespace unroll::examples
