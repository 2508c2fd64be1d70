#pragma once
/// \file
/// The JSON header of a safetensors file.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "safetensors.hpp"

namespace unroll::detail {

/// What the header says of one tensor; not yet compared with the file.
struct SafetensorsEntry {
  std::string dtype;
  std::vector<std::uint64_t> shape, offsets;
  bool has_dtype = false, has_shape = false, has_offsets = false;
};

struct SafetensorsHeader {
  std::map<std::string, SafetensorsEntry> tensors;
  Metadata metadata;
};

/// Throws FileError with `where` in front of the message.
SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& where);
/// The header's JSON, not padded. `order`: the tensors as they lie in the file. Throws ValueError on text that is not
/// UTF-8.
std::string safetensors_header_text(std::span<const TensorView* const> order, const Metadata& metadata);

}  // namespace unroll::detail
