#pragma once
// Included before everything in the mutation run: the kernels of the baseline alone, so that an edited *_isa.cpp is
// compiled once.

#include "unroll/core/isa.hpp"

#if defined(__x86_64__) || defined(_M_X64)
#undef UNROLL_PICK_ISA
#define UNROLL_PICK_ISA(function) sse2::function
#endif
