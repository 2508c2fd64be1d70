#pragma once
/// \file
/// Many to many of different lengths, and one to many: parts of encoder-decoder models, each usable by itself.
///
///     const auto memory = decoder.attention.memory(encoder(sequence(x, lengths)));
///     const auto start = decoder.start(batch);
///     const auto logits = teacher_forced(decoder.over(memory), start, begin, targets);       // training
///     const auto loss = softmax_cross_entropy(logits, targets);
///     const auto best = decode_beam(decoder.over(memory), start, {.begin = begin, .end = end});   // use
///
/// A decoder is known by its step, the same in training and in use: see nn/decode/decode.hpp.

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "../../core/loop.hpp"
#include "../../core/place.hpp"
#include "../../ops/dropout.hpp"
#include "../../ops/elementwise.hpp"
#include "../attention.hpp"
#include "../embedding.hpp"
#include "../linear.hpp"
#include "../sequence.hpp"
#include "../sizes_detail.hpp"
#include "decode.hpp"

namespace unroll {

// ---- teacher forcing ------------------------------------------------------------------------------------------------

/// How often a decoder in training is fed the true symbol before, instead of its own (Bengio et al., "Scheduled
/// sampling for sequence prediction with recurrent neural networks", 2015). Has its own generator: one draw decides a
/// symbol, and with probability 1 none is made.
struct TeacherForcing {
  double probability = 1;  ///< of feeding the true symbol, 0 .. 1
  bool sample = false;     ///< its own symbol is drawn from its softmax; false: the most likely one
  Rng rng = Rng(0);
};

/// A schedule of the probability by training step i = 0, 1, ... (the same paper, section 2.4):
/// max(floor, start - slope i).
UNROLL_PER_ISA inline double forcing_linear(Index i, double slope, double start = 1, double floor = 0) {
  return std::max(floor, start - slope * static_cast<double>(i));
}
/// A schedule: k^i, 0 <= k <= 1.
UNROLL_PER_ISA inline double forcing_exponential(Index i, double k) { return std::pow(k, static_cast<double>(i)); }
/// A schedule: k / (k + exp(i / k)), k >= 1.
UNROLL_PER_ISA
inline double forcing_inverse_sigmoid(Index i, double k) { return k / (k + std::exp(static_cast<double>(i) / k)); }

namespace detail {

/// The symbols to feed next: of each row, `truth` or the model's own by its logits (R, V).
template <class T> UNROLL_PER_ISA
void force(TeacherForcing& forcing, SymbolSampler& sampler, const Variable<T>& logits, std::span<Index> truth) {
  if (forcing.probability >= 1) return;
  logits.check_usable("teacher_forced");
  for (std::size_t r = 0; r < truth.size(); ++r) {
    if (forcing.rng.bernoulli(forcing.probability)) continue;
    const std::span<const T> row = logits.row(static_cast<Index>(r));
    truth[r] = forcing.sample ? sampler(row, forcing.rng) : std::ranges::max_element(row) - row.begin();
  }
}

}  // namespace detail

/// Runs a decoder along given sequences: the logits that predict targets[b][t], from row b of `initial`, after `begin`
/// and the symbols before t. What counts as an end must be in the targets.
///
/// Result: a Sequence of logits (N, V), N the sum of the lengths of the targets, which may differ and be 0; for
/// softmax_cross_entropy(logits, targets). No gradient passes through the symbols a model fed itself. A sequence that
/// has ended takes no further time: step t has as many rows as there are targets longer than t, and `sources` (see
/// nn/decode/decode.hpp) says whose they are. Throws ShapeError on another number of targets than rows.
template <class Step, class State> UNROLL_PER_ISA
auto teacher_forced(const Step& step, const State& initial, Index begin, std::span<const std::vector<Index>> targets,
                    TeacherForcing* forcing = nullptr) {
  using T = detail::StepScalar<Step, State>;
  Tape<T>& tape = detail::open_tape<T>("teacher_forced");
  if (const Index rows = detail::rows_of_state(initial); rows != static_cast<Index>(targets.size()))
    throw ShapeError("[teacher_forced] " + std::to_string(targets.size()) + " targets for " + std::to_string(rows) +
                     " rows of the initial state");
  std::vector<Index> lengths;
  for (const auto& t : targets) lengths.push_back(static_cast<Index>(t.size()));
  const SequenceLayout& layout = *ragged_layout(tape, std::span<const Index>(lengths));
  const std::span<const Index> order(layout.order, targets.size());

  State state = detail::state_in_order(initial, layout, layout.order);
  std::vector<Index> previous(targets.size(), begin);
  std::vector<Variable<T>> logits;
  SymbolSampler sampler;
  Loop<T> loop(tape, layout.rows);
  for (Index t = 0; t < layout.steps; ++t) {
    const Place here(t);
    const Index active = layout.active[t];
    const auto rows = static_cast<std::size_t>(active);
    loop.step(layout.first[t], active);
    previous.resize(rows);
    if (t > 0) {
      for (std::size_t k = 0; k < rows; ++k)
        previous[k] = targets[static_cast<std::size_t>(order[k])][static_cast<std::size_t>(t - 1)];
      if (forcing) detail::force(*forcing, sampler, logits.back(), std::span<Index>(previous));
    }
    if (active < (t == 0 ? layout.batch : layout.active[t - 1]))
      state = detail::map_state(state, [&](const auto& v) { return narrow(v, 0, 0, active); });
    const auto result = detail::call_step(step, state, std::span<const Index>(previous), order.first(rows));
    logits.push_back(std::get<0>(result));
    if (const Shape& s = logits.back().shape(); s.rank() != 2 || s[0] != active)
      throw ShapeError("[teacher_forced] the step gave logits " + s.str() + "; expected (" + std::to_string(active) +
                       ",V)");
    state = std::get<1>(result);
  }
  if (logits.empty()) return Sequence<T>{zeros<T>(Shape{0, 1}), &layout};
  return Sequence<T>{join(std::span<const Variable<T>>(logits)), &layout};
}
template <class Step, class State> UNROLL_PER_ISA
auto teacher_forced(const Step& step, const State& initial, Index begin, const std::vector<std::vector<Index>>& targets,
                    TeacherForcing* forcing = nullptr) {
  return teacher_forced(step, initial, begin, std::span<const std::vector<Index>>(targets), forcing);
}

// ---- a decoder that attends -----------------------------------------------------------------------------------------

/// State of an AttentionDecoder: its cell's, and the attentional vector that is fed to the next step.
template <class C>
struct UNROLL_PER_ISA AttentionState {
  using scalar = typename C::scalar;
  typename C::state cell;
  Variable<scalar> feed;  ///< (R, H)
  void each(auto&& visit) { visit("cell", cell), visit("feed", feed); }
};

struct AttentionDecoderOptions {
  double dropout = 0;  ///< on the vectors of symbols and on what the logits are made of, while training
};

/// A decoder with attention and input feeding (Luong, Pham and Manning, 2015, equations 5 and 6, section 3.3):
///
///     s_t = cell.step([embed(y_(t-1)); f_(t-1)], s_(t-1))        h_t = output(s_t)
///     c_t = attention of h_t over the memory
///     f_t = tanh(W_c [c_t; h_t] + b)                             logits_t = W_o f_t + b_o
///
/// Any cell, any attention of nn/attention.hpp. Dropout is on embed(y_(t-1)) and on f_t where W_o reads it, not where
/// the next step does.
template <class C, class Attention>
class UNROLL_PER_ISA AttentionDecoder {
 public:
  using scalar = typename C::scalar;
  using state = AttentionState<C>;

  /// `memory_size`: width of the encoder's outputs; `attention` fits queries of the cell's output to it. Throws
  /// ValueError on a dropout outside 0 .. 1.
  AttentionDecoder(Index vocabulary, Index embedding_size, Index hidden_size, Index memory_size, Attention attention_,
                   Rng& rng, AttentionDecoderOptions options = {})
      : embedding(vocabulary, embedding_size, rng),
        cell(embedding_size + hidden_size, hidden_size, rng),
        attention(std::move(attention_)),
        combine(memory_size + static_cast<Index>(cell.output_size()), hidden_size, rng),
        out(hidden_size, vocabulary, rng),
        dropout(options.dropout) {
    detail::check_probability("AttentionDecoder", "dropout", dropout);
  }

  /// The state of `batch` rows before the first symbol: the cell's own initial one.
  state start(Index batch) const { return start(initial_state(cell, batch), batch); }
  /// The same from a given state of the cell, such as the encoder's final one.
  state start(const typename C::state& from, Index batch) const {
    return {from, zeros<scalar>(Shape{batch, combine.output_size()})};
  }

  /// Logits (R, V), the next state, and where it looked.
  auto step(const state& s, std::span<const Index> previous, const AttentionMemory<scalar>& memory,
            std::span<const Index> sources) const {
    state next;
    const Variable<scalar> x = concat({unroll::dropout(embedding(previous), dropout), s.feed}, 1);
    {
      const Place here = Place::of(&cell);
      next.cell = cell.step(project(cell, x), s.cell);
    }
    const Variable<scalar> h = output_of(cell, next.cell);
    const Attended<scalar> attended = attention(h, memory, sources);
    next.feed = tanh(combine(concat({attended.context, h}, 1)));
    return std::tuple(out(unroll::dropout(next.feed, dropout)), next, attended);
  }
  /// The step over one memory, for teacher_forced and all of nn/decode/decode.hpp. The decoder must outlive it; the memory's
  /// scope must be open while it is used.
  auto over(const AttentionMemory<scalar>& memory) const {
    return [this, memory](const state& s, std::span<const Index> previous, std::span<const Index> sources) {
      return step(s, previous, memory, sources);
    };
  }

  void each(auto&& visit) {
    visit("embedding", embedding), visit("cell", cell), visit("attention", attention);
    visit("combine", combine), visit("out", out), visit("dropout", dropout);
  }

  Embedding<scalar> embedding;
  C cell;
  Attention attention;
  Linear<scalar> combine, out;
  double dropout;
};

// ---- one to many ----------------------------------------------------------------------------------------------------

/// A vector becomes the initial state of a cell, each member by a layer of its own: s_i = tanh(W_i v + b_i), as the
/// decoder of Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014. v (B, input_size).
template <class C>
class UNROLL_PER_ISA StateFrom {
 public:
  static_assert(detail::check_is_cell<C>());
  using scalar = typename C::scalar;

  /// For states of the shapes of `cell`'s initial one, whose members are (B, width).
  StateFrom(Index input_size, const C& cell, Rng& rng) {
    Tape<scalar> tape;
    Evaluation<scalar> scope(tape);
    const typename C::state shape = initial_state(cell, 1);
    detail::visit_state(shape, [&](const char* name, const auto& v) {
      if (v.shape().rank() != 2)
        throw ShapeError(std::string("[StateFrom] state '") + name + "' has shape " + v.shape().str() +
                         "; expected (B,width)");
      members.emplace_back(input_size, v.dim(1), rng);
    });
  }

  typename C::state operator()(const Variable<scalar>& v) const {
    typename C::state s;
    std::size_t i = 0;
    detail::visit_state(s, [&](const char*, auto& member) { member = tanh(members[i++](v)); });
    return s;
  }
  void each(auto&& visit) { visit("members", members); }

  std::vector<Linear<scalar>> members;
};

}  // namespace unroll
