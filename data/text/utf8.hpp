#pragma once
/// \file
/// UTF-8: bytes to code points and back.

#include <string>
#include <string_view>

namespace unroll {

/// Code points of a UTF-8 text. `name` stands in the error: DataError `name:line: byte 17 of the file is 0xff, ...`,
/// thrown where the bytes are not UTF-8 (overlong forms, surrogates and what lies above U+10FFFF included) or NUL,
/// which no text holds.
std::u32string decode_utf8(std::string_view bytes, const std::string& name);

/// The other way. What is no code point comes out as bytes that decode_utf8 refuses.
std::string encode_utf8(std::u32string_view text);

}  // namespace unroll
