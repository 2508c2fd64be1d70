#include "onednn_layer.hpp"

#ifdef BENCH_DNNL

#include <algorithm>
#include <cstring>

namespace bench {

using dnnl::memory;
using tag = dnnl::memory::format_tag;
using dnnl::prop_kind;

namespace {

constexpr auto f32 = memory::data_type::f32;
constexpr auto from_left = dnnl::rnn_direction::unidirectional_left2right;

memory::desc any(memory::dims dims) { return {std::move(dims), f32, tag::any}; }

/// What differs between the two cells: the LSTM has a second state.
struct Descs {
  memory::desc x, h0, c0, ih, hh, b, h, h_end, c_end;
};
auto forward_desc(dnnl::lstm_forward*, prop_kind kind, const Descs& d) {
  return dnnl::lstm_forward::desc(kind, from_left, d.x, d.h0, d.c0, d.ih, d.hh, d.b, d.h, d.h_end, d.c_end);
}
auto forward_desc(dnnl::vanilla_rnn_forward*, prop_kind kind, const Descs& d) {
  return dnnl::vanilla_rnn_forward::desc(kind, dnnl::algorithm::eltwise_tanh, from_left, d.x, d.h0, d.ih, d.hh, d.b,
                                         d.h, d.h_end);
}
auto backward_desc(dnnl::lstm_backward*, const Descs& d) {
  return dnnl::lstm_backward::desc(prop_kind::backward, from_left, d.x, d.h0, d.c0, d.ih, d.hh, d.b, d.h, d.h_end,
                                   d.c_end, d.x, d.h0, d.c0, d.ih, d.hh, d.b, d.h, d.h_end, d.c_end);
}
auto backward_desc(dnnl::vanilla_rnn_backward*, const Descs& d) {
  return dnnl::vanilla_rnn_backward::desc(prop_kind::backward, dnnl::algorithm::eltwise_tanh, from_left, d.x, d.h0,
                                          d.ih, d.hh, d.b, d.h, d.h_end, d.x, d.h0, d.ih, d.hh, d.b, d.h, d.h_end);
}

/// (G*H, rows) of PyTorch's as (rows, G, H).
Floats turned(const Floats& w, Index columns, Index rows) {
  Floats t(w.size());
  for (Index c = 0; c < columns; ++c)
    for (Index r = 0; r < rows; ++r)
      t[static_cast<std::size_t>(r * columns + c)] = w[static_cast<std::size_t>(c * rows + r)];
  return t;
}

}  // namespace

const dnnl::engine& dnnl_engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

memory OneDnnLayer::zeros(const memory::desc& md) {
  memory m(md, dnnl_engine());
  std::memset(m.get_data_handle(), 0, md.get_size());
  return m;
}

OneDnnLayer::OneDnnLayer(Index steps, Index batch, const LayerWeights& w, bool training)
    : steps_(steps), batch_(batch), hidden_(w.hidden), gates_(w.gates), stream_(dnnl_engine()) {
  if (w.gates == 4) {
    make<dnnl::lstm_forward, dnnl::lstm_backward>(w, training);
  } else {
    make<dnnl::vanilla_rnn_forward, dnnl::vanilla_rnn_backward>(w, training);
  }
}

memory OneDnnLayer::in_form(const memory& from, const memory::desc& md,
                            std::vector<std::pair<memory, memory>>& copies) {
  if (from.get_desc() == md) return from;
  copies.emplace_back(from, memory(md, dnnl_engine()));
  return copies.back().second;
}

void OneDnnLayer::renew(std::vector<std::pair<memory, memory>>& copies) {
  for (auto& [from, to] : copies) dnnl::reorder(from, to).execute(stream_, from, to);
}

template <class Forward, class Backward>
void OneDnnLayer::make(const LayerWeights& w, bool training) {
  const bool has_c = gates_ == 4;
  const memory::desc state({1, 1, batch_, hidden_}, f32, tag::ldnc), nothing;
  Descs d;
  d.x = memory::desc({steps_, batch_, w.input}, f32, tag::tnc);
  d.h = memory::desc({steps_, batch_, hidden_}, f32, tag::tnc);
  d.h0 = state;  // without one the gradient of weights_iter is wrong in 2.6.3
  d.c0 = has_c ? state : nothing;
  d.h_end = training ? nothing : state;
  d.c_end = has_c && !training ? state : nothing;
  d.ih = any({1, 1, w.input, gates_, hidden_});
  d.hh = any({1, 1, hidden_, gates_, hidden_});
  d.b = memory::desc({1, 1, gates_, hidden_}, f32, tag::ldgo);

  const typename Forward::primitive_desc forward(
      forward_desc(static_cast<Forward*>(nullptr),
                   training ? prop_kind::forward_training : prop_kind::forward_inference, d),
      dnnl_engine());
  forward_ = Forward(forward);
  x_ = zeros(d.x), h_ = zeros(d.h), h0_ = zeros(state), c0_ = zeros(state);

  Floats bias = w.b_ih;
  for (std::size_t i = 0; i < bias.size(); ++i) bias[i] += w.b_hh[i];
  Floats first[] = {turned(w.w_ih, gates_ * hidden_, w.input), turned(w.w_hh, gates_ * hidden_, hidden_), bias};
  const memory::desc plain[] = {
      {{1, 1, w.input, gates_, hidden_}, f32, tag::ldigo}, {{1, 1, hidden_, gates_, hidden_}, f32, tag::ldigo}, d.b};
  // Weights are kept, and updated, in the form in which their gradients come.
  memory::desc own[] = {forward.weights_layer_desc(), forward.weights_iter_desc(), d.b};
  typename Backward::primitive_desc backward;
  if (training) {
    backward =
        typename Backward::primitive_desc(backward_desc(static_cast<Backward*>(nullptr), d), dnnl_engine(), forward);
    own[0] = backward.diff_weights_layer_desc(), own[1] = backward.diff_weights_iter_desc();
  }
  for (int i = 0; i < 3; ++i) {
    weights_[i] = zeros(own[i]);
    memory from(plain[i], dnnl_engine(), first[i].data());
    dnnl::reorder(from, weights_[i]).execute(stream_, from, weights_[i]);
  }
  forward_args_ = {{DNNL_ARG_SRC_LAYER, x_},
                   {DNNL_ARG_SRC_ITER, h0_},
                   {DNNL_ARG_WEIGHTS_LAYER, in_form(weights_[0], forward.weights_layer_desc(), before_forward_)},
                   {DNNL_ARG_WEIGHTS_ITER, in_form(weights_[1], forward.weights_iter_desc(), before_forward_)},
                   {DNNL_ARG_BIAS, weights_[2]},
                   {DNNL_ARG_DST_LAYER, h_}};
  if (has_c) forward_args_.emplace(DNNL_ARG_SRC_ITER_C, c0_);
  if (!training) {
    h_end_ = zeros(state), c_end_ = zeros(state);
    forward_args_.emplace(DNNL_ARG_DST_ITER, h_end_);
    if (has_c) forward_args_.emplace(DNNL_ARG_DST_ITER_C, c_end_);
    return;
  }
  const memory workspace = zeros(forward.workspace_desc());
  forward_args_.emplace(DNNL_ARG_WORKSPACE, workspace);

  backward_ = Backward(backward);
  dh_ = zeros(d.h);
  for (int i = 0; i < 3; ++i) gradients_[i] = zeros(own[i]);
  backward_args_ = {{DNNL_ARG_SRC_LAYER, x_},
                    {DNNL_ARG_SRC_ITER, h0_},
                    {DNNL_ARG_WEIGHTS_LAYER, in_form(weights_[0], backward.weights_layer_desc(), before_backward_)},
                    {DNNL_ARG_WEIGHTS_ITER, in_form(weights_[1], backward.weights_iter_desc(), before_backward_)},
                    {DNNL_ARG_BIAS, weights_[2]},
                    {DNNL_ARG_DST_LAYER, h_},
                    {DNNL_ARG_WORKSPACE, workspace},
                    {DNNL_ARG_DIFF_SRC_LAYER, zeros(d.x)},
                    {DNNL_ARG_DIFF_SRC_ITER, zeros(state)},
                    {DNNL_ARG_DIFF_WEIGHTS_LAYER, gradients_[0]},
                    {DNNL_ARG_DIFF_WEIGHTS_ITER, gradients_[1]},
                    {DNNL_ARG_DIFF_BIAS, gradients_[2]},
                    {DNNL_ARG_DIFF_DST_LAYER, dh_}};
  if (has_c) {
    backward_args_.emplace(DNNL_ARG_SRC_ITER_C, c0_);
    backward_args_.emplace(DNNL_ARG_DIFF_SRC_ITER_C, zeros(state));
  }
}

void OneDnnLayer::forward() {
  renew(before_forward_);
  forward_.execute(stream_, forward_args_);
  stream_.wait();
}

void OneDnnLayer::backward() {
  renew(before_backward_);
  for (const memory& g : gradients_) std::memset(g.get_data_handle(), 0, g.get_desc().get_size());
  backward_.execute(stream_, backward_args_);
  stream_.wait();
}

void OneDnnLayer::descend(double lr) {
  for (int i = 0; i < 3; ++i) {
    float* w = data(weights_[i]);
    const float* d = data(gradients_[i]);
    // One bias stands for PyTorch's two, each of which would take this step.
    const auto rate = static_cast<float>(i == 2 ? 2 * lr : lr);
    const std::size_t n = gradients_[i].get_desc().get_size() / sizeof(float);
    for (std::size_t k = 0; k < n; ++k) w[k] -= rate * d[k];
  }
}

void OneDnnLayer::carry_state() {
  std::copy_n(data(h_end_), batch_ * hidden_, data(h0_));
  std::copy_n(data(c_end_), batch_ * hidden_, data(c0_));
}

}  // namespace bench

#endif
