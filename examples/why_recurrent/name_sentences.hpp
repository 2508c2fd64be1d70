#pragma once
/// \file
/// Sentences and which of their words are names, for networks that see a window of fixed length and for others.

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "unroll/core/random.hpp"
#include "unroll/data/text/vocabulary.hpp"

namespace unroll::examples {

/// Words, and for each whether it belongs to a name.
struct NameSentence {
  std::vector<std::string> words;
  std::vector<bool> names;
  Index length() const { return static_cast<Index>(words.size()); }
};

struct NameSentenceOptions {
  Index length = 8;     ///< words, 4 or more
  Index harry_at = -1;  ///< where the name "harry" stands, from 0; -1: nowhere
};

/// A sentence made by a grammar, of people and things that do the same:
///
///     in winter meera patel found old maps while owls admired harry
///
/// So it is the word itself that says whether it is a name; harry has no other name beside him. Throws ValueError for a
/// length below 4 and a place outside.
NameSentence make_name_sentence(const NameSentenceOptions& options, Rng& rng);

/// Reads sentences in columns, as read_conll does; what has a tag of a person (any type that contains "per" in any
/// case) is a name, and in a file without such a type whatever has a tag. Throws as read_conll, and DataError with file
/// and line for what is no tag.
std::vector<NameSentence> read_name_sentences(const std::string& path);

/// A sentence by numbers.
struct NameItem {
  std::vector<Index> words;
  std::vector<bool> names;
};

/// Sentences to learn from, all up to a length, and those to be judged by.
struct NameTask {
  Index longest = 0;  ///< in training
  Index window = 0;   ///< the longest there may be
  Vocabulary words;
  std::vector<NameItem> train;
  std::vector<NameItem> test;                ///< as long as in training
  std::vector<NameItem> moved;               ///< likewise, for names in new places
  std::vector<NameItem> longer;              ///< longer than any in training
  std::set<std::pair<Index, Index>> places;  ///< (word, place) of the names of training
  std::set<Index> names;                     ///< words that were names in training

  /// Learns words and names from `train`. `vocabulary`: numbers of words at most.
  NameTask(const std::vector<NameSentence>& train, Index longest, Index window, Index vocabulary);
  NameItem encode(const NameSentence& sentence) const;
};

/// `count` made sentences of 4 .. `longest` words to learn from, in every sixth of which the first word is "harry", who
/// is nowhere else; `exam` new ones to be judged by, as many with "harry" at the second place or later, and as many of
/// `longest` + 1 .. `window` words.
NameTask make_name_task(Index count, Index exam, Index longest, Index window, Index vocabulary, Rng& rng);

/// Sentences of one file in columns, a tenth of which, and all that are longer than `longest`, are to be judged by;
/// those longer than `window` are left out. Throws DataError also when there is too little.
NameTask read_name_task(const std::string& path, Index longest, Index window, Index vocabulary, Rng& rng);

}  // namespace unroll::examples
