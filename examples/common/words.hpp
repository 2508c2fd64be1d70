#pragma once
/// \file
/// Words as a tagger sees them: letter by letter, and by features that rare and unknown words share with known ones.

#include <map>
#include <span>
#include <string>
#include <vector>

#include "unroll/data/text/vocabulary.hpp"

namespace unroll::examples {

/// A word in numbers.
struct WordForm {
  std::vector<Index> characters;  ///< of its code points, at least one
  std::vector<Index> features;    ///< those that training has shown, may be none
};

/// What there is to know of a word: itself in lower case with every digit as 0, its shape ("McDonald's" is "XxXx'x",
/// long form and with runs drawn together), and its first and last one to four characters.
std::vector<std::string> features_of_word(const std::string& word);

/// The words of training and of what is read later, each with a number and a form.
class WordForms {
 public:
  WordForms() = default;
  /// Learns the characters, and the features that are there `min_count` times or more, of training's sentences.
  WordForms(std::span<const std::vector<std::string>> sentences, Index min_count);
  /// From the lists that a model's file holds.
  WordForms(const std::vector<std::string>& characters, const std::vector<std::string>& features);

  /// A number for each word of a sentence; new words get new ones.
  std::vector<Index> numbers(std::span<const std::string> sentence);
  const WordForm& form(Index number) const { return forms_.at(static_cast<std::size_t>(number)); }

  const Vocabulary& characters() const { return characters_; }
  const Vocabulary& features() const { return features_; }

 private:
  Vocabulary characters_, features_;
  std::map<std::string, Index> numbers_;
  std::vector<WordForm> forms_;
};

/// The tokens of a vocabulary, by number.
std::vector<std::string> tokens_of(const Vocabulary& vocabulary);

}  // namespace unroll::examples
