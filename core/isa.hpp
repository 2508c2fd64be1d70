#pragma once
/// \file
/// Which instruction set the compiled kernels of this process use.

#include <string>

namespace unroll {

/// Instruction sets the library's kernels are built for; off x86-64 there is only `generic`.
enum class Isa { generic, sse2, avx2, avx512 };

/// The widest set that this processor has and the library was built for, unless the environment variable UNROLL_ISA
/// (sse2, avx2, avx512) pins another one. Decided once, at the first call. Throws ValueError when UNROLL_ISA names a
/// set that is not available here.
Isa active_isa();

/// The name of a set, as UNROLL_ISA takes it.
std::string isa_name(Isa isa);

namespace detail {

/// Kernel tables are compiled once per instruction set, by the `*_isa.cpp` files, into `detail::<set>::name<T>`; this
/// returns the address of the one in use.
/// Sets that the compiler of the library did not know (UNROLL_HAVE_ISA_* undefined) are left out.
#if defined(__x86_64__) || defined(_M_X64)
#ifdef UNROLL_HAVE_ISA_AVX2
#define UNROLL_AVX2_OR(function, other) (::unroll::active_isa() == ::unroll::Isa::avx2 ? avx2::function : other)
#else
#define UNROLL_AVX2_OR(function, other) other
#endif
#ifdef UNROLL_HAVE_ISA_AVX512
#define UNROLL_AVX512_OR(function, other) (::unroll::active_isa() == ::unroll::Isa::avx512 ? avx512::function : other)
#else
#define UNROLL_AVX512_OR(function, other) other
#endif
#define UNROLL_PICK_ISA(function) UNROLL_AVX512_OR(function, UNROLL_AVX2_OR(function, sse2::function))
#define UNROLL_FOR_EACH_ISA(declaration)   \
  namespace sse2 { declaration }           \
  namespace avx2 { declaration }           \
  namespace avx512 { declaration }
#else
#define UNROLL_PICK_ISA(function) generic::function
#define UNROLL_FOR_EACH_ISA(declaration) \
  namespace generic { declaration }
#endif

}  // namespace detail
}  // namespace unroll
