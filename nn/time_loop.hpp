#pragma once
/// \file
/// The loop over time: any cell over the rows of a layout, in either direction.

#include <algorithm>
#include <string>

#include "unroll/core/loop.hpp"
#include "unroll/nn/cell.hpp"
#include "unroll/nn/sequence_layout.hpp"
#include "unroll/ops/layout.hpp"

namespace unroll {

struct TimeLoopOptions {
  bool reverse = false;     ///< from the last step to the first; a sequence starts at its own last step
  bool all_states = false;  ///< also return the states of every step
};

/// What a cell gives when it is run over time. N is the number of rows of all steps.
template <class C>
struct TimeLoopResult {
  Variable<typename C::scalar> outputs;  ///< (N, O), the row of step t where the input's row of step t was
  typename C::state final_state;         ///< (B, ...), of each sequence after its last step
  typename C::state all_states;          ///< (N, ...), undefined unless asked for
};

namespace detail {

template <class State>
int state_members(const State& state) {
  int n = 0;
  visit_state(state, [&](const char*, const auto&) { ++n; });
  return n;
}

/// Adds layer and time step to an error of a step.
template <class F>
auto at_time_step(Index t, F&& f) {
  try {
    return f();
  } catch (Error& e) {
    e.add_context("time step " + std::to_string(t));
    throw;
  }
}

template <class T>
void check_rows(const char* what, const char* member, const Variable<T>& v, Index rows) {
  if (v.shape().rank() == 0 || v.dim(0) != rows)
    throw ShapeError(std::string("[Rnn] ") + what + " '" + member + "' has shape " + v.shape().str() + "; expected " +
                     std::to_string(rows) + " rows");
}

/// The rows of each step of `x` as parts of it.
template <class T>
Variable<T>* steps_of(Tape<T>& tape, Variable<T> x, const SequenceLayout& layout) {
  Node<T>* base = x.use("Rnn");
  const bool divisible = base->divisible();
  auto* steps = tape.template allocate<Variable<T>>(layout.steps);
  for (Index t = 0; t < layout.steps; ++t)
    steps[t] = tape.handle(tape.new_part(base, divisible, base->value + layout.first[t] * base->row_stride,
                                         base->shape.with(0, layout.active[t]), base->row_stride));
  return steps;
}

/// Member `m` of `count` states, one after the other along the rows.
template <class T, class State, class Joiner>
Variable<T> join_member(Tape<T>& tape, const State* states, Index count, int m, Joiner&& joiner) {
  auto* list = tape.template allocate<Variable<T>>(count);
  for (Index k = 0; k < count; ++k) {
    int at = 0;
    visit_state(states[k], [&](const char*, const auto& v) {
      if (at++ == m) list[k] = v;
    });
  }
  return joiner(std::span<const Variable<T>>(list, static_cast<std::size_t>(count)));
}

/// The states `states[0..count)` one after the other, member by member.
template <class T, class State, class Joiner>
State join_states(Tape<T>& tape, const State* states, Index count, Joiner&& joiner) {
  int m = 0;
  return map_state(states[0], [&](const auto&) { return join_member<T>(tape, states, count, m++, joiner); });
}

template <class T, class State>
State first_rows(const State& state, Index rows) {
  return map_state(state, [&](const Variable<T>& v) { return v.dim(0) == rows ? v : narrow(v, 0, 0, rows); });
}

/// In a Recording: every step's values stay, side by side with its neighbours' (see Loop).
template <class C>
TimeLoopResult<C> record_time_loop(const C& cell, Variable<typename C::scalar> x, const SequenceLayout& layout,
                                   typename C::state initial, TimeLoopOptions options) {
  using T = typename C::scalar;
  using State = typename C::state;
  Tape<T>& tape = *current_tape<T>;
  const Index steps = layout.steps;
  Variable<T>* input = steps_of(tape, project(cell, x), layout);
  auto* outputs = tape.template allocate<Variable<T>>(steps);
  auto* states = tape.template allocate<State>(steps);
  // States of sequences that have ended, shortest first; behind them, at the end, those that are still running.
  auto* ended = tape.template allocate<State>(layout.batch + 1);
  Index ended_count = 0;

  const auto rows_of = [](const State& s, Index from, Index count) {
    return map_state(s, [&](const Variable<T>& v) { return narrow(v, 0, from, count); });
  };
  const Index first_active = steps == 0 ? 0 : layout.active[options.reverse ? steps - 1 : 0];
  if (first_active < layout.batch && !options.reverse)
    new (&ended[ended_count++]) State(rows_of(initial, first_active, layout.batch - first_active));
  State state = steps == 0 ? initial : first_rows<T>(initial, first_active);
  Index running = first_active;

  {
    Loop<T> loop(tape, layout.rows);
    for (Index i = 0; i < steps; ++i) {
      const Index t = options.reverse ? steps - 1 - i : i;
      const Index rows = layout.active[t];
      if (rows < running) {
        new (&ended[ended_count++]) State(rows_of(state, rows, running - rows));
        state = rows_of(state, 0, rows);
      } else if (rows > running) {
        State both[] = {state, rows_of(initial, running, rows - running)};
        state = join_states<T>(tape, both, 2, [](std::span<const Variable<T>> v) { return concat<T>(v, 0); });
      }
      running = rows;
      loop.step(layout.first[t], rows);
      state = at_time_step(t, [&]() -> State { return cell.step(input[t], state); });
      visit_state(state, [&](const char* name, const auto& v) {
        if (v.shape().rank() == 0 || v.dim(0) != rows)
          at_time_step(t, [&] { check_rows("the state that step() returned,", name, v, rows); });
      });
      new (&states[t]) State(state);
      new (&outputs[t]) Variable<T>(output_of(cell, state));
    }
  }

  TimeLoopResult<C> result;
  const auto joined = [](std::span<const Variable<T>> v) { return join<T>(v); };
  if (steps == 0) {
    result.outputs = zeros<T>(Shape{0, static_cast<Index>(cell.output_size())});
    result.final_state = initial;
    if (options.all_states) result.all_states = first_rows<T>(initial, 0);
    return result;
  }
  result.outputs = joined({outputs, static_cast<std::size_t>(steps)});
  if (options.all_states) result.all_states = join_states<T>(tape, states, steps, joined);
  if (running < layout.batch && options.reverse)
    new (&ended[ended_count++]) State(rows_of(initial, running, layout.batch - running));
  if (ended_count == 0) {
    result.final_state = state;
  } else {
    new (&ended[ended_count++]) State(state);
    std::reverse(ended, ended + ended_count);
    result.final_state = join_states<T>(tape, ended, ended_count,
                                        [](std::span<const Variable<T>> v) { return concat<T>(v, 0); });
  }
  return result;
}

/// In an Evaluation: outputs, and one state that every step overwrites, whatever T is.
template <class C>
TimeLoopResult<C> evaluate_time_loop(const C& cell, Variable<typename C::scalar> x, const SequenceLayout& layout,
                                     const typename C::state& initial, TimeLoopOptions options) {
  using T = typename C::scalar;
  using State = typename C::state;
  Tape<T>& tape = *current_tape<T>;
  const auto copy_rows = [](const Variable<T>& from, const Variable<T>& to, Index first_row) {
    const Node<T>& a = from.read("Rnn");
    Node<T>& b = to.read("Rnn");
    for (Index r = 0; r < a.rows(); ++r)
      std::copy_n(a.value + r * a.row_stride, a.cols(), b.value + first_row * b.row_stride + r * b.row_stride);
  };
  const auto fresh = [&](const Variable<T>& like, Index rows) {
    return tape.handle(tape.new_node(like.shape().with(0, rows), false));
  };

  TimeLoopResult<C> result;
  Variable<T>* input = steps_of(tape, project(cell, x), layout);
  result.final_state = map_state(initial, [&](const Variable<T>& v) {
    Variable<T> own = fresh(v, layout.batch);
    copy_rows(v, own, 0);
    return own;
  });
  if (options.all_states)
    result.all_states = map_state(initial, [&](const Variable<T>& v) { return fresh(v, layout.rows); });
  result.outputs =
      tape.handle(tape.new_node(Shape{layout.rows, static_cast<Index>(cell.output_size())}, false));

  for (Index i = 0; i < layout.steps; ++i) {
    const Index t = options.reverse ? layout.steps - 1 - i : i;
    const Index rows = layout.active[t];
    const Evaluation<T> step(tape, {.training = tape.training()});
    const State next = at_time_step(
        t, [&]() -> State { return cell.step(input[t], first_rows<T>(result.final_state, rows)); });
    const Variable<T> y = output_of(cell, next);
    if (!(y.shape() == Shape{rows, result.outputs.dim(1)}))
      throw ShapeError("[Rnn] time step " + std::to_string(t) + ": the cell put out " + y.shape().str() +
                       ", its output_size() promises " + Shape{rows, result.outputs.dim(1)}.str());
    copy_rows(y, result.outputs, layout.first[t]);
    // All members are read before any is overwritten: a cell may return a part of its old state.
    const State held = map_state(next, [&](const Variable<T>& v) {
      Variable<T> own = fresh(v, rows);
      copy_rows(v, own, 0);
      return own;
    });
    auto* from = tape.template allocate<Variable<T>>(state_members(held));
    int n = 0;
    visit_state(held, [&](const char*, const auto& v) { from[n++] = v; });
    n = 0;
    visit_state(result.final_state, [&](const char* name, const auto& v) {
      check_rows("the state that step() returned,", name, from[n], rows);
      copy_rows(from[n++], v, 0);
    });
    if (options.all_states) {
      n = 0;
      visit_state(result.all_states, [&](const char*, const auto& v) { copy_rows(from[n++], v, layout.first[t]); });
    }
  }
  return result;
}

}  // namespace detail

/// Runs `cell` over the rows of `layout`, from `initial` (one row a sequence, in the layout's order).
///
/// x (N, I). The input's part of the cell, `project`, is done for all N rows at once. Errors of a step name the step.
/// Throws ShapeError when x has not N rows or the state not B.
template <class C>
TimeLoopResult<C> run_over_time(const C& cell, Variable<typename C::scalar> x, const SequenceLayout& layout,
                                const typename C::state& initial, TimeLoopOptions options = {}) {
  detail::check_is_cell<C>();
  using T = typename C::scalar;
  detail::check_rows("the input", "x", x, layout.rows);
  detail::visit_state(initial, [&](const char* name, const auto& v) {
    detail::check_rows("the initial state", name, v, layout.batch);
  });
  if (!current_tape<T>) detail::throw_no_scope("Rnn");
  return current_tape<T>->recording() ? detail::record_time_loop(cell, x, layout, initial, options)
                                      : detail::evaluate_time_loop(cell, x, layout, initial, options);
}

}  // namespace unroll
