#pragma once
/// \file
/// The types that elements of arrays in files may have.

#include <cstdint>

/// X(type) for each.
#define UNROLL_FOR_EACH_ELEMENT_TYPE(X) \
  X(float)                              \
  X(double)                             \
  UNROLL_FOR_EACH_INTEGER_ELEMENT_TYPE(X)
#define UNROLL_FOR_EACH_INTEGER_ELEMENT_TYPE(X) \
  X(std::int8_t)                                \
  X(std::int16_t)                               \
  X(std::int32_t)                               \
  X(std::int64_t)                               \
  X(std::uint8_t)                               \
  X(std::uint16_t)                              \
  X(std::uint32_t)                              \
  X(std::uint64_t)
