#pragma once
/// \file
/// oneDNN's recurrent primitives as one layer that trains.

#ifdef BENCH_DNNL

#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "problem.hpp"

namespace bench {

const dnnl::engine& dnnl_engine();

/// lstm or vanilla_rnn (tanh), forward_training and backward. Beside the layer itself a step contains: bringing the
/// weights into the forms that the two primitives ask for, which is needed after every update; zeroing the weights'
/// gradients, to which the primitive adds; the gradient of the input, which it computes unasked.
class OneDnnLayer {
 public:
  OneDnnLayer(Index steps, Index batch, const LayerWeights& w, bool training = true);

  float* x() { return data(x_); }    // (T, B, I)
  float* h() { return data(h_); }    // (T, B, H)
  float* dh() { return data(dh_); }  // (T, B, H)
  void forward();
  void backward();
  void descend(double lr);
  /// What the layer ended in becomes what it begins with.
  void carry_state();

 private:
  using memory = dnnl::memory;
  using Args = std::unordered_map<int, memory>;
  static float* data(const memory& m) { return static_cast<float*>(m.get_data_handle()); }
  memory zeros(const memory::desc& md);
  template <class Forward, class Backward>
  void make(const LayerWeights& w, bool training);
  /// A copy of `from` in the form `md`, renewed by each pass; `from` itself where that is its form.
  memory in_form(const memory& from, const memory::desc& md, std::vector<std::pair<memory, memory>>& copies);
  void renew(std::vector<std::pair<memory, memory>>& copies);

  Index steps_, batch_, hidden_, gates_;
  dnnl::stream stream_;
  memory x_, h_, dh_, h0_, c0_, h_end_, c_end_;
  memory weights_[3], gradients_[3];  // ih, hh, bias
  std::vector<std::pair<memory, memory>> before_forward_, before_backward_;
  dnnl::primitive forward_, backward_;
  Args forward_args_, backward_args_;
};

}  // namespace bench

#endif
