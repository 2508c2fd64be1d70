#pragma once
// What the readers of texts share: cutting lines, numbers, and quoting in messages.

#include <charconv>
#include <string>
#include <string_view>
#include <vector>

namespace unroll::detail {

/// Without spaces, tabs and carriage returns at both ends.
inline std::string_view trimmed(std::string_view s) {
  const auto first = s.find_first_not_of(" \t\r");
  return first == s.npos ? std::string_view() : s.substr(first, s.find_last_not_of(" \t\r") - first + 1);
}

/// The parts between separators, one more than there are of those.
inline std::vector<std::string_view> cut(std::string_view s, char at) {
  std::vector<std::string_view> parts;
  for (std::size_t start = 0;;) {
    const std::size_t end = s.find(at, start);
    parts.push_back(s.substr(start, end - start));
    if (end == s.npos) return parts;
    start = end + 1;
  }
}

/// True when all of `s` is one number; a plus in front is welcome.
template <class Number>
bool parse(std::string_view s, Number& value) {
  if (s.starts_with('+')) s.remove_prefix(s.starts_with("+-") ? 0 : 1);
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), value);
  return error == std::errc() && end == s.data() + s.size();
}

/// In quotation marks, cut where it is long.
inline std::string quoted(std::string_view s) {
  if (s.size() <= 40) return "'" + std::string(s) + "'";
  std::size_t end = 40;
  while (end > 0 && (static_cast<unsigned char>(s[end]) & 0xc0u) == 0x80) --end;  // not inside a character
  return "'" + std::string(s.substr(0, end)) + "...'";
}

}  // namespace unroll::detail
