#pragma once
/// \file
/// `Dual<V, N>`: a number with N partial derivatives, for forward-mode differentiation (Wengert, 1964).
///
/// `map` runs a lambda on lanes forward and on duals of lanes backward, so whatever core/simd/simd.hpp lists for
/// lanes works here alike. Derivatives at kinks are PyTorch's: relu and abs 0 at 0, leaky_relu its slope at
/// 0, maximum and minimum one half each at a tie, clamp 1 on its bounds, pow(x, 0) 0 everywhere. Comparisons
/// compare values.

#include <utility>

#include "simd.hpp"

namespace unroll {

/// value + sum over k of d[k] * e_k with e_j * e_k = 0. V is float, double, a Lane or a Dual (for second
/// derivatives).
///
/// Bit k of `nonzero` says whether d[k] can differ from zero. An operation computes only those; when
/// everything is inlined the mask is a constant of the compiler and a twelve-partial dual costs what its live
/// partials cost. Where it is not known (a loop around a variable) the branches stay and the result is the
/// same.
template <class V, int N>
struct Dual {
  static_assert(N >= 1 && N <= 32);
  using value_type = V;
  static constexpr int partials = N;

  V value;
  V d[N];
  unsigned nonzero;

  /// Holds unspecified numbers.
  Dual() = default;
  /// A constant.
  UNROLL_INLINE Dual(const V& v) : Dual(v, std::make_integer_sequence<int, N>{}) {}
  template <class S>
  requires(std::is_arithmetic_v<S> && !std::is_same_v<S, V>) UNROLL_INLINE Dual(S s) : Dual(V(s)) {}
  /// The independent variable `k`: derivative 1 by itself.
  static UNROLL_INLINE Dual variable(const V& v, int k) {
    Dual x(v);
    x.d[k] = V(1);
    x.nonzero = 1u << k;
    return x;
  }

  friend UNROLL_INLINE Dual operator+(const Dual& a, const Dual& b) {
    return combine(a.value + b.value, a, Plus{}, b, Plus{}, sequence());
  }
  friend UNROLL_INLINE Dual operator-(const Dual& a, const Dual& b) {
    return combine(a.value - b.value, a, Plus{}, b, Minus{}, sequence());
  }
  friend UNROLL_INLINE Dual operator*(const Dual& a, const Dual& b) {
    return combine(a.value * b.value, a, Times{b.value}, b, Times{a.value}, sequence());
  }
  friend UNROLL_INLINE Dual operator/(const Dual& a, const Dual& b) {
    const V inverse = V(1) / b.value;
    const V value = a.value / b.value;
    return combine(value, a, Times{inverse}, b, Times{-value * inverse}, sequence());
  }
  friend UNROLL_INLINE Dual operator-(const Dual& a) { return a.apply(-a.value, Minus{}); }
  friend UNROLL_INLINE Dual operator+(const Dual& a) { return a; }
  UNROLL_INLINE Dual& operator+=(const Dual& b) { return *this = *this + b; }
  UNROLL_INLINE Dual& operator-=(const Dual& b) { return *this = *this - b; }
  UNROLL_INLINE Dual& operator*=(const Dual& b) { return *this = *this * b; }
  UNROLL_INLINE Dual& operator/=(const Dual& b) { return *this = *this / b; }

  friend UNROLL_INLINE auto operator<(const Dual& a, const Dual& b) { return a.value < b.value; }
  friend UNROLL_INLINE auto operator<=(const Dual& a, const Dual& b) { return a.value <= b.value; }
  friend UNROLL_INLINE auto operator>(const Dual& a, const Dual& b) { return a.value > b.value; }
  friend UNROLL_INLINE auto operator>=(const Dual& a, const Dual& b) { return a.value >= b.value; }
  friend UNROLL_INLINE auto operator==(const Dual& a, const Dual& b) { return a.value == b.value; }
  friend UNROLL_INLINE auto operator!=(const Dual& a, const Dual& b) { return a.value != b.value; }

  /// The chain rule: a function of this number with the given value and derivative.
  UNROLL_INLINE Dual chain(const V& f, const V& df) const { return apply(f, Times{df}); }
  /// The chain rule for a function of two: value f, derivatives da and db.
  static UNROLL_INLINE Dual chain(const V& f, const Dual& a, const V& da, const Dual& b, const V& db) {
    return combine(f, a, Times{da}, b, Times{db}, sequence());
  }
  /// `a` where the mask (or bool) holds, otherwise `b`.
  template <class M>
  static UNROLL_INLINE Dual blend(const M& mask, const Dual& a, const Dual& b) {
    return blend(mask, a, b, sequence());
  }

 private:
  using Sequence = std::make_integer_sequence<int, N>;
  static UNROLL_INLINE Sequence sequence() { return {}; }

  struct Plus {
    UNROLL_INLINE V operator()(const V& x) const { return x; }
    UNROLL_INLINE V after(const V& sum, const V& x) const { return sum + x; }
  };
  struct Minus {
    UNROLL_INLINE V operator()(const V& x) const { return -x; }
    UNROLL_INLINE V after(const V& sum, const V& x) const { return sum - x; }
  };
  struct Times {
    const V& factor;
    UNROLL_INLINE V operator()(const V& x) const { return factor * x; }
    UNROLL_INLINE V after(const V& sum, const V& x) const { return mul_add(factor, x, sum); }
  };

  template <int... K>
  UNROLL_INLINE Dual(const V& v, std::integer_sequence<int, K...>) : value(v), d{zero<K>()...}, nonzero(0) {}
  template <int>
  static UNROLL_INLINE V zero() {
    return V(0);
  }

  template <class F>
  UNROLL_INLINE Dual apply(const V& v, const F& f) const {
    return apply(v, f, sequence());
  }
  template <class F, int... K>
  UNROLL_INLINE Dual apply(const V& v, const F& f, std::integer_sequence<int, K...>) const {
    Dual r(v);
    r.nonzero = nonzero;
    (void(nonzero >> K & 1u ? void(r.d[K] = f(d[K])) : void()), ...);
    return r;
  }

  template <int K, class F, class G>
  static UNROLL_INLINE void combine_one(Dual& r, const Dual& a, const F& f, const Dual& b, const G& g) {
    if (a.nonzero >> K & 1u) {
      const V first = f(a.d[K]);
      r.d[K] = b.nonzero >> K & 1u ? g.after(first, b.d[K]) : first;
    } else if (b.nonzero >> K & 1u) {
      r.d[K] = g(b.d[K]);
    }
  }
  template <class F, class G, int... K>
  static UNROLL_INLINE Dual combine(const V& v, const Dual& a, const F& f, const Dual& b, const G& g,
                                    std::integer_sequence<int, K...>) {
    Dual r(v);
    r.nonzero = a.nonzero | b.nonzero;
    (combine_one<K>(r, a, f, b, g), ...);
    return r;
  }
  template <class M, int... K>
  static UNROLL_INLINE Dual blend(const M& mask, const Dual& a, const Dual& b, std::integer_sequence<int, K...>) {
    Dual r(select(mask, a.value, b.value));
    r.nonzero = a.nonzero | b.nonzero;
    (void(r.nonzero >> K & 1u ? void(r.d[K] = select(mask, a.d[K], b.d[K])) : void()), ...);
    return r;
  }
};

namespace detail {
template <class V, int N>
inline constexpr bool is_dual<Dual<V, N>> = true;
}  // namespace detail

/// `a` where the condition holds, otherwise `b`; either may be a constant.
template <class M, class A, class B>
requires(detail::is_dual<A> || detail::is_dual<B>) UNROLL_INLINE
    auto select(const M& condition, const A& a, const B& b) {
  using R = detail::Promoted<A, B>;
  return R::blend(condition, R(a), R(b));
}

template <class V, int N>
UNROLL_INLINE Dual<V, N> exp(const Dual<V, N>& x) {
  const V y = exp(x.value);
  return x.chain(y, y);
}
template <class V, int N>
UNROLL_INLINE Dual<V, N> expm1(const Dual<V, N>& x) {
  const V y = expm1(x.value);
  return x.chain(y, y + V(1));
}
template <class V, int N>
UNROLL_INLINE Dual<V, N> log(const Dual<V, N>& x) {
  return x.chain(log(x.value), V(1) / x.value);
}
template <class V, int N>
UNROLL_INLINE Dual<V, N> log1p(const Dual<V, N>& x) {
  return x.chain(log1p(x.value), V(1) / (V(1) + x.value));
}
template <class V, int N>
UNROLL_INLINE Dual<V, N> sqrt(const Dual<V, N>& x) {
  const V y = sqrt(x.value);
  return x.chain(y, V(0.5) / y);
}
template <class V, int N>
UNROLL_INLINE Dual<V, N> rsqrt(const Dual<V, N>& x) {
  const V y = rsqrt(x.value);
  return x.chain(y, V(-0.5) * y / x.value);
}
template <class V, int N>
UNROLL_INLINE Dual<V, N> abs(const Dual<V, N>& x) {
  return x.chain(abs(x.value), select(x.value > V(0), V(1), select(x.value < V(0), V(-1), V(0))));
}
template <class V, int N>
UNROLL_INLINE Dual<V, N> tanh(const Dual<V, N>& x) {
  const auto [y, slope] = detail::tanh_and_slope(x.value);
  return x.chain(y, slope);
}
template <class V, int N>
UNROLL_INLINE Dual<V, N> sigmoid(const Dual<V, N>& x) {
  const auto [y, slope] = detail::sigmoid_and_slope(x.value);
  return x.chain(y, slope);
}
template <class V, int N>
UNROLL_INLINE Dual<V, N> softplus(const Dual<V, N>& x) {
  return x.chain(softplus(x.value), sigmoid(x.value));
}
template <class V, int N>
UNROLL_INLINE Dual<V, N> erf(const Dual<V, N>& x) {
  return x.chain(erf(x.value), V(1.1283791670955126) * exp(-x.value * x.value));
}
template <class V, int N>
UNROLL_INLINE Dual<V, N> sin(const Dual<V, N>& x) {
  return x.chain(sin(x.value), cos(x.value));
}
template <class V, int N>
UNROLL_INLINE Dual<V, N> cos(const Dual<V, N>& x) {
  return x.chain(cos(x.value), -sin(x.value));
}

template <class V, int N>
UNROLL_INLINE Dual<V, N> mul_add(const Dual<V, N>& a, const std::type_identity_t<Dual<V, N>>& b,
                                 const std::type_identity_t<Dual<V, N>>& c) {
  return a * b + c;
}

/// Derivative 1 for the larger one, one half each at a tie.
template <class V, int N>
UNROLL_INLINE Dual<V, N> maximum(const Dual<V, N>& a, const Dual<V, N>& b) {
  const V wa = select(a.value > b.value, V(1), select(a.value < b.value, V(0), V(0.5)));
  return Dual<V, N>::chain(maximum(a.value, b.value), a, wa, b, V(1) - wa);
}
template <class V, int N>
UNROLL_INLINE Dual<V, N> minimum(const Dual<V, N>& a, const Dual<V, N>& b) {
  const V wa = select(a.value < b.value, V(1), select(a.value > b.value, V(0), V(0.5)));
  return Dual<V, N>::chain(minimum(a.value, b.value), a, wa, b, V(1) - wa);
}

/// y x^(y-1) for x and x^y log x for y; as in PyTorch 0 for x where y is 0, and 0 for y where x is 0 and y >=
/// 0.
template <class V, int N>
UNROLL_INLINE Dual<V, N> pow(const Dual<V, N>& x, const Dual<V, N>& y) {
  const V f = pow(x.value, y.value);
  V dx(0), dy(0);
  if (x.nonzero) dx = select(y.value == V(0), V(0), y.value * pow(x.value, y.value - V(1)));
  if (y.nonzero) dy = select((x.value == V(0)) && (y.value >= V(0)), V(0), f * log(x.value));
  return Dual<V, N>::chain(f, x, dx, y, dy);
}

}  // namespace unroll
