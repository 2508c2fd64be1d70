#include "isa.hpp"

#include <cstdlib>

#include "error.hpp"

namespace unroll {
namespace {

bool has(Isa isa) {
#if defined(__x86_64__)
  switch (isa) {
    case Isa::generic: return false;
    case Isa::sse2: return true;
#ifdef UNROLL_HAVE_ISA_AVX2
    case Isa::avx2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
#ifdef UNROLL_HAVE_ISA_AVX512
    case Isa::avx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
#endif
    default: return false;
  }
#else
  return isa == Isa::generic;
#endif
}

Isa choose() {
#if defined(__x86_64__)
  __builtin_cpu_init();
#endif
  const char* wanted = std::getenv("UNROLL_ISA");
  for (const Isa isa : {Isa::avx512, Isa::avx2, Isa::sse2, Isa::generic})
    if (has(isa) && (!wanted || !*wanted || isa_name(isa) == wanted)) return isa;
  throw ValueError(std::string("[UNROLL_ISA] '") + wanted +
                   "' is not available on this machine; expected one of sse2, avx2, avx512 that the processor has");
}

}  // namespace

Isa active_isa() {
  static const Isa isa = choose();
  return isa;
}

std::string isa_name(Isa isa) {
  switch (isa) {
    case Isa::generic: return "generic";
    case Isa::sse2: return "sse2";
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
  }
  return "?";
}

}  // namespace unroll
