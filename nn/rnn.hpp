#pragma once
/// \file
/// A layer that runs a cell over time.

#include "../core/random.hpp"
#include "../ops/layout.hpp"
#include "time_loop.hpp"

namespace unroll {

struct RnnOptions {
  bool reverse = false;  ///< runs from the last step to the first
};

struct RnnCallOptions {
  bool all_states = false;  ///< also return every member of the state at every step
};

/// A cell unrolled over time: the same weights at every step.
///
///     a_0 = initial state            a_t = cell.step(x_t, a_{t-1})            y_t = output(a_t)
///
/// Takes a tensor (T, B, I) or a Sequence, whose sequences may be of any length, and gives the same kind. Initial and
/// final states (B, ...) are in the caller's order; a sequence of length 0 ends in the state it began with. The cell's
/// input projection is one product over all steps. In an Evaluation memory for the states does not grow with T. After
/// backward() outputs, final states and `all_states` can still be read; of what a step made in between, what only gates
/// read is gone.
template <class CellType>
class UNROLL_PER_ISA Rnn {
 public:
  static_assert(detail::check_is_cell<CellType>());
  using C = detail::CellOrNone<CellType>;
  using scalar = typename C::scalar;
  using state = typename C::state;
  using states = state;

  /// Builds the cell from (input_size, hidden_size, rng).
  Rnn(Index input_size, Index hidden_size, Rng& rng, RnnOptions options = {})
      : Rnn(CellType(input_size, hidden_size, rng), options) {}
  /// Takes a cell that was built otherwise.
  explicit Rnn(CellType cell_, RnnOptions options = {}) : cell(std::move(cell_)), reverse(options.reverse) {}

  /// Outputs, from the cell's own initial state.
  Variable<scalar> operator()(const Variable<scalar>& x) const { return run(x).outputs; }
  Sequence<scalar> operator()(const Sequence<scalar>& x) const { return run(x).outputs; }

  /// Outputs and states, from the cell's own initial state.
  template <SequenceLike<scalar> X>
  RnnResult<state, X> run(const X& x, RnnCallOptions options = {}) const {
    return run(x, initial_states(detail::batch_of("Rnn", x)), options);
  }
  /// Outputs and states, from a given state of B rows.
  template <SequenceLike<scalar> X>
  RnnResult<state, X> run(const X& x, const state& initial, RnnCallOptions options = {}) const {
    if constexpr (std::is_same_v<X, Variable<scalar>>) {
      const Index batch = detail::batch_of("Rnn", x), steps = x.dim(0);
      const auto r = run(sequence(x), initial, options);
      const auto in_time = [&](const Variable<scalar>& v) {
        return v.defined() ? reshape(v, v.shape().with(0, batch).insert(0, steps)) : v;
      };
      return {in_time(r.outputs.rows), r.final_state, detail::map_state(r.all_states, in_time)};
    } else {
      const SequenceLayout& layout = x.checked();
      const TimeLoopResult<C> r =
          run_over_time(cell, x.rows, layout, detail::state_in_order(initial, layout, layout.order),
                        {.reverse = reverse, .all_states = options.all_states});
      return {x.with(r.outputs), detail::state_in_order(r.final_state, layout, layout.place), r.all_states};
    }
  }

  Index output_size() const { return static_cast<Index>(cell.output_size()); }
  states initial_states(Index batch) const { return initial_state(cell, batch); }
  Variable<scalar> output_in(const Variable<scalar>&, const states& s) const { return output_of(cell, s); }
  void check_runs_forward(const char* op) const {
    if (reverse)
      throw ValueError("[" + std::string(op) + "] the layer runs from the last step to the first; expected one that " +
                       "can be run piece by piece, in the order of time");
  }
  void each(auto&& visit) { visit("cell", cell), visit("reverse", reverse); }

  C cell;
  bool reverse;
};

}  // namespace unroll
