#pragma once
/// \file
/// The loop over time: any cell over the rows of a layout, in either direction.

#include "layer.hpp"

namespace unroll {

struct TimeLoopOptions {
  bool reverse = false;     ///< from the last step to the first; a sequence starts at its own last step
  bool all_states = false;  ///< also return the states of every step
};

/// What a cell gives when it is run over time: outputs (N, O), the row of step t where the input's row of step t was,
/// the final state (B, ...), of each sequence after its last step, and all states (N, ...); N rows of all steps.
template <class C>
using TimeLoopResult = RnnResult<typename C::state, Variable<typename C::scalar>>;

namespace detail {

/// A cell without its type, its state a list of Variables: so that the loop is compiled once, with the library, and not
/// in every file that has a cell.
template <class T>
struct CellFunctions {
  const void* cell;
  const void* shell;  // the initial state, whose members that are no Variables hold for every step
  Index output_size;
  int members;               // Variables in a state
  const char* const* names;  // of the members
  Variable<T> (*project)(const void* cell, const Variable<T>& x);
  /// One step from `before`, into `next`; returns the output.
  Variable<T> (*step)(const CellFunctions&, const Variable<T>& x, const Variable<T>* before, Variable<T>* next);
};

/// The loop. `final_state` and, when asked for, `all_states` have room for `functions.members` each. Returns the
/// outputs.
template <class T>
Variable<T> run_time_loop(const CellFunctions<T>& functions, const Variable<T>& x, const SequenceLayout& layout,
                          const Variable<T>* initial, TimeLoopOptions options, Variable<T>* final_state,
                          Variable<T>* all_states);

template <class State, class T>
UNROLL_PER_ISA void state_to_list(const State& state, Variable<T>* list) {
  visit_state(state, [&](const char*, const auto& v) { *list++ = v; });
}
template <class State, class T>
UNROLL_PER_ISA State state_from_list(State like, const Variable<T>* list) {
  visit_state(like, [&](const char*, auto& v) { v = *list++; });
  return like;
}

template <class C, class T = typename C::scalar>
UNROLL_PER_ISA Variable<T> project_function(const void* cell, const Variable<T>& x) {
  return project(*static_cast<const C*>(cell), x);
}

template <class C, class T = typename C::scalar> UNROLL_PER_ISA
Variable<T> step_function(const CellFunctions<T>& f, const Variable<T>& x, const Variable<T>* before,
                          Variable<T>* next) {
  using State = typename C::state;
  const C& cell = *static_cast<const C*>(f.cell);
  const State state = cell.step(x, state_from_list(*static_cast<const State*>(f.shell), before));
  state_to_list(state, next);
  return output_of(cell, state);
}

}  // namespace detail

/// Runs `cell` over the rows of `layout`, from `initial` (one row a sequence, in the layout's order).
///
/// x (N, I). In a Recording the input's part of the cell, `project`, is done for all N rows at once, and every step's
/// values stay, side by side with its neighbours' (see Loop). In an Evaluation it is done block by block, and one state
/// is kept, which every step overwrites. Errors of a step name the step.
/// Throws ShapeError when x has not N rows or the state not B, or when a step returns other shapes than it got.
template <class C> UNROLL_PER_ISA
TimeLoopResult<C> run_over_time(const C& cell, const Variable<typename C::scalar>& x, const SequenceLayout& layout,
                                const typename C::state& initial, TimeLoopOptions options = {}) {
  detail::check_is_cell<C>();
  using T = typename C::scalar;
  Tape<T>& tape = detail::open_tape<T>("Rnn");
  int members = 0;
  detail::visit_state(initial, [&](const char*, const auto&) { ++members; });
  auto** names = tape.template allocate<const char*>(members);
  auto* list = tape.template allocate<Variable<T>>(3 * members);
  for (int m = 0; m < 3 * members; ++m) new (&list[m]) Variable<T>;
  members = 0;
  detail::visit_state(initial, [&](const char* name, const auto& v) {
    names[members] = name;
    list[members++] = v;
  });
  const detail::CellFunctions<T> functions{&cell,
                                           &initial,
                                           static_cast<Index>(cell.output_size()),
                                           members,
                                           names,
                                           &detail::project_function<C>,
                                           &detail::step_function<C>};
  TimeLoopResult<C> result;
  result.outputs = detail::run_time_loop(functions, x, layout, list, options, list + members, list + 2 * members);
  result.final_state = detail::state_from_list(initial, list + members);
  if (options.all_states) result.all_states = detail::state_from_list(initial, list + 2 * members);
  return result;
}

}  // namespace unroll
