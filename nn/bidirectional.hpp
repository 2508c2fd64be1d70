#pragma once
/// \file
/// A layer in both directions.

#include <type_traits>
#include <utility>

#include "../ops/elementwise.hpp"
#include "../ops/layout.hpp"
#include "kernels/cell_steps.hpp"
#include "rnn.hpp"

namespace unroll {

/// Any layer from the last step of each sequence to its first: reverses its input within the lengths, runs, and
/// reverses the outputs back. (Rnn can do so by itself, without the copies.)
template <class L>
class UNROLL_PER_ISA Reversed {
 public:
  static_assert(detail::check_is_layer<L>());
  using Layer = detail::LayerOrNone<L>;
  using scalar = typename Layer::scalar;
  using state = typename Layer::states;
  using states = state;
  static constexpr bool runs_forward = false;

  Reversed(Index input_size, Index hidden_size, Rng& rng) : layer(input_size, hidden_size, rng) {}
  explicit Reversed(L layer_) : layer(std::move(layer_)) {}

  template <SequenceLike<scalar> X>
  X operator()(const X& x) const {
    return run(x).outputs;
  }
  /// What the layer gives for these initial states and options, if any, each step where its input is.
  template <SequenceLike<scalar> X, class... More>
  auto run(const X& x, const More&... more) const {
    return turned_back(detail::run_layer("Reversed", layer, turned(x), more...));
  }
  Index output_size() const { return layer.output_size(); }
  states initial_states(Index batch) const { return unroll::initial_states(layer, batch); }
  void check_runs_forward(const char*) const {
    static_assert(detail::not_a_member<L>,
                  "a Reversed layer begins with the last step: it cannot be run piece by piece");
  }
  void each(auto&& visit) { layer.each(visit); }

  Layer layer;

 private:
  static Variable<scalar> turned(const Variable<scalar>& x) { return flip(x); }
  static Sequence<scalar> turned(const Sequence<scalar>& x) { return reverse(x); }
  template <class Result>
  static Result turned_back(Result r) {
    turn_states(r);
    r.outputs = turned(r.outputs);
    return r;
  }
  template <class X>
  static void turn_states(RnnResult<state, X>& r) {
    r.all_states = detail::map_state(
        r.all_states, [&](const Variable<scalar>& v) { return v.defined() ? turned_rows(v, r.outputs) : v; });
  }
  static void turn_states(auto&) {}
  // States of all steps lie like the outputs.
  static Variable<scalar> turned_rows(const Variable<scalar>& v, const Variable<scalar>&) { return flip(v); }
  static Variable<scalar> turned_rows(const Variable<scalar>& v, const Sequence<scalar>& like) {
    const Index rows = v.dim(0);
    const Variable<scalar> flat = reshape(v, Shape{rows, rows == 0 ? 0 : v.size() / rows});
    return reshape(reverse(like.with(flat)).rows, v.shape());
  }
};

/// How Bidirectional makes one of two outputs; a functor of (forward, backward) with `output_size(width)` will do.
struct UNROLL_PER_ISA ConcatDirections {  ///< [forward; backward], twice as wide: PyTorch's
  template <class T>
  Variable<T> operator()(const Variable<T>& f, const Variable<T>& b) const {
    return concat<T>({f, b}, -1);
  }
  static Index output_size(Index width) { return 2 * width; }
};
struct UNROLL_PER_ISA SumDirections {  ///< forward + backward
  template <class T>
  Variable<T> operator()(const Variable<T>& f, const Variable<T>& b) const {
    return f + b;
  }
  static Index output_size(Index width) { return width; }
};
struct UNROLL_PER_ISA MeanDirections {  ///< (forward + backward) / 2
  template <class T>
  Variable<T> operator()(const Variable<T>& f, const Variable<T>& b) const {
    return detail::mean_of_two(f, b);
  }
  static Index output_size(Index width) { return width; }
};

namespace detail {
// Rnn runs backwards by an option; anything else is reversed around.
template <class L>
inline constexpr bool knows_direction = std::is_constructible_v<L, Index, Index, Rng&, RnnOptions>;
}  // namespace detail

/// States of both directions; the backward one's final state is that after the first step of each sequence.
template <class State>
struct UNROLL_PER_ISA BothStates {
  State fwd, bwd;
  void each(auto&& visit) { visit("fwd", fwd), visit("bwd", bwd); }
};

/// A layer forward and a second one, with weights of its own, backward over each sequence (Schuster and Paliwal, 1997);
/// every output knows the whole sequence. Takes and gives tensors (T, B, F) or Sequences.
///
/// `Merge` makes one output of the two: ConcatDirections (PyTorch's, twice as wide), SumDirections, MeanDirections, or
/// a functor of the user's. Parameters: fwd.*, bwd.*.
template <class L, class Merge = ConcatDirections>
class UNROLL_PER_ISA Bidirectional {
 public:
  static_assert(detail::check_is_layer<L>());
  using Layer = detail::LayerOrNone<L>;
  using scalar = typename Layer::scalar;
  using state = BothStates<typename Layer::states>;
  using states = state;
  using BackwardLayer = std::conditional_t<detail::knows_direction<Layer>, Layer, Reversed<Layer>>;
  static constexpr bool runs_forward = false;

  /// Builds both layers from (input_size, hidden_size, rng).
  Bidirectional(Index input_size, Index hidden_size, Rng& rng)
      : fwd(input_size, hidden_size, rng), bwd(make_backward(input_size, hidden_size, rng)) {}

  template <SequenceLike<scalar> X>
  X operator()(const X& x) const {
    return run(x).outputs;
  }
  /// Outputs and final states, from the layers' own initial states.
  template <SequenceLike<scalar> X>
  RnnResult<state, X> run(const X& x) const {
    const auto f = detail::run_layer("Bidirectional", fwd, x);
    const auto b = detail::run_layer("Bidirectional", bwd, x);
    return {merge(f.outputs, b.outputs), {final_states(f), final_states(b)}, {}};
  }
  /// Outputs and final states, from given states.
  template <SequenceLike<scalar> X>
  RnnResult<state, X> run(const X& x, const state& initial) const {
    const auto f = fwd.run(x, initial.fwd);
    const auto b = bwd.run(x, initial.bwd);
    return {merge(f.outputs, b.outputs), {final_states(f), final_states(b)}, {}};
  }

  /// The same, and every member of the states at every step, for layers that have that (Rnn).
  template <SequenceLike<scalar> X>
  RnnResult<state, X> run(const X& x, RnnCallOptions options) const {
    const auto f = fwd.run(x, options);
    const auto b = bwd.run(x, options);
    return {merge(f.outputs, b.outputs), {f.final_state, b.final_state}, {f.all_states, b.all_states}};
  }

  Index output_size() const { return Merge::output_size(fwd.output_size()); }
  states initial_states(Index batch) const {
    return {unroll::initial_states(fwd, batch), unroll::initial_states(bwd, batch)};
  }
  void check_runs_forward(const char*) const {
    static_assert(detail::not_a_member<L>,
                  "a Bidirectional layer knows the whole sequence at every step: it cannot be run piece by piece");
  }
  void each(auto&& visit) { visit("fwd", fwd), visit("bwd", bwd); }

  Layer fwd;
  BackwardLayer bwd;

 private:
  static BackwardLayer make_backward(Index input_size, Index hidden_size, Rng& rng) {
    if constexpr (detail::knows_direction<Layer>) {
      return BackwardLayer(input_size, hidden_size, rng, RnnOptions{.reverse = true});
    } else {
      return BackwardLayer(input_size, hidden_size, rng);
    }
  }
  static Variable<scalar> merge(const Variable<scalar>& f, const Variable<scalar>& b) { return Merge{}(f, b); }
  static Sequence<scalar> merge(const Sequence<scalar>& f, const Sequence<scalar>& b) {
    return f.with(Merge{}(f.rows, b.rows));
  }
};

}  // namespace unroll
