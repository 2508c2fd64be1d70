#pragma once
// What several files of one program share that are compiled for different instruction sets: see test_mixed_flags.cpp.

#include <vector>

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

// Not inlined, so that the linker has to choose where files share it.
template <class Arch = unroll::native_arch>
[[gnu::noinline]] unroll::Variable<float> numbers_inline(const unroll::Variable<float>& x) {
  return unroll::map<Arch>([](auto a) { return a * 0 + numbers<decltype(a)>; }, x);
}

Findings sse2(), avx2(), avx512();

}  // namespace mixed
