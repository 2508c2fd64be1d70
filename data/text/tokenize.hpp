#pragma once
/// \file
/// Texts in pieces: code points, words, bytes.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../../core/shape.hpp"

namespace unroll {

/// One token for each Unicode code point, as UTF-8. Joined they are the text again. Throws ValueError where `text` is
/// not UTF-8, as do the others that take UTF-8.
std::vector<std::string> tokenize_characters(std::string_view text);

/// Words and marks. The rule:
///
/// 1. White space (ASCII's and Unicode's) parts tokens and is in none.
/// 2. A word is a longest run of word characters: ASCII letters and digits, '_', and all other code points above U+007F
///    but white space and marks (U+00A1 .. U+00BF without the letters and numbers among them, U+00D7, U+00F7, U+2010 ..
///    U+205E, U+20A0 .. U+20CF, U+3001 .. U+3020, U+FE30 .. U+FE6F, U+FF01 .. U+FF65 without its digits and letters).
/// 3. An apostrophe (' or U+2019) between word characters is part of the word: "don't" is one; so is a '.' or a ','
///    between two ASCII digits: "3.14", "1,000".
/// 4. Any other code point is a token by itself.
///
/// Scripts that put no space between words (Chinese, Japanese, Thai) come out in long runs: use characters for them.
std::vector<std::string> tokenize_words(std::string_view text);

/// What white space parts, for texts whose words are parted already.
std::vector<std::string> tokenize_space(std::string_view text);

/// One number from 0 to 255 for each byte of any text or data.
std::vector<Index> tokenize_bytes(std::string_view bytes);
/// The way back. Throws ValueError outside 0 .. 255.
std::string bytes_of(std::span<const Index> ids);

}  // namespace unroll
