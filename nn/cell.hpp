#pragma once
/// \file
/// What a recurrent cell is. Layers (Rnn, stacks, both directions) are templates over this.
///
/// A cell is a module with
///
///     using scalar = T;                                      // float or double
///     using state = Variable<T>;                             // or a struct of Variables with each()
///     Index output_size() const;                             // width of what it puts out
///     state step(Variable<T> x, state s) const;              // one time step: x (B, I), rows of s are the batch
///     void each(auto&& visit);                               // names its parameters
///
/// and, where the defaults do not do,
///
///     Variable<T> project(Variable<T> x) const;              // what depends on the input alone: done for all steps at
///                                                            // once, (N, I) to (N, P); step() then gets (B, P)
///     state initial_state(Index batch) const;                // default: zeros (B, output_size()) everywhere
///     Variable<T> output(state s) const;                     // default: the state, or its first member
///
/// and a constructor from (input_size, hidden_size, rng), so that wrappers can build it.

#include <concepts>
#include <type_traits>

#include "unroll/core/variable.hpp"
#include "unroll/nn/module.hpp"

namespace unroll {

namespace detail {

template <class X>
inline constexpr bool is_variable = false;
template <class T>
inline constexpr bool is_variable<Variable<T>> = true;

/// Calls visit(name, variable) for each Variable of a state.
template <class State, class F>
void visit_state(State& state, F&& visit) {
  if constexpr (is_variable<std::remove_const_t<State>>) {
    visit("h", state);
  } else {
    const_cast<std::remove_const_t<State>&>(state).each(visit);
  }
}

/// A state of f(variable) for each Variable of `state`.
template <class State, class F>
State map_state(State state, F&& f) {
  visit_state(state, [&](const char*, auto& v) { v = f(v); });
  return state;
}

template <class C>
concept HasScalar = requires { typename C::scalar; };
template <class C>
concept HasState = requires { typename C::state; };
template <class C>
concept HasOutputSize = requires(const C& c) {
  { c.output_size() } -> std::convertible_to<Index>;
};
template <class C>
concept HasStep = HasScalar<C> && HasState<C> &&
                  requires(const C& c, Variable<typename C::scalar> x, typename C::state s) {
                    { c.step(x, s) } -> std::convertible_to<typename C::state>;
                  };
template <class C>
concept HasProject = HasScalar<C> && requires(const C& c, Variable<typename C::scalar> x) { c.project(x); };
template <class C>
concept HasInitialState = requires(const C& c, Index batch) { c.initial_state(batch); };
template <class C>
concept HasOutput = HasState<C> && requires(const C& c, typename C::state s) { c.output(s); };
template <class C>
concept StateIsVisitable = HasState<C> && (is_variable<typename C::state> || NamesMembers<typename C::state>);

/// Fails to compile with one line that says what a nearly-cell lacks.
template <class C>
constexpr bool check_is_cell() {
  static_assert(HasScalar<C>, "this is no cell: it lacks `using scalar = ...;` (float or double)");
  static_assert(HasState<C>, "this is no cell: it lacks `using state = ...;` (what step() takes and returns)");
  static_assert(!HasState<C> || StateIsVisitable<C>,
                "this is no cell: its state is neither a Variable nor a struct with `void each(auto&& visit)`");
  static_assert(HasOutputSize<C>, "this is no cell: it lacks `Index output_size() const`");
  static_assert(NamesMembers<C>, "this is no cell: it lacks `void each(auto&& visit)`, which names its parameters");
  static_assert(!HasScalar<C> || !HasState<C> || HasStep<C>,
                "this is no cell: it lacks `state step(Variable<scalar> x, state s) const` (is it const?)");
  return true;
}

}  // namespace detail

/// A recurrent cell: see the head of this file.
template <class C>
concept Cell = Module<C> && detail::HasStep<C> && detail::HasOutputSize<C> && detail::StateIsVisitable<C>;

/// The state a cell starts from: its own `initial_state(batch)`, or zeros (batch, output_size()).
template <class C>
typename C::state initial_state(const C& cell, Index batch) {
  if constexpr (detail::HasInitialState<C>) {
    return cell.initial_state(batch);
  } else {
    return detail::map_state(typename C::state{}, [&](const auto&) {
      return zeros<typename C::scalar>(Shape{batch, static_cast<Index>(cell.output_size())});
    });
  }
}

/// What a cell in this state puts out: its own `output(state)`, or the state, or the state's first member.
template <class C>
Variable<typename C::scalar> output_of(const C& cell, const typename C::state& state) {
  if constexpr (detail::HasOutput<C>) {
    return cell.output(state);
  } else {
    Variable<typename C::scalar> first;
    detail::visit_state(state, [&](const char*, const auto& v) {
      if (!first.defined()) first = v;
    });
    return first;
  }
}

/// What a cell makes of its input before time comes in: its own `project(x)`, or x.
template <class C>
Variable<typename C::scalar> project(const C& cell, Variable<typename C::scalar> x) {
  if constexpr (detail::HasProject<C>) {
    return cell.project(x);
  } else {
    return x;
  }
}

}  // namespace unroll
