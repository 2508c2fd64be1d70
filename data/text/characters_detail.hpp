#pragma once
// Kinds of code points.

namespace unroll::detail {

/// Unicode's White_Space, and what Python's str.split() adds to it (U+001C .. U+001F).
constexpr bool is_space(char32_t c) {
  return c == U' ' || (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x1f) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

constexpr bool is_digit(char32_t c) { return c >= U'0' && c <= U'9'; }

/// What tokenize_words takes for a part of a word.
constexpr bool is_word_character(char32_t c) {
  const auto within = [c](char32_t low, char32_t high) { return c >= low && c <= high; };
  if (c < 0x80) return is_digit(c) || within(U'a', U'z') || within(U'A', U'Z') || c == U'_';
  if (c < 0xc0) return c == 0xaa || c == 0xb2 || c == 0xb3 || c == 0xb5 || c == 0xb9 || c == 0xba || within(0xbc, 0xbe);
  if (c == 0xd7 || c == 0xf7 || is_space(c)) return false;
  if (within(0xff10, 0xff19) || within(0xff21, 0xff3a) || within(0xff41, 0xff5a)) return true;
  return !(within(0x2010, 0x205e) || within(0x20a0, 0x20cf) || within(0x3001, 0x3020) || within(0xfe30, 0xfe6f) ||
           within(0xff01, 0xff65));
}

}  // namespace unroll::detail
