#pragma once
/// \file
/// What a layer over time is. Stack, Bidirectional, Pyramid, Reversed and WeightDrop are templates over this, and
/// truncated_bptt, layer_step and the functions of gradient_flow.hpp take any.
///
/// A layer is a module with
///
///     using scalar = T;                          // float or double
///     using states = ...;                        // what a run begins with and ends in: a Variable, a struct with
///                                                // each(), a std::vector of such; NoState<T> for nothing
///     Index output_size() const;                 // width of what it puts out
///     states initial_states(Index batch) const;  // what B sequences begin with; not needed with NoState
///     LayerResult<states, X> run(const X& x, const states& from) const;
///                                                // x: a Variable (T,B,I) or a Sequence; best a template that takes
///                                                // either, `template <SequenceLike<T> X>`
///     void each(auto&& visit);                   // names its parameters
///
/// and, where the defaults do not do,
///
///     LayerResult<states, X> run(const X& x) const;   // default: from the initial states
///     static constexpr bool runs_forward = false;     // default: true: a run may be cut, and the second piece begins
///                                                     // with the states in which the first has ended
///     void check_runs_forward(const char* op) const;  // default: nothing; throws ValueError where one layer of the
///                                                     // type may be cut and another may not
///     Variable<T> output_in(const Variable<T>& x, const states& s) const;  // what it put out in the states s, after
///                                                     // it read x (B, I); default with NoState: it runs over x
///
/// and a constructor from (input_size, hidden_size, rng), so that wrappers can build it; with RnnOptions as a fourth
/// argument Bidirectional has it run backwards by itself. Initial and final states have a row for each sequence, in the
/// caller's order. Each sequence of a batch does not see the others. Whether a layer keeps to that, and its gradients
/// are right, says check_layer (nn/check/check_layer.hpp). Examples: the first ones in tests/nn/test_layer.cpp.

#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "../ops/layout.hpp"
#include "cell.hpp"
#include "sequence.hpp"

namespace unroll {

/// The states of a layer that keeps nothing from step to step. A row for each sequence nevertheless, of no width: so
/// whoever carries or decodes it knows how many there are.
template <class T = float>
struct UNROLL_PER_ISA NoState {
  Variable<T> rows;  ///< (B, 0)
  void each(auto&& visit) { visit("rows", rows); }
};

/// What a run of a layer gives. A result of another type has `outputs`, too, and beside it `final_states(result)`.
template <class States, class Outputs>
struct UNROLL_PER_ISA LayerResult {
  Outputs outputs;      ///< (T, B, O) or a Sequence: what the input was
  States final_states;  ///< (B, ...), of each sequence after its last step
  void each(auto&& visit) { visit("outputs", outputs), visit("final_states", final_states); }
};

/// What a run of Rnn, and of layers like it, gives: the states by another name, and more of them.
template <class State, class Outputs>
struct UNROLL_PER_ISA RnnResult {
  Outputs outputs;    ///< (T, B, O), or a Sequence; the row of step t belongs to step t in either direction
  State final_state;  ///< (B, ...), of each sequence after the last step taken
  State all_states;   ///< every member at every step: (T, B, ...), or the (N, ...) rows of a Sequence; undefined unless
                      ///< asked for
  void each(auto&& visit) {
    visit("outputs", outputs), visit("final_state", final_state), visit("all_states", all_states);
  }
};

/// The states in which a run of any layer ended, whatever its result calls them.
template <class States, class Outputs>
UNROLL_PER_ISA const States& final_states(const LayerResult<States, Outputs>& r) {
  return r.final_states;
}
template <class State, class Outputs>
UNROLL_PER_ISA const State& final_states(const RnnResult<State, Outputs>& r) {
  return r.final_state;
}

namespace detail {

template <class X>
inline constexpr bool is_sequence = false;
template <class T>
inline constexpr bool is_sequence<Sequence<T>> = true;

template <class L>
concept HasStates = requires { typename L::states; };
template <class S>
inline constexpr bool states_are_visitable = is_variable<S> || NamesMembers<S>;
template <class S>
inline constexpr bool states_are_visitable<std::vector<S>> = states_are_visitable<S>;
template <class L>
concept HasNoState = std::is_same_v<typename L::states, NoState<typename L::scalar>>;
template <class L>
concept HasInitialStates = HasStates<L> && requires(const L& l, Index batch) {
  { l.initial_states(batch) } -> std::convertible_to<typename L::states>;
};
template <class L, class X>
concept RunsOver = requires(const L& l, const X& x, const typename L::states& s) { l.run(x, s); };
template <class L, class X>
concept GivesResult = RunsOver<L, X> && requires(const L& l, const X& x, const typename L::states& s) {
  { l.run(x, s).outputs } -> std::convertible_to<X>;
  { final_states(l.run(x, s)) } -> std::convertible_to<typename L::states>;
};
template <class L>
concept HasRun = RunsOver<L, Variable<typename L::scalar>> || RunsOver<L, Sequence<typename L::scalar>>;
template <class L>
concept RunGivesResult = GivesResult<L, Variable<typename L::scalar>> || GivesResult<L, Sequence<typename L::scalar>>;

}  // namespace detail

/// A layer over time: see the head of this file.
template <class L>
concept Layer = Module<L> && detail::HasScalar<L> && detail::HasOutputSize<L> && detail::HasStates<L> &&
    detail::states_are_visitable<typename L::states> &&
    (detail::HasInitialStates<L> || detail::HasNoState<L>) && detail::RunGivesResult<L>;

namespace detail {

/// Fails to compile with one line that says what a nearly-layer lacks.
template <class L>
constexpr bool check_is_layer() {
  static_assert(HasScalar<L>, "this is no layer: it lacks `using scalar = ...;` (float or double)");
  static_assert(HasStates<L>, "this is no layer: it lacks `using states = ...;` (what run() begins with and ends in; "
                              "NoState<scalar> where there is nothing)");
  static_assert(HasOutputSize<L>, "this is no layer: it lacks `Index output_size() const`");
  static_assert(NamesMembers<L>, "this is no layer: it lacks `void each(auto&& visit)`, which names its parameters");
  if constexpr (HasScalar<L> && HasStates<L>) {
    using States = typename L::states;
    static_assert(states_are_visitable<States>, "this is no layer: its states are neither a Variable, nor a struct "
                                                "with `void each(auto&& visit)`, nor a std::vector of such");
    static_assert(HasInitialStates<L> || HasNoState<L>,
                  "this is no layer: it lacks `states initial_states(Index batch) const`");
    static_assert(HasRun<L>, "this is no layer: it lacks `LayerResult<states, X> run(const X& x, const states& from) "
                             "const` for X a Variable<scalar>, a Sequence<scalar>, or both (is it const?)");
    static_assert(!HasRun<L> || RunGivesResult<L>,
                  "this is no layer: its run() gives no LayerResult<states, X> (or another result with outputs like x "
                  "and final_states(result))");
  }
  return true;
}

/// Stands in for a nearly-layer, so that the compiler says what that lacks and nothing else.
struct NoLayer {
  using scalar = float;
  using states = NoState<float>;
  NoLayer(auto&&...);
  Index output_size() const;
  template <class X, class... More>
  LayerResult<states, X> run(const X&, const More&...) const;
  void each(auto&&) {}
};
template <class L>
using LayerOrNone = std::conditional_t<Layer<L>, L, NoLayer>;

}  // namespace detail

/// The states of B sequences that a layer starts from, B = `batch`; of a cell its initial state.
///
/// They depend on parameters where a cell learns its start (TrainableInitialState).
template <class L>
UNROLL_PER_ISA auto initial_states(const L& layer, Index batch) {
  if constexpr (Cell<L>) {
    return initial_state(layer, batch);
  } else {
    detail::check_is_layer<L>();
    using Checked = detail::LayerOrNone<L>;
    if constexpr (detail::HasNoState<Checked>) {
      return typename Checked::states{zeros<typename Checked::scalar>(Shape{batch, 0})};
    } else {
      return typename L::states(layer.initial_states(batch));
    }
  }
}

namespace detail {

/// What runs of a layer, or steps of a cell, begin with and end in.
template <class L>
using StatesOf = decltype(initial_states(std::declval<const L&>(), Index()));

/// What a layer makes of x from these initial states, or its own; errors name `op`.
template <class L, class X, class... More>
UNROLL_PER_ISA auto run_layer(const char* op, const L& layer, const X& x, const More&... more) {
  if constexpr (sizeof...(More) > 0 || requires { layer.run(x); }) {
    return layer.run(x, more...);
  } else {
    return layer.run(x, initial_states(layer, batch_of(op, x)));
  }
}

template <class L>
inline constexpr bool runs_forward = true;
template <class L>
requires requires { L::runs_forward; }
inline constexpr bool runs_forward<L> = L::runs_forward;

/// That a layer reads its input from the first step to the last, so that it can be run piece by piece.
template <class L>
UNROLL_PER_ISA void check_runs_forward(const char* op, const L& layer) {
  if constexpr (requires { layer.check_runs_forward(op); }) {
    layer.check_runs_forward(op);
  } else {
    static_assert(runs_forward<L>, "this layer says `runs_forward = false`: it cannot be run piece by piece");
  }
}

/// What a layer or cell put out in these states, to which reading x (B, I) has led.
template <class L, class T>
UNROLL_PER_ISA Variable<T> output_in(const L& layer, const Variable<T>& x, const StatesOf<L>& states) {
  if constexpr (Cell<L>) {
    return output_of(layer, states);
  } else if constexpr (requires { layer.output_in(x, states); }) {
    return layer.output_in(x, states);
  } else if constexpr (HasNoState<L>) {
    return at(layer.run(reshape(x, x.shape().insert(0, 1)), states).outputs, 0);
  } else {
    throw ValueError("[state_gradients] what this layer puts out in a state is not known; expected a layer with a "
                     "member `Variable<T> output_in(const Variable<T>& x, const states& s) const`");
  }
}

/// The initial states of several layers.
template <class L>
UNROLL_PER_ISA auto initial_states_of(const std::vector<L>& layers, Index batch) {
  std::vector<StatesOf<L>> states;
  for (const L& one : layers) states.push_back(initial_states(one, batch));
  return states;
}

/// Throws ShapeError unless there are states for every layer.
template <class State, class L>
UNROLL_PER_ISA void check_states(const char* op, const std::vector<State>& states, const std::vector<L>& layers) {
  if (states.size() != layers.size())
    throw ShapeError("[" + std::string(op) + "] " + std::to_string(states.size()) + " initial states for " +
                     std::to_string(layers.size()) + " layers");
}

template <class R>
concept IsTuple = requires { std::tuple_size<R>::value; } && !is_list<R>;

/// on_variable(v) for every Variable in what a function returned that was set, on_layout(layout) for every layout.
template <class R, class OnVariable, class OnLayout>
UNROLL_PER_ISA void visit_result(R& result, const OnVariable& on_variable, const OnLayout& on_layout) {
  const auto deeper = [&](auto& part) { visit_result(part, on_variable, on_layout); };
  if constexpr (is_variable<R>) {
    if (result.defined()) on_variable(result);
  } else if constexpr (is_sequence<R>) {
    deeper(result.rows), on_layout(result.layout);
  } else if constexpr (is_list<R>) {
    for (auto& part : result) deeper(part);
  } else if constexpr (IsTuple<R>) {
    std::apply([&](auto&... part) { (deeper(part), ...); }, result);
  } else if constexpr (NamesMembers<R>) {
    result.each([&](const char*, auto& part) { deeper(part); });
  } else {
    static_assert(std::is_arithmetic_v<R> || std::is_enum_v<R>,
                  "what a function returns here is a Variable, a state, a Sequence, what run() of a layer returns, "
                  "numbers, or a vector, array, pair or tuple of these");
  }
}

}  // namespace detail
}  // namespace unroll
