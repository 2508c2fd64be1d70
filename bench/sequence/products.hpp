#pragma once
/// \file
/// Bare matrix products, each by the fastest library at hand with its operands in the layout it likes best.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "problem.hpp"

namespace bench {

/// Memory on a cache line's border, with random numbers in it.
class Buffer {
 public:
  explicit Buffer(Index n);
  float* data() const { return data_.get(); }

 private:
  struct Free {
    void operator()(float* p) const;
  };
  std::unique_ptr<float[], Free> data_;
};

/// A weight matrix, stored both ways.
struct Weights {
  Weights(Index n_, Index k_);
  Index n, k;
  Buffer w;   // (n, k)
  Buffer wt;  // (k, n)
};

/// C (m,n) = A (m,k) W^T for a weight W (n,k) in whichever layout is fastest, or with `gradient` C (m,n) = A^T B for
/// A (k,m), B (k,n). `calibrate` measures all that can do it and keeps the fastest.
class Product {
 public:
  /// `packed`: forms that libraries pack for themselves may be used; they are packed once, as weights are that serve a
  /// whole sequence.
  Product(Index m, Index n, Index k, bool packed = true);
  static Product gradient(Index m, Index n, Index k);

  /// `use(run)` runs the product as the workload will, by calling run(a, weights or b, c) for some steps of it.
  using Run = std::function<void(const float* a, const Weights* w, const float* b, float* c)>;
  void calibrate(const std::function<void(const Run&)>& use, double seconds = 0.05);
  void calibrate_weight(const Weights& w, const float* a, float* c, Index calls = 1, Index a_stride = 0,
                        double seconds = 0.05);
  void calibrate_gradient(const float* a, const float* b, float* c);

  void operator()(const float* a, const Weights& w, float* c) const { best_(a, &w, nullptr, c); }
  void operator()(const float* a, const float* b, float* c) const { best_(a, nullptr, b, c); }

  /// Shape, library and speed.
  std::string text() const;

 private:
  struct Candidate {
    std::string name;
    Run run;
    bool transposed_result = false;
    std::function<void(const Weights&)> pack = {};
    double seconds = 1e30;
  };
  Product() = default;
  std::string shape() const;
  void add_weight_candidates();
  void add_gradient_candidates();
  void add_dnnl_primitives();
  void add_xsmm();
  void leave_out_wrong_ones();
  void measure_door(const std::function<void(const Run&)>& use);

  Index m_ = 0, n_ = 0, k_ = 0;
  bool gradient_ = false;
  std::vector<Candidate> candidates_;
  Run best_;
  std::string best_name_;
  double best_seconds_ = 0, door_ = 0, door_turned_ = 0;
};

/// Threads of every library behind the products called from this thread, and of LibTorch.
void set_library_threads(int threads);

}  // namespace bench
