// What stands behind the door for matrix products, shape by shape: the rules of a class of machines (core/gemm/gemm_rules.cpp)
// come from what this prints.
//
//   gemm_door            float; gemm_door double
//
// One thread, time on the processor, all candidates in turns. A line a shape: the fastest with its GFLOP/s, the times of
// the others, the door among them, as multiples of its; last, the lines where the door costs more than a tenth. The kinds:
//   A B      y = x W^T with W stored transposed, dx = dy W         A B^T    y = x W^T
//   A^T B    dW = dy^T x                                           packed   a weight used again (`gemm_packed`)
// Another class than this machine's own: bench/classes.py says which variables hold the libraries to it.

#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "unroll/core/gemm/gemm.hpp"

using namespace unroll;

namespace {

double now() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

struct Candidate {
  std::string name;
  std::function<void()> run;
  double seconds = 1e30;
};

template <class T>
using Product = void (*)(Trans, Trans, Index, Index, Index, T, const T*, Index, const T*, Index, T, T*, Index);

template <class T>
T* aligned(std::vector<T>& memory, Index size) {
  memory.assign(static_cast<std::size_t>(size) + 64 / sizeof(T), T(0.5));
  return reinterpret_cast<T*>((reinterpret_cast<std::uintptr_t>(memory.data()) + 63) / 64 * 64);
}

struct Door {
  std::vector<std::string> slow;

  template <class T>
  void measure(Trans ta, Trans tb, Index m, Index n, Index k) {
    std::vector<T> memory[4];
    T *a = aligned(memory[0], m * k), *b = aligned(memory[1], k * n), *c = aligned(memory[2], m * n);
    T* packed = aligned(memory[3], packed_size<T>(k, n));
    const Index lda = ta == Trans::yes ? m : k, ldb = tb == Trans::yes ? k : n;
    std::vector<Candidate> all;
    const auto add = [&](const char* name, Product<T> product) {
      all.push_back({name, [=] { product(ta, tb, m, n, k, T(1), a, lda, b, ldb, T(0), c, n); }});
    };
    add("door", gemm<T>);
    add("own", detail::gemm_own<T>);
    if (gemm_has_cblas()) add("cblas", detail::gemm_cblas<T>);
    if constexpr (std::is_same_v<T, float>) {
      if (gemm_has_dnnl()) add("dnnl", detail::gemm_dnnl);
    }
    if (ta == Trans::no) {
      pack(tb, k, n, b, ldb, packed);
      all.push_back({"packed", [=] { gemm_packed(m, n, k, T(1), a, k, packed, T(0), c, n, c, n); }});
    }
    const double work = static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
    const int calls = std::max(1, static_cast<int>(2e6 / work));
    const double begin = now();
    for (int turn = 0; turn < 200 && (turn < 5 || now() - begin < 0.05); ++turn)
      for (Candidate& x : all) {
        const double from = now();
        for (int i = 0; i < calls; ++i) x.run();
        x.seconds = std::min(x.seconds, (now() - from) / calls);
      }
    std::sort(all.begin(), all.end(), [](const auto& x, const auto& y) { return x.seconds < y.seconds; });
    char text[200];
    std::snprintf(text, sizeof text, "%-6s %5d x %4d x %4d  %-6s %6.1f GFLOP/s ", ta == Trans::yes   ? "A^T B"
                                                                                    : tb == Trans::yes ? "A B^T"
                                                                                                       : "A B",
                  static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), all[0].name.c_str(),
                  2e-9 * work / all[0].seconds);
    std::string line = text;
    double best_unpacked = 1e30, door = 0;
    for (const Candidate& x : all) {
      if (&x != &all[0]) {
        std::snprintf(text, sizeof text, " %s %.2f", x.name.c_str(), x.seconds / all[0].seconds);
        line += text;
      }
      if (x.name == "door") {
        door = x.seconds;
      } else if (x.name != "packed") {
        best_unpacked = std::min(best_unpacked, x.seconds);
      }
    }
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
    if (door > 1.1 * best_unpacked) {
      std::snprintf(text, sizeof text, "  the door: %.2f times the best", door / best_unpacked);
      slow.push_back(line + text);
    }
  }

  template <class T>
  void measure_all() {
    constexpr Trans no = Trans::no, yes = Trans::yes;
    for (Index s : {2, 4, 8, 16, 32}) measure<T>(no, no, s, s, s);
    constexpr Index widths[][2] = {{32, 128}, {128, 128}, {128, 512}, {256, 1024}, {512, 512}, {512, 2048}};
    for (const auto& [f, g] : widths)
      for (Index rows : {1, 2, 5, 8, 16, 32, 64, 500, 1600}) {
        measure<T>(no, yes, rows, g, f);
        measure<T>(no, no, rows, f, g);
        measure<T>(yes, no, g, f, rows);
      }
    for (Index rows : {50, 1600}) {  // a narrow output layer
      measure<T>(no, yes, rows, 9, 256);
      measure<T>(no, no, rows, 256, 9);
      measure<T>(yes, no, 9, 256, rows);
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  const bool in_double = argc > 1 && std::string(argv[1]) == "double";
  std::printf("%s\n%s\n", gemm_description().c_str(), gemm_rules().c_str());
  const detail::ThreadsScope one(1);
  Door door;
  if (in_double) {
    door.measure_all<double>();
  } else {
    door.measure_all<float>();
  }
  std::printf("\n%zu shapes where the door is more than a tenth slower than the best that is not packed before:\n",
              door.slow.size());
  for (const std::string& line : door.slow) std::printf("%s\n", line.c_str());
}
