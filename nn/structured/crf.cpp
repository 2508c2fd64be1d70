#include "crf.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "../../ops/losses_detail.hpp"
#include "../init.hpp"
#include "../sizes_detail.hpp"
#include "crf_detail.hpp"

namespace unroll {
namespace {

using detail::Chain;
using detail::Node;

// start, end and transitions in double with -inf where a rule forbids, as Chain::over wants them.
template <class T>
void fill_scores(const Crf<T>& crf, double* to) {
  const TagRules& rules = crf.rules();
  const auto fill = [&](const Parameter<T>& p, const std::vector<std::uint8_t>& allowed) {
    const auto values = p.values();
    for (std::size_t i = 0; i < values.size(); ++i)
      *to++ = allowed.empty() || allowed[i] ? static_cast<double>(values[i]) : detail::log_zero;
  };
  fill(crf.start_transitions, rules.start);
  fill(crf.end_transitions, rules.end);
  fill(crf.transitions, rules.follow);
}

template <class T>
void add_row(double* a, const T* row, Index n) {
  for (Index i = 0; i < n; ++i) a[i] += static_cast<double>(row[i]);
}

// Emissions and where their sequences lie.
template <class T>
struct Steps {
  const SequenceLayout* layout;
  const T* values;
  Index row_stride;

  Index row(Index k, Index t) const { return layout->first[t] + k; }
  const T* at(Index k, Index t) const { return values + row(k, t) * row_stride; }
};

template <class T>
Steps<T> steps_of(const Sequence<T>& emissions, Index tags) {
  const Node<T>* x = emissions.rows.use("Crf");
  if (x->shape.rank() != 2 || x->shape[1] != tags)
    throw ShapeError("[Crf] emissions ", x->shape.str(), " for ", tags, " tags; expected (N,", tags, ")");
  return {emissions.layout, x->value, x->row_stride};
}

// The forward recursion along the k-th longest sequence: log alphas of each step, normalised to a maximum of 0, into
// `alphas` (N,K); `on_step(t, maximum)` sees what was taken off. `scratch` (2 K). False when no path is allowed.
template <class T, class F>
bool run_forward(const Chain& chain, const Steps<T>& steps, Index k, double* alphas, double* scratch, F&& on_step) {
  const Index tags = chain.tags;
  const double* before = nullptr;
  for (Index t = 0; t < steps.layout->length[k]; ++t) {
    double* a = alphas + steps.row(k, t) * tags;
    if (t == 0) {
      std::copy_n(chain.start, tags, a);
    } else {
      detail::chain_forward(chain, before, a, scratch, scratch + tags);
    }
    add_row(a, steps.at(k, t), tags);
    on_step(t, detail::normalise(a, tags));
    before = a;
  }
  return !before || detail::log_sum_exp(before, chain.end, tags) != detail::log_zero;
}

// The marginals of the k-th longest sequence from its last step to its first: `on_step(t, marginals)` for each.
// `scratch` (5 K).
template <class T, class F>
void run_backward(const Chain& chain, const Steps<T>& steps, Index k, const double* alphas, double* pairs, double scale,
                  double* scratch, F&& on_step) {
  const Index tags = chain.tags, length = steps.layout->length[k];
  if (length == 0) return;
  double *g = scratch, *other = g + tags;
  const double* last = alphas + steps.row(k, length - 1) * tags;
  const double total = detail::log_sum_exp(last, chain.end, tags);
  for (Index i = 0; i < tags; ++i) g[i] = std::exp(last[i] + chain.end[i] - total);
  on_step(length - 1, g);
  for (Index t = length - 2; t >= 0; --t) {
    detail::chain_backward(chain, alphas + steps.row(k, t) * tags, g, other, pairs, scale, scratch + 2 * tags);
    std::swap(g, other);
    on_step(t, g);
  }
}

// The likelihood on the tape: what backward needs.
template <class T>
struct Likelihood {
  Chain chain;
  Steps<T> steps;
  Node<T>*x, *start, *end, *transitions, *y;
  const Index* gold;       // (N), in the order of the rows
  double* alphas;          // (N,K)
  std::uint8_t* possible;  // (B), from long to short
  double inverse;          // 1 / denominator
  bool each;               // one loss a sequence
};

template <class T>
double forward_one(const Likelihood<T>& m, Index k, double* scratch) {
  const Index tags = m.chain.tags, length = m.steps.layout->length[k];
  if (length == 0) return 0;
  // Step by step, so that what is added up stays of the size of the loss and not of the scores.
  double loss = 0;
  const auto gold = [&](Index t) { return m.gold[m.steps.row(k, t)]; };
  const bool possible = run_forward(m.chain, m.steps, k, m.alphas, scratch, [&](Index t, double top) {
    const double in = t == 0 ? m.chain.start[gold(0)] : m.chain.transitions[gold(t - 1) * tags + gold(t)];
    loss += top - (in + static_cast<double>(m.steps.at(k, t)[gold(t)]));
  });
  m.possible[k] = possible;
  if (!possible) return -detail::log_zero;
  const double* last = m.alphas + m.steps.row(k, length - 1) * tags;
  return loss + (detail::log_sum_exp(last, m.chain.end, tags) - m.chain.end[gold(length - 1)]);
}

template <class T>
void backward(const Likelihood<T>& m) {
  const T* dy = m.y->arrived();
  if (!dy) return;
  const Index tags = m.chain.tags, batch = m.steps.layout->batch;
  const bool wants_x = m.x->requires_grad, wants_pairs = m.transitions->requires_grad;
  detail::Adjoint<T> dx{};
  if (wants_x) dx = m.x->touch();
  T* dstart = m.start->requires_grad ? m.start->touch_add() : nullptr;
  T* dend = m.end->requires_grad ? m.end->touch_add() : nullptr;
  double* scratch = m.x->tape->template allocate<double>(7 * tags + tags * tags);
  double *sum_start = scratch + 5 * tags, *sum_end = sum_start + tags, *pairs = sum_end + tags;
  std::fill_n(sum_start, 2 * tags + tags * tags, 0.0);
  for (Index k = 0; k < batch; ++k) {
    const Index length = m.steps.layout->length[k];
    const double scale = static_cast<double>(m.each ? dy[m.steps.layout->order[k]] : dy[0]) * m.inverse;
    if (length > 0 && !m.possible[k]) {
      for (Index t = 0; wants_x && dx.fresh && t < length; ++t)
        std::fill_n(dx.data + m.steps.row(k, t) * dx.row_stride, tags, T(0));
      continue;
    }
    run_backward(m.chain, m.steps, k, m.alphas, wants_pairs ? pairs : nullptr, scale, scratch,
                 [&](Index t, const double* marginals) {
                   const Index row = m.steps.row(k, t), gold = m.gold[row];
                   const auto add = [&](double* to) {
                     for (Index i = 0; i < tags; ++i) to[i] += scale * marginals[i];
                     to[gold] -= scale;
                   };
                   if (wants_x) {
                     T* to = dx.data + row * dx.row_stride;
                     for (Index i = 0; i < tags; ++i) {
                       const auto d = static_cast<T>(scale * (marginals[i] - (i == gold ? 1 : 0)));
                       to[i] = dx.fresh ? d : to[i] + d;
                     }
                   }
                   if (t == 0) add(sum_start);
                   if (t == length - 1) add(sum_end);
                   if (t > 0) pairs[gold * tags + m.gold[m.steps.row(k, t - 1)]] -= scale;
                 });
  }
  for (Index i = 0; i < tags; ++i) {
    if (dstart) dstart[i] += static_cast<T>(sum_start[i]);
    if (dend) dend[i] += static_cast<T>(sum_end[i]);
  }
  if (!wants_pairs) return;
  T* d = m.transitions->touch_add();
  for (Index i = 0; i < tags; ++i)
    for (Index j = 0; j < tags; ++j) d[i * tags + j] += static_cast<T>(pairs[j * tags + i]);
}

[[noreturn]] void throw_value(Index sequence, const auto&... what) {
  throw ValueError("[Crf] sequence ", sequence, ": ", what...);
}

// Gold tags are in range and keep to the rules.
void check_tags(std::span<const std::vector<Index>> list, Index tags, const TagRules& rules) {
  for (std::size_t b = 0; b < list.size(); ++b) {
    for (std::size_t t = 0; t < list[b].size(); ++t)
      if (list[b][t] < 0 || list[b][t] >= tags)
        throw_value(static_cast<Index>(b), "step ", t, ": tag ", list[b][t], "; expected 0 .. ", tags - 1);
    const std::string violation = rules.violation(list[b]);
    if (!violation.empty()) throw_value(static_cast<Index>(b), violation);
  }
}

double inverse_denominator(const CrfLossOptions& options, const SequenceLayout& layout) {
  const bool mean = options.reduction == CrfReduction::mean || options.reduction == CrfReduction::token_mean;
  const auto nonempty = std::count_if(layout.length, layout.length + layout.batch, [](Index n) { return n > 0; });
  const auto counted = static_cast<double>(options.reduction == CrfReduction::mean ? nonempty : layout.rows);
  return detail::inverse_denominator("Crf", mean ? Reduction::mean : Reduction::sum, options.denominator, counted);
}

}  // namespace

template <class T>
Crf<T>::Crf(Index tags, Rng& rng, CrfOptions options) : rules_(std::move(options.rules)) {
  detail::check_sizes("Crf", {{"tags", tags}});
  if (rules_.tags() != 0 && rules_.tags() != tags)
    throw ValueError("[Crf] rules for ", rules_.tags(), " tags, expected ", tags);
  start_transitions = Parameter<T>(Shape{tags});
  end_transitions = Parameter<T>(Shape{tags});
  transitions = Parameter<T>(Shape{tags, tags});
  for (Parameter<T>* p : {&start_transitions, &end_transitions, &transitions}) init::uniform(*p, rng, T(-0.1), T(0.1));
}

template <class T>
Variable<T> Crf<T>::negative_log_likelihood(const Sequence<T>& emissions, std::span<const std::vector<Index>> gold,
                                            const CrfLossOptions& options) const {
  const Index k = tags();
  const Steps<T> steps = steps_of(emissions, k);
  Tape<T>& tape = *current_tape<T>;
  const SequenceLayout& layout = *steps.layout;
  check_tags(gold, k, rules_);
  Likelihood<T> m{};
  m.gold = in_row_order(tape, layout, gold).data();
  m.inverse = inverse_denominator(options, layout);
  m.each = options.reduction == CrfReduction::none;
  m.steps = steps;
  m.x = emissions.rows.use("Crf");
  m.start = use(start_transitions).use("Crf");
  m.end = use(end_transitions).use("Crf");
  m.transitions = use(transitions).use("Crf");
  const bool requires_grad =
      m.x->requires_grad || m.start->requires_grad || m.end->requires_grad || m.transitions->requires_grad;
  m.y = tape.new_node(m.each ? Shape{layout.batch} : Shape{}, requires_grad);
  auto* memory = tape.template allocate<double>(Chain::memory(k));
  fill_scores(*this, memory);
  m.chain = Chain::over(memory, k);
  m.alphas = tape.template allocate<double>(layout.rows * k);
  m.possible = tape.template allocate<std::uint8_t>(layout.batch);
  auto* scratch = tape.template allocate<double>(2 * k);
  double total = 0;
  for (Index b = 0; b < layout.batch; ++b) {
    const double loss = forward_one(m, b, scratch);
    if (m.each) m.y->value[layout.order[b]] = static_cast<T>(loss);
    total += loss;
  }
  if (!m.each) m.y->value[0] = m.inverse == 0 ? T(0) : static_cast<T>(total * m.inverse);
  if (m.y->requires_grad) tape.record([m] { backward(m); });
  return tape.handle(m.y);
}

template <class T>
CrfPaths Crf<T>::viterbi(const Sequence<T>& emissions) const {
  const Index k = tags();
  const Steps<T> steps = steps_of(emissions, k);
  const SequenceLayout& layout = *steps.layout;
  const auto count = [](Index n) { return static_cast<std::size_t>(n); };
  std::vector<double> scores(count(2 * k + k * k)), best(count(k)), next(count(k));
  fill_scores(*this, scores.data());
  Chain chain;
  chain.tags = k;
  chain.start = scores.data(), chain.end = chain.start + k, chain.transitions = chain.end + k;
  std::vector<std::int32_t> from(count(layout.steps * k));
  CrfPaths paths;
  paths.tags.resize(count(layout.batch));
  paths.scores.assign(count(layout.batch), 0.0);
  for (Index s = 0; s < layout.batch; ++s) {
    const Index length = layout.length[s], b = layout.order[s];
    if (length == 0) continue;
    for (Index t = 0; t < length; ++t) {
      if (t == 0) {
        best.assign(chain.start, chain.end);
      } else {
        detail::chain_best(chain, best.data(), next.data(), from.data() + t * k);
        best.swap(next);
      }
      add_row(best.data(), steps.at(s, t), k);
    }
    for (Index i = 0; i < k; ++i) best[count(i)] += chain.end[i];
    const auto top = std::max_element(best.begin(), best.end());
    if (*top == detail::log_zero) throw_value(b, "no path of length ", length, " is allowed");
    paths.scores[count(b)] = *top;
    std::vector<Index>& path = paths.tags[count(b)];
    path.resize(count(length));
    path.back() = top - best.begin();
    for (Index t = length - 1; t > 0; --t) path[count(t - 1)] = from[count(t * k + path[count(t)])];
  }
  return paths;
}

template <class T>
Sequence<T> Crf<T>::marginals(const Sequence<T>& emissions) const {
  const Index k = tags();
  const Steps<T> steps = steps_of(emissions, k);
  Tape<T>& tape = *current_tape<T>;
  const SequenceLayout& layout = *steps.layout;
  Node<T>* y = tape.new_node(Shape{layout.rows, k}, false);
  auto* memory = tape.template allocate<double>(Chain::memory(k));
  fill_scores(*this, memory);
  const Chain chain = Chain::over(memory, k);
  auto* alphas = tape.template allocate<double>(layout.rows * k);
  auto* scratch = tape.template allocate<double>(5 * k);
  for (Index s = 0; s < layout.batch; ++s) {
    if (!run_forward(chain, steps, s, alphas, scratch, [](Index, double) {}))
      throw_value(layout.order[s], "no path of length ", layout.length[s], " is allowed");
    run_backward(chain, steps, s, alphas, nullptr, 0, scratch, [&](Index t, const double* p) {
      std::transform(p, p + k, y->value + steps.row(s, t) * k, [](double v) { return static_cast<T>(v); });
    });
  }
  return {tape.handle(y), emissions.layout};
}

template class Crf<float>;
template class Crf<double>;

}  // namespace unroll
