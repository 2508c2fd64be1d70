#pragma once
/// \file
/// What a listener's guesses are worth.

#include <string>
#include <vector>

#include "speech/task.hpp"
#include "unroll/data/metrics/confusion_matrix.hpp"
#include "unroll/data/metrics/edit_distance.hpp"
#include "unroll/optim/run/metrics_file.hpp"

namespace unroll::examples {

/// What was understood of something said.
struct Heard {
  std::string text;        ///< the word, or the letters
  double probability = 0;  ///< of just that
};

/// Collects what was heard of the test recordings of one or several partings.
class SpeechReport {
 public:
  /// `words` are all there may be; `letters`: what is heard are letters.
  SpeechReport(const std::vector<std::string>& words, bool letters) : confusion_(words), letters_(letters) {}

  /// Prints what `heard` of `said` is worth, with some of what was written where it was letters. `nearest`: accuracy of
  /// the nearest recording, negative where that was not asked.
  void add(const std::string& name, const std::vector<Said>& said, const std::vector<Heard>& heard, double nearest);
  /// Prints the means, and gives them: "accuracy" ("letter_error_rate" and "word_error_rate" besides where letters were
  /// heard), the share of what was heard entirely right, and "nearest_accuracy".
  MetricsLine finish() const;
  /// Draws which word was taken for which; nothing where letters were heard, or no name is given.
  void draw(const std::string& file) const;

 private:
  struct Figures {
    double accuracy = 0, nearest = -1, letter_error_rate = -1, word_error_rate = -1;
  };
  ConfusionMatrix confusion_;
  bool letters_;
  std::vector<Figures> all_;
};

}  // namespace unroll::examples
