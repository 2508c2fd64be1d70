#include "common/letters.hpp"

#include <algorithm>

namespace unroll::examples {
namespace {

bool in(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

// Latin Extended-A pairs a capital with the next code point; in two stretches capitals are the odd ones.
bool pairs_from_odd(char32_t c) { return in(c, 0x139, 0x148) || in(c, 0x179, 0x17E); }
bool is_paired(char32_t c) {
  return in(c, 0x100, 0x17E) && c != 0x130 && c != 0x131 && c != 0x138 && c != 0x149 && c != 0x178;
}

}  // namespace

bool is_space(char32_t c) {
  return in(c, 0x09, 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || in(c, 0x2000, 0x200A) ||
         c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_letter(char32_t c) {
  if (c < 0x80) return in(c, U'a', U'z') || in(c, U'A', U'Z');
  if (c < 0xC0) return c == 0xAA || c == 0xB5 || c == 0xBA;
  if (c == 0xD7 || c == 0xF7 || is_space(c)) return false;
  return !in(c, 0x2010, 0x2BFF) && !in(c, 0x3001, 0x3020) && !in(c, 0xFE30, 0xFE6F) && !in(c, 0xFF01, 0xFF20) &&
         !in(c, 0xFFE0, 0xFFFF);
}

bool has_letter(std::u32string_view text) { return std::ranges::any_of(text, is_letter); }

char32_t lower(char32_t c) {
  if (in(c, U'A', U'Z') || (in(c, 0xC0, 0xDE) && c != 0xD7)) return c + 32;
  if (is_paired(c)) return (c % 2 == 1) == pairs_from_odd(c) ? c + 1 : c;
  if (c == 0x178) return 0xFF;
  if (in(c, 0x391, 0x3A9) || in(c, 0x410, 0x42F)) return c + 32;
  if (in(c, 0x400, 0x40F)) return c + 80;
  return c;
}

char32_t upper(char32_t c) {
  if (in(c, U'a', U'z') || (in(c, 0xE0, 0xFE) && c != 0xF7)) return c - 32;
  if (is_paired(c)) return (c % 2 == 1) == pairs_from_odd(c) ? c : c - 1;
  if (c == 0xFF) return 0x178;
  if (c == 0x3C2) return 0x3A3;
  if (in(c, 0x3B1, 0x3C9) || in(c, 0x430, 0x44F)) return c - 32;
  if (in(c, 0x450, 0x45F)) return c - 80;
  return c;
}

}  // namespace unroll::examples
