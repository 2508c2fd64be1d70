#pragma once
/// \file
/// The figures that runs left in files, to be drawn.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace unroll::examples {

/// One object a line of a metrics file: the line's figures by name.
struct RunFile {
  std::string path;
  std::string name;  ///< the path without folders and extension
  std::vector<nlohmann::json> lines;
};

/// Reads JSON lines, or the rows of a CSV table when the name ends in ".csv" (a cell that is missing is no figure). A
/// last line that was cut off, as when its writer was killed, is left out.
/// Throws DataError, with file and line, for what is missing, unreadable, empty, or not such a file.
RunFile read_run(const std::string& path);

/// The last object in the file that has all of `keys`. Throws DataError when there is none.
const nlohmann::json& last_with(const RunFile& run, const std::vector<std::string>& keys);

/// A list of numbers; null is NaN. Throws DataError, naming the file and `key`, for anything else.
std::vector<double> numbers_of(const RunFile& run, const nlohmann::json& line, const std::string& key);

/// A table of numbers with the names of its rows and columns.
struct NamedMatrix {
  std::vector<std::string> rows, columns;
  std::vector<double> values;  ///< row-major
};
/// A list of lists of numbers, all of one length; names from the lists of texts under `row_key` and `column_key`, where
/// they are there, else numbers from 1. A CSV table has its columns' names only, of which rows take theirs when they
/// are as many. Throws DataError for anything else.
NamedMatrix read_matrix(const std::string& path, const std::string& key, const std::string& row_key,
                        const std::string& column_key);

}  // namespace unroll::examples
