#include "ctc_decode.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "ctc_detail.hpp"

namespace unroll {
namespace {

using detail::CtcRows;
using detail::minus_infinity;

double log_add(double a, double b) {
  const double top = std::max(a, b);
  return top == minus_infinity ? top : top + std::log1p(std::exp(std::min(a, b) - top));
}

// The log-probabilities of a step.
template <class T>
void log_softmax_row(const char* op, const CtcRows<T>& rows, Index k, Index t, std::vector<double>& log_probs) {
  const T* x = rows.at(k, t);
  const double log_sum = rows.log_sum(x);
  if (std::isnan(log_sum))
    throw ValueError("[", op, "] sequence ", rows.layout->order[k], ", step ", t, ": NaN or infinity among the logits");
  for (Index c = 0; c < rows.classes; ++c) log_probs[c] = rows.log_prob(x, c, log_sum);
}

// Prefixes as a tree. A prefix that was dropped and comes back is the same node again, so that prefixes that begin
// with it find it.
class PrefixTree {
 public:
  struct Prefix {
    std::int32_t parent = -1, first_child = -1, next_sibling = -1;
    std::int32_t place = -1;  // in the beam; -1: not in it
    Index label = -1;
  };

  PrefixTree() : nodes_(1) {}
  Prefix& operator[](std::int32_t node) { return nodes_[node]; }
  std::int32_t child(std::int32_t parent, Index label) {
    for (auto c = (*this)[parent].first_child; c >= 0; c = (*this)[c].next_sibling)
      if ((*this)[c].label == label) return c;
    const auto made = static_cast<std::int32_t>(nodes_.size());
    nodes_.push_back({parent, -1, (*this)[parent].first_child, -1, label});
    (*this)[parent].first_child = made;
    return made;
  }
  std::vector<Index> labels(std::int32_t node) {
    std::vector<Index> out;
    for (; node > 0; node = (*this)[node].parent) out.push_back((*this)[node].label);
    std::reverse(out.begin(), out.end());
    return out;
  }

 private:
  std::vector<Prefix> nodes_;  // the first is the empty prefix
};

// A prefix in the beam, or one that may come into it.
struct Candidate {
  std::int32_t node;            // of itself, or with a label of the prefix it extends
  Index label = -1;             // -1: `node` is the prefix itself
  double blank, symbol, total;  // log-probability of its paths that end in a blank, in its last label, of all
};

class PrefixBeam {
 public:
  PrefixBeam(Index classes, const CtcBeamOptions& options) : classes_(classes), options_(options) {
    beam_.push_back({0, -1, 0, minus_infinity, 0});
    tree_[0].place = 0;
  }

  void step(const std::vector<double>& log_probs) {
    const auto p = [&](Index c) { return log_probs[c]; };
    // What path ends go on to a new label: after the same label only those that end in a blank.
    const auto extended = [&](const Candidate& e, Index c) {
      return (tree_[e.node].label == c ? e.blank : e.total) + p(c);
    };
    const auto classes = static_cast<std::size_t>(classes_);
    candidates_.clear();
    in_beam_.assign(beam_.size() * classes, 0);
    for (const Candidate& e : beam_) {
      const auto& prefix = tree_[e.node];
      Candidate stay{e.node, -1, e.total + p(options_.blank), minus_infinity, 0};
      if (e.node != 0) {
        stay.symbol = e.symbol + p(prefix.label);
        const std::int32_t place = tree_[prefix.parent].place;
        if (place >= 0) {
          const auto parent = static_cast<std::size_t>(place);
          stay.symbol = log_add(stay.symbol, extended(beam_[parent], prefix.label));
          in_beam_[parent * classes + static_cast<std::size_t>(prefix.label)] = 1;
        }
      }
      stay.total = log_add(stay.blank, stay.symbol);
      offer(stay);
    }
    for (std::size_t e = 0; e < beam_.size(); ++e)
      for (Index c = 0; c < classes_; ++c)
        if (c != options_.blank && !in_beam_[e * classes + static_cast<std::size_t>(c)]) {
          const double symbol = extended(beam_[e], c);
          offer({beam_[e].node, c, minus_infinity, symbol, symbol});
        }
    choose();
  }

  std::vector<CtcHypothesis> best() {
    std::vector<CtcHypothesis> out;
    for (const Candidate& e : beam_)
      if (static_cast<Index>(out.size()) < options_.n_best) out.push_back({tree_.labels(e.node), e.total});
    return out;
  }

 private:
  void offer(const Candidate& c) {
    if (c.total > minus_infinity) candidates_.push_back(c);
  }

  // The most likely candidates become the beam, in order.
  void choose() {
    order_.resize(candidates_.size());
    for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = i;
    const std::size_t width = std::min(order_.size(), static_cast<std::size_t>(options_.width));
    std::partial_sort(order_.begin(), order_.begin() + width, order_.end(), [&](std::size_t a, std::size_t b) {
      const double x = candidates_[a].total, y = candidates_[b].total;
      return x != y ? x > y : a < b;
    });
    for (const Candidate& e : beam_) tree_[e.node].place = -1;
    beam_.clear();
    for (std::size_t i = 0; i < width; ++i) {
      Candidate e = candidates_[order_[i]];
      if (e.label >= 0) e.node = tree_.child(e.node, e.label);
      e.label = -1;
      tree_[e.node].place = static_cast<std::int32_t>(i);
      beam_.push_back(e);
    }
  }

  Index classes_;
  CtcBeamOptions options_;
  PrefixTree tree_;
  std::vector<Candidate> beam_, candidates_;
  std::vector<std::uint8_t> in_beam_;  // (beam, C): this extension of a prefix in the beam is in the beam itself
  std::vector<std::size_t> order_;
};

}  // namespace

template <class T>
std::vector<CtcHypothesis> ctc_decode_greedy(const Sequence<T>& logits, Index blank) {
  const auto rows = detail::ctc_rows("ctc_decode_greedy", logits, blank);
  const SequenceLayout& layout = *rows.layout;
  std::vector<CtcHypothesis> out(layout.batch);
  std::vector<double> p(rows.classes);
  for (Index k = 0; k < layout.batch; ++k) {
    CtcHypothesis& h = out[layout.order[k]];
    Index previous = blank;
    for (Index t = 0; t < layout.length[k]; ++t) {
      log_softmax_row("ctc_decode_greedy", rows, k, t, p);
      const Index c = std::max_element(p.begin(), p.end()) - p.begin();
      h.log_prob += p[c];
      if (c != previous && c != blank) h.symbols.push_back(c);
      previous = c;
    }
  }
  return out;
}

template <class T>
std::vector<std::vector<CtcHypothesis>> ctc_decode_beam(const Sequence<T>& logits, const CtcBeamOptions& options) {
  const auto rows = detail::ctc_rows("ctc_decode_beam", logits, options.blank);
  if (options.n_best < 1 || options.n_best > options.width)
    throw ValueError("[ctc_decode_beam] n_best ", options.n_best, ", width ", options.width,
                     "; expected 1 <= n_best <= width");
  const SequenceLayout& layout = *rows.layout;
  std::vector<std::vector<CtcHypothesis>> out(layout.batch);
  std::vector<double> p(rows.classes);
  for (Index k = 0; k < layout.batch; ++k) {
    PrefixBeam beam(rows.classes, options);
    for (Index t = 0; t < layout.length[k]; ++t) {
      log_softmax_row("ctc_decode_beam", rows, k, t, p);
      beam.step(p);
    }
    out[layout.order[k]] = beam.best();
  }
  return out;
}

#define UNROLL_INSTANTIATE(T)                                                       \
  template std::vector<CtcHypothesis> ctc_decode_greedy(const Sequence<T>&, Index); \
  template std::vector<std::vector<CtcHypothesis>> ctc_decode_beam(const Sequence<T>&, const CtcBeamOptions&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
