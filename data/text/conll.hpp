#pragma once
/// \file
/// Sentences in columns, as the CoNLL shared tasks write them.

#include <string>
#include <vector>

#include "../../core/shape.hpp"
#include "tags.hpp"

namespace unroll {

/// One sentence; every column has an entry for each token.
struct ConllSentence {
  std::vector<std::vector<std::string>> columns;
  Index line = 0;  ///< of its first token, from 1

  const std::vector<std::string>& tokens() const { return columns.front(); }
  const std::vector<std::string>& tags() const { return columns.back(); }
};

struct ConllFile {
  std::string path;
  Index columns = 0;
  std::vector<ConllSentence> sentences;

  /// "path:17: ", for messages about a token.
  std::string at(const ConllSentence& sentence, Index token) const;
};

struct ConllOptions {
  bool comments = false;  ///< leave out lines that start with "# "
};

/// Reads one token a line in any number of columns from two, the token first and its tag last; blank lines, and lines
/// that start with `-DOCSTART-`, part sentences. Columns are parted by single tabs if the first line has one, otherwise
/// by any number of spaces. UTF-8.
///
/// Throws DataError, with file and line, for what is missing, unreadable, empty or not UTF-8, without a sentence, for a
/// line of another number of columns than the first or of only one, and for an empty column.
ConllFile read_conll(const std::string& path, const ConllOptions& options = {});

/// The scheme of a file's last column: the one in which all of it is valid. Where several are (as in a small file),
/// IOB2 before BIOES before IOB1. Throws DataError, with file and line, for what is no tag, and when there is none:
/// then it names, for the scheme that goes furthest, where it breaks.
TagScheme tag_scheme(const ConllFile& file);

/// Puts the last column into another scheme. `spans_of` reads the tags, whatever scheme they are in. Throws DataError,
/// with file and line, for what is no tag.
void convert_tags(ConllFile& file, TagScheme to);

}  // namespace unroll
