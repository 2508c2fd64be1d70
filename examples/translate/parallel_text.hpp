#pragma once
/// \file
/// Pairs of texts that mean the same: from files, and dates made up by rule.

#include <span>
#include <string>
#include <vector>

#include "unroll/core/random.hpp"
#include "unroll/data/metrics/bleu.hpp"

namespace unroll::examples {

/// A text and its translation.
struct TextPair {
  std::string source, target;
};

/// Reads lines `source TAB target`; further columns are left out, blank lines do not count. UTF-8. Throws DataError,
/// with file and line, for what is missing, unreadable, empty or not UTF-8, a line without a tab, or an empty side.
std::vector<TextPair> read_pairs(const std::string& path);

/// What there is to learn from, and what to be judged by.
struct PairTask {
  std::vector<TextPair> train, dev, test;
  std::string name;
};

/// Different dates of 1800 .. 2099 in English words, "Monday, the twenty-first of March nineteen ninety-four", and
/// their ISO forms, "1994-03-21"; no date of one part is in another.
PairTask date_task(Index train, Index dev, Index test, Rng& rng);

/// Parts pairs at random so that no source is in two parts. Throws DataError when a part would be empty.
PairTask part_pairs(std::vector<TextPair> pairs, double dev_share, double test_share, Rng& rng);

/// The target of the training pair whose source needs the fewest changes of words to become `source`, for each of
/// `sources`: what can be had by looking things up.
std::vector<std::string> nearest_translations(std::span<const TextPair> train, std::span<const TextPair> test);

/// How good translations are.
struct TranslationScore {
  Bleu bleu;         ///< 13a tokens, one reference
  double exact = 0;  ///< share that is the reference, but for the kind and number of spaces
  /// BLEU, or where references are too short for it (fewer than 4 tokens in the mean), the exact ones in percent.
  double quality() const;

  Index sentences = 0;
};
TranslationScore score_translations(std::span<const TextPair> pairs, std::span<const std::string> guesses);

}  // namespace unroll::examples
