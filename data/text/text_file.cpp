#include "text_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "../../core/error.hpp"
#include "utf8.hpp"

namespace unroll {

std::string read_bytes(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) throw DataError(path, ": is a folder, expected a file");
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  if (!in || (in.peek() != std::ifstream::traits_type::eof() && !(bytes << in.rdbuf())))
    throw DataError(path, ": cannot be read: ", std::strerror(errno ? errno : EIO));
  return std::move(bytes).str();
}

std::vector<std::u32string> read_lines(const std::string& path) {
  const std::u32string text = decode_utf8(read_bytes(path), path);
  std::vector<std::u32string> lines;
  for (std::size_t start = text.starts_with(U'\ufeff') ? 1 : 0; start < text.size();) {
    const std::size_t end = std::min(text.find(U'\n', start), text.size());
    lines.push_back(text.substr(start, end - start));
    if (lines.back().ends_with(U'\r')) lines.back().pop_back();
    start = end + 1;
  }
  if (lines.empty()) throw DataError(path, ": the file is empty");
  return lines;
}

std::vector<std::string> read_utf8_lines(const std::string& path) {
  std::vector<std::string> lines;
  for (const auto& line : read_lines(path)) lines.push_back(encode_utf8(line));
  return lines;
}

std::u32string read_text(const std::string& path) {
  std::u32string text = decode_utf8(read_bytes(path), path);
  if (text.starts_with(U'\ufeff')) text.erase(0, 1);
  if (text.empty()) throw DataError(path, ": the file is empty");
  std::size_t end = 0;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] != U'\r' || i + 1 == text.size() || text[i + 1] != U'\n') text[end++] = text[i];
  text.resize(end);
  return text;
}

std::string at_line(const std::string& path, std::size_t line) { return detail::text(path, ":", line, ": "); }

}  // namespace unroll
