#pragma once
// What several files of one program share that are compiled for different instruction sets: see test_mixed_flags.cpp.

#include <vector>

#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/ops/map.hpp"

namespace mixed {

/// What one file finds. The numbers of `map` are those of a register's floats, told by the lambda that runs.
struct Findings {
  int flags;            // by the file's flags
  int functor, lambda;  // a functor of a common header; a lambda of the file's own
  int inline_function;  // a lambda in an inline function of a common header that has the instruction set as an argument
  std::vector<float> gradient;  // of tanh(x) x, by the functor below
  std::vector<float> lstm;      // what a built-in layer puts out
  std::vector<float> losses;    // of a model's training, whose layers have built-in cells and the cell below
};

/// Numbers in a register of what `map` hands to a lambda.
template <class X>
inline constexpr int numbers = 1;
template <class T, class Arch>
inline constexpr int numbers<unroll::Lane<T, Arch>> = unroll::Lane<T, Arch>::size;
template <class V, int N>
inline constexpr int numbers<unroll::Dual<V, N>> = numbers<V>;

struct Numbers {
  template <class X>
  X operator()(const X& x) const {
    return x * 0 + numbers<X>;
  }
};

struct Function {
  template <class X>
  X operator()(const X& x) const {
    return tanh(x) * x;
  }
};

// A cell of one's own in a header of one's own, which needs what the library's have.
template <class T>
struct UNROLL_PER_ISA OwnCell {
  using scalar = T;
  using state = unroll::Variable<T>;
  unroll::Linear<T> ih, hh;
  OwnCell(unroll::Index input_size, unroll::Index hidden_size, unroll::Rng& rng)
      : ih(input_size, hidden_size, rng), hh(hidden_size, hidden_size, rng) {}
  unroll::Index output_size() const { return hh.output_size(); }
  auto project(unroll::Variable<T> x) const { return ih(x); }
  auto step(unroll::Variable<T> px, state h) const { return unroll::map(Squash{}, px, hh(h)); }
  void each(auto&& visit) { visit("ih", ih), visit("hh", hh); }

  struct Squash {
    template <class X>
    X operator()(const X& a, const X& b) const {
      return tanh(a + b);
    }
  };
};

// Not inlined, so that the linker has to choose where files share it.
template <class Arch = unroll::native_arch>
[[gnu::noinline]] unroll::Variable<float> numbers_inline(const unroll::Variable<float>& x) {
  return unroll::map<Arch>([](auto a) { return a * 0 + numbers<decltype(a)>; }, x);
}

Findings sse2(), avx2(), avx512();

}  // namespace mixed
