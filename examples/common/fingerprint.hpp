#pragma once
/// \file
/// A number that tells data apart.

#include <bit>
#include <cstdint>
#include <ranges>
#include <type_traits>

namespace unroll::examples {

/// 64 bits over numbers, texts, and lists of them or of lists; in what order, and where each list ends, counts too.
///
///     Fingerprint data;
///     data.add(words, tags).add(seed);
class Fingerprint {
 public:
  template <class... X>
  Fingerprint& add(const X&... data) {
    (mix(data), ...);
    return *this;
  }
  /// Members of the elements of a list: `data.add_each(pictures, &Picture::pixels, &Picture::sentence)`.
  template <class List, class... Member>
  Fingerprint& add_each(const List& list, Member... members) {
    for (const auto& element : list) add(element.*members...);
    return add(list.size());
  }
  std::uint64_t value() const { return value_; }

 private:
  template <class X>
  void mix(const X& x) {
    if constexpr (std::ranges::range<const X>) {
      std::uint64_t count = 0;
      for (const std::ranges::range_value_t<const X>& element : x) mix(element), ++count;
      mix(count);
    } else if constexpr (std::is_floating_point_v<X>) {
      mix(std::bit_cast<std::uint64_t>(static_cast<double>(x)));
    } else {
      static_assert(std::is_arithmetic_v<X>, "numbers, texts and lists of them");
      value_ = std::rotl((value_ ^ static_cast<std::uint64_t>(x)) * 0x9e3779b97f4a7c15u, 31);
    }
  }
  std::uint64_t value_ = 1;
};

}  // namespace unroll::examples
