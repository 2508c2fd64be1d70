#pragma once
/// \file
/// Sentences with tags: from CoNLL files to numbers and back.

#include <span>
#include <string>
#include <vector>

#include "common/words.hpp"
#include "unroll/data/metrics/span_score.hpp"
#include "unroll/data/text/conll.hpp"

namespace unroll::examples {

/// Lists of words or tags, one a sentence.
using Lists = std::vector<std::vector<std::string>>;

/// Sentences with one tag a word.
struct TaggedSentences {
  Lists words, tags;
  TagScheme scheme = TagScheme::iob2;
};

/// Their words.
inline const Lists& words_of(const TaggedSentences& sentences) { return sentences.words; }
/// Those of these numbers.
TaggedSentences chosen_items(const TaggedSentences& sentences, std::span<const Index> numbers);

/// Reads a CoNLL file: words from its first column, tags from its last, and their scheme. Tags that are valid in none
/// are put into IOB2 as the CoNLL scorer understands them; a line is printed that says where they break. Throws
/// DataError as read_conll and convert_tags.
TaggedSentences read_tagged(const std::string& path);

/// These tags in another scheme.
Lists in_scheme(const Lists& tags, TagScheme scheme);

/// The different tags in IOB2, "O" first.
std::vector<std::string> tag_names(const TaggedSentences& sentences);

/// The number of each tag, in IOB2, among `names`. Throws ValueError for one that is not there.
std::vector<std::vector<Index>> tag_numbers(const TaggedSentences& sentences, const std::vector<std::string>& names);

/// The number of each word.
std::vector<std::vector<Index>> word_numbers(const Lists& sentences, WordForms& words);

/// Compares guesses with the tags of `sentences`.
SpanScore score_of(const TaggedSentences& sentences, const Lists& guesses);

/// Writes `word gold guess` a line as the CoNLL scorer reads it, a blank line after each sentence; with tabs instead of
/// spaces when a word has a space. Throws FileError.
void write_predictions(const std::string& path, const TaggedSentences& sentences, const Lists& guesses);

/// The score of a file of predictions: its last column against the one before. Throws DataError.
SpanScore score_file(const std::string& path);

/// "Sumesh/B-person worked at Cisco/B-organisation": words with their tags but O.
std::string with_tags(const std::vector<std::string>& words, const std::vector<std::string>& tags);

}  // namespace unroll::examples
