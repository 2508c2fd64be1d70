// What stands behind the door for matrix products, shape by shape: the rules in core/gemm.cpp come from here.
//
//   gemm_door --benchmark_enable_random_interleaving=true --benchmark_repetitions=5
//   --benchmark_filter=float/fwd
//
// One thread. Names read type/kind/who/m/n/k, the kinds being those of a step of a recurrent cell with input
// width F and G gate columns at batch B:
//   fwd    y (B,G) = x (B,F) W^T, W (G,F)      fwdT  the same with W stored (F,G)
//   dx     dx (B,F) = dy (B,G) W               dxT   the same with W stored (F,G)
//   dW     dW (G,F) += dy^T x
//   tiny   square, what a call costs
// Leave OPENBLAS_CORETYPE and ONEDNN_MAX_CPU_ISA unset, or set them to see other instruction sets.

#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>
#include <type_traits>
#include <vector>

#include "unroll/core/gemm.hpp"

using namespace unroll;

namespace {

template <class T>
using Product = void (*)(Trans, Trans, Index, Index, Index, T, const T*, Index, const T*, Index, T, T*,
                         Index);

struct Shape3 {
  Trans ta, tb;
  Index m, n, k;
};

template <class T>
void run(benchmark::State& state, Product<T> product, Shape3 s) {
  const std::vector<T> a(static_cast<std::size_t>(s.m * s.k), T(0.5)),
      b(static_cast<std::size_t>(s.k * s.n), T(0.25));
  std::vector<T> c(static_cast<std::size_t>(s.m * s.n));
  const detail::ThreadsScope one(1);
  for (auto _ : state) {
    product(s.ta, s.tb, s.m, s.n, s.k, T(1), a.data(), s.ta == Trans::yes ? s.m : s.k, b.data(),
            s.tb == Trans::yes ? s.k : s.n, T(0), c.data(), s.n);
    benchmark::DoNotOptimize(c.data());
    benchmark::ClobberMemory();
  }
  state.counters["GFLOP/s"] = benchmark::Counter(
      2e-9 * static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k),
      benchmark::Counter::kIsIterationInvariantRate);
}

template <class T>
void add(const char* kind, Shape3 s) {
  struct Candidate {
    const char* name;
    Product<T> product;
  };
  std::vector<Candidate> candidates{{"gemm", gemm<T>}, {"own", detail::gemm_own<T>}};
  if (gemm_has_cblas()) candidates.push_back({"cblas", detail::gemm_cblas<T>});
  if constexpr (std::is_same_v<T, float>) {
    if (gemm_has_dnnl()) candidates.push_back({"dnnl", detail::gemm_dnnl});
  }
  for (const Candidate& c : candidates) {
    const std::string name = std::string(std::is_same_v<T, float> ? "float/" : "double/") + kind + "/" +
                             c.name + "/" + std::to_string(s.m) + "/" + std::to_string(s.n) + "/" +
                             std::to_string(s.k);
    benchmark::RegisterBenchmark(name.c_str(), run<T>, c.product, s)->MinTime(0.01);
  }
}

template <class T>
void add_all() {
  constexpr Trans no = Trans::no, yes = Trans::yes;
  for (Index s : {1, 2, 4, 8, 16, 32}) add<T>("tiny", {no, yes, s, s, s});
  constexpr Index widths[][2] = {{32, 128},   {64, 256},  {128, 128}, {128, 512},
                                 {256, 1024}, {512, 512}, {512, 2048}};
  for (Index rows : {1, 2, 4, 8, 16, 32, 64, 1600})
    for (const auto& [f, g] : widths) {
      add<T>("fwd", {no, yes, rows, g, f});
      add<T>("fwdT", {no, no, rows, g, f});
      add<T>("dx", {no, no, rows, f, g});
      add<T>("dxT", {no, yes, rows, f, g});
      add<T>("dW", {yes, no, g, f, rows});
    }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  std::puts(gemm_description().c_str());
  add_all<float>();
  add_all<double>();
  benchmark::RunSpecifiedBenchmarks();
}
