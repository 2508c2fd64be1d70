#pragma once
/// \file
/// Internal: which library (or loops of our own) computes which matrix product, by rules that were measured once for
/// each class of machines.

#include <string>

#include "gemm.hpp"

namespace unroll::detail {

enum class Backend { own, cblas, dnnl };

/// "own loops", "CBLAS", "oneDNN".
const char* backend_name(Backend backend) noexcept;

/// What the libraries behind the door compute with, which decides how they compare. On one machine both usually have
/// the same instructions; OPENBLAS_CORETYPE and ONEDNN_MAX_CPU_ISA can hold one of them to fewer.
enum class GemmClass {
  avx512,  ///< OpenBLAS and oneDNN with AVX-512
  avx2,    ///< both with AVX2, or nothing is known of them
  mixed,   ///< OpenBLAS with AVX2, oneDNN with AVX-512
  sse,     ///< x86-64 before AVX2
  arm64,   ///< 64-bit ARM
};

/// The class at hand, found out once: by the names of the libraries' kernels, never by measuring, so that the same
/// machine gives the same bits.
GemmClass gemm_class() noexcept;

/// "AVX-512" and so on.
const char* class_name(GemmClass c) noexcept;

/// Who computes a product of this shape, T float or double, on one thread.
template <class T>
Backend choose_backend(Trans transpose_a, Trans transpose_b, Index m, Index n, Index k) noexcept;

/// The rules in force for T, one a line.
template <class T>
std::string rules_text();

}  // namespace unroll::detail
