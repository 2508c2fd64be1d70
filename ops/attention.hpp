#pragma once
/// \file
/// Attention over dense tensors. Over sequences of different lengths: nn/attention.hpp.

#include <cstdint>
#include <span>

#include "../core/variable.hpp"

namespace unroll {

struct ScaledDotProductOptions {
  /// What query m may look at: bytes (M,N), the same for the whole batch, or (S,M,N), row-major, not zero where it may.
  /// Empty: at everything.
  std::span<const std::uint8_t> allowed = {};
  /// Query m looks at keys 0 .. m only.
  bool causal = false;
};

/// What attention over dense tensors gives.
template <class T>
struct DenseAttended {
  Variable<T> output;   ///< (S, M, F), or (M, F)
  Variable<T> weights;  ///< (S, M, N), or (M, N); rows add up to 1
};

/// output = softmax(q k^T / sqrt(D)) v (Vaswani et al., "Attention is all you need", 2017).
///
/// q (S, M, D), k (S, N, D), v (S, N, F), or all three without S. What is not allowed has weight 0; a query that may
/// look at nothing gets zeros, and no gradient. Throws ShapeError when ranks, batches, D or N differ, or the mask has
/// another size.
template <class T>
DenseAttended<T> scaled_dot_product_attention(const Variable<T>& q, const Variable<T>& k, const Variable<T>& v,
                                              const ScaledDotProductOptions& options = {});

}  // namespace unroll
