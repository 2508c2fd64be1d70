// unroll's own rows. W1 and W3 run cells that are written here as a user would write them.

#include <memory>

#include "contender.hpp"
#include "trainer.hpp"
#include "unroll/core/from_blob.hpp"
#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/bptt/carry.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/map.hpp"
#include "unroll/ops/reduce.hpp"

namespace {

using namespace unroll;
using bench::Trainer;

// ---- a user's cells ------------------------------------------------------------------------------------------------

// Both biases (PyTorch has two) are added to the projection of the whole input, once and not at every step.

struct OwnRnn {  // h' = tanh(W x + b + U h + c): the cell of the README, with the product added where the input's lies
  using scalar = float;
  using state = Variable<>;
  Linear<> ih, hh;
  OwnRnn(Index input_size, Index hidden_size, Rng& rng)
      : ih(input_size, hidden_size, rng), hh(hidden_size, hidden_size, rng) {}
  Index output_size() const { return hh.output_size(); }
  auto project(Variable<> x) const { return linear(x, use(ih.weight), use(ih.bias) + use(hh.bias)); }
  auto step(Variable<> px, state h) const { return tanh(linear_onto(px, h, use(hh.weight))); }
  void each(auto&& visit) { visit("ih", ih), visit("hh", hh); }
};

struct OwnLstm {
  using scalar = float;
  struct state {
    Variable<> h, c;
    void each(auto&& visit) { visit("h", h), visit("c", c); }
  };
  Linear<> ih, hh;
  OwnLstm(Index input_size, Index hidden_size, Rng& rng)
      : ih(input_size, 4 * hidden_size, rng), hh(hidden_size, 4 * hidden_size, rng) {}
  Index output_size() const { return hh.input_size(); }
  auto project(Variable<> x) const { return linear(x, use(ih.weight), use(ih.bias) + use(hh.bias)); }
  state step(Variable<> px, state s) const {
    auto [i, f, g, o] = chunk<4>(linear_onto(px, s.h, use(hh.weight)));
    auto [h, c] = map(
        [](auto i, auto f, auto g, auto o, auto c) {
          auto c_next = sigmoid(f) * c + sigmoid(i) * tanh(g);
          return std::pair(sigmoid(o) * tanh(c_next), c_next);
        },
        i, f, g, o, s.c);
    return {h, c};
  }
  void each(auto&& visit) { visit("ih", ih), visit("hh", hh); }
};

// ---- initial weights -----------------------------------------------------------------------------------------------

void set(Parameter<>& p, const bench::Floats& values) {
  std::copy(values.begin(), values.end(), p.mutable_values().begin());
}
void set(Linear<>& l, const bench::OutputWeights& w) { set(l.weight, w.w), set(l.bias, w.b); }
void set(RecurrentWeights<>& cell, const bench::LayerWeights& w) {
  set(cell.weight_ih, w.w_ih), set(cell.weight_hh, w.w_hh), set(cell.bias_ih, w.b_ih), set(cell.bias_hh, w.b_hh);
}
template <class Own>
requires requires(Own& own) { own.ih, own.hh; }
void set(Own& cell, const bench::LayerWeights& w) {
  set(cell.ih.weight, w.w_ih), set(cell.hh.weight, w.w_hh), set(cell.ih.bias, w.b_ih), set(cell.hh.bias, w.b_hh);
}

// ---- training ------------------------------------------------------------------------------------------------------

template <class Cell>
struct Labeller {
  using scalar = float;
  Rnn<Cell> rnn;
  Linear<> out;
  Labeller(const bench::Size& s, Rng& rng) : rnn(s.input, s.hidden, rng), out(s.hidden, s.output, rng) {}
  void each(auto&& visit) { visit("rnn", rnn), visit("out", out); }
};

template <class Cell>
class LabellingRun {
 public:
  LabellingRun(const bench::Labelling& p, int threads)
      : rng_(1), model_(p.size, rng_), trainer_(model_, p.lr, threads), batch_(p.size.batch) {
    set(model_.rnn.cell, p.layer);
    set(model_.out, p.out);
    const Index steps = p.size.steps, features = p.size.input, count = trainer_.shards();
    for (Index shard = 0; shard < count; ++shard) {
      const Index begin = batch_ * shard / count, end = batch_ * (shard + 1) / count;
      Part part{Shape{steps, end - begin, features}, {}, {}};
      for (Index t = 0; t < steps; ++t) {
        const auto first = p.x.begin() + (t * batch_ + begin) * features;
        part.x.insert(part.x.end(), first, first + (end - begin) * features);
        const auto target = p.target.begin() + t * batch_ + begin;
        part.target.insert(part.target.end(), target, target + (end - begin));
      }
      parts_.push_back(std::move(part));
    }
  }
  double step() {
    return trainer_.step([&](int shard) {
      const Part& part = parts_[static_cast<std::size_t>(shard)];
      const auto logits = model_.out(model_.rnn(from_blob(part.x, part.shape)));
      return softmax_cross_entropy<float>(logits, std::span<const Index>(part.target),
                                          {.denominator = static_cast<double>(batch_)});
    });
  }
  std::size_t bytes() const { return trainer_.bytes(); }

 private:
  struct Part {
    Shape shape;
    bench::Floats x;
    std::vector<Index> target;
  };
  Rng rng_;
  Labeller<Cell> model_;
  Trainer<Labeller<Cell>> trainer_;
  Index batch_;
  std::vector<Part> parts_;
};

struct Tagger {
  using scalar = float;
  Bidirectional<Rnn<LSTMCell<>>> rnn;
  Linear<> out;
  Tagger(const bench::Tagging& p, Rng& rng) : rnn(p.input, p.hidden, rng), out(2 * p.hidden, p.output, rng) {}
  void each(auto&& visit) { visit("rnn", rnn), visit("out", out); }
};

class TaggingRun {
 public:
  TaggingRun(const bench::Tagging& p, int threads)
      : rng_(1), model_(p, rng_), trainer_(model_, p.lr, threads), features_(p.input), words_(p.words) {
    set(model_.rnn.fwd.cell, p.fwd);
    set(model_.rnn.bwd.cell, p.bwd);
    set(model_.out, p.out);
    parts_.resize(static_cast<std::size_t>(trainer_.shards()));
    // Dealt out from long to short, so that every shard has about the same number of steps as well as of words.
    std::size_t next = 0;
    for (Index b : p.by_length()) {
      const auto i = static_cast<std::size_t>(b), round = next / parts_.size(), place = next % parts_.size();
      Part& part = parts_[round % 2 == 0 ? place : parts_.size() - 1 - place];
      part.x.push_back(p.x[i]);
      part.target.push_back(p.target[i]);
      ++next;
    }
  }
  double step() {
    return trainer_.step([&](int shard) {
      const Part& part = parts_[static_cast<std::size_t>(shard)];
      const auto y = model_.rnn(sequence(part.x, features_));
      return softmax_cross_entropy<float>(y.with(model_.out(y.rows)), part.target,
                                          {.denominator = static_cast<double>(words_)});
    });
  }
  std::size_t bytes() const { return trainer_.bytes(); }

 private:
  struct Part {
    std::vector<bench::Floats> x;
    std::vector<std::vector<Index>> target;
  };
  Rng rng_;
  Tagger model_;
  Trainer<Tagger> trainer_;
  Index features_, words_;
  std::vector<Part> parts_;
};

// ---- sampling and the chain ----------------------------------------------------------------------------------------

class SamplingRun {
 public:
  explicit SamplingRun(const bench::Labelling& p)
      : rng_(1),
        cell_(p.size.input, p.size.hidden, rng_),
        out_(p.size.hidden, p.size.output, rng_),
        x_(p.x.begin(), p.x.begin() + p.size.input) {
    set(cell_, p.layer);
    set(out_, p.out);
  }
  double step() {
    double sum = 0;
    for (int i = 0; i < bench::sampling_steps; ++i) {
      const Evaluation scope(tape_);
      const auto x = input(x_, Shape{1, cell_.input_size()});
      const auto s = cell_.step(project(cell_, x), carry_.empty() ? initial_state(cell_, 1) : carry_.state());
      carry_.assign(s);
      const auto y = out_(s.h);
      std::copy(y.values().begin(), y.values().end(), x_.begin());
      sum += static_cast<double>(x_[0]);
    }
    return sum;
  }

 private:
  Rng rng_;
  LSTMCell<> cell_;
  Linear<> out_;
  bench::Floats x_;
  Tape<float> tape_;
  Carry<LSTMState<>> carry_;
};

template <class Run>
bench::Contender contender(std::shared_ptr<Run> run) {
  return {"unroll", [run] { return run->step(); }, [run] { return run->bytes(); }};
}

template <class Cell>
bench::Contender labelling(const bench::Labelling& p, int threads) {
  return contender(std::make_shared<LabellingRun<Cell>>(p, threads));
}

}  // namespace

namespace bench {

Contender unroll_labelling(const Labelling& p, bool own_cell, int threads) {
  threads = static_cast<int>(std::min<Index>(threads, p.size.batch));  // a sequence is not cut in two
  if (p.cell == tanh_rnn) return own_cell ? labelling<OwnRnn>(p, threads) : labelling<RNNCell<>>(p, threads);
  return own_cell ? labelling<OwnLstm>(p, threads) : labelling<LSTMCell<>>(p, threads);
}

Contender unroll_tagging(const Tagging& p, int threads) { return contender(std::make_shared<TaggingRun>(p, threads)); }

Contender unroll_sampling(const Labelling& p) {
  return {"unroll", [run = std::make_shared<SamplingRun>(p)] { return run->step(); }};
}

Contender unroll_chain() {
  struct Run {
    Floats x = Floats(8, 0.5f), factor = Floats(8, 0.9999f);
    Tape<float> tape;
    double step() {
      const Recording recording(tape);
      auto y = input(x, Shape{8}, requires_grad);
      const auto w = input(factor, Shape{8});
      for (int i = 0; i < chain_ops; ++i) y = y * w;
      const auto loss = sum(y);
      tape.backward(loss);
      return static_cast<double>(loss.item());
    }
  };
  return {"unroll", [run = std::make_shared<Run>()] { return run->step(); }};
}

}  // namespace bench
