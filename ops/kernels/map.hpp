#pragma once
/// \file
/// The loops of `map`: a lambda run over lanes (forward) and over duals of lanes (backward). No tape, no shapes; so
/// that files compiled for one instruction set can include it alone.

#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include "../../core/simd/dual.hpp"
#include "../../core/simd/simd.hpp"

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

  // Flattened, since a user's lambda need not ask for inlining and a lane must never pass through memory. Row ends go
  // through the same code as whole lanes: a second copy of the lambda would double what every `map` costs to compile.
  __attribute__((flatten)) static void forward(const MapCall<T>& c, const void* functor) {
    const F& f = *static_cast<const F*>(functor);
    for (std::int64_t r = 0; r < c.rows; ++r) {
      const T* const p[] = {c.in[I] + r * c.in_row[I]...};
      for (std::int64_t j = 0; j < c.cols; j += L::size) {
        const int n = c.cols - j < L::size ? static_cast<int>(c.cols - j) : L::size;
        store(c, r * c.cols + j, n, f(load(c, I, p[I], j, n)...), Outputs{});
      }
    }
  }

  __attribute__((flatten)) static void backward(const MapCall<T>& c, const void* functor) {
    const F& f = *static_cast<const F*>(functor);
    L sums[inputs] = {zero<I>()...};
    for (std::int64_t r = 0; r < c.rows; ++r) {
      const T* const p[] = {c.in[I] + r * c.in_row[I]...};
      T* const d[] = {c.d_in[I] + (c.d_how[I] == MapGrad::none ? 0 : r * c.in_row[I])...};
      for (std::int64_t j = 0; j < c.cols; j += L::size) {
        const int n = c.cols - j < L::size ? static_cast<int>(c.cols - j) : L::size;
        const auto y = f(D::variable(load(c, I, p[I], j, n), I)...);
        L dy[outputs];
        load_adjoints(c, r * c.cols + j, n, dy, Outputs{});
        (deliver(c.d_how[I], d[I], j, n, adjoint<I>(c, dy, y, Outputs{}), sums[I]), ...);
      }
    }
    ((c.d_how[I] == MapGrad::reduce ? void(*c.d_in[I] += reduce_add(sums[I])) : void()), ...);
  }

 private:
  template <int>
  static UNROLL_INLINE L zero() {
    return L(T(0));
  }

  static UNROLL_INLINE L load(const MapCall<T>& c, int i, const T* p, std::int64_t j, int n) {
    return n == L::size || !c.in_col[i] ? L::load(p + (j & c.in_col[i])) : L::load(p + j, n);
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

  template <int... K>
  static UNROLL_INLINE void load_adjoints(const MapCall<T>& c, std::int64_t at, int n, L* dy,
                                          std::integer_sequence<int, K...>) {
    ((dy[K] = !c.d_out[K] ? L(T(0)) : n == L::size ? L::load(c.d_out[K] + at) : L::load(c.d_out[K] + at, n)), ...);
  }

  // d / d input J = sum over outputs of their adjoint times the partial derivative.
  template <int J, class R, int... K>
  static UNROLL_INLINE L adjoint(const MapCall<T>& c, const L* dy, const R& r, std::integer_sequence<int, K...>) {
    L sum(T(0));
    (add_partial<J>(c.d_out[K] != nullptr, dy[K], map_result<K, D>(r), sum), ...);
    return sum;
  }
  // An output that no adjoint reached is left out: zero times an infinite derivative would be NaN.
  template <int J>
  static UNROLL_INLINE void add_partial(bool arrived, L dy, const D& y, L& sum) {
    if ((y.nonzero >> J & 1u) && arrived) sum = mul_add(dy, y.d[J], sum);
  }

  static UNROLL_INLINE void deliver(MapGrad how, T* d, std::int64_t j, int n, L g, L& sum) {
    if (how == MapGrad::none) return;
    if (n < L::size) {
      deliver_end(how, d + j, n, g, sum);
    } else if (how == MapGrad::write) {
      g.store(d + j);
    } else if (how == MapGrad::add) {
      (L::load(d + j) + g).store(d + j);
    } else {
      sum += g;
    }
  }
  // Lanes behind the end of a row hold derivatives at 0, which may be anything.
  static UNROLL_INLINE void deliver_end(MapGrad how, T* d, int n, const L& g, L& sum) {
    if (how == MapGrad::write) {
      g.store(d, n);
    } else if (how == MapGrad::add) {
      (L::load(d, n) + g).store(d, n);
    } else {
      sum += g.first(n);
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
