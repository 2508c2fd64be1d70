#pragma once
/// \file
/// Letters: which code points are some, and their capitals.

#include <string_view>

namespace unroll::examples {

/// A letter of any script, or a mark that is written over one: ASCII's letters and what lies above U+00BF but
/// punctuation, symbols and white space.
bool is_letter(char32_t c);
bool has_letter(std::u32string_view text);
inline bool is_digit(char32_t c) { return c >= U'0' && c <= U'9'; }
/// White space, ASCII's and Unicode's, no-break spaces included.
bool is_space(char32_t c);

/// The small letter of a capital of the Latin, Greek and Cyrillic scripts, other code points as they are.
char32_t lower(char32_t c);
/// The other way.
char32_t upper(char32_t c);

}  // namespace unroll::examples
