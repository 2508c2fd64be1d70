#pragma once
/// \file
/// The elementwise part of a step of the built-in cells as function objects, the same that a user would give to `map`.

#include <utility>

#include "unroll/core/dual.hpp"
#include "unroll/core/simd.hpp"
#include "unroll/ops/map_kernel.hpp"

namespace unroll::detail {

/// The loops of every built-in cell, for one instruction set.
template <class T>
struct CellKernels {
  MapKernels<T> lstm, gru;
};

namespace functors {

template <class T>
struct LstmStep {
  template <class X>
  UNROLL_INLINE auto operator()(const X& i, const X& f, const X& g, const X& o, const X& c) const {
    auto c_next = sigmoid(f) * c + sigmoid(i) * tanh(g);
    return std::pair(sigmoid(o) * tanh(c_next), c_next);
  }
};

template <class T>
struct GruStep {
  template <class X>
  UNROLL_INLINE auto operator()(const X& xr, const X& xz, const X& xn, const X& hr, const X& hz, const X& hn,
                                const X& h) const {
    const auto z = sigmoid(xz + hz);
    const auto n = tanh(xn + sigmoid(xr + hr) * hn);
    return n + z * (h - n);
  }
};

}  // namespace functors
}  // namespace unroll::detail
