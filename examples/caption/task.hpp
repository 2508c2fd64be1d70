#pragma once
/// \file
/// Pictures and sentences as a task: options, words by number, and what guesses are worth.

#include <optional>
#include <string>
#include <vector>

#include "caption/pictures.hpp"
#include "common/training.hpp"
#include "unroll/data/text/vocabulary.hpp"

namespace unroll::examples {

struct CaptionOptions : TrainingOptions {
  std::string data, train, test, write;
  std::vector<std::string> look;
  Index pictures = 4000, hidden = 48, embed = 24, beam = 3;
  double dropout = 0;

  CaptionOptions();
};

void add_caption_options(CLI::App& app, CaptionOptions& options);

/// Words by number; 0 marks the beginning and the end of a sentence, 1 is a word that training does not have.
class Language {
 public:
  static constexpr Index mark = 0;

  explicit Language(const std::vector<Picture>& pictures);
  explicit Language(std::vector<std::string> words) : words_(std::move(words), "<unk>") {}

  Index size() const { return words_.size(); }
  /// With the end.
  std::vector<Index> numbers(const std::vector<std::string>& sentence) const;
  std::string text(const std::vector<Index>& numbers) const { return sentence_text(words_.decode(numbers)); }
  std::vector<std::string> words() const;

 private:
  Vocabulary words_;
};

nlohmann::json settings_of(const CaptionOptions& options, const Language& language);
/// Sets what --load's model was saved with; its language, or nothing without --load. Throws DataError for what is no
/// model of this program.
std::optional<Language> load_settings(CaptionOptions& options);

/// What to learn from, and what to be judged by.
class CaptionTask {
 public:
  /// Draws or reads; prints what. `known` is the language of a model, where there is one already. Throws DataError as
  /// read_pictures does, and when nothing is left of either.
  CaptionTask(const CaptionOptions& options, const std::optional<Language>& known);

  const Language& language() const { return *language_; }
  /// Pictures of an epoch.
  Index train_size() const { return drawn_ > 0 ? drawn_ : std::ssize(train_); }
  /// Picture k of training; where they are drawn, another one each time.
  Picture train_picture(Index k, Rng& rng) const {
    return drawn_ > 0 ? draw_picture(false, rng) : train_[static_cast<std::size_t>(k)];
  }
  /// Those of training; where they are drawn, some of them.
  const std::vector<Picture>& train() const { return train_; }
  const std::vector<Picture>& test() const { return test_; }

  /// Prints some pictures with what was said about them, and what all of it is worth. Gives "exact", the share of
  /// sentences exactly right, "word_error_rate", and the latter of who says what was right for the most similar of
  /// (2000 at most) pictures of training, "nearest_word_error_rate".
  MetricsLine report(const std::vector<std::string>& guesses) const;

 private:
  Index drawn_ = 0;                    // 0: they are files
  std::vector<Picture> train_, test_;  // train: some examples where they are drawn
  std::optional<Language> language_;
};

}  // namespace unroll::examples
