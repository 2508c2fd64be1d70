// One program of files that are compiled for different instruction sets. The linker keeps one copy of a function that
// several of them define; nothing that the library's headers define must be such a function, or all files would run the
// copy of one of them: with loops that are too narrow, or with instructions that the machine at hand may not have. This
// file itself is compiled for the baseline, so that the program runs on any machine.

#include <doctest/doctest.h>

#include <cmath>
#include <iterator>
#include <string_view>

#include "mixed_flags/part.hpp"

#ifdef MIXED_FLAGS_MISSING
TEST_CASE("files with different flags" * doctest::skip()) {}
#else

namespace {

void check(const mixed::Findings& found, int numbers) {
  CHECK(found.flags == numbers);
  CHECK(found.functor == numbers);
  CHECK(found.lambda == numbers);
  CHECK(found.inline_function == numbers);
}

bool has(const char* set) {
#if defined(__x86_64__)
  if (std::string_view(set) == "avx2") return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (std::string_view(set) == "avx512")
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
#endif
  return false;
}

}  // namespace

TEST_CASE("each file runs its own loops, as wide as its flags allow") {
  const mixed::Findings sse2 = mixed::sse2();
  check(sse2, 4);
  const float xs[] = {0.5f, -1, 2, 0};
  for (std::size_t i = 0; i < std::size(xs); ++i) {
    const double t = std::tanh(static_cast<double>(xs[i]));
    CHECK(static_cast<double>(sse2.gradient[i]) == doctest::Approx(t + xs[i] * (1 - t * t)).epsilon(1e-5));
  }
  const auto same = [&](const mixed::Findings& other) {
    REQUIRE(other.gradient.size() == sse2.gradient.size());
    for (std::size_t i = 0; i < sse2.gradient.size(); ++i)
      CHECK(static_cast<double>(other.gradient[i]) ==
            doctest::Approx(static_cast<double>(sse2.gradient[i])).epsilon(1e-5));
    // Built-in cells run kernels that the library chose for the machine, in every file the same.
    CHECK(other.lstm == sse2.lstm);
    REQUIRE(other.losses.size() == 3);
    for (std::size_t k = 0; k < 3; ++k)
      CHECK(static_cast<double>(other.losses[k]) == doctest::Approx(static_cast<double>(sse2.losses[k])).epsilon(1e-5));
  };
  if (has("avx2")) {
    const mixed::Findings avx2 = mixed::avx2();
    check(avx2, 8);
    same(avx2);
  }
  if (has("avx512")) {
    const mixed::Findings avx512 = mixed::avx512();
    check(avx512, 16);
    same(avx512);
  }
}
#endif
