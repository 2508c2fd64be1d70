#include "products.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "clock.hpp"
#include "contender.hpp"
#include "unroll/core/gemm/gemm.hpp"
#include "unroll/core/random.hpp"

#ifdef BENCH_CBLAS
#include <cblas.h>
#endif
#ifdef BENCH_DNNL
#include <oneapi/dnnl/dnnl.h>
#endif

namespace bench {

Buffer::Buffer(Index n)
    : data_(static_cast<float*>(::operator new(static_cast<std::size_t>(n) * sizeof(float), std::align_val_t(64)))) {
  unroll::Rng rng(7);
  rng.fill_normal(std::span<float>(data_.get(), static_cast<std::size_t>(n)), 0.0f, 1.0f);
}
void Buffer::Free::operator()(float* p) const { ::operator delete(p, std::align_val_t(64)); }

Weights::Weights(Index n_, Index k_) : n(n_), k(k_), w(n_ * k_), wt(n_ * k_) {
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < k; ++j) wt.data()[j * n + i] = w.data()[i * k + j];
}

Product::Product(Index m, Index n, Index k, bool packed) : m_(m), n_(n), k_(k) {
  add_weight_candidates();
  if (packed) add_dnnl_primitives();
  add_xsmm();
}

Product Product::gradient(Index m, Index n, Index k) {
  Product p;
  p.m_ = m, p.n_ = n, p.k_ = k, p.gradient_ = true;
  p.add_gradient_candidates();
  p.add_dnnl_primitives();
  p.add_xsmm();
  return p;
}

void Product::add_weight_candidates() {
#ifdef BENCH_CBLAS
  {
    const int m = static_cast<int>(m_), n = static_cast<int>(n_), k = static_cast<int>(k_);
    candidates_.push_back({"OpenBLAS", [=](const float* a, const Weights* w, const float*, float* c) {
                             cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1, a, k, w->w.data(), k, 0,
                                         c, n);
                           }});
    candidates_.push_back({"OpenBLAS, W^T", [=](const float* a, const Weights* w, const float*, float* c) {
                             cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, a, k, w->wt.data(), n,
                                         0, c, n);
                           }});
    if (m == 1) {
      candidates_.push_back({"OpenBLAS gemv", [=](const float* a, const Weights* w, const float*, float* c) {
                               cblas_sgemv(CblasRowMajor, CblasNoTrans, n, k, 1, w->w.data(), k, a, 1, 0, c, 1);
                             }});
      candidates_.push_back({"OpenBLAS gemv, W^T", [=](const float* a, const Weights* w, const float*, float* c) {
                               cblas_sgemv(CblasRowMajor, CblasTrans, k, n, 1, w->wt.data(), n, a, 1, 0, c, 1);
                             }});
    }
  }
#endif
#ifdef BENCH_DNNL
  const dnnl_dim_t m = m_, n = n_, k = k_;
  candidates_.push_back({"oneDNN sgemm", [=](const float* a, const Weights* w, const float*, float* c) {
                           dnnl_sgemm('N', 'T', m, n, k, 1, a, k, w->w.data(), k, 0, c, n);
                         }});
  candidates_.push_back({"oneDNN sgemm, W^T", [=](const float* a, const Weights* w, const float*, float* c) {
                           dnnl_sgemm('N', 'N', m, n, k, 1, a, k, w->wt.data(), n, 0, c, n);
                         }});
#endif
}

void Product::add_gradient_candidates() {
#ifdef BENCH_CBLAS
  {
    const int m = static_cast<int>(m_), n = static_cast<int>(n_), k = static_cast<int>(k_);
    candidates_.push_back({"OpenBLAS", [=](const float* a, const Weights*, const float* b, float* c) {
                             cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, m, n, k, 1, a, m, b, n, 0, c, n);
                           }});
    candidates_.push_back({"OpenBLAS, C^T",
                           [=](const float* a, const Weights*, const float* b, float* c) {
                             cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, n, m, k, 1, b, n, a, m, 0, c, m);
                           },
                           true});
  }
#endif
#ifdef BENCH_DNNL
  const dnnl_dim_t m = m_, n = n_, k = k_;
  candidates_.push_back({"oneDNN sgemm", [=](const float* a, const Weights*, const float* b, float* c) {
                           dnnl_sgemm('T', 'N', m, n, k, 1, a, m, b, n, 0, c, n);
                         }});
  candidates_.push_back({"oneDNN sgemm, C^T",
                         [=](const float* a, const Weights*, const float* b, float* c) {
                           dnnl_sgemm('T', 'N', n, m, k, 1, b, n, a, m, 0, c, m);
                         },
                         true});
#endif
}

/// Each against plain sums in double, at a few elements.
void Product::leave_out_wrong_ones() {
  const Buffer a(m_ * k_), b(gradient_ ? k_ * n_ : 1), c(m_ * n_);
  const Weights w(gradient_ ? 1 : n_, gradient_ ? 1 : k_);
  const auto wrong = [&](const Candidate& candidate) {
    if (candidate.pack) candidate.pack(w);
    std::fill_n(c.data(), m_ * n_, std::nanf(""));
    candidate.run(a.data(), &w, b.data(), c.data());
    for (Index probe = 0; probe < 64; ++probe) {
      const Index i = probe * 7919 % m_, j = probe * 104729 % n_;
      double sum = 0, scale = 0;
      for (Index l = 0; l < k_; ++l) {
        const auto x = static_cast<double>(gradient_ ? a.data()[l * m_ + i] : a.data()[i * k_ + l]);
        const auto y = static_cast<double>(gradient_ ? b.data()[l * n_ + j] : w.w.data()[j * k_ + l]);
        sum += x * y;
        scale += std::abs(x * y);
      }
      const auto got = static_cast<double>(c.data()[candidate.transposed_result ? j * m_ + i : i * n_ + j]);
      if (!(std::abs(got - sum) <= 1e-5 * scale + 1e-6)) {
        std::printf("%s gives a wrong product %s and is left out\n", candidate.name.c_str(), shape().c_str());
        return true;
      }
    }
    return false;
  };
  std::erase_if(candidates_, wrong);
}

void Product::calibrate(const std::function<void(const Run&)>& use, double seconds) {
  leave_out_wrong_ones();
  const double begin = now();
  for (int round = 0; round < 20; ++round) {
    for (Candidate& c : candidates_) {
      c.seconds = std::min(c.seconds, seconds_of([&] { use(c.run); }));
    }
    std::sort(candidates_.begin(), candidates_.end(),
              [](const auto& a, const auto& b) { return a.seconds < b.seconds; });
    const double passed = now() - begin;
    if (round == 0) continue;  // the first may have made memory and code
    std::erase_if(candidates_, [least = candidates_.at(0).seconds](const auto& c) { return c.seconds > 1.3 * least; });
    if (passed > seconds && (round >= 2 || passed > 10 * seconds)) break;
  }
  Candidate& best = candidates_.at(0);
  best_ = best.run, best_name_ = best.name, best_seconds_ = best.seconds;
  candidates_.clear();
  if (show_products) measure_door(use);
}

/// What unroll's own door for products takes for the same, with the weight as it is and transposed: times the best.
void Product::measure_door(const std::function<void(const Run&)>& use) {
  using unroll::Trans;
  const Index m = m_, n = n_, k = k_;
  const auto least = [&](const Run& run) {
    double s = 1e30;
    for (int i = 0; i < 5; ++i) s = std::min(s, seconds_of([&] { use(run); }));
    return s / best_seconds_;
  };
  if (gradient_) {
    door_ = least([=](const float* a, const Weights*, const float* b, float* c) {
      unroll::gemm<float>(Trans::yes, Trans::no, m, n, k, 1, a, m, b, n, 0, c, n);
    });
    return;
  }
  door_ = least([=](const float* a, const Weights* w, const float*, float* c) {
    unroll::gemm<float>(Trans::no, Trans::yes, m, n, k, 1, a, k, w->w.data(), k, 0, c, n);
  });
  door_turned_ = least([=](const float* a, const Weights* w, const float*, float* c) {
    unroll::gemm<float>(Trans::no, Trans::no, m, n, k, 1, a, k, w->wt.data(), n, 0, c, n);
  });
}

void Product::calibrate_weight(const Weights& w, const float* a, float* c, Index calls, Index a_stride,
                               double seconds) {
  calibrate(
      [&](const Run& run) {
        for (Index i = 0; i < calls; ++i) run(a + i * a_stride, &w, nullptr, c);
      },
      seconds);
  best_seconds_ /= static_cast<double>(calls);
}

void Product::calibrate_gradient(const float* a, const float* b, float* c) {
  calibrate([&](const Run& run) { run(a, nullptr, b, c); });
}

std::string Product::shape() const {
  return std::to_string(m_) + " x " + std::to_string(n_) + " x " + std::to_string(k_) + (gradient_ ? " dW" : "");
}

std::string Product::text() const {
  char line[200], door[60] = "";
  if (door_ > 0) std::snprintf(door, sizeof door, "  unroll's door: %.2f times that", door_);
  if (door_turned_ > 0)
    std::snprintf(door, sizeof door, "  unroll's door: %.2f, by W^T %.2f times that", door_, door_turned_);
  const double work = 2 * static_cast<double>(m_) * static_cast<double>(n_) * static_cast<double>(k_);
  std::snprintf(line, sizeof line, "%-24s %-24s %10.2f us  %6.1f GFLOP/s%s", shape().c_str(), best_name_.c_str(),
                best_seconds_ * 1e6, work / best_seconds_ * 1e-9, door);
  return line;
}

void set_library_threads(int threads) {
  // Looked up at run time: which of them are there depends on what else is linked.
  static const auto openblas = reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"));
  static const auto openblas_now = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "openblas_get_num_threads"));
  static const auto openmp = reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
  if (openblas && openblas_now && openblas_now() != threads) openblas(threads);
  if (openmp) openmp(threads);
}

}  // namespace bench
