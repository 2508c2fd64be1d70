#pragma once
/// \file
/// The bytes of a .npy file, in memory.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dtype.hpp"
#include "plain_tensor.hpp"

namespace unroll::detail {

/// Reads a whole .npy file. Throws FileError with `where` in front of the message.
template <class T>
PlainTensor<T> npy_from_bytes(const std::string& where, std::span<const std::byte> bytes);
/// Everything before the elements.
std::string npy_header(DType dtype, std::span<const Index> shape);

}  // namespace unroll::detail
