#pragma once
/// \file
/// A layer that runs a cell over time.

#include "unroll/core/random.hpp"
#include "unroll/nn/cell.hpp"
#include "unroll/nn/time_loop.hpp"
#include "unroll/ops/layout.hpp"

namespace unroll {

struct RnnOptions {
  bool reverse = false;  ///< runs from the last step to the first
};

/// What a layer gives beside its outputs.
template <class State, class T>
struct RnnResult {
  Variable<T> outputs;  ///< (T, B, O); row t belongs to step t in either direction
  State final_state;    ///< (B, ...), after the last step taken
  State all_states;     ///< (T, B, ...) of each member, undefined unless asked for
};

struct RnnCallOptions {
  bool all_states = false;  ///< also return every member of the state at every step
};

/// A cell unrolled over time: the same weights at every step.
///
///     a_0 = initial state            a_t = cell.step(x_t, a_{t-1})            y_t = output(a_t)
///
/// Input (T, B, I), outputs (T, B, O). The cell's input projection is one product over all steps. In an Evaluation
/// memory for the states does not grow with T.
template <class C>
class Rnn {
 public:
  static_assert(detail::check_is_cell<C>());
  using scalar = typename detail::CellTypes<C>::scalar;
  using state = typename detail::CellTypes<C>::state;

  /// Builds the cell from (input_size, hidden_size, rng).
  Rnn(Index input_size, Index hidden_size, Rng& rng, RnnOptions options = {})
      : Rnn(C(input_size, hidden_size, rng), options) {}
  /// Takes a cell that was built otherwise.
  explicit Rnn(C cell_, RnnOptions options = {}) : cell(std::move(cell_)), reverse(options.reverse) {}

  /// Outputs (T, B, O) for x (T, B, I), from the cell's own initial state.
  Variable<scalar> operator()(Variable<scalar> x) const { return run(x).outputs; }
  /// Outputs and states, from the cell's own initial state.
  RnnResult<state, scalar> run(Variable<scalar> x, RnnCallOptions options = {}) const {
    check_input(x);
    if constexpr (Cell<C>) {
      return run(x, initial_state(cell, x.dim(1)), options);
    } else {
      return {};  // the assertion above has said what is missing
    }
  }
  /// Outputs and states, from a given state of B rows.
  RnnResult<state, scalar> run(Variable<scalar> x, const state& initial, RnnCallOptions options = {}) const {
    check_input(x);
    if constexpr (Cell<C>) {
      const Index steps = x.dim(0), batch = x.dim(1);
      const SequenceLayout* layout = dense_layout(*current_tape<scalar>, steps, batch);
      const auto in_time = [&](const Variable<scalar>& v) {
        if (!v.defined()) return v;
        return reshape(v, v.shape().with(0, batch).insert(0, steps));
      };
      const TimeLoopResult<C> r = run_over_time(cell, reshape(x, Shape{steps * batch, x.dim(2)}), *layout, initial,
                                                {.reverse = reverse, .all_states = options.all_states});
      return {in_time(r.outputs), r.final_state, detail::map_state(r.all_states, in_time)};
    } else {
      return {};
    }
  }

  Index output_size() const { return static_cast<Index>(cell.output_size()); }
  void each(auto&& visit) { visit("cell", cell), visit("reverse", reverse); }

  C cell;
  bool reverse;

 private:
  void check_input(const Variable<scalar>& x) const {
    x.use("Rnn");
    if (x.shape().rank() != 3)
      throw ShapeError("[Rnn] input " + x.shape().str() + "; expected (T,B,F): steps, batch, features");
  }
};

}  // namespace unroll
