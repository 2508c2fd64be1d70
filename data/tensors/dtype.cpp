#include "dtype.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "../../core/error.hpp"
#include "element_types_detail.hpp"

namespace unroll {
namespace {

static_assert(std::endian::native == std::endian::little, "tensor files are little-endian, and so is this code");

struct TypeRow {
  std::string_view name;
  int bits;
};
constexpr TypeRow table[] = {{"BOOL", 8}, {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
                             {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"I16", 16},
                             {"U16", 16}, {"F16", 16},    {"BF16", 16},   {"I32", 32},    {"U32", 32},
                             {"F32", 32}, {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64}};
static_assert(std::size(table) == static_cast<std::size_t>(DType::u64) + 1);

float from_half(std::uint16_t h) {
  const std::uint32_t sign = (h & 0x8000u) << 16, exponent = (h >> 10) & 31u, mantissa = h & 0x3ffu;
  if (exponent == 0) {
    const float m = static_cast<float>(mantissa) * 0x1p-24f;
    return sign ? -m : m;
  }
  const std::uint32_t e = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | e << 23 | mantissa << 13);
}

float from_bfloat(std::uint16_t b) { return std::bit_cast<float>(static_cast<std::uint32_t>(b) << 16); }

// The nearest number with `mantissa` bits behind the point and no exponent below `smallest`, in one rounding from
// double.
double rounded(double x, int mantissa, int smallest) {
  const double quantum = std::ldexp(1.0, std::max(std::ilogb(x), smallest) - mantissa);
  return std::nearbyint(x / quantum) * quantum;
}

std::uint16_t to_half(double x) {
  const auto sign = static_cast<std::uint16_t>(std::signbit(x) ? 0x8000 : 0);
  const auto with_sign = [&](std::uint32_t bits) { return static_cast<std::uint16_t>(sign | bits); };
  if (std::isnan(x)) return with_sign(0x7e00);
  x = std::abs(x);
  if (x >= 65520) return with_sign(0x7c00);  // half a step above the largest rounds up
  if (x == 0) return sign;
  const double r = rounded(x, 10, -14);
  if (r < 0x1p-14) return with_sign(static_cast<std::uint32_t>(r * 0x1p24));
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(r));
  return with_sign(((bits >> 23) - 112) << 10 | ((bits >> 13) & 0x3ffu));
}

std::uint16_t to_bfloat(double x) {
  if (std::isnan(x)) return std::signbit(x) ? 0xffc0 : 0x7fc0;
  if (x != 0 && std::isfinite(x)) x = rounded(x, 7, -126);
  return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(static_cast<float>(x)) >> 16);
}

template <class Stored, class T, class F>
void read_each(std::span<const std::byte> bytes, std::span<T> to, F&& convert) {
  for (std::size_t i = 0; i < to.size(); ++i) {
    Stored s;
    std::memcpy(&s, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    to[i] = static_cast<T>(convert(s));
  }
}

template <class Stored, class T, class F>
void write_each(std::span<const T> from, std::byte* to, F&& convert) {
  for (std::size_t i = 0; i < from.size(); ++i) {
    const Stored s = convert(from[i]);
    std::memcpy(to + i * sizeof(Stored), &s, sizeof(Stored));
  }
}

}  // namespace

std::string_view dtype_name(DType dtype) { return table[static_cast<std::size_t>(dtype)].name; }

std::optional<DType> dtype_of_name(std::string_view name) {
  const auto row = std::ranges::find(table, name, &TypeRow::name);
  if (row == std::end(table)) return {};
  return static_cast<DType>(row - table);
}

int dtype_bits(DType dtype) { return table[static_cast<std::size_t>(dtype)].bits; }

bool is_float(DType dtype) {
  return dtype == DType::f64 || dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16;
}

template <class T>
void elements_from_bytes(DType dtype, std::span<const std::byte> bytes, std::span<T> to) {
  if (!readable_as<T>(dtype) || bytes.size() / static_cast<std::size_t>(dtype_bits(dtype) / 8) < to.size())
    throw ValueError("[elements_from_bytes] ", bytes.size(), " bytes of ", dtype_name(dtype), " for ", to.size(),
                     " elements of ", dtype_name(dtype_of<T>()));
  if (to.empty()) return;
  if constexpr (std::is_floating_point_v<T>) {
    if (dtype == DType::f16) return read_each<std::uint16_t>(bytes, to, from_half);
    if (dtype == DType::bf16) return read_each<std::uint16_t>(bytes, to, from_bfloat);
    if (dtype == DType::f32) return read_each<float>(bytes, to, [](float x) { return x; });
    read_each<double>(bytes, to, [](double x) { return x; });
  } else {
    std::memcpy(to.data(), bytes.data(), to.size_bytes());
  }
}

template <class T>
std::vector<std::byte> elements_to_bytes(DType dtype, std::span<const T> from) {
  if (!readable_as<T>(dtype))
    throw ValueError("[elements_to_bytes] elements of ", dtype_name(dtype_of<T>()), " as ", dtype_name(dtype),
                     "; expected F64, F32, F16 or BF16 for floats, and for integers their "
                     "own type");
  std::vector<std::byte> bytes(from.size() * static_cast<std::size_t>(dtype_bits(dtype)) / 8);
  if (from.empty()) return bytes;
  if constexpr (std::is_floating_point_v<T>) {
    if (dtype == DType::f16) {
      write_each<std::uint16_t>(from, bytes.data(), to_half);
    } else if (dtype == DType::bf16) {
      write_each<std::uint16_t>(from, bytes.data(), to_bfloat);
    } else if (dtype == DType::f32) {
      write_each<float>(from, bytes.data(), [](T x) { return static_cast<float>(x); });
    } else {
      write_each<double>(from, bytes.data(), [](T x) { return static_cast<double>(x); });
    }
  } else {
    std::memcpy(bytes.data(), from.data(), from.size_bytes());
  }
  return bytes;
}

#define UNROLL_INSTANTIATE(T)                                                            \
  template void elements_from_bytes<T>(DType, std::span<const std::byte>, std::span<T>); \
  template std::vector<std::byte> elements_to_bytes<T>(DType, std::span<const T>);
UNROLL_FOR_EACH_ELEMENT_TYPE(UNROLL_INSTANTIATE)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
