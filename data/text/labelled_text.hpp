#pragma once
/// \file
/// Texts with a label each: for classification and rating.

#include <string>
#include <vector>

namespace unroll {

/// A text and what it is.
struct LabelledText {
  std::string label;
  std::u32string text;  ///< code points
  std::string where;    ///< "file:line", for messages about it
};

/// Reads texts with labels from a file of lines `label TAB text`, or from a folder with one text file for each class,
/// an item a line: the class is the file's name without its ending. Blank lines are left out, as are a folder's hidden
/// files and what is no regular file. UTF-8.
///
/// Throws DataError, with file and line, for what is missing, unreadable, empty or not UTF-8, for a line without a tab,
/// a label or a text, and for two files of a folder that would be the same class.
std::vector<LabelledText> read_labelled_texts(const std::string& path);

}  // namespace unroll
