#pragma once
/// \file
/// Right sentences to make errors in, and a list of words that mends some of them.

#include <map>
#include <string>
#include <vector>

#include "correct/text_errors.hpp"
#include "unroll/core/random.hpp"

namespace unroll::examples {

/// Sentences in their order.
struct CorrectionTask {
  std::vector<Sentence> train, dev, test;
  std::string name;
};

/// Cuts a text into passages: whole sentences one after the other, up to `longest` words of one paragraph. A sentence
/// ends at '.', '!' or '?', or at a line that ends in ':'; longer ones are cut.
std::vector<Sentence> passages_of(const std::string& text, Index longest);

/// The beginning of a text to learn from, its last tenth to be judged by, and a twentieth before that to choose by.
/// Throws DataError, with file, when it cannot be read or is too short.
CorrectionTask read_correction_task(const std::string& path, Index longest);

/// Sentences made by rule, about people whose names say "he" or "she" many words later.
CorrectionTask generated_correction_task(Index train, Index dev, Index test, Rng& rng);

/// The most frequent known word that is one change of a letter away, or two neighbours that changed places, for every
/// word that is not known (Norvig, "How to write a spelling corrector", 2007); and no word twice.
class WordList {
 public:
  explicit WordList(const std::vector<Sentence>& sentences);
  Sentence mend(const Sentence& sentence) const;

 private:
  std::map<std::u32string, Index> counts_;
};

/// A sentence as a text.
std::string text_of(const Sentence& sentence);

}  // namespace unroll::examples
