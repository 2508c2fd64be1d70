// The LSTM objective of ADBench and its gradient: unroll beside ADOL-C, CppAD, and ADBench's hand-written and
// Tapenade's code, as far as they are there. See ../README.md.
//
//   adbench_lstm FILE ...                   files of ADBench's data/lstm
//   adbench_lstm --random LAYERS STEPS      14 units, random numbers
//
// Milliseconds on the processor, medians; everybody takes turns in every repeat. Whose result differs by more than
// 1e-10 of the reference's largest number has no time, and the program returns 1.

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include "../sequence/clock.hpp"
#include "problem.hpp"

namespace {

using namespace adbench;

constexpr int repeats = 15;
constexpr double tolerance = 1e-10;

struct Entry {
  const char* name;
  std::unique_ptr<Contender> contender;
  std::vector<double> losses{}, gradients{};  // ms
  double error = 0;
};

double median(std::vector<double>& times) {
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

// The derivative by weight k by a complex step: exact, with no other differentiation in it.
double derivative(const Problem& p, std::size_t k) {
  constexpr double step = 1e-30;
  std::vector<std::complex<double>> w(p.weights.begin(), p.weights.end());
  w[k] += std::complex<double>(0, step);
  return loss_of(p, w).imag() / step;
}

// The largest difference from the reference, of the loss or of a derivative, each against the largest of its kind. With
// no reference, derivatives of every 13th weight by complex steps are one.
double error_of(const Problem& p, Contender& contender, Contender* reference) {
  std::vector<double> got(p.size());
  const double loss = loss_of(p, p.weights);
  double error = std::abs(contender.loss() - loss) / std::abs(loss);
  error = std::max(error, std::abs(contender.gradient(got) - loss) / std::abs(loss));
  double largest = 0, off = 0;
  const auto compare = [&](std::size_t k, double expected) {
    largest = std::max(largest, std::abs(expected));
    off = std::max(off, std::abs(got[k] - expected));
  };
  if (reference) {
    std::vector<double> expected(p.size());
    reference->gradient(expected);
    for (std::size_t k = 0; k < got.size(); ++k) compare(k, expected[k]);
  } else {
    for (std::size_t k = 0; k < got.size(); k += 13) compare(k, derivative(p, k));
  }
  const bool numbers = std::ranges::all_of(got, [](double v) { return std::isfinite(v); });
  return numbers ? std::max(error, off / largest) : INFINITY;
}

// Milliseconds of one call, of as many as take some 5 ms.
template <class F>
double milliseconds_of(const F& f, int calls) {
  const double begin = bench::now();
  for (int k = 0; k < calls; ++k) f();
  return 1e3 * (bench::now() - begin) / calls;
}
template <class F>
int calls_for(const F& f) {
  return std::clamp(static_cast<int>(5 / std::max(1e-3, milliseconds_of(f, 1))), 1, 1000);
}

bool measure(const char* name, const Problem& p) {
  std::printf("%s: %td layers, %td steps, %td units, %zu weights\n", name, p.layers, p.steps, p.units, p.size());
  std::vector<Entry> entries;
  entries.push_back({"unroll", make_unroll(p)});
  Contender* reference = nullptr;
#ifdef BENCH_ADBENCH
  entries.push_back({"ADBench's Manual", make_manual(p)});
  reference = entries.back().contender.get();
  entries.push_back({"Tapenade", make_tapenade(p)});
#endif
#ifdef BENCH_CPPAD
  entries.push_back({"CppAD", make_cppad(p)});
#endif
#ifdef BENCH_ADOLC
  entries.push_back({"ADOL-C", make_adolc(p)});
#endif

  bool good = true;
  for (Entry& e : entries) {
    Contender* against = e.contender.get() == reference ? nullptr : reference;
    e.error = error_of(p, *e.contender, against);
    good = good && e.error <= tolerance;
  }
  std::vector<double> gradient(p.size());
  for (int r = 0; r < repeats; ++r)
    for (Entry& e : entries) {
      const auto loss = [&] { e.contender->loss(); };
      const auto both = [&] { e.contender->gradient(gradient); };
      e.losses.push_back(milliseconds_of(loss, calls_for(loss)));
      e.gradients.push_back(milliseconds_of(both, calls_for(both)));
    }

  std::printf("%-18s %12s %12s %12s %14s %12s\n", "", "loss, ms", "gradient, ms", "of its loss", "of unroll's",
              "error");
  const double ours = median(entries.front().gradients);
  for (Entry& e : entries) {
    if (e.error > tolerance) {
      std::printf("%-18s %12s %12s %12s %14s %12.1e: the result is wrong\n", e.name, "-", "-", "-", "-", e.error);
      continue;
    }
    const double loss = median(e.losses), both = median(e.gradients);
    std::printf("%-18s %12.4f %12.4f %12.2f %14.2f %12.1e\n", e.name, loss, both, both / loss, both / ours, e.error);
  }
  return good;
}

}  // namespace

int main(int argc, char** argv) {
  bench::cpu_time = true;
  bool good = true;
  try {
    if (argc == 4 && std::string_view(argv[1]) == "--random")
      return !measure("random", random_problem(std::atol(argv[2]), std::atol(argv[3]), 14));
    if (argc < 2) {
      std::fprintf(stderr, "adbench_lstm FILE ... | --random LAYERS STEPS\n");
      return 2;
    }
    for (int k = 1; k < argc; ++k) good = measure(argv[k], read_problem(argv[k])) && good;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "adbench_lstm: %s\n", e.what());
    return 2;
  }
  return !good;
}
