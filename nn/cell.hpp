#pragma once
/// \file
/// What a recurrent cell is. Layers (Rnn, stacks, both directions) are templates over this.
///
/// A cell is a module with
///
///     using scalar = T;                          // float or double
///     using state = Variable<T>;                 // or a struct with each(), see below
///     Index output_size() const;                 // width of what it puts out
///     state step(Variable<T> x, state s) const;  // one time step: x (B, I), rows of s are the batch
///     void each(auto&& visit);                   // names its parameters
///
/// and, where the defaults do not do,
///
///     Variable<T> project(Variable<T> x) const;  // what depends on the input alone: done for many steps
///                                                // at once, (N, I) to (N, P); step() then gets (B, P)
///     state initial_state(Index batch) const;    // default: zeros (B, output_size()) everywhere
///     Variable<T> output(state s) const;         // default: the state, or its first member
///     state random_state(Index batch, Rng& rng, double deviation) const;  // default: normal numbers everywhere
///
/// and a constructor from (input_size, hidden_size, rng), so that wrappers can build it.
///
/// A state that is a struct names its members with each(): Variables, std::arrays of them, and such structs. step()
/// keeps their shapes. Each row of a batch is one sequence and does not see the others; what step() remembers is in the
/// state and nowhere else. check_cell (nn/check/check_cell.hpp) tells whether a cell keeps to that, with right gradients.
///
/// In a layer each projected input is for one step: `hh.onto(px, h)` (linear_onto) adds the state's product to it where
/// it lies, which saves memory and a pass over it. That is the last use of px in a step.

#include <concepts>
#include <span>
#include <type_traits>

#include "../core/random.hpp"
#include "../core/variable.hpp"
#include "module.hpp"

namespace unroll {

namespace detail {

template <class X>
inline constexpr bool is_variable = false;
template <class T>
inline constexpr bool is_variable<Variable<T>> = true;

/// Calls visit(name, variable) for each Variable of a state, those of states within states included.
template <class State, class F>
UNROLL_PER_ISA void visit_state(State& state, F&& visit, const char* name = "h") {
  if constexpr (is_variable<std::remove_const_t<State>>) {
    visit(name, state);
  } else if constexpr (is_list<std::remove_const_t<State>>) {
    for (auto& member : state) visit_state(member, visit, name);
  } else {
    const_cast<std::remove_const_t<State>&>(state).each(
        [&](const char* member_name, auto& member) { visit_state(member, visit, member_name); });
  }
}

/// A state of f(variable) for each Variable of `state`.
template <class State, class F>
UNROLL_PER_ISA State map_state(State state, F&& f) {
  visit_state(state, [&](const char*, auto& v) { v = f(v); });
  return state;
}

template <class C>
concept HasStateType = requires { typename C::state; };
template <class C>
concept HasOutputSize = requires(const C& c) {
  { c.output_size() } -> std::convertible_to<Index>;
};
template <class C>
concept HasStep = HasScalar<C> && HasStateType<C> &&
                  requires(const C& c, Variable<typename C::scalar> x, typename C::state s) {
                    { c.step(x, s) } -> std::convertible_to<typename C::state>;
                  };
template <class C>
concept HasProject = HasScalar<C> && requires(const C& c, Variable<typename C::scalar> x) { c.project(x); };
template <class C>
concept HasInitialState = requires(const C& c, Index batch) { c.initial_state(batch); };
template <class C>
concept HasRandomState = requires(const C& c, Index batch, Rng& rng) { c.random_state(batch, rng, 1.0); };
template <class C>
concept HasOutput = HasStateType<C> && requires(const C& c, typename C::state s) { c.output(s); };
template <class C>
concept StateIsVisitable = HasStateType<C> && (is_variable<typename C::state> || NamesMembers<typename C::state>);
template <class C>
concept StateOwnsNothing = HasStateType<C> && std::is_trivially_destructible_v<typename C::state>;

/// Fails to compile with one line that says what a nearly-cell lacks.
template <class C>
constexpr bool check_is_cell() {
  static_assert(HasScalar<C>, "this is no cell: it lacks `using scalar = ...;` (float or double)");
  static_assert(HasStateType<C>,
                "this is no cell: it lacks `using state = ...;` (what step() takes and returns)");
  static_assert(
      !HasStateType<C> || StateIsVisitable<C>,
      "this is no cell: its state is neither a Variable nor a struct with `void each(auto&& visit)`");
  static_assert(
      !HasStateType<C> || StateOwnsNothing<C>,
      "this is no cell: its state must be a plain struct of Variables (std::array instead of std::vector)");
  static_assert(HasOutputSize<C>, "this is no cell: it lacks `Index output_size() const`");
  static_assert(NamesMembers<C>,
                "this is no cell: it lacks `void each(auto&& visit)`, which names its parameters");
  static_assert(!HasScalar<C> || !HasStateType<C> || HasStep<C>,
                "this is no cell: it lacks `state step(Variable<scalar> x, state s) const` (is it const?)");
  return true;
}

}  // namespace detail

/// A recurrent cell: see the head of this file.
template <class C>
concept Cell = Module<C> && detail::HasStep<C> && detail::HasOutputSize<C> && detail::StateIsVisitable<C> &&
    detail::StateOwnsNothing<C>;

namespace detail {

/// Stands in for a nearly-cell, so that the compiler says what that lacks and nothing else.
struct NoCell {
  using scalar = float;
  using state = Variable<float>;
  NoCell(auto&&...);
  Index output_size() const;
  state step(Variable<float> x, state s) const;
  void each(auto&&) {}
};
template <class C>
using CellOrNone = std::conditional_t<Cell<C>, C, NoCell>;

}  // namespace detail

/// The state a cell starts from: its own `initial_state(batch)`, or zeros (batch, output_size()).
template <class C>
UNROLL_PER_ISA typename C::state initial_state(const C& cell, Index batch) {
  if constexpr (detail::HasInitialState<C>) {
    return cell.initial_state(batch);
  } else {
    return detail::map_state(typename C::state{}, [&](const auto&) {
      return zeros<typename C::scalar>(Shape{batch, static_cast<Index>(cell.output_size())});
    });
  }
}

/// A state of normal random numbers with this standard deviation, in the shapes of the cell's initial state:
/// another start for every sequence, against overfitting to zeros. A cell whose state holds more than numbers that may
/// be anything (masks) has its own `random_state(batch, rng, deviation)`.
template <class C>
UNROLL_PER_ISA typename C::state random_state(const C& cell, Index batch, Rng& rng, double deviation = 1) {
  using T = typename C::scalar;
  if constexpr (detail::HasRandomState<C>) {
    return cell.random_state(batch, rng, deviation);
  } else {
    return detail::map_state(initial_state(cell, batch), [&](const Variable<T>& v) {
      return detail::input_written_by<T>("random_state", v.shape(), false, [&](std::span<T> to) {
        rng.fill_normal(to, T(0), static_cast<T>(deviation));
      });
    });
  }
}

/// What a cell in this state puts out: its own `output(state)`, or the state, or the state's first member.
template <class C>
UNROLL_PER_ISA Variable<typename C::scalar> output_of(const C& cell, const typename C::state& state) {
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
UNROLL_PER_ISA Variable<typename C::scalar> project(const C& cell, Variable<typename C::scalar> x) {
  if constexpr (detail::HasProject<C>) {
    return cell.project(x);
  } else {
    return x;
  }
}

}  // namespace unroll
