// LibTorch's rows: its built-in layers, which project the input of all steps at once, and packed sequences.

#include "contender.hpp"

#ifdef UNROLL_HAVE_TORCH

#include <torch/torch.h>

#include <algorithm>

#include "clock.hpp"
#include "products.hpp"

namespace {

using bench::Floats;
using bench::Index;
using torch::Tensor;

Tensor tensor(const Floats& values, torch::IntArrayRef shape) {
  return torch::from_blob(const_cast<float*>(values.data()), shape, torch::kFloat).clone();
}
Tensor tensor(const std::vector<Index>& values) {
  return torch::from_blob(const_cast<Index*>(values.data()), {static_cast<Index>(values.size())}, torch::kLong).clone();
}

/// `names` and `values` of one layer; `suffix` is PyTorch's for the direction.
template <class Module>
void set(Module& module, const bench::LayerWeights& w, const std::string& suffix = "_l0") {
  const torch::NoGradGuard constant;
  const Index rows = w.gates * w.hidden;
  auto named = module->named_parameters();
  named["weight_ih" + suffix].copy_(tensor(w.w_ih, {rows, w.input}));
  named["weight_hh" + suffix].copy_(tensor(w.w_hh, {rows, w.hidden}));
  named["bias_ih" + suffix].copy_(tensor(w.b_ih, {rows}));
  named["bias_hh" + suffix].copy_(tensor(w.b_hh, {rows}));
}
void set(torch::nn::Linear& linear, const bench::OutputWeights& w) {
  const torch::NoGradGuard constant;
  linear->weight.copy_(tensor(w.w, {w.output, w.hidden}));
  linear->bias.copy_(tensor(w.b, {w.output}));
}

struct Threads {
  int openmp, openblas;
  void set() const {
    bench::set_library_threads(openblas);
    torch::set_num_threads(openmp);
  }
};

/// A plain step of gradient descent; forgets the gradients without zeroing them.
void descend(const std::vector<Tensor>& parameters, double lr) {
  const torch::NoGradGuard constant;
  for (const Tensor& p : parameters) {
    const_cast<Tensor&>(p).add_(p.grad(), -lr);
    p.mutable_grad().reset();
  }
}

template <class Layer>
class LabellingRun {
 public:
  LabellingRun(const bench::Labelling& p, Threads threads)
      : threads_(threads),
        rnn_(p.size.input, p.size.hidden),
        out_(p.size.hidden, p.size.output),
        x_(tensor(p.x, {p.size.steps, p.size.batch, p.size.input})),
        target_(tensor(p.target)),
        batch_(p.size.batch),
        lr_(p.lr) {
    set(rnn_, p.layer);
    set(out_, p.out);
    rnn_->flatten_parameters();
    parameters_ = rnn_->parameters();
    for (const Tensor& t : out_->parameters()) parameters_.push_back(t);
  }
  double step() {
    threads_.set();
    const Tensor h = std::get<0>(rnn_->forward(x_));
    const Tensor logits = out_->forward(h.flatten(0, 1));
    const Tensor loss = torch::cross_entropy_loss(logits, target_, {}, at::Reduction::Sum) / batch_;
    loss.backward();
    descend(parameters_, lr_);
    return static_cast<double>(loss.item<float>());
  }

 private:
  Threads threads_;
  Layer rnn_;
  torch::nn::Linear out_;
  Tensor x_, target_;
  Index batch_;
  double lr_;
  std::vector<Tensor> parameters_;
};

class TaggingRun {
 public:
  TaggingRun(const bench::Tagging& p, Threads threads)
      : threads_(threads),
        rnn_(torch::nn::LSTMOptions(p.input, p.hidden).bidirectional(true)),
        out_(2 * p.hidden, p.output),
        lr_(p.lr),
        packed_(packed(p,
                       [&](std::size_t i) {
                         return tensor(p.x[i], {p.length[i], p.input});
                       })),
        target_(packed(p, [&](std::size_t i) { return tensor(p.target[i]); }).data()) {
    set(rnn_, p.fwd, "_l0");
    set(rnn_, p.bwd, "_l0_reverse");
    set(out_, p.out);
    parameters_ = rnn_->parameters();
    for (const Tensor& t : out_->parameters()) parameters_.push_back(t);
  }
  double step() {
    threads_.set();
    const Tensor h = std::get<0>(rnn_->forward_with_packed_input(packed_)).data();
    const Tensor loss = torch::cross_entropy_loss(out_->forward(h), target_);
    loss.backward();
    descend(parameters_, lr_);
    return static_cast<double>(loss.item<float>());
  }

 private:
  using Packed = torch::nn::utils::rnn::PackedSequence;
  /// Sorted and packed once, before the time is taken.
  template <class Item>
  static Packed packed(const bench::Tagging& p, const Item& item) {
    std::vector<Tensor> list;
    for (Index b : p.by_length()) list.push_back(item(static_cast<std::size_t>(b)));
    return torch::nn::utils::rnn::pack_sequence(list);
  }

  Threads threads_;
  torch::nn::LSTM rnn_;
  torch::nn::Linear out_;
  double lr_;
  std::vector<Tensor> parameters_;
  Packed packed_;
  Tensor target_;
};

/// With several threads: OpenMP's and OpenBLAS's can each be all or one; small products on several OpenBLAS threads are
/// slow. Models of their own find out what is best.
template <class Run, class Problem>
bench::Contender contender(const Problem& p, int threads) {
  const Threads choices[] = {{threads, threads}, {threads, 1}, {1, 1}};
  Threads best = choices[0];
  double least = 1e30;
  for (const Threads& choice : choices) {
    if (threads == 1) break;
    Run trial(p, choice);
    for (int i = 0; i < 4; ++i) {
      const double passed = bench::seconds_of([&] { trial.step(); });
      if (i > 0 && passed < least) least = passed, best = choice;
    }
  }
  return {"libtorch", [run = std::make_shared<Run>(p, best)] { return run->step(); }, {}};
}

}  // namespace

namespace bench {

Contender torch_labelling(const Labelling& p, int threads) {
  return p.cell == tanh_rnn ? contender<LabellingRun<torch::nn::RNN>>(p, threads)
                            : contender<LabellingRun<torch::nn::LSTM>>(p, threads);
}

Contender torch_tagging(const Tagging& p, int threads) { return contender<TaggingRun>(p, threads); }

Contender torch_sampling(const Labelling& p) {
  struct Run {
    torch::nn::LSTMCell cell;
    torch::nn::Linear out;
    Tensor x, h, c;
    explicit Run(const Labelling& p)
        : cell(p.size.input, p.size.hidden), out(p.size.hidden, p.size.output), x(tensor(p.x, {1, p.size.input})) {
      set(cell, p.layer, "");
      set(out, p.out);
      h = c = torch::zeros({1, p.size.hidden});
    }
    double step() {
      const c10::InferenceMode values_only;
      Threads{1, 1}.set();
      double sum = 0;
      for (int i = 0; i < sampling_steps; ++i) {
        std::tie(h, c) = at::lstm_cell(x, {h, c}, cell->weight_ih, cell->weight_hh, cell->bias_ih, cell->bias_hh);
        x = at::linear(h, out->weight, out->bias);
        sum += static_cast<double>(x.data_ptr<float>()[0]);
      }
      return sum;
    }
  };
  return {"libtorch", [run = std::make_shared<Run>(p)] { return run->step(); }, {}};
}

Contender torch_chain() {
  return {"libtorch",
          [] {
            Threads{1, 1}.set();
            const Tensor first = torch::full({8}, 0.5f, torch::requires_grad()), w = torch::full({8}, 0.9999f);
            Tensor y = first;
            for (int i = 0; i < chain_ops; ++i) y = y * w;
            const Tensor loss = y.sum();
            loss.backward();
            return static_cast<double>(loss.item<float>());
          },
          {}};
}

std::string torch_version() { return std::string("LibTorch ") + TORCH_VERSION + "\n"; }

}  // namespace bench

#else

namespace bench {

Contender torch_labelling(const Labelling&, int) { return {"libtorch", {}, {}}; }
Contender torch_tagging(const Tagging&, int) { return {"libtorch", {}, {}}; }
Contender torch_sampling(const Labelling&) { return {"libtorch", {}, {}}; }
Contender torch_chain() { return {"libtorch", {}, {}}; }
std::string torch_version() { return "LibTorch is not installed (libtorch-dev) and left out\n"; }

}  // namespace bench

#endif
