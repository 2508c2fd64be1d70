#pragma once
/// \file
/// What programs that make up their data leave to chance.

#include <string>

#include "unroll/core/random.hpp"
#include "unroll/core/shape.hpp"

namespace unroll::examples {

/// One of the elements of a list, any as likely as the others.
template <class List>
const auto& one_of(const List& list, Rng& rng) {
  return list[static_cast<std::size_t>(rng.integer(static_cast<Index>(list.size())))];
}

/// One of the parts of a text that marks part: `one_part_of("lives|stays", '|', rng)`.
std::string one_part_of(const std::string& text, char mark, Rng& rng);

}  // namespace unroll::examples
