#include "tokenize.hpp"

#include "../../core/error.hpp"
#include "characters_detail.hpp"
#include "utf8.hpp"

namespace unroll {

namespace {

std::u32string decoded(const char* op, std::string_view text) {
  try {
    return decode_utf8(text, "text");
  } catch (const DataError& e) {
    throw ValueError("[", op, "] ", e.what());
  }
}

}  // namespace

std::vector<std::string> tokenize_characters(std::string_view text) {
  std::vector<std::string> tokens;
  for (const char32_t c : decoded("tokenize_characters", text)) tokens.push_back(encode_utf8({&c, 1}));
  return tokens;
}

std::vector<std::string> tokenize_words(std::string_view bytes) {
  using detail::is_digit, detail::is_word_character;
  const std::u32string text = decoded("tokenize_words", bytes);
  std::vector<std::string> tokens;
  const auto joins = [&](std::size_t i) {  // the mark at i belongs to the word around it
    const char32_t before = text[i - 1], after = i + 1 < text.size() ? text[i + 1] : U' ';
    if (text[i] == U'\'' || text[i] == 0x2019) return is_word_character(after);
    return (text[i] == U'.' || text[i] == U',') && is_digit(before) && is_digit(after);
  };
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i + 1;
    if (is_word_character(text[i])) {
      while (end < text.size() && (is_word_character(text[end]) || joins(end))) ++end;
    }
    if (!detail::is_space(text[i])) tokens.push_back(encode_utf8(std::u32string_view(text).substr(i, end - i)));
    i = end;
  }
  return tokens;
}

std::vector<std::string> tokenize_space(std::string_view bytes) {
  const std::u32string text = decoded("tokenize_space", bytes);
  std::vector<std::string> tokens;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && !detail::is_space(text[end])) ++end;
    if (end > i) tokens.push_back(encode_utf8(std::u32string_view(text).substr(i, end - i)));
    i = end + 1;
  }
  return tokens;
}

std::vector<Index> tokenize_bytes(std::string_view bytes) {
  std::vector<Index> ids;
  ids.reserve(bytes.size());
  for (const char c : bytes) ids.push_back(static_cast<unsigned char>(c));
  return ids;
}

std::string bytes_of(std::span<const Index> ids) {
  std::string bytes;
  bytes.reserve(ids.size());
  for (const Index id : ids) {
    if (id < 0 || id > 255) throw ValueError("[bytes_of] id ", id, ", expected a byte, 0 .. 255");
    bytes += static_cast<char>(static_cast<unsigned char>(id));
  }
  return bytes;
}

}  // namespace unroll
