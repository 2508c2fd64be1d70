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
    throw ShapeError(std::string("[Rnn] ") + what + " '" + member + "' has shape " + v.shape().str() +
                     "; expected " + std::to_string(rows) + " rows");
}

/// What the cell makes of the rows of steps `from` .. `to`, which are `x`; cut into steps, parts of it.
template <class C, class T = typename C::scalar>
Variable<T>* projected_steps(const C& cell, Variable<T> x, const SequenceLayout& layout, Index from,
                             Index to) {
  const Index rows = x.dim(0);
  const Variable<T> projected = project(cell, x);
  Node<T>* base = projected.use("Rnn");
  if (base->shape.rank() < 2 || base->shape[0] != rows)
    throw ShapeError("[Rnn] project() made " + base->shape.str() + " of " + x.shape().str() + "; expected " +
                     std::to_string(rows) + " rows");
  Tape<T>& tape = *current_tape<T>;
  const bool divisible = base->divisible();
  const Index row = base->row_stride * (base->shape.rows() / std::max<Index>(rows, 1));
  auto* steps = tape.template allocate<Variable<T>>(to - from);
  for (Index t = from; t < to; ++t)
    steps[t - from] =
        tape.handle(tape.new_part(base, divisible, base->value + (layout.first[t] - layout.first[from]) * row,
                                  base->shape.with(0, layout.active[t]), base->row_stride));
  return steps;
}

/// The shape of each member of a state.
template <class T, class State>
const Shape* shapes_of(Tape<T>& tape, const State& state) {
  auto* shapes = tape.template allocate<Shape>(state_members(state));
  int m = 0;
  visit_state(state, [&](const char*, const auto& v) { new (&shapes[m++]) Shape(v.shape()); });
  return shapes;
}

/// One time step: the cell's, and that what it gives has the shapes it should have. `like`: those of the
/// initial state.
template <class C, class T = typename C::scalar>
typename C::state checked_step(const C& cell, Index t, Variable<T> x, const typename C::state& before,
                               const Shape* like, Variable<T>& y) {
  return at_time_step(t, [&]() -> typename C::state {
    const Index rows = x.dim(0);
    const typename C::state next = cell.step(x, before);
    visit_state(next, [&](const char* name, const auto& v) {
      const Shape expected = (like++)->with(0, rows);
      if (!v.defined())
        throw EmptyVariableError(std::string("[Rnn] step() returned a state whose '") + name +
                                 "' was never set");
      if (!(v.shape() == expected))
        throw ShapeError(std::string("[Rnn] step() returned a state whose '") + name + "' has shape " +
                         v.shape().str() + "; expected " + expected.str() + " as before");
    });
    y = output_of(cell, next);
    const Shape expected{rows, static_cast<Index>(cell.output_size())};
    if (!(y.shape() == expected))
      throw ShapeError("[Rnn] the cell put out " + y.shape().str() + "; its output_size() promises " +
                       expected.str());
    return next;
  });
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
TimeLoopResult<C> record_time_loop(const C& cell, Variable<typename C::scalar> x,
                                   const SequenceLayout& layout, typename C::state initial,
                                   TimeLoopOptions options) {
  using T = typename C::scalar;
  using State = typename C::state;
  Tape<T>& tape = *current_tape<T>;
  const Index steps = layout.steps;
  Variable<T>* input = projected_steps(cell, x, layout, 0, steps);
  const Shape* shapes = shapes_of(tape, initial);
  auto* outputs = tape.template allocate<Variable<T>>(steps);
  auto* states = tape.template allocate<State>(steps);
  // States of sequences that have ended, shortest first; behind them, at the end, those that are still
  // running.
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
      Variable<T> y;
      state = checked_step(cell, t, input[t], state, shapes, y);
      new (&states[t]) State(state);
      new (&outputs[t]) Variable<T>(y);
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

/// Rows of the input that an Evaluation projects at once: enough for the product to run at full speed.
inline constexpr Index evaluated_rows = 512;

/// In an Evaluation: outputs, and one state that every step overwrites, whatever T is.
template <class C>
TimeLoopResult<C> evaluate_time_loop(const C& cell, Variable<typename C::scalar> x,
                                     const SequenceLayout& layout, const typename C::state& initial,
                                     TimeLoopOptions options) {
  using T = typename C::scalar;
  using State = typename C::state;
  Tape<T>& tape = *current_tape<T>;
  const auto copy_rows = [](const Variable<T>& from, const Variable<T>& to, Index first_row) {
    const Node<T>& a = from.read("Rnn");
    Node<T>& b = to.read("Rnn");
    const Index at = first_row * (b.rows() / std::max<Index>(b.shape[0], 1));  // a row may itself be several
    for (Index r = 0; r < a.rows(); ++r)
      std::copy_n(a.value + r * a.row_stride, a.cols(), b.value + (at + r) * b.row_stride);
  };
  const auto fresh = [&](const Variable<T>& like, Index rows) {
    return tape.handle(tape.new_node(like.shape().with(0, rows), false));
  };

  TimeLoopResult<C> result;
  result.final_state = map_state(initial, [&](const Variable<T>& v) {
    Variable<T> own = fresh(v, layout.batch);
    copy_rows(v, own, 0);
    return own;
  });
  if (options.all_states)
    result.all_states = map_state(initial, [&](const Variable<T>& v) { return fresh(v, layout.rows); });
  result.outputs =
      tape.handle(tape.new_node(Shape{layout.rows, static_cast<Index>(cell.output_size())}, false));

  const auto run_step = [&](Index t, const Variable<T>& input) {
    const Index rows = layout.active[t];
    const Evaluation<T> step(tape, {.training = tape.training()});
    const Shape* shapes = shapes_of(tape, initial);
    Variable<T> y;
    const State next = checked_step(cell, t, input, first_rows<T>(result.final_state, rows), shapes, y);
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
    visit_state(result.final_state, [&](const char*, const auto& v) { copy_rows(from[n++], v, 0); });
    if (options.all_states) {
      n = 0;
      visit_state(result.all_states,
                  [&](const char*, const auto& v) { copy_rows(from[n++], v, layout.first[t]); });
    }
  };

  // The projection of the whole input would be several times the outputs; that of a block of steps is as
  // fast.
  const Index block = std::max<Index>(1, evaluated_rows / std::max<Index>(layout.batch, 1));
  for (Index done = 0; done < layout.steps; done += block) {
    const Index count = std::min(block, layout.steps - done);
    const Index from = options.reverse ? layout.steps - done - count : done;
    const Index rows = layout.first[from + count - 1] + layout.active[from + count - 1] - layout.first[from];
    const Evaluation<T> projection(tape, {.training = tape.training()});
    Variable<T>* input =
        projected_steps(cell, narrow(x, 0, layout.first[from], rows), layout, from, from + count);
    for (Index i = 0; i < count; ++i) {
      const Index t = options.reverse ? from + count - 1 - i : from + i;
      run_step(t, input[t - from]);
    }
  }
  return result;
}

}  // namespace detail

/// Runs `cell` over the rows of `layout`, from `initial` (one row a sequence, in the layout's order).
///
/// x (N, I). The input's part of the cell, `project`, is done for all N rows at once. Errors of a step name
/// the step. Throws ShapeError when x has not N rows or the state not B.
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
