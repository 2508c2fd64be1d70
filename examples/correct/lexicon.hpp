#pragma once
/// \file
/// The words a text is made of, and what a word of another text may have been before somebody mistyped it.

#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "correct/text_errors.hpp"
#include "unroll/data/text/vocabulary.hpp"

namespace unroll::examples {

/// A word that may be written in the place of another, or that one itself.
struct Candidate {
  std::string word;
  Index id;                       ///< of its vector
  std::array<float, 6> features;  ///< what the list of words and the noise model say of it, see Lexicon::choices_of
};
/// What each word of a sentence may become. The first candidate is the word as it stands.
using Choices = std::vector<std::vector<Candidate>>;
inline constexpr Index kMostCandidates = 8;  ///< beside the word itself

/// All that is counted before anything is learned: how often each word is met, without regard to capitals; letters; and
/// the words that can be put in where one was left out.
///
/// A word that is right need not be known. So that a model can learn how often that is so, a passage of the learning
/// text is read with a list that was made without its part of the text, one of ten: what is met there only, a name most
/// often, is as new as it would be in another text.
class Lexicon {
 public:
  static constexpr int kParts = 10, kOther = -1;
  static constexpr Index kEnd = 0, kUnknown = 1;  ///< vectors of the end of a sentence and of rare words

  Lexicon() = default;
  /// Words met `min_count` times or more, the `max_words` most frequent ones, have vectors; the `inserted` most frequent
  /// can be put in.
  Lexicon(const std::vector<Sentence>& sentences, Index min_count, Index max_words, Index inserted);

  /// The part that sentence i of n belongs to.
  static int part_of(std::size_t i, std::size_t n) { return static_cast<int>(i * kParts / n); }
  /// The words of a sentence from that part of the learning text, or from another text. Other candidates are the other
  /// one of a pair ("a", "an"), and known words of which one typing error makes this one, the likeliest first. Features:
  ///
  ///     log(1 + count), whether the count is 0, log(chance of the error), whether it is the other one of a pair,
  ///     whether the word before is the same, whether it begins with a capital
  Choices choices_of(const Sentence& sentence, int part = kOther) const;

  const Vocabulary& words() const { return words_; }
  const Vocabulary& letters() const { return letters_; }
  const Vocabulary& inserted() const { return inserted_; }

  /// All that is needed to build it again (but for the parts), and that. Throws DataError, with `where`, on anything
  /// else.
  nlohmann::json to_json() const;
  static Lexicon from_json(const nlohmann::json& json, const std::string& where);

 private:
  struct Entry {
    Index count = 0, small = 0, id = kUnknown;  // small: how often without a capital
    std::array<Index, kParts> in_part = {};
  };
  using Origin = std::pair<std::u32string, double>;

  void index();
  Index count_of(const std::u32string& word, int part) const;
  std::vector<Origin> origins_of(const std::u32string& word) const;
  Candidate candidate(const std::string& word, const std::u32string& small, int part) const;
  std::string in_case_of(const std::u32string& written, const std::u32string& small) const;

  std::unordered_map<std::u32string, Entry> entries_;                // by the word in small letters
  std::unordered_map<std::u32string, std::vector<Origin>> origins_;  // of all known words
  std::u32string alphabet_;
  Vocabulary words_, letters_, inserted_;
};

}  // namespace unroll::examples
