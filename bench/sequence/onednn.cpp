// oneDNN's fused recurrent primitives, with an output layer (dnnl_sgemm), softmax (its primitive) and cross-entropy of
// the same step around them.

#include "contender.hpp"

#ifdef BENCH_DNNL

#include <algorithm>
#include <cmath>
#include <memory>

#include "clock.hpp"
#include "onednn_layer.hpp"
#include "products.hpp"

namespace bench {
namespace {

/// logits = h W^T + b, softmax, cross-entropy summed over the rows and divided, and the way back.
class OutputLayer {
 public:
  OutputLayer(const OutputWeights& w, std::vector<Index> target, double divisor)
      : width_(w.hidden),
        classes_(w.output),
        rows_(static_cast<Index>(target.size())),
        w_(w.w),
        b_(w.b),
        d_w_(w.w.size()),
        d_b_(w.b.size()),
        logits_(static_cast<std::size_t>(rows_ * classes_)),
        target_(std::move(target)),
        divisor_(divisor),
        stream_(dnnl_engine()) {
    const dnnl::memory::desc md({rows_, classes_}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::ab);
    memory_ = dnnl::memory(md, dnnl_engine(), logits_.data());
    softmax_ = dnnl::softmax_forward({{dnnl::prop_kind::forward_training, md, 1}, dnnl_engine()});
  }
  double forward(const float* h) {
    for (Index r = 0; r < rows_; ++r) std::copy(b_.begin(), b_.end(), logits_.begin() + r * classes_);
    dnnl_sgemm('N', 'T', rows_, classes_, width_, 1, h, width_, w_.data(), width_, 1, logits_.data(), classes_);
    softmax_.execute(stream_, {{DNNL_ARG_SRC, memory_}, {DNNL_ARG_DST, memory_}});
    double loss = 0;
    for (Index r = 0; r < rows_; ++r)
      loss -= std::log(static_cast<double>(logits_[static_cast<std::size_t>(r * classes_ + target_[at(r)])]));
    return loss / divisor_;
  }
  /// The probabilities become the gradient of the logits.
  void backward(const float* h, float* dh) {
    const auto share = static_cast<float>(1 / divisor_);
    std::fill(d_b_.begin(), d_b_.end(), 0.0f);
    for (Index r = 0; r < rows_; ++r) {
      float* row = logits_.data() + r * classes_;
      row[target_[at(r)]] -= 1;
      for (Index c = 0; c < classes_; ++c) row[c] *= share, d_b_[at(c)] += row[c];
    }
    dnnl_sgemm('N', 'N', rows_, width_, classes_, 1, logits_.data(), classes_, w_.data(), width_, 0, dh, width_);
    dnnl_sgemm('T', 'N', classes_, width_, rows_, 1, logits_.data(), classes_, h, width_, 0, d_w_.data(), width_);
  }
  void descend(double lr) {
    const auto rate = static_cast<float>(lr);
    for (std::size_t i = 0; i < w_.size(); ++i) w_[i] -= rate * d_w_[i];
    for (std::size_t i = 0; i < b_.size(); ++i) b_[i] -= rate * d_b_[i];
  }

 private:
  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }

  Index width_, classes_, rows_;
  Floats w_, b_, d_w_, d_b_, logits_;
  std::vector<Index> target_;
  double divisor_;
  dnnl::stream stream_;
  dnnl::memory memory_;
  dnnl::softmax_forward softmax_;
};

class LabellingRun {
 public:
  LabellingRun(const Labelling& p, int threads)
      : threads_(threads),
        layer_(p.size.steps, p.size.batch, p.layer),
        out_(p.out, p.target, static_cast<double>(p.size.batch)),
        lr_(p.lr) {
    std::copy(p.x.begin(), p.x.end(), layer_.x());
  }
  double step() {
    set_library_threads(threads_);
    layer_.forward();
    const double loss = out_.forward(layer_.h());
    out_.backward(layer_.h(), layer_.dh());
    layer_.backward();
    layer_.descend(lr_), out_.descend(lr_);
    return loss;
  }

 private:
  int threads_;
  OneDnnLayer layer_;
  OutputLayer out_;
  double lr_;
};

/// The primitives know no lengths: two of them run over a padded rectangle, the second over sequences turned round
/// beforehand, so that all padding lies behind the words and changes nothing.
class TaggingRun {
 public:
  TaggingRun(const Tagging& p, int threads)
      : threads_(threads),
        batch_(p.batch),
        hidden_(p.hidden),
        fwd_(longest(p), p.batch, p.fwd),
        bwd_(longest(p), p.batch, p.bwd),
        out_(p.out, targets(p), static_cast<double>(p.words)),
        h_(static_cast<std::size_t>(p.words * 2 * p.hidden)),
        dh_(h_.size()),
        lr_(p.lr) {
    for (Index b = 0; b < p.batch; ++b) {
      const auto i = static_cast<std::size_t>(b);
      for (Index t = 0; t < p.length[i]; ++t) {
        const Index back = p.length[i] - 1 - t;
        cells_.push_back({t * batch_ + b, back * batch_ + b});
        const auto word = p.x[i].begin() + t * p.input;
        std::copy(word, word + p.input, fwd_.x() + cells_.back().first * p.input);
        std::copy(word, word + p.input, bwd_.x() + cells_.back().second * p.input);
      }
    }
  }
  double step() {
    set_library_threads(threads_);
    fwd_.forward(), bwd_.forward();
    for (std::size_t r = 0; r < cells_.size(); ++r) {
      float* row = h_.data() + static_cast<Index>(r) * 2 * hidden_;
      std::copy_n(fwd_.h() + cells_[r].first * hidden_, hidden_, row);
      std::copy_n(bwd_.h() + cells_[r].second * hidden_, hidden_, row + hidden_);
    }
    const double loss = out_.forward(h_.data());
    out_.backward(h_.data(), dh_.data());
    for (std::size_t r = 0; r < cells_.size(); ++r) {  // what is padding was and stays zero
      const float* row = dh_.data() + static_cast<Index>(r) * 2 * hidden_;
      std::copy_n(row, hidden_, fwd_.dh() + cells_[r].first * hidden_);
      std::copy_n(row + hidden_, hidden_, bwd_.dh() + cells_[r].second * hidden_);
    }
    fwd_.backward(), bwd_.backward();
    fwd_.descend(lr_), bwd_.descend(lr_), out_.descend(lr_);
    return loss;
  }

 private:
  static Index longest(const Tagging& p) { return *std::max_element(p.length.begin(), p.length.end()); }
  static std::vector<Index> targets(const Tagging& p) {
    std::vector<Index> all;
    for (const auto& sentence : p.target) all.insert(all.end(), sentence.begin(), sentence.end());
    return all;
  }

  int threads_;
  Index batch_, hidden_;
  OneDnnLayer fwd_, bwd_;
  OutputLayer out_;
  Floats h_, dh_;
  std::vector<std::pair<Index, Index>> cells_;  // of each word, in either rectangle
  double lr_;
};

class SamplingRun {
 public:
  explicit SamplingRun(const Labelling& p) : layer_(1, 1, p.layer, false), out_(p.out), y_(p.out.b.size()) {
    std::copy_n(p.x.begin(), p.size.input, layer_.x());
  }
  double step() {
    set_library_threads(1);
    double sum = 0;
    for (int i = 0; i < sampling_steps; ++i) {
      layer_.forward();
      layer_.carry_state();
      std::copy(out_.b.begin(), out_.b.end(), y_.begin());
      dnnl_sgemm('N', 'T', 1, out_.output, out_.hidden, 1, layer_.h(), out_.hidden, out_.w.data(), out_.hidden, 1,
                 y_.data(), out_.output);
      std::copy(y_.begin(), y_.end(), layer_.x());
      sum += static_cast<double>(y_[0]);
    }
    return sum;
  }

 private:
  OneDnnLayer layer_;
  OutputWeights out_;
  Floats y_;
};

/// On all threads or on one, whichever is faster for models of their own: small ones lose on several.
template <class Run, class Problem>
Contender contender(const Problem& p, int threads) {
  int best = threads;
  double least = 1e30;
  for (const int choice : {1, threads}) {
    if (threads == 1) break;
    set_library_threads(choice);
    Run trial(p, choice);
    for (int i = 0; i < 4; ++i) {
      const double passed = seconds_of([&] { trial.step(); });
      if (i > 0 && passed < least) least = passed, best = choice;
    }
  }
  set_library_threads(best);  // primitives are made for a number of threads
  return {"onednn", [run = std::make_shared<Run>(p, best)] { return run->step(); }, {}};
}

}  // namespace

Contender onednn_labelling(const Labelling& p, int threads) { return contender<LabellingRun>(p, threads); }
Contender onednn_tagging(const Tagging& p, int threads) { return contender<TaggingRun>(p, threads); }
Contender onednn_sampling(const Labelling& p) {
  set_library_threads(1);
  return {"onednn", [run = std::make_shared<SamplingRun>(p)] { return run->step(); }, {}};
}
std::string onednn_version() { return "oneDNN fused: lstm and vanilla_rnn primitives of " BENCH_DNNL "\n"; }

}  // namespace bench

#else

namespace bench {

Contender onednn_labelling(const Labelling&, int) { return {"onednn", {}, {}}; }
Contender onednn_tagging(const Tagging&, int) { return {"onednn", {}, {}}; }
Contender onednn_sampling(const Labelling&) { return {"onednn", {}, {}}; }
std::string onednn_version() { return "oneDNN is not installed (libdnnl-dev) and left out\n"; }

}  // namespace bench

#endif
