#include "ctc.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "../../ops/losses_detail.hpp"
#include "ctc_detail.hpp"

namespace unroll {
namespace {

using detail::CtcRows;
using detail::minus_infinity;
using detail::Node;

// Terms lost to underflow are below 1e-307 each, and do not count beside a sum of this.
constexpr double smallest_safe_sum = 1e-200;

// One sequence: a chain of S = 2 L + 1 states, blanks with the labels between them. State s can be reached from s, from
// s-1, and from s-2 where that passes over a blank between different labels.
struct LabelChain {
  const Index* target;  // (L)
  Index labels;         // L
  Index steps;
  double* alphas;  // (steps, S), when there is a backward: log alphas of each step, normalised to a maximum of 0
  double loss;     // - log p
  double end;      // log of the sum over the two final states, beside the normalised alphas
  double factor;   // of the loss in the result

  Index states() const { return 2 * labels + 1; }
  Index label(Index s, Index blank) const { return s % 2 == 0 ? blank : target[s / 2]; }
  bool skips(Index s) const { return s % 2 == 1 && s >= 3 && target[s / 2] != target[s / 2 - 1]; }
  // The states from which the end can be reached, and which can be reached, at step t.
  Index low(Index t) const { return std::max(Index{0}, states() - 2 * (steps - t)); }
  Index high(Index t) const { return std::min(states(), 2 * t + 2); }
};

// What flows into state s from s, s-1 and s-2, given `a` (normalised to a maximum of 0) and u = exp(a): the terms, at
// most three, beside exp(top).
struct Inflow {
  double from[3] = {0, 0, 0};
  Index count;
  double top = 0, sum = 0;

  Inflow(const LabelChain& chain, const double* a, const double* u, Index s) : count(1 + (s >= 1) + chain.skips(s)) {
    for (Index i = 0; i < count; ++i) sum += from[i] = u[s - i];
    if (!(sum < smallest_safe_sum)) return;
    top = *std::max_element(a + s - count + 1, a + s + 1);
    if (top == minus_infinity) return;
    sum = 0;
    for (Index i = 0; i < count; ++i) sum += from[i] = std::exp(a[s - i] - top);
  }
  double log_sum() const { return top + std::log(sum); }
};

// The forward recursion: -log p of one sequence. `scratch` (3 S): exponentials, and two steps when none are kept.
template <class T>
double forward(LabelChain& chain, const CtcRows<T>& rows, Index k, const double* log_sums, Index blank,
               double* scratch) {
  const Index states = chain.states();
  if (chain.steps == 0) return chain.labels == 0 ? 0 : -minus_infinity;
  const auto alphas = [&](Index t) {
    return chain.alphas ? chain.alphas + t * states : scratch + (1 + t % 2) * states;
  };
  double* u = scratch;
  double log_p = 0;
  for (Index t = 0; t < chain.steps; ++t) {
    const double log_sum = log_sums[rows.row(k, t)];
    if (std::isnan(log_sum)) return log_sum;
    const T* x = rows.at(k, t);
    double* a = alphas(t);
    const double* before = t > 0 ? alphas(t - 1) : nullptr;
    const Index low = chain.low(t), high = chain.high(t);
    if (before)
      for (Index s = std::max(Index{0}, low - 2); s < high; ++s) u[s] = std::exp(before[s]);
    double top = minus_infinity;
    for (Index s = low; s < high; ++s) {
      const double in = before ? Inflow(chain, before, u, s).log_sum() : 0;
      a[s] = in + rows.log_prob(x, chain.label(s, blank), log_sum);
      top = std::max(top, a[s]);
    }
    if (top == minus_infinity) return -minus_infinity;
    for (Index s = low; s < high; ++s) a[s] -= top;
    std::fill(a + high, a + std::min(states, high + 2), minus_infinity);  // read by the next step
    log_p += top;
  }
  // The states left at the last step are the final ones, the larger at 0.
  const double* last = alphas(chain.steps - 1);
  chain.end = std::log(std::exp(last[states - 1]) + (states > 1 ? std::exp(last[states - 2]) : 0));
  return -(log_p + chain.end);
}

// The posterior of the states from the last step to the first: `on_step(t, low, high, g)`. `scratch` (3 S).
template <class F>
void posterior(const LabelChain& chain, double* scratch, F&& on_step) {
  const Index states = chain.states();
  double *g = scratch, *next = g + states, *u = next + states;
  const double* last = chain.alphas + (chain.steps - 1) * states;
  for (Index s = chain.low(chain.steps - 1); s < states; ++s) g[s] = std::exp(last[s] - chain.end);
  for (Index t = chain.steps - 1; t >= 0; --t) {
    const Index low = chain.low(t), high = chain.high(t);
    on_step(t, low, high, g);
    if (t == 0) return;
    const double* before = chain.alphas + (t - 1) * states;
    const Index first = chain.low(t - 1);
    for (Index s = first; s < high; ++s) u[s] = std::exp(before[s]);
    std::fill(next + first, next + high, 0.0);
    for (Index s = low; s < high; ++s) {
      if (g[s] == 0) continue;
      const Inflow in(chain, before, u, s);
      for (Index i = 0; i < in.count; ++i) next[s - i] += g[s] * (in.from[i] / in.sum);
    }
    std::swap(g, next);
  }
}

template <class T>
struct Loss {
  CtcRows<T> rows;
  Node<T>*x, *y;
  LabelChain* chains;  // (B), from long to short
  double* log_sums;  // (N)
  Index blank, most_states;
  bool each;
};

template <class T>
void backward(const Loss<T>& m) {
  const T* dy = m.y->arrived();
  if (!dy) return;
  const detail::Adjoint<T> dx = m.x->touch();
  const Index classes = m.rows.classes;
  auto* scratch = m.x->tape->template allocate<double>(3 * m.most_states + classes);
  double* labels = scratch + 3 * m.most_states;
  for (Index k = 0; k < m.rows.layout->batch; ++k) {
    const LabelChain& chain = m.chains[k];
    const double scale = static_cast<double>(m.each ? dy[m.rows.layout->order[k]] : dy[0]) * chain.factor;
    if (chain.steps == 0) continue;
    if (!std::isfinite(chain.loss)) {
      const T fill = std::isnan(chain.loss) ? std::numeric_limits<T>::quiet_NaN() : T(0);
      for (Index t = 0; (dx.fresh || fill != 0) && t < chain.steps; ++t)
        std::fill_n(dx.data + m.rows.row(k, t) * dx.row_stride, classes, fill);
      continue;
    }
    posterior(chain, scratch, [&](Index t, Index low, Index high, const double* g) {
      std::fill_n(labels, classes, 0.0);
      for (Index s = low; s < high; ++s) labels[chain.label(s, m.blank)] += g[s];
      const T* x = m.rows.at(k, t);
      const double log_sum = m.log_sums[m.rows.row(k, t)];
      T* to = dx.data + m.rows.row(k, t) * dx.row_stride;
      for (Index c = 0; c < classes; ++c) {
        const auto d = static_cast<T>(scale * (std::exp(static_cast<double>(x[c]) - log_sum) - labels[c]));
        to[c] = dx.fresh ? d : to[c] + d;
      }
    });
  }
}

// The targets on the tape, checked.
template <class T>
LabelChain* copy_targets(Tape<T>& tape, const CtcRows<T>& rows, std::span<const std::vector<Index>> targets,
                         Index blank) {
  const SequenceLayout& layout = *rows.layout;
  if (static_cast<Index>(targets.size()) != layout.batch)
    throw ShapeError("[ctc_loss] ", targets.size(), " targets for a batch of ", layout.batch);
  LabelChain* chains = tape.template allocate<LabelChain>(layout.batch);
  for (Index k = 0; k < layout.batch; ++k) {
    const auto b = static_cast<std::size_t>(layout.order[k]);
    const auto labels = static_cast<Index>(targets[b].size());
    Index* target = tape.template allocate<Index>(labels);
    for (std::size_t i = 0; i < targets[b].size(); ++i) {
      target[i] = targets[b][i];
      if (target[i] < 0 || target[i] >= rows.classes || target[i] == blank)
        throw ValueError("[ctc_loss] target ", b, ": label ", target[i], " at position ", i, "; expected 0 .. ",
                         rows.classes - 1, " without the blank ", blank);
    }
    chains[k] = {target, labels, layout.length[k], nullptr, 0, 0, 0};
  }
  return chains;
}

}  // namespace

template <class T>
Variable<T> ctc_loss(const Sequence<T>& logits, std::span<const std::vector<Index>> targets,
                     const CtcOptions& options) {
  Loss<T> m{};
  m.rows = detail::ctc_rows("ctc_loss", logits, options.blank);
  Tape<T>& tape = *current_tape<T>;
  const SequenceLayout& layout = *m.rows.layout;
  const double inverse = detail::inverse_denominator("ctc_loss", options.reduction, options.denominator,
                                                     static_cast<double>(layout.batch));
  m.chains = copy_targets(tape, m.rows, targets, options.blank);
  m.blank = options.blank;
  m.each = options.reduction == Reduction::none;
  m.x = logits.rows.use("ctc_loss");
  m.y = tape.new_node(m.each ? Shape{layout.batch} : Shape{}, m.x->requires_grad);
  m.log_sums = tape.template allocate<double>(layout.rows);
  for (Index row = 0; row < layout.rows; ++row)
    m.log_sums[row] = m.rows.log_sum(m.rows.values + row * m.rows.row_stride);
  for (Index k = 0; k < layout.batch; ++k) m.most_states = std::max(m.most_states, m.chains[k].states());
  std::vector<double> scratch(3 * m.most_states);
  double total = 0;
  for (Index k = 0; k < layout.batch; ++k) {
    LabelChain& chain = m.chains[k];
    if (m.y->requires_grad) chain.alphas = tape.template allocate<double>(chain.steps * chain.states());
    chain.loss = forward(chain, m.rows, k, m.log_sums, m.blank, scratch.data());
    chain.factor = inverse;
    if (options.reduction == Reduction::mean) chain.factor /= static_cast<double>(std::max(Index{1}, chain.labels));
    const bool counts = !(options.zero_infinity && std::isinf(chain.loss));
    if (m.each) m.y->value[layout.order[k]] = counts ? static_cast<T>(chain.loss) : T(0);
    if (counts) total += chain.loss * chain.factor;
  }
  if (!m.each) m.y->value[0] = static_cast<T>(total);
  if (m.y->requires_grad) tape.record([m] { backward(m); });
  return tape.handle(m.y);
}

template Variable<float> ctc_loss(const Sequence<float>&, std::span<const std::vector<Index>>, const CtcOptions&);
template Variable<double> ctc_loss(const Sequence<double>&, std::span<const std::vector<Index>>, const CtcOptions&);

}  // namespace unroll
