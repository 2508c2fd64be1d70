#include "utf8.hpp"

#include <algorithm>
#include <cstdio>

#include "../../core/error.hpp"

namespace unroll {

namespace {

/// Length of the well-formed UTF-8 sequence at the start of `s`, its code point in `code`; 0 where there is
/// none.
std::size_t sequence(std::string_view s, char32_t& code) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return code = first, 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || s.size() < length) return 0;
  code = first & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0u) != 0x80) return 0;
    code = (code << 6) | (byte(i) & 0x3fu);
  }
  const char32_t least = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return code < least || surrogate || code > 0x10ffff ? 0 : length;
}

}  // namespace

std::u32string decode_utf8(std::string_view bytes, const std::string& name) {
  std::u32string text;
  text.reserve(bytes.size());
  for (std::size_t i = 0; i < bytes.size();) {
    char32_t code = 0;
    const std::size_t length = sequence(bytes.substr(i), code);
    if (length == 0 || code == 0) {
      const auto line = 1 + std::count(bytes.begin(), bytes.begin() + i, '\n');
      char value[8];
      std::snprintf(value, sizeof value, "0x%02x", static_cast<unsigned>(static_cast<unsigned char>(bytes[i])));
      throw DataError(name, ":", line, ": byte ", i + 1, " of the file is ", value, ", which is not UTF-8 text");
    }
    text += code;
    i += length;
  }
  return text;
}

std::string encode_utf8(std::u32string_view text) {
  std::string bytes;
  const auto put = [&](char32_t b) { bytes += static_cast<char>(static_cast<unsigned char>(b)); };
  for (const char32_t c : text) {
    if (c < 0x80) {
      put(c);
    } else if (c < 0x800) {
      put(0xc0 | (c >> 6)), put(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
      put(0xe0 | (c >> 12)), put(0x80 | ((c >> 6) & 0x3f)), put(0x80 | (c & 0x3f));
    } else {
      put(0xf0 | (c >> 18)), put(0x80 | ((c >> 12) & 0x3f)), put(0x80 | ((c >> 6) & 0x3f)), put(0x80 | (c & 0x3f));
    }
  }
  return bytes;
}

}  // namespace unroll
