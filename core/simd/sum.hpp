#pragma once
/// \file
/// Sums whose rounding does not grow with the number of terms, on lanes. For files compiled per instruction
/// set.

#include "simd.hpp"

namespace unroll::detail {

/// Kahan's compensated sum (1965).
template <class L>
struct CompensatedSum {
  L sum = L(0), lost = L(0);
  UNROLL_INLINE void add(L x) {
    const L y = x - lost;
    const L t = sum + y;
    lost = (t - sum) - y;
    sum = t;
  }
};

/// Adds plainly in blocks of 64 terms and the blocks with compensation, so that compensation costs next to
/// nothing.
template <class L>
struct BlockedSum {
  static constexpr int block = 64;
  CompensatedSum<L> blocks;
  L sum = L(0);
  int terms = 0;
  UNROLL_INLINE void add(L x) {
    sum += x;
    if (++terms < block) return;
    blocks.add(sum);
    sum = L(0);
    terms = 0;
  }
  UNROLL_INLINE L total() const { return blocks.sum + sum; }
};

}  // namespace unroll::detail
