#pragma once
/// \file
/// The options of the speech program, and the settings that a model of it is saved with.

#include <optional>
#include <string>
#include <vector>

#include "common/training.hpp"
#include "speech/task.hpp"

namespace unroll::examples {

struct SpeechOptions : TrainingOptions {
  std::string data, speak = "auto", write;
  std::vector<std::string> listen;
  PartingOptions parting;
  Disguise disguise;
  bool ctc = false;
  Index hidden = 48, levels = -1, bands = 24, join = 3, listeners = 3;
  double dropout = 0.3;

  SpeechOptions();
  /// Words said in a row at most.
  Index most_words() const { return ctc ? join : 1; }
};

void add_speech_options(CLI::App& app, SpeechOptions& options);

/// What a model is saved with.
nlohmann::json settings_of(const SpeechOptions& options, const Words& words);
/// Sets what --load's model was saved with; its words, or nothing without --load. Throws DataError for what is no model
/// of this program.
std::optional<Words> load_settings(SpeechOptions& options);

/// The recordings to learn from: files, or digits spoken by a program; prints whose they are. Throws DataError as
/// read_recordings does, and when espeak-ng shall speak and is not there.
std::vector<Utterance> recordings_of(const SpeechOptions& options);

}  // namespace unroll::examples
