#include "time_loop.hpp"

#include <algorithm>
#include <memory>
#include <string>

#include "../core/loop.hpp"
#include "../core/op.hpp"
#include "../core/simd/kernels.hpp"
#include "../ops/layout.hpp"

namespace unroll::detail {
namespace {

// Rows of the input that an Evaluation projects at once: enough for the product to run at full speed. The projection of
// the whole input would be several times the outputs.
constexpr Index evaluated_rows = 512;

template <class T>
Variable<T>* new_list(Tape<T>& tape, Index count) {
  auto* list = tape.template allocate<Variable<T>>(count);
  std::uninitialized_default_construct_n(list, count);
  return list;
}

template <class T>
void check_rows(const char* what, const char* member, const Variable<T>& v, Index rows) {
  if (v.shape().rank() == 0 || v.dim(0) != rows)
    throw ShapeError("[Rnn] ", what, " '", member, "' has shape ", v.shape().str(), "; expected ", rows, " rows");
}

template <class T>
Variable<T> rows_of(const Variable<T>& v, Index from, Index count) {
  return from == 0 && shape_of(v)[0] == count ? v : narrow(v, 0, from, count);
}

// One run of a cell: what both kinds of scope share.
template <class T>
struct TimeLoop {
  const CellFunctions<T>& cell;
  const SequenceLayout& layout;
  const Variable<T>* initial;
  TimeLoopOptions options;
  Tape<T>& tape;
  int members;

  // What the cell makes of the rows of steps `from` .. `to`, which are `x`; cut into steps, parts of it.
  Variable<T>* projected_steps(const Variable<T>& x, Index from, Index to) const {
    const Index rows = shape_of(x)[0];
    const Variable<T> projected = cell.project(cell.cell, x);
    Op<T> op("Rnn");
    Node<T>* base = op.use(projected);
    if (base->shape.rank() < 2 || base->shape[0] != rows)
      throw ShapeError("[Rnn] project() made ", base->shape.str(), " of ", x.shape().str(), "; expected ", rows,
                       " rows");
    const bool divisible = base->divisible();
    // Nobody else sees what project() made, and each piece of it is for one step.
    const bool given = divisible && base->reuse.spare && base->reuse.used == 1 && !base->base && base != &read(x, "Rnn");
    if (given) {
      base->reuse.slab = true;
      base->reuse.overwrite();
    }
    const Index row = base->row_stride * (base->shape.rows() / std::max<Index>(rows, 1));
    Variable<T>* steps = new_list(tape, to - from);
    for (Index t = from; t < to; ++t) {
      Node<T>* part =
          op.recorder().new_part(base, divisible, base->value + (layout.first[t] - layout.first[from]) * row,
                                 base->shape.with(0, layout.active[t]), base->row_stride);
      part->reuse.given = given;
      steps[t - from] = op.done(part);
    }
    return steps;
  }

  // One time step, and that what it gives has the shapes it should have. Errors name the step.
  Variable<T> step(Index t, const Variable<T>& x, const Variable<T>* before, Variable<T>* next) const {
    try {
      const Place here = Place::step_told(t);
      const Index rows = shape_of(x)[0];
      const Variable<T> y = cell.step(cell, x, before, next);
      for (int m = 0; m < members; ++m) {
        const auto member = [&] { return std::string("[Rnn] step() returned a state whose '") + cell.names[m] + "' "; };
        if (!next[m].defined()) throw EmptyVariableError(member(), "was never set");
        const Shape expected = shape_of(initial[m]).with(0, rows);
        if (const Shape& found = shape_of(next[m]); !(found == expected))
          throw ShapeError(member(), "has shape ", found.str(), "; expected ", expected.str(), " as before");
      }
      const Shape expected{rows, cell.output_size};
      if (!(shape_of(y) == expected))
        throw ShapeError("[Rnn] the cell put out ", y.shape().str(), "; its output_size() promises ", expected.str());
      return y;
    } catch (Error& e) {
      e.add_context("time step " + std::to_string(t));
      throw;
    }
  }

  // Member m of `count` states, which lie `members` apart, one after the other along the rows.
  std::span<const Variable<T>> member(const Variable<T>* states, Index count, int m) const {
    Variable<T>* list = new_list(tape, count);
    for (Index k = 0; k < count; ++k) list[k] = states[k * members + m];
    return {list, static_cast<std::size_t>(count)};
  }

  Variable<T> record(const Variable<T>& x, Variable<T>* final_state, Variable<T>* all_states) const;
  Variable<T> evaluate(const Variable<T>& x, Variable<T>* final_state, Variable<T>* all_states) const;
};

template <class T>
Variable<T> TimeLoop<T>::record(const Variable<T>& x, Variable<T>* final_state, Variable<T>* all_states) const {
  const Index steps = layout.steps;
  if (steps == 0) {
    cell.project(cell.cell, x);  // what does not fit is an error for no steps too
    std::copy_n(initial, members, final_state);
    for (int m = 0; m < members; ++m) all_states[m] = narrow(initial[m], 0, 0, 0);
    return zeros<T>(Shape{0, cell.output_size});
  }
  const Variable<T>* input = projected_steps(x, 0, steps);
  Variable<T>* outputs = new_list(tape, steps);
  Variable<T>* states = new_list(tape, steps * members);
  Variable<T>* before = new_list(tape, members);
  // States of sequences that have ended, shortest first; at the end, those that are still running.
  Variable<T>* ended = new_list(tape, (layout.batch + 1) * members);
  Index ended_count = 0;
  const auto end = [&](const Variable<T>* state, Index from, Index count) {
    for (int m = 0; m < members; ++m) ended[ended_count * members + m] = rows_of(state[m], from, count);
    ++ended_count;
  };

  Index running = layout.active[options.reverse ? steps - 1 : 0];
  if (running < layout.batch && !options.reverse) end(initial, running, layout.batch - running);
  for (int m = 0; m < members; ++m) before[m] = rows_of(initial[m], 0, running);
  {
    Loop<T> loop(tape, layout.rows);
    for (Index i = 0; i < steps; ++i) {
      const Index t = options.reverse ? steps - 1 - i : i;
      const Index rows = layout.active[t];
      if (rows < running) {
        end(before, rows, running - rows);
        for (int m = 0; m < members; ++m) before[m] = rows_of(before[m], 0, rows);
      } else if (rows > running) {
        for (int m = 0; m < members; ++m)
          before[m] = concat<T>({before[m], rows_of(initial[m], running, rows - running)}, 0);
      }
      running = rows;
      loop.step(layout.first[t], rows);
      Variable<T>* next = states + t * members;
      outputs[t] = step(t, input[t], before, next);
      std::copy_n(next, members, before);
    }
  }
  if (running < layout.batch && options.reverse) end(initial, running, layout.batch - running);
  if (ended_count == 0) {
    for (int m = 0; m < members; ++m) {
      Op<T>("Rnn").use(before[m])->reuse.kept = true;
      final_state[m] = before[m];
    }
  } else {
    // From long to short: the running ones first, then the ended ones, last to first.
    Variable<T>* ordered = new_list(tape, (ended_count + 1) * members);
    std::copy_n(before, members, ordered);
    for (Index k = 0; k < ended_count; ++k)
      std::copy_n(ended + (ended_count - 1 - k) * members, members, ordered + (k + 1) * members);
    for (int m = 0; m < members; ++m) final_state[m] = concat<T>(member(ordered, ended_count + 1, m), 0);
  }
  if (options.all_states)
    for (int m = 0; m < members; ++m) all_states[m] = join<T>(member(states, steps, m));
  return join<T>({outputs, static_cast<std::size_t>(steps)});
}

template <class T>
void copy_into(const Variable<T>& to, Index first_row, const Variable<T>& from) {
  const Node<T>&a = read(from, "Rnn"), &b = read(to, "Rnn");
  const Index at = first_row * (b.rows() / std::max<Index>(b.shape[0], 1));  // a row may itself be several
  kernels<T>().copy_rows(b.value + at * b.row_stride, b.row_stride, a.value, a.row_stride, a.rows(), a.cols());
}

template <class T>
Variable<T> TimeLoop<T>::evaluate(const Variable<T>& x, Variable<T>* final_state, Variable<T>* all_states) const {
  Recorder<T>& recorder = tape.recorder();
  const auto fresh = [&](const Shape& shape) { return recorder.handle_unwritten(recorder.new_node(shape, false)); };
  for (int m = 0; m < members; ++m) {
    final_state[m] = fresh(initial[m].shape());
    copy_into(final_state[m], 0, initial[m]);
    if (options.all_states) all_states[m] = fresh(initial[m].shape().with(0, layout.rows));
  }
  const Variable<T> outputs = fresh(Shape{layout.rows, cell.output_size});

  if (layout.steps == 0) {
    const Evaluation<T> projection(tape, {.training = tape.training()});
    cell.project(cell.cell, x);  // what does not fit is an error for no steps too
  }
  const Index block = std::max<Index>(1, evaluated_rows / std::max<Index>(layout.batch, 1));
  for (Index done = 0; done < layout.steps; done += block) {
    const Index count = std::min(block, layout.steps - done);
    const Index from = options.reverse ? layout.steps - done - count : done;
    const Index rows = layout.first[from + count - 1] + layout.active[from + count - 1] - layout.first[from];
    const Evaluation<T> projection(tape, {.training = tape.training()});
    const Variable<T>* input = projected_steps(rows_of(x, layout.first[from], rows), from, from + count);
    for (Index i = 0; i < count; ++i) {
      const Index t = options.reverse ? from + count - 1 - i : from + i;
      const Index active = layout.active[t];
      const Evaluation<T> one(tape, {.training = tape.training()});
      Variable<T>* before = new_list(tape, members);
      Variable<T>* next = new_list(tape, members);
      for (int m = 0; m < members; ++m) before[m] = rows_of(final_state[m], 0, active);
      copy_into(outputs, layout.first[t], step(t, input[t - from], before, next));
      // A cell may return a part of its old state under another name, which must not be overwritten before it is read.
      for (int m = 0; m < members; ++m) {
        const T* value = read(next[m], "Rnn").value;
        bool old = false;
        for (int k = 0; k < members; ++k) {
          const Node<T>& held = read(final_state[k], "Rnn");
          old = old || (value >= held.value && value < held.value + held.shape.size());
        }
        if (!old) continue;
        const Variable<T> own = fresh(next[m].shape());
        copy_into(own, 0, next[m]);
        next[m] = own;
      }
      for (int m = 0; m < members; ++m) {
        copy_into(final_state[m], 0, next[m]);
        if (options.all_states) copy_into(all_states[m], layout.first[t], next[m]);
      }
    }
  }
  return outputs;
}

}  // namespace

template <class T>
Variable<T> run_time_loop(const CellFunctions<T>& functions, const Variable<T>& x, const SequenceLayout& layout,
                          const Variable<T>* initial, TimeLoopOptions options, Variable<T>* final_state,
                          Variable<T>* all_states) {
  check_rows("the input", "x", x, layout.rows);
  for (int m = 0; m < functions.members; ++m)
    check_rows("the initial state", functions.names[m], initial[m], layout.batch);
  Tape<T>& tape = *current_tape<T>;
  const FlushDenormals flush;
  const TimeLoop<T> loop{functions, layout, initial, options, tape, functions.members};
  const Place layer = Place::of(functions.cell);
  const Variable<T> outputs =
      tape.recording() ? loop.record(x, final_state, all_states) : loop.evaluate(x, final_state, all_states);
  if (Observer<T>* observer = tape.recorder().observer()) observer->puts_out(functions.cell, outputs.shape());
  return outputs;
}

template Variable<float> run_time_loop(const CellFunctions<float>&, const Variable<float>&, const SequenceLayout&,
                                       const Variable<float>*, TimeLoopOptions, Variable<float>*, Variable<float>*);
template Variable<double> run_time_loop(const CellFunctions<double>&, const Variable<double>&, const SequenceLayout&,
                                        const Variable<double>*, TimeLoopOptions, Variable<double>*, Variable<double>*);

}  // namespace unroll::detail
