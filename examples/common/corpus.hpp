#pragma once
/// \file
/// Text for the character models: files and folders in, code points out.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "unroll/core/error.hpp"
#include "unroll/core/shape.hpp"
#include "unroll/data/text/utf8.hpp"

namespace unroll::examples {

using unroll::decode_utf8;
using unroll::encode_utf8;

/// What was read.
struct Corpus {
  std::u32string text;             ///< all files, one after the other, each on a new line
  std::vector<std::string> files;  ///< those in `text`, in its order
  std::vector<std::string> notes;  ///< what the user should know: one line each
};

/// Reads text files, and folders: all text files below them, in the order of their paths, without hidden
/// ones.
///
/// Files of the same content are taken once. "\r\n" becomes "\n", a byte order mark is dropped. Throws
/// DataError for what is missing, unreadable, empty, or not UTF-8; but inside a folder such files are left
/// out, with a note, as long as something remains.
Corpus read_corpus(const std::vector<std::string>& paths);

/// The text to train on when none was named: the licence texts that every Debian system has, or where they
/// are missing, the project's own documents (with a note).
Corpus read_default_corpus();

/// The characters of a text, numbered in their order, and one more symbol for all others.
class Vocabulary {
 public:
  explicit Vocabulary(std::u32string_view text);

  /// Number of symbols, the unknown one (the last) included.
  Index size() const { return static_cast<Index>(symbols_.size()) + 1; }
  Index unknown() const { return static_cast<Index>(symbols_.size()); }
  Index id(char32_t symbol) const;
  /// The character; U+FFFD for the unknown one.
  char32_t symbol(Index id) const;
  std::vector<Index> encode(std::u32string_view text) const;
  std::u32string decode(std::span<const Index> ids) const;

 private:
  std::u32string symbols_;  // sorted
};

/// The share of words (runs of letters; ASCII letters and all above U+00BF) of `sample` that occur in `text`,
/// and their number. A word that is cut off by the end of the sample does not count.
struct KnownWords {
  Index words = 0, known = 0;
  double share() const { return words == 0 ? 0 : static_cast<double>(known) / static_cast<double>(words); }
};
KnownWords known_words(std::u32string_view sample, std::u32string_view text);

}  // namespace unroll::examples
