// The floor: a workload's matrix products alone, each shape by its fastest library.
//
// Input projection of all steps as one product, recurrent ones step by step (none for the first step, whose state is
// zero, as in a training that starts from zeros), weight gradients as one over time, no gradient for the input data.

#include <algorithm>
#include <cstdio>
#include <map>

#include "clock.hpp"
#include "contender.hpp"
#include "products.hpp"
#include "unroll/core/shards.hpp"

namespace bench {
namespace {

/// What a recurrent layer of `rows` rows in all and `active[t]` rows at step t multiplies.
class LayerProducts {
 public:
  LayerProducts(std::vector<Index> active, const LayerWeights& w)
      : active_(std::move(active)),
        input_(w.input),
        hidden_(w.hidden),
        columns_(w.gates * w.hidden),
        ragged_(active_.front() != active_.back()) {
    for (Index a : active_) rows_ += a;
    after_first_ = rows_ - active_.front();
  }

  class Direction;

  void calibrate(const Direction& d);
  void forward(const Direction& d) const;
  void backward(const Direction& d) const;
  std::vector<const Product*> products() const;

 private:
  friend class Direction;
  std::vector<Index> active_;
  Index input_, hidden_, columns_, rows_ = 0, after_first_ = 0;
  bool ragged_;
  std::vector<Product> project_, weight_ih_, weight_hh_;  // one each
  std::map<Index, Product> state_, state_back_;           // by rows
};

/// The operands of one direction.
class LayerProducts::Direction {
 public:
  explicit Direction(const LayerProducts& l)
      : ih(l.columns_, l.input_),
        hh(l.columns_, l.hidden_),
        hh_back(l.hidden_, l.columns_),
        x(l.rows_ * l.input_),
        projected(l.rows_ * l.columns_),
        h(l.rows_ * l.hidden_),
        gates(l.active_.front() * l.columns_),
        dgates(l.rows_ * l.columns_),
        dh(l.active_.front() * l.hidden_),
        d_ih(l.columns_ * l.input_),
        d_hh(l.columns_ * l.hidden_) {}
  Weights ih, hh, hh_back;
  Buffer x, projected, h, gates, dgates, dh, d_ih, d_hh;
};

void LayerProducts::calibrate(const Direction& d) {
  project_.emplace_back(rows_, columns_, input_);
  project_[0].calibrate_weight(d.ih, d.x.data(), d.projected.data());
  weight_ih_.push_back(Product::gradient(columns_, input_, rows_));
  weight_ih_[0].calibrate_gradient(d.dgates.data(), d.x.data(), d.d_ih.data());
  if (active_.size() < 2) return;
  weight_hh_.push_back(Product::gradient(columns_, hidden_, after_first_));
  weight_hh_[0].calibrate_gradient(d.dgates.data(), d.h.data(), d.d_hh.data());
  for (Index rows : active_) {
    if (state_.contains(rows)) continue;
    // Ragged batches meet one weight with many numbers of rows: it cannot be packed for each.
    Product& forward = state_.emplace(rows, Product(rows, columns_, hidden_, !ragged_)).first->second;
    const double seconds = ragged_ ? 0.003 : 0.05;
    const Index most = ragged_ ? 8 : static_cast<Index>(active_.size()) - 1, calls = std::min(most, rows_ / rows);
    forward.calibrate_weight(d.hh, d.h.data(), d.gates.data(), calls, rows * hidden_, seconds);
    Product& back = state_back_.emplace(rows, Product(rows, hidden_, columns_, !ragged_)).first->second;
    back.calibrate_weight(d.hh_back, d.dgates.data(), d.dh.data(), calls, rows * columns_, seconds);
  }
}

void LayerProducts::forward(const Direction& d) const {
  project_[0](d.x.data(), d.ih, d.projected.data());
  Index row = 0;
  for (std::size_t t = 1; t < active_.size(); ++t) {
    state_.at(active_[t])(d.h.data() + row * hidden_, d.hh, d.gates.data());
    row += active_[t - 1];
  }
}

void LayerProducts::backward(const Direction& d) const {
  Index row = rows_;
  for (std::size_t t = active_.size(); t-- > 1;) {
    row -= active_[t];
    state_back_.at(active_[t])(d.dgates.data() + row * columns_, d.hh_back, d.dh.data());
  }
  if (!weight_hh_.empty()) weight_hh_[0](d.dgates.data(), d.h.data(), d.d_hh.data());
  weight_ih_[0](d.dgates.data(), d.x.data(), d.d_ih.data());
}

std::vector<const Product*> LayerProducts::products() const {
  std::vector<const Product*> list{&project_[0], &weight_ih_[0]};
  if (!state_.empty())
    list.insert(list.end(), {&weight_hh_[0], &state_.rbegin()->second, &state_back_.rbegin()->second});
  return list;
}

/// A layer in one or both directions, and the output layer.
class FloorRun {
 public:
  FloorRun(std::vector<Index> active, const LayerWeights& w, int directions, Index output)
      : layer_(std::move(active), w), width_(directions * w.hidden), output_(output) {
    for (int i = 0; i < directions; ++i) directions_.emplace_back(layer_);
    layer_.calibrate(directions_[0]);
  }
  FloorRun(std::vector<Index> active, const LayerWeights& w, int directions, Index output, Index rows)
      : FloorRun(std::move(active), w, directions, output) {
    weights_ = std::make_unique<Weights>(output_, width_), back_ = std::make_unique<Weights>(width_, output_);
    h_ = std::make_unique<Buffer>(rows * width_), logits_ = std::make_unique<Buffer>(rows * output_);
    dh_ = std::make_unique<Buffer>(rows * width_), d_w_ = std::make_unique<Buffer>(output_ * width_);
    out_.emplace_back(rows, output_, width_);
    out_[0].calibrate_weight(*weights_, h_->data(), logits_->data());
    out_.emplace_back(rows, width_, output_);
    out_[1].calibrate_weight(*back_, logits_->data(), dh_->data());
    out_.push_back(Product::gradient(output_, width_, rows));
    out_[2].calibrate_gradient(logits_->data(), h_->data(), d_w_->data());
  }
  void step() const {
    for (const auto& d : directions_) layer_.forward(d);
    out_[0](h_->data(), *weights_, logits_->data());
    out_[1](logits_->data(), *back_, dh_->data());
    out_[2](logits_->data(), h_->data(), d_w_->data());
    for (std::size_t i = directions_.size(); i-- > 0;) layer_.backward(directions_[i]);
  }
  std::string text() const {
    std::string s;
    for (const Product* p : layer_.products()) s += "    " + p->text() + "\n";
    for (const Product& p : out_) s += "    " + p.text() + "\n";
    return s;
  }

 private:
  LayerProducts layer_;
  std::vector<LayerProducts::Direction> directions_;
  Index width_, output_;
  std::unique_ptr<Weights> weights_, back_;
  std::unique_ptr<Buffer> h_, logits_, dh_, d_w_;
  std::vector<Product> out_;
};

void show(const std::string& what, const FloorRun& run) {
  if (show_products) std::printf("  products of %s:\n%s", what.c_str(), run.text().c_str());
}

/// `make(part, parts)`: the floor of a part of the batch. Of several threads the libraries' own and parts of the batch
/// on a thread each are tried, and the faster is taken.
template <class Make>
Contender floor_of(const Make& make, int threads, Index batch) {
  const auto whole_on = [&](int n) -> std::function<double()> {
    set_library_threads(n);
    const auto run = std::shared_ptr<FloorRun>(make(0, 1));
    show(std::to_string(n) + " library threads", *run);
    return [run, n] {
      set_library_threads(n);
      run->step();
      return no_loss;
    };
  };
  if (threads == 1) return {"floor", whole_on(1), {}};
  const auto whole = whole_on(threads);
  const int parts = static_cast<int>(std::min<Index>(threads, batch));
  std::function<double()> parted;
  if (parts == 1) {
    parted = whole_on(1);
  } else {
    set_library_threads(1);
    std::vector<std::shared_ptr<FloorRun>> runs;
    for (int i = 0; i < parts; ++i) runs.emplace_back(make(i, parts));
    show("a part of the batch", *runs[0]);
    parted = [runs, shards = std::make_shared<unroll::Shards<float>>(parts)] {
      set_library_threads(1);
      shards->run([&](unroll::Tape<float>&, int shard) {
        set_library_threads(1);
        runs[static_cast<std::size_t>(shard)]->step();
      });
      return no_loss;
    };
  }
  double least[2] = {1e30, 1e30};
  for (int i = 0; i < 4; ++i) {
    least[0] = std::min(least[0], seconds_of(whole));
    least[1] = std::min(least[1], seconds_of(parted));
  }
  return {"floor", least[0] < least[1] ? whole : parted, {}};
}

}  // namespace

std::string floor_versions() {
  std::string have, missing;
  const auto library = [&](bool there, const char* name, const char* package) {
    std::string& list = there ? have : missing;
    list += (list.empty() ? " " : ", ") + std::string(there ? name : package);
  };
#ifdef BENCH_CBLAS
  library(true, BENCH_CBLAS, "");
#else
  library(false, "", "OpenBLAS (libopenblas-dev)");
#endif
#ifdef BENCH_DNNL
  library(true, BENCH_DNNL, "");
#else
  library(false, "", "oneDNN (libdnnl-dev)");
#endif
#ifdef BENCH_XSMM
  library(true, "libxsmm", "");
#else
  library(false, "", "libxsmm (libxsmm-dev)");
#endif
  return "floor: the fastest for each shape of" + have + (missing.empty() ? "" : "; not installed:" + missing) + "\n";
}

Contender floor_labelling(const Labelling& p, int threads) {
  const Size& s = p.size;
  const auto make = [&](int part, int parts) {
    const Index rows = s.batch * (part + 1) / parts - s.batch * part / parts;
    return new FloorRun(std::vector<Index>(static_cast<std::size_t>(s.steps), rows), p.layer, 1, s.output,
                        s.steps * rows);
  };
  return floor_of(make, threads, s.batch);
}

Contender floor_tagging(const Tagging& p, int threads) {
  const auto make = [&](int part, int parts) {
    std::vector<Index> active;
    Index rows = 0;
    const auto order = p.by_length();
    for (std::size_t k = static_cast<std::size_t>(part); k < order.size(); k += static_cast<std::size_t>(parts)) {
      const auto length = static_cast<std::size_t>(p.length[static_cast<std::size_t>(order[k])]);
      active.resize(std::max(active.size(), length));
      for (std::size_t t = 0; t < length; ++t) ++active[t];
      rows += static_cast<Index>(length);
    }
    return new FloorRun(active, p.fwd, 2, p.out.output, rows);
  };
  return floor_of(make, threads, p.batch);
}

Contender floor_sampling(const Labelling& p) {
  struct Run {
    Weights ih, hh, out;
    Product from_input, from_state, from_output;
    Buffer x, h, gates, y;
    explicit Run(const Labelling& p)
        : ih(p.cell * p.size.hidden, p.size.input),
          hh(p.cell * p.size.hidden, p.size.hidden),
          out(p.size.output, p.size.hidden),
          from_input(1, ih.n, ih.k),
          from_state(1, hh.n, hh.k),
          from_output(1, out.n, out.k),
          x(ih.k),
          h(hh.k),
          gates(hh.n),
          y(out.n) {
      set_library_threads(1);
      from_input.calibrate_weight(ih, x.data(), gates.data(), 20);
      from_state.calibrate_weight(hh, h.data(), gates.data(), 20);
      from_output.calibrate_weight(out, h.data(), y.data(), 20);
    }
    double step() const {
      set_library_threads(1);
      for (int i = 0; i < sampling_steps; ++i) {
        from_input(x.data(), ih, gates.data());
        from_state(h.data(), hh, gates.data());
        from_output(h.data(), out, y.data());
      }
      return no_loss;
    }
  };
  return {"floor", [run = std::make_shared<Run>(p)] { return run->step(); }, {}};
}

}  // namespace bench
