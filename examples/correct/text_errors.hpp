#pragma once
/// \file
/// Errors made in right sentences by rule, and the edits that mend them.

#include <array>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "unroll/core/random.hpp"
#include "unroll/core/shape.hpp"
#include "unroll/optim/run/metrics_file.hpp"

namespace unroll::examples {

/// Words and marks of a sentence, as split_tokens(), but words with an apostrophe in them are whole.
using Sentence = std::vector<std::string>;
Sentence split_sentence(std::string_view text);

/// The noise model: what is done to each word, by itself.
struct NoiseModel {
  double typing = 0.08;    ///< a word of four letters or more gets a typing error: with equal chances two neighbouring
                           ///< letters change places, one is left out, one is doubled, or one becomes its neighbour on
                           ///< the keyboard
  double article = 0.3;    ///< "a" becomes "an", "an" "a"
  double was = 0.3;        ///< "was" becomes "were", "were" "was"
  double he = 0.3;         ///< "he" becomes "she", "she" "he"
  double dropped = 0.01;   ///< a word is left out
  double doubled = 0.015;  ///< a word is written twice

  /// All rates times that, none above one half.
  NoiseModel times(double factor) const;
};

/// A sentence with errors. Marks are left alone.
Sentence make_errors(const Sentence& sentence, const NoiseModel& noise, Rng& rng);

/// The noise model backwards: `each(right, chance)` for what `wrong`, in small letters, may have been before a typing
/// error, and the chance that the error then makes `wrong` of it. What was left out is one of `letters`. The same word
/// may come more than once: chances add up.
void before_typing(const std::u32string& wrong, const std::u32string& letters,
                   const std::function<void(const std::u32string&, double)>& each);
/// "an" for "a", "were" for "was", "she" for "he" and the other way; empty for a word of no pair.
std::string other_of_pair(const std::string& word);

/// One change: words from .. to-1 become `words`.
struct Edit {
  Index from, to;  ///< equal: something is put before word `from`
  Sentence words;
  friend auto operator<=>(const Edit&, const Edit&) = default;
};

/// The fewest changes of single words that make `after` of `before`, a word rather becoming one like it; the same ones
/// for the same sentences, from left to right. What is put in at one place is one change.
std::vector<Edit> edits_of(const Sentence& before, const Sentence& after);

/// What an error was, as its mending shows.
enum class ErrorKind { typing, article, was, he, dropped, doubled, count };
std::string_view name_of(ErrorKind kind);
ErrorKind kind_of(const Sentence& before, const Edit& edit);

/// Edits that were made beside those that mend everything (Dahlmeier and Ng, "Better evaluation for grammatical error
/// correction", 2012): an edit is right if it is one of those.
struct EditScore {
  Index made = 0, needed = 0, right = 0;
  std::array<Index, static_cast<std::size_t>(ErrorKind::count)> needed_of = {}, right_of = {};
  Index words = 0, sentences = 0, right_sentences = 0;

  void add(const Sentence& wrong, const Sentence& mended, const Sentence& truth);
  double precision() const { return made > 0 ? static_cast<double>(right) / static_cast<double>(made) : 1; }
  double recall() const { return needed > 0 ? static_cast<double>(right) / static_cast<double>(needed) : 1; }
  /// 1.25 P R / (0.25 P + R): precision counts twice as much as recall.
  double f05() const;
  /// Errors that are there in the end, a hundred words.
  double errors_left() const;
};
/// Of lists of sentences.
EditScore score_of(std::span<const Sentence> wrong, std::span<const Sentence> mended, std::span<const Sentence> truth);
/// Prints how it was before, what a list of words makes of it and what the model, by kinds of errors too; and gives the
/// same as figures. `best`: what it could have done at best.
MetricsLine print_scores(const EditScore& before, const EditScore& list, const EditScore& after, const EditScore& best);

}  // namespace unroll::examples
