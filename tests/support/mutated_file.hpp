#pragma once
// Files with flipped bits, cut, and with hostile numbers and sizes.

#include <cstdint>
#include <cstring>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "unroll/core/random.hpp"

inline std::size_t below(unroll::Rng& rng, std::size_t n) {
  return static_cast<std::size_t>(rng.integer(static_cast<unroll::Index>(n)));
}

/// A number where one stands in a text.
inline void change_number(std::string& bytes, unroll::Rng& rng) {
  const char* const hostile[] = {"18446744073709551615",
                                 "9223372036854775807",
                                 "4611686018427387904",
                                 "4294967296",
                                 "2147483648",
                                 "-1",
                                 "1e400",
                                 "0",
                                 "340282366920938463463374607431768211456",
                                 "1000000",
                                 ""};
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i)
    if (is_digit(bytes[i]) && (i == 0 || !is_digit(bytes[i - 1]))) places.push_back(i);
  if (places.empty()) return;
  const std::size_t at = places[below(rng, places.size())];
  std::size_t end = at;
  while (end < bytes.size() && is_digit(bytes[end])) ++end;
  bytes.replace(at, end - at, hostile[below(rng, std::size(hostile))]);
}

/// A binary size of 2, 4 or 8 bytes, mostly in the first or the last 100 bytes, where the formats have theirs.
inline void change_size(std::string& bytes, unroll::Rng& rng) {
  const std::uint64_t size = bytes.size();
  const std::uint64_t hostile[] = {~0ull,    1ull << 63, ~0ull >> 1,  1ull << 62, 1ull << 32, ~0u,
                                   1u << 31, ~0u >> 1,   100'000'000, 0xffff,     0x8000,     0,
                                   size,     size - 1,   size + 1,    size - 8};
  const std::size_t width = std::size_t{2} << below(rng, 3);
  if (bytes.size() < width) return;
  const std::size_t span = std::min<std::size_t>(100, bytes.size() - width + 1);
  const std::size_t places[] = {below(rng, span), bytes.size() - width - below(rng, span),
                                below(rng, bytes.size() - width + 1), 0};
  std::memcpy(bytes.data() + places[below(rng, 4)], &hostile[below(rng, std::size(hostile))], width);
}

/// One to three changes of such kinds.
inline std::string mutated(std::string bytes, unroll::Rng& rng) {
  for (std::size_t n = 1 + below(rng, 3); n > 0 && !bytes.empty(); --n) {
    switch (below(rng, 7)) {
      case 0:
        bytes.resize(below(rng, bytes.size()));
        break;
      case 1:
        change_size(bytes, rng);
        break;
      case 2:
        change_number(bytes, rng);
        break;
      case 3:
        bytes.insert(below(rng, bytes.size() + 1), 1 + below(rng, 9), static_cast<char>(below(rng, 256)));
        break;
      case 4:
        bytes.erase(below(rng, bytes.size()), 1 + below(rng, 9));
        break;
      default: {
        char& c = bytes[below(rng, bytes.size())];
        c = static_cast<char>(c ^ (1 << below(rng, 8)));
      }
    }
  }
  return bytes;
}
