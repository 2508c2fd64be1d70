#pragma once
/// \file
/// The checks of a layer's sizes and probabilities, common to all constructors.

#include <initializer_list>
#include <string>
#include <utility>

#include "../core/error.hpp"
#include "../core/shape.hpp"

namespace unroll::detail {

/// Throws ValueError naming the first size below 1.
UNROLL_PER_ISA inline void check_sizes(const char* layer, std::initializer_list<std::pair<const char*, Index>> sizes) {
  for (const auto& [name, size] : sizes)
    if (size < 1)
      throw ValueError(std::string("[") + layer + "] " + name + " is " + std::to_string(size) +
                       "; expected at least 1");
}

/// Throws ValueError unless 0 <= p <= 1.
UNROLL_PER_ISA inline void check_probability(const char* layer, const char* name, double p) {
  if (!(p >= 0 && p <= 1))
    throw ValueError(std::string("[") + layer + "] " + name + " is " + std::to_string(p) + "; expected 0 .. 1");
}

}  // namespace unroll::detail
