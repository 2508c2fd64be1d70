#pragma once
/// \file
/// Whole files, and text by lines.

#include <string>
#include <vector>

namespace unroll {

/// The bytes of a file. Throws DataError when it cannot be read, says why, or is no file.
std::string read_bytes(const std::string& path);

/// The lines of a UTF-8 text file as code points, without their ends ("\n" or "\r\n") and without a byte order mark;
/// `lines[k]` is line k + 1 of the file. Throws DataError for what is missing, unreadable, empty or not UTF-8.
std::vector<std::u32string> read_lines(const std::string& path);

/// The same lines as UTF-8.
std::vector<std::string> read_utf8_lines(const std::string& path);

/// A whole UTF-8 text as code points, "\r\n" as "\n", without a byte order mark. Throws as read_lines does.
std::u32string read_text(const std::string& path);

/// The start of an error about a line: "file:17: ".
std::string at_line(const std::string& path, std::size_t line);

}  // namespace unroll
