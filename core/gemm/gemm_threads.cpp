// How many threads the libraries behind the door use. Their controls are looked up at run time: so any BLAS
// links, and a build without OpenMP needs none.

#include <dlfcn.h>

#include <string_view>

#include "gemm.hpp"

namespace unroll {
namespace {

template <class F>
F* find(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_DEFAULT, name));
}

struct Controls {
  int (*omp_get)() = find<int()>("omp_get_max_threads");
  void (*omp_set)(int) = find<void(int)>("omp_set_num_threads");
  int (*openblas_get)() = find<int()>("openblas_get_num_threads");
  void (*openblas_set)(int) = find<void(int)>("openblas_set_num_threads");
  char* (*openblas_config)() = find<char*()>("openblas_get_config");
  char* (*openblas_core)() = find<char*()>("openblas_get_corename");
  int (*mkl_set)(int) = find<int(int)>("MKL_Set_Num_Threads_Local");
  void (*blis_set)(long) = find<void(long)>("bli_thread_set_num_threads");
};

const Controls& controls() {
  static const Controls found;
  return found;
}

}  // namespace

namespace detail {

ThreadsScope::ThreadsScope(int threads) noexcept {
  const Controls& f = controls();
  if (f.omp_get && f.omp_set) {
    const int now = f.omp_get();
    if (now != threads) {
      f.omp_set(threads);
      restore_ = now;
    }
  }
  if (f.openblas_set && f.openblas_get) {
    if (f.openblas_get() != threads) f.openblas_set(threads);
  } else if (f.mkl_set) {
    f.mkl_set(threads);
  } else if (f.blis_set) {
    f.blis_set(threads);
  }
}

ThreadsScope::~ThreadsScope() {
  if (restore_ > 0) controls().omp_set(restore_);
}

std::string cblas_core() {
  const Controls& f = controls();
  return gemm_has_cblas() && f.openblas_core ? f.openblas_core() : "";
}

bool cblas_is_fast() noexcept {
  const Controls& f = controls();
  return gemm_has_cblas() && (f.openblas_config || f.mkl_set || f.blis_set);
}

std::string cblas_name() {
  if (!gemm_has_cblas()) return "";
  const Controls& f = controls();
  if (f.openblas_config) {  // "OpenBLAS 0.3.21 DYNAMIC_ARCH ...": the first two words
    const std::string config = f.openblas_config();
    const std::string name = config.substr(0, config.find(' ', config.find(' ') + 1));
    return f.openblas_core ? name + " " + f.openblas_core() : name;
  }
  return f.mkl_set ? "MKL" : f.blis_set ? "BLIS" : "BLAS";
}

}  // namespace detail
}  // namespace unroll
