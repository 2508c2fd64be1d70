#pragma once
/// \file
/// From a trained model to symbols: greedy, sampling, beam search, scoring, streaming, for any cell.
///
/// Everything here is told one thing about the model, its step:
///
///     step(state, previous) -> std::pair(logits, next_state)
///
/// `state` has R rows (a Variable (R, ...), a struct of Variables with each(), a std::vector of these); `previous` is a
/// `std::span<const Index>` of R symbols; the logits are (R, V), of the symbol that comes next. A step may take
/// `step(state, previous, sources)` instead: row r then continues row `sources[r]` of the initial state, which is how a
/// decoder finds what it attends to. It may return `std::tuple(logits, next_state, attended)`, see `decode_beam`.
///
///     const auto step = cell_step(embedding, cell, output);   // the step of any cell
///     Evaluation<float> scope(tape);
///     auto best = decode_beam(step, initial_state(cell, 1), {.begin = 0, .end = 1, .width = 8});
///
/// Rows are hypotheses: several sources are decoded at once, and what has ended takes no further time. Each step runs
/// in an Evaluation of its own, so memory on the tape does not grow with the length.

#include <algorithm>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "../../core/error.hpp"
#include "../../core/random.hpp"
#include "../../core/tape.hpp"
#include "../../ops/layout.hpp"
#include "../../ops/rows.hpp"
#include "../../ops/softmax.hpp"
#include "../bptt/carry.hpp"
#include "../layer.hpp"
#include "decode_search.hpp"

namespace unroll {

// ---- steps ----------------------------------------------------------------------------------------------------------

/// The step of a cell: logits = output(cell.step(embed(previous), state)).
///
/// `embed`: ids to (R, I), an Embedding or a callable; `output`: (R, H) to (R, V), a Linear or a callable. All three
/// must outlive the step.
template <class Embed, class C, class Output>
UNROLL_PER_ISA auto cell_step(const Embed& embed, const C& cell, const Output& output) {
  static_assert(detail::check_is_cell<C>());
  return [&embed, &cell, &output](const typename C::state& state, std::span<const Index> previous) {
    const typename C::state next = cell.step(project(cell, embed(previous)), state);
    return std::pair(output(output_of(cell, next)), next);
  };
}

/// The same of a layer over time: an Rnn, a Stack (whose state is a std::vector, one state a layer), one of your own.
template <class Embed, class Layer, class Output>
UNROLL_PER_ISA auto layer_step(const Embed& embed, const Layer& layer, const Output& output) {
  static_assert(detail::check_is_layer<Layer>());
  return [&embed, &layer, &output](const detail::StatesOf<Layer>& states, std::span<const Index> previous) {
    const auto x = embed(previous);
    const auto result = layer.run(reshape(x, x.shape().insert(0, 1)), states);
    return std::pair(output(at(result.outputs, 0)), final_states(result));
  };
}

/// Rows `ids` of every member of a state: row k of the result was row ids[k], zeros for -1. Any number of ids, each as
/// often as wanted. Throws ShapeError for a member without rows, ValueError for an id out of range.
template <class State>
UNROLL_PER_ISA State take_state_rows(const State& state, std::span<const Index> ids) {
  return detail::map_state(state, [&]<class T>(const Variable<T>& v) {
    if (v.shape().rank() == 0) throw ShapeError("[decode] a state of shape (); expected rows, one a hypothesis");
    const Index rows = v.dim(0);
    const Variable<T> flat = reshape(v, Shape{rows, rows == 0 ? 0 : v.size() / rows});
    return reshape(take_rows(flat, Indices(ids)), v.shape().with(0, static_cast<Index>(ids.size())));
  });
}

namespace detail {

template <class Step, class State> UNROLL_PER_ISA
auto call_step(const Step& step, const State& state, std::span<const Index> previous, std::span<const Index> sources) {
  if constexpr (std::is_invocable_v<const Step&, const State&, std::span<const Index>, std::span<const Index>>) {
    return step(state, previous, sources);
  } else {
    static_assert(std::is_invocable_v<const Step&, const State&, std::span<const Index>>,
                  "a step is called as step(state, previous) or step(state, previous, sources); previous and sources "
                  "are std::span<const Index>");
    return step(state, previous);
  }
}

template <class Step, class State>
using StepResult = decltype(call_step(std::declval<const Step&>(), std::declval<const State&>(),
                                      std::declval<std::span<const Index>>(), std::declval<std::span<const Index>>()));
/// The scalar of a step's logits.
template <class Step, class State>
using StepScalar = typename std::remove_cvref_t<std::tuple_element_t<0, StepResult<Step, State>>>::value_type;

/// The rows of a state: the first dimension, the same for all members.
template <class State>
UNROLL_PER_ISA Index rows_of_state(const State& state) {
  Index rows = -1;
  visit_state(state, [&](const char* name, const auto& v) {
    const Index here = v.shape().rank() == 0 ? -1 : v.dim(0);
    if (here < 0 || (rows >= 0 && here != rows))
      throw ShapeError(std::string("[decode] state '") + name + "' has shape " + v.shape().str() + "; expected " +
                       (rows < 0 ? std::string("rows") : std::to_string(rows) + " rows") + ", one a hypothesis");
    rows = here;
  });
  return std::max(rows, Index{0});
}

}  // namespace detail

// ---- streaming ------------------------------------------------------------------------------------------------------

/// A model fed step by step, in memory that does not grow: what all decoding below is made of, and the way to answer
/// as symbols come in.
///
///     DecodeStream stream(tape, step, initial_state(cell, 1));
///     for (;;) { const auto p = stream.feed({&symbol, 1}); symbol = sampler(p.row(0), rng); }
///
/// The state is kept outside of the tape between steps. Nothing need be open while feeding, unless the step itself
/// uses Variables of an open scope (an encoder's output).
template <class T, class Step, class State>
class UNROLL_PER_ISA DecodeStream {
 public:
  /// Starts from `initial`, whose values are copied. Throws ShapeError when its members differ in rows.
  DecodeStream(Tape<T>& tape, Step step, const State& initial) : tape_(&tape), step_(std::move(step)) {
    restart(initial);
  }

  /// Starts again, from another state.
  void restart(const State& initial) {
    sources_.resize(static_cast<std::size_t>(detail::rows_of_state(initial)));
    for (std::size_t r = 0; r < sources_.size(); ++r) sources_[r] = static_cast<Index>(r);
    carry_.assign(initial);
  }

  /// Hypotheses at present.
  Index rows() const { return static_cast<Index>(sources_.size()); }

  /// Feeds one symbol a row and gives log softmax(logits), (rows, V), good until the next call.
  ///
  /// With `parents`, row r first becomes what row parents[r] was: rows are dropped, put in order and doubled.
  /// Throws ShapeError when there is not one symbol a row, or the step gives logits other than (rows, V) or a state of
  /// other rows, ValueError for a parent that is no row. The stream is then as it was before the call.
  LogProbs<T> feed(std::span<const Index> previous, std::span<const Index> parents) {
    return advance(previous, &parents);
  }
  LogProbs<T> feed(std::span<const Index> previous) { return advance(previous, nullptr); }

  /// The state after the last step, as constants of the scope that is open.
  const State& state() { return carry_.state(); }

 private:
  LogProbs<T> advance(std::span<const Index> previous, const std::span<const Index>* parents) {
    const Index rows = parents ? static_cast<Index>(parents->size()) : this->rows();
    if (static_cast<Index>(previous.size()) != rows)
      throw ShapeError("[decode] " + std::to_string(previous.size()) + " symbols for " + std::to_string(rows) +
                       " rows of the state");
    Evaluation<T> scope(*tape_);
    const bool moved = parents && !same_rows(*parents);
    next_sources_ = sources_;
    if (moved) {
      next_sources_.clear();
      for (const Index p : *parents) {
        if (p < 0 || p >= this->rows())
          throw ValueError("[decode] parent " + std::to_string(p) + "; expected 0 .. " +
                           std::to_string(this->rows() - 1));
        next_sources_.push_back(sources_[static_cast<std::size_t>(p)]);
      }
    }
    const std::span<const Index> sources(next_sources_);
    const auto result = moved ? detail::call_step(step_, take_state_rows(carry_.state(), *parents), previous, sources)
                              : detail::call_step(step_, carry_.state(), previous, sources);
    const Variable<T>& logits = std::get<0>(result);
    if (logits.shape().rank() != 2 || logits.dim(0) != rows)
      throw ShapeError("[decode] the step gave logits " + logits.shape().str() + "; expected (" + std::to_string(rows) +
                       ",V)");
    const Variable<T> log_probs = log_softmax(logits);
    values_.assign(log_probs.values().begin(), log_probs.values().end());
    LogProbs<T> out{values_, rows, logits.dim(1), {}, {}};
    if constexpr (std::tuple_size_v < std::remove_cvref_t < decltype(result) >>> 2) {
      const auto& attended = std::get<2>(result);
      detail::by_segment(attended.weights.values(), attended.segments->segment, rows, attention_, offsets_);
      out.attention_values = attention_;
      out.attention_offsets = offsets_;
    }
    const State& next = std::get<1>(result);
    if (const Index got = detail::rows_of_state(next); got != rows)
      throw ShapeError("[decode] the step gave a state of " + std::to_string(got) + " rows; expected " +
                       std::to_string(rows));
    carry_.assign(next);
    sources_.swap(next_sources_);
    return out;
  }

  bool same_rows(std::span<const Index> parents) const {
    if (parents.size() != sources_.size()) return false;
    for (std::size_t r = 0; r < parents.size(); ++r)
      if (parents[r] != static_cast<Index>(r)) return false;
    return true;
  }

  Tape<T>* tape_;
  Step step_;
  Carry<State, T> carry_;
  std::vector<Index> sources_, next_sources_, offsets_;
  std::vector<T> values_, attention_;
};

// ---- one hypothesis a source ----------------------------------------------------------------------------------------

/// The most likely symbol at every step (the first of several), from each row of `initial`: as many hypotheses as it
/// has rows, in their order.
///
/// Needs an open scope. Throws ValueError when no symbol is possible (all logits -inf), or a logit is NaN.
template <class Step, class State> UNROLL_PER_ISA
std::vector<Hypothesis> decode_greedy(const Step& step, const State& initial, const DecodeOptions& options = {}) {
  using T = detail::StepScalar<Step, State>;
  DecodeStream<T, Step, State> stream(detail::open_tape<T>("decode_greedy"), step, initial);
  detail::LineSearch search("decode_greedy", stream.rows(), options);
  while (!search.done()) search.advance_greedily(stream.feed(search.symbols(), search.parents()));
  return search.take_results();
}

/// A random symbol at every step, drawn from softmax(logits / temperature) cut to the top k and the top p, see
/// SamplingOptions.
///
/// Row b draws from the b-th `rng.split()`: what is drawn for one row does not depend on the others, and the same seed
/// gives the same symbols. `log_prob` is the model's own, before temperature and cuts. Throws as decode_greedy does.
template <class Step, class State> UNROLL_PER_ISA
std::vector<Hypothesis> decode_sampling(const Step& step, const State& initial, Rng& rng,
                                        const SamplingOptions& options = {}) {
  using T = detail::StepScalar<Step, State>;
  DecodeStream<T, Step, State> stream(detail::open_tape<T>("decode_sampling"), step, initial);
  detail::LineSearch search("decode_sampling", stream.rows(), {options.begin, options.end, options.max_length});
  search.split(rng);
  SymbolSampler sampler(options);
  while (!search.done()) search.advance_sampling(stream.feed(search.symbols(), search.parents()), sampler);
  return search.take_results();
}

/// log P of given sequences: `sequences[b]` after `begin`, from row b of `initial`; what counts as an end must be in
/// the sequence. Lengths may differ, 0 included. Needs an open scope.
///
/// Throws ShapeError on another number of sequences than rows, ValueError on a symbol outside 0 .. V-1.
template <class Step, class State> UNROLL_PER_ISA
std::vector<Scored> decode_forced(const Step& step, const State& initial, Index begin,
                                  std::span<const std::vector<Index>> sequences) {
  using T = detail::StepScalar<Step, State>;
  DecodeStream<T, Step, State> stream(detail::open_tape<T>("decode_forced"), step, initial);
  detail::ForcedSearch search(stream.rows(), begin, sequences);
  while (!search.done()) search.advance(stream.feed(search.symbols(), search.parents()));
  return search.take_results();
}
template <class Step, class State> UNROLL_PER_ISA
std::vector<Scored> decode_forced(const Step& step, const State& initial, Index begin,
                                  const std::vector<std::vector<Index>>& sequences) {
  return decode_forced(step, initial, begin, std::span<const std::vector<Index>>(sequences));
}

// ---- beam search ----------------------------------------------------------------------------------------------------

/// The `width` most likely hypotheses side by side, from each row of `initial`; of these the `n_best` by score, best
/// first. Fewer when fewer are possible.
///
/// At every step all continuations of a source's live hypotheses are ranked by log P, ties by the older hypothesis and
/// the lower symbol. One that ends with `options.end` keeps its place: the beam of that source narrows by one. So width
/// 1 is decode_greedy, and a beam as wide as there are sequences is exhaustive. A source is done when nothing in its
/// beam lives, at `max_length`, or when no live hypothesis can still come among the n best (log P only falls, so this
/// changes no result). What was cut at max_length has `finished == false` and stands behind all that ended.
///
///     score = log P / lp + cp,      |Y| symbols, the end counted
///     lp = 1                        LengthNorm::none
///     lp = |Y|^alpha                LengthNorm::average (alpha 1: log P a symbol)
///     lp = ((5 + |Y|) / 6)^alpha    LengthNorm::wu
///     cp = coverage * sum_i log min(sum_j p_ij, 1)      p_ij the weight on source position i when symbol j was chosen
///
/// (Wu et al., "Google's neural machine translation system", 2016, equation 14.) The coverage penalty needs a step that
/// returns its attention as third: anything with `weights` (P) and `segments`, as Attended. Sums below 1e-30 count as
/// that. Needs an open scope. Throws ValueError on options out of range, a NaN among the logits, or a coverage without
/// attention.
template <class Step, class State> UNROLL_PER_ISA
std::vector<std::vector<Hypothesis>> decode_beam(const Step& step, const State& initial,
                                                 const BeamOptions& options = {}) {
  using T = detail::StepScalar<Step, State>;
  DecodeStream<T, Step, State> stream(detail::open_tape<T>("decode_beam"), step, initial);
  detail::BeamSearch search(stream.rows(), options);
  while (!search.done()) search.advance(stream.feed(search.symbols(), search.parents()));
  return search.take_results();
}

}  // namespace unroll
