#pragma once
/// \file
/// What keeps files apart that are compiled for different instruction sets.

/// Stands before what a public header defines and users' files compile: class templates, function templates and
/// inline functions that are not instantiated in the library. It puts the instruction set of the file's flags into the
/// symbol's name. Otherwise the linker would keep one copy for all files of a program, perhaps with instructions that
/// the machine at hand does not have. Files for the baseline have plain names, as the library has. Functions of the
/// library never take or return a class that has it.
#if defined(__AVX512F__)
#define UNROLL_PER_ISA __attribute__((abi_tag("avx512")))
#elif defined(__AVX2__)
#define UNROLL_PER_ISA __attribute__((abi_tag("avx2")))
#elif defined(__AVX__)
#define UNROLL_PER_ISA __attribute__((abi_tag("avx")))
#elif defined(__SSE4_2__)
#define UNROLL_PER_ISA __attribute__((abi_tag("sse4")))
#else
#define UNROLL_PER_ISA
#endif
