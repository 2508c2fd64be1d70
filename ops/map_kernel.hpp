#pragma once
/// \file
/// The loops of `map`: a lambda run over lanes (forward) and over duals of lanes (backward). No tape, no shapes; so
/// that files compiled for one instruction set can include it alone.

#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include "unroll/core/dual.hpp"
#include "unroll/core/simd.hpp"

namespace unroll::detail {

inline constexpr int max_map_inputs = 12;
inline constexpr int max_map_outputs = 3;
/// A scalar operand is handed to the kernels as this many copies: the widest lane.
inline constexpr int map_scalar_copies = 16;

/// How a kernel delivers the adjoint of an operand.
enum class MapGrad : std::uint8_t {
  none,    ///< not wanted
  write,   ///< first to arrive: overwrite
  add,     ///< add; a trailing vector is met again in every row
  reduce,  ///< scalar operand: add the sum over everything to one number
};

/// One call of a kernel: `rows` x `cols` elements. Operand i, row r starts at in[i] + r * in_row[i]; column j is at
/// j & in_col[i], where in_col is all ones, or zero for a scalar. Outputs and their adjoints are contiguous.
template <class T>
struct MapCall {
  std::int64_t rows, cols;
  const T* in[max_map_inputs];
  std::int64_t in_row[max_map_inputs];
  std::int64_t in_col[max_map_inputs];
  T* out[max_map_outputs];
  const T* d_out[max_map_outputs];  // null: nothing arrived
  T* d_in[max_map_inputs];
  MapGrad d_how[max_map_inputs];
};

template <class T>
struct MapKernels {
  void (*forward)(const MapCall<T>&, const void* functor);
  void (*backward)(const MapCall<T>&, const void* functor);
};

template <class R>
struct MapResult {
  static constexpr int count = 1;
};
template <class A, class B>
struct MapResult<std::pair<A, B>> {
  static constexpr int count = 2;
};
template <class... A>
struct MapResult<std::tuple<A...>> {
  static constexpr int count = sizeof...(A);
};

/// Output K of what the lambda returned, as V (a lambda may return a plain number).
template <int K, class V, class R>
UNROLL_INLINE V map_result(const R& r) {
  if constexpr (std::is_convertible_v<R, V>) {
    return V(r);
  } else {
    return V(std::get<K>(r));
  }
}

template <class Arch, class T, class F, class I>
struct MapLoops;

template <class Arch, class T, class F, int... I>
struct MapLoops<Arch, T, F, std::integer_sequence<int, I...>> {
  static constexpr int inputs = sizeof...(I);
  using L = Lane<T, Arch>;
  using D = Dual<L, inputs>;
  template <int>
  using LaneAt = L;
  using Result = std::invoke_result_t<const F&, LaneAt<I>...>;
  static constexpr int outputs = MapResult<Result>::count;
  using Outputs = std::make_integer_sequence<int, outputs>;

  // Flattened, since a user's lambda need not ask for inlining and a lane must never pass through memory.
  __attribute__((flatten)) static void forward(const MapCall<T>& c, const void* functor) {
    const F& f = *static_cast<const F*>(functor);
    for (std::int64_t r = 0; r < c.rows; ++r) {
      const T* const p[] = {c.in[I] + r * c.in_row[I]...};
      std::int64_t j = 0;
      for (; j + L::size <= c.cols; j += L::size)
        store(c, r * c.cols + j, L::size, f(L::load(p[I] + (j & c.in_col[I]))...), Outputs{});
      if (const int n = static_cast<int>(c.cols - j); n > 0)
        store(c, r * c.cols + j, n, f(load_tail(c, I, p[I], j, n)...), Outputs{});
    }
  }

  __attribute__((flatten)) static void backward(const MapCall<T>& c, const void* functor) {
    const F& f = *static_cast<const F*>(functor);
    L sums[inputs] = {zero<I>()...};
    for (std::int64_t r = 0; r < c.rows; ++r) {
      const T* const p[] = {c.in[I] + r * c.in_row[I]...};
      T* const d[] = {c.d_in[I] + (c.d_how[I] == MapGrad::none ? 0 : r * c.in_row[I])...};
      std::int64_t j = 0;
      for (; j + L::size <= c.cols; j += L::size) {
        const auto y = f(D::variable(L::load(p[I] + (j & c.in_col[I])), I)...);
        (deliver<I, false>(c, d[I], j, L::size, adjoint<I>(c, r * c.cols + j, L::size, y, Outputs{}), sums), ...);
      }
      if (const int n = static_cast<int>(c.cols - j); n > 0) {
        const auto y = f(D::variable(load_tail(c, I, p[I], j, n), I)...);
        (deliver<I, true>(c, d[I], j, n, adjoint<I>(c, r * c.cols + j, n, y, Outputs{}), sums), ...);
      }
    }
    ((c.d_how[I] == MapGrad::reduce ? void(*c.d_in[I] += reduce_add(sums[I])) : void()), ...);
  }

 private:
  template <int>
  static UNROLL_INLINE L zero() {
    return L(T(0));
  }

  static UNROLL_INLINE L load_tail(const MapCall<T>& c, int i, const T* p, std::int64_t j, int n) {
    return c.in_col[i] ? L::load(p + j, n) : L::load(p);
  }

  template <class R, int... K>
  static UNROLL_INLINE void store(const MapCall<T>& c, std::int64_t at, int n, const R& r,
                                  std::integer_sequence<int, K...>) {
    if (n == L::size) {
      (map_result<K, L>(r).store(c.out[K] + at), ...);
    } else {
      (map_result<K, L>(r).store(c.out[K] + at, n), ...);
    }
  }

  // d / d input I = sum over outputs of their adjoint times the partial derivative.
  template <int J, class R, int... K>
  static UNROLL_INLINE L adjoint(const MapCall<T>& c, std::int64_t at, int n, const R& r,
                                 std::integer_sequence<int, K...>) {
    L sum(T(0));
    (adjoint_of_output<J>(c, c.d_out[K], at, n, map_result<K, D>(r), sum), ...);
    return sum;
  }
  template <int J>
  static UNROLL_INLINE void adjoint_of_output(const MapCall<T>&, const T* dy, std::int64_t at, int n, const D& y,
                                              L& sum) {
    if (!(y.nonzero >> J & 1u) || !dy) return;
    const L g = n == L::size ? L::load(dy + at) : L::load(dy + at, n);
    sum = mul_add(g, y.d[J], sum);
  }

  template <int J, bool tail>
  static UNROLL_INLINE void deliver(const MapCall<T>& c, T* d, std::int64_t j, int n, L g, L* sums) {
    switch (c.d_how[J]) {
      case MapGrad::none: return;
      case MapGrad::reduce:
        if constexpr (tail) {
          // Lanes behind the end hold f'(0), which may be anything.
          alignas(64) T some[L::size];
          g.store(some, n);
          g = L::load(some, n);
        }
        sums[J] += g;
        return;
      case MapGrad::write:
        if constexpr (tail) {
          g.store(d + j, n);
        } else {
          g.store(d + j);
        }
        return;
      case MapGrad::add:
        if constexpr (tail) {
          (L::load(d + j, n) + g).store(d + j, n);
        } else {
          (L::load(d + j) + g).store(d + j);
        }
        return;
    }
  }
};

/// The two loops of a lambda with N inputs.
template <class Arch, class T, class F, int N>
constexpr MapKernels<T> map_kernels() {
  using Loops = MapLoops<Arch, T, F, std::make_integer_sequence<int, N>>;
  return {&Loops::forward, &Loops::backward};
}

}  // namespace unroll::detail
