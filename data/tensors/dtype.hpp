#pragma once
/// \file
/// The element types of tensor files, and their conversion to and from the scalars of a model.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "../../core/simd/per_isa.hpp"

namespace unroll {

/// Element type of a tensor in a file, named as safetensors names it (`dtype_name`). The 4, 6 and 8 bit floats and C64
/// are known so that files which hold them can be opened; their elements are not converted.
enum class DType : std::uint8_t {
  boolean,
  f4,
  f6_e2m3,
  f6_e3m2,
  u8,
  i8,
  f8_e5m2,
  f8_e4m3,
  f8_e8m0,
  i16,
  u16,
  f16,
  bf16,
  i32,
  u32,
  f32,
  c64,
  f64,
  i64,
  u64
};

/// "F32", "BF16", "I64", ...
std::string_view dtype_name(DType dtype);
/// The type of that name, or nothing.
std::optional<DType> dtype_of_name(std::string_view name);
/// Bits of one element.
int dtype_bits(DType dtype);
/// F64, F32, F16 or BF16.
bool is_float(DType dtype);

/// The type that holds a T exactly.
template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) {
    return DType::f32;
  } else if constexpr (std::is_same_v<T, double>) {
    return DType::f64;
  } else {
    static_assert(std::is_integral_v<T>, "elements are float, double or integers");
    constexpr bool s = std::is_signed_v<T>;
    if constexpr (sizeof(T) == 1) {
      return s ? DType::i8 : DType::u8;
    } else if constexpr (sizeof(T) == 2) {
      return s ? DType::i16 : DType::u16;
    } else if constexpr (sizeof(T) == 4) {
      return s ? DType::i32 : DType::u32;
    } else {
      return s ? DType::i64 : DType::u64;
    }
  }
}

/// True when elements of `dtype` can be read as T: floats of any width as float or double (rounded where T is
/// narrower), integers as exactly their own type, BOOL as std::uint8_t. Nothing else: a model's weight that turns out
/// to be an integer is a mistake.
template <class T>
UNROLL_PER_ISA bool readable_as(DType dtype) {
  if constexpr (std::is_floating_point_v<T>) {
    return is_float(dtype);
  } else {
    return dtype == dtype_of<T>() || (dtype == DType::boolean && std::is_same_v<T, std::uint8_t>);
  }
}

/// Little-endian elements at `bytes` (of any alignment) as T. Needs readable_as<T>(dtype) and `to.size()` elements in
/// `bytes`.
template <class T>
void elements_from_bytes(DType dtype, std::span<const std::byte> bytes, std::span<T> to);

/// The bytes of `from` as elements of `dtype`, rounded to the nearest (ties to even) where it is narrower: a number
/// above the largest F16, 65504, becomes infinite. Needs readable_as<T>(dtype).
template <class T>
std::vector<std::byte> elements_to_bytes(DType dtype, std::span<const T> from);

}  // namespace unroll
