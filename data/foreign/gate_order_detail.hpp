#pragma once
/// \file
/// Gates of a stacked weight in another order.

#include <algorithm>
#include <span>

#include "../tensors/plain_tensor.hpp"

namespace unroll::detail {

/// Gate g of the result is gate order[g] of `x`, whose first dimension is that many gates of equal height.
template <class T>
PlainTensor<T> reordered(PlainTensor<T> x, std::span<const int> order) {
  if (!x.defined()) return x;
  const PlainTensor<T> from = x;
  const auto block = static_cast<std::ptrdiff_t>(x.values.size() / order.size());
  for (std::size_t g = 0; g < order.size(); ++g)
    std::copy_n(from.values.begin() + order[g] * block, block,
                x.values.begin() + static_cast<std::ptrdiff_t>(g) * block);
  return x;
}

}  // namespace unroll::detail
