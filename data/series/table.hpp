#pragma once
/// \file
/// Tables in text files: TSV of texts, CSV of numbers.

#include <string>
#include <vector>

#include "../../core/shape.hpp"

namespace unroll {

/// A line of a TSV file.
struct TsvRow {
  std::vector<std::string> cells;  ///< UTF-8
  std::string where;               ///< "file:line", for messages about it
};

/// Reads lines of cells parted by single tabs, without quotes or escapes; blank lines do not count. `columns` is how
/// many cells every line has, 0: as many as the first. UTF-8.
///
/// Throws DataError, with file and line, for what is missing, unreadable, empty or not UTF-8, for a line of another
/// number of cells, and when there are only blank lines.
std::vector<TsvRow> read_tsv(const std::string& path, Index columns = 0);

struct CsvOptions {
  /// The columns to read, by their names in the header, in this order; the others may hold anything. Empty: all.
  std::vector<std::string> columns = {};
  char separator = ',';
  /// The first row has names. Without, columns are named "1", "2", ...
  bool header = true;
  /// Cells that stand for "not known", besides empty ones; compared after spaces at both ends are taken off.
  std::vector<std::string> missing = {"NA", "N/A", "NaN", "nan", "null", "?"};
  char comment = '\0';  ///< rows that start with this character are left out; '\0': there are none
};

/// Columns of numbers, all of one length.
struct CsvTable {
  std::string path;
  std::vector<std::string> names;
  std::vector<std::vector<double>> columns;  ///< NaN where a value is missing
  std::vector<Index> lines;                  ///< where each row starts, from 1

  Index rows() const { return lines.size(); }
  /// The column of that name. Throws DataError when there is none, and lists those that are there.
  const std::vector<double>& column(const std::string& name) const;
  /// (rows, columns) row-major: one series of as many features as there are columns, for `sequence`.
  template <class T = float>
  UNROLL_PER_ISA std::vector<T> values() const {
    std::vector<T> all;
    all.reserve(lines.size() * columns.size());
    for (std::size_t r = 0; r < lines.size(); ++r)
      for (const auto& c : columns) all.push_back(static_cast<T>(c[r]));
    return all;
  }
};

/// Reads numbers from a CSV file as RFC 4180 has it: cells parted by a separator; one in double quotes may hold
/// separators, line ends and, doubled, quotes; rows end with "\n" or "\r\n". Numbers have a decimal point. Blank lines
/// do not count. UTF-8.
///
/// Throws DataError, with file and line, for what is missing, unreadable, empty or not UTF-8; a quote that does not end
/// or stands inside a cell; a row of another number of cells than the first; a cell that is neither a finite number nor
/// missing, with the column's name; a column that is not there or there twice; and when there is no row of numbers.
CsvTable read_csv(const std::string& path, const CsvOptions& options = {});

}  // namespace unroll
