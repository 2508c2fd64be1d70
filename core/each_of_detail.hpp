#pragma once
/// \file
/// A loop over a small number, written out. Internal; for files that are compiled per instruction set.

#include "unroll/core/simd.hpp"

#define UNROLL_INLINE_LAMBDA __attribute__((always_inline))

namespace unroll::detail {

/// f(0), f(1), ... f(n - 1), one after the other: sums in an array stay in registers only when no loop runs over them.
template <int n, class F>
UNROLL_INLINE void each_of(F f) {
  if constexpr (n > 0) {
    each_of<n - 1>(f);
    f(n - 1);
  }
}

}  // namespace unroll::detail
