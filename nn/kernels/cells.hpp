#pragma once
/// \file
/// The elementwise part of the built-in cells and layers as function objects, the same that a user would give to `map`.

#include <utility>

#include "../../core/simd/dual.hpp"
#include "../../core/simd/simd.hpp"
#include "../../ops/kernels/map.hpp"

namespace unroll::detail {

/// The loops of every built-in cell and layer, for one instruction set.
template <class T>
struct CellKernels {
  MapKernels<T> lstm, gru, mean, highway, mix, mix_by;
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

template <class T>
struct MeanOfTwo {
  template <class X>
  UNROLL_INLINE X operator()(const X& a, const X& b) const {
    return (a + b) * 0.5;
  }
};

template <class T>
struct HighwayLink {
  template <class X>
  UNROLL_INLINE X operator()(const X& g, const X& y, const X& x) const {
    return x + sigmoid(g) * (y - x);
  }
};

template <class T>
struct Mix {
  T q;
  template <class X>
  UNROLL_INLINE X operator()(const X& a, const X& b) const {
    return b + q * (a - b);
  }
};

template <class T>
struct MixBy {
  template <class X>
  UNROLL_INLINE X operator()(const X& m, const X& a, const X& b) const {
    return b + m * (a - b);
  }
};

}  // namespace functors
}  // namespace unroll::detail
