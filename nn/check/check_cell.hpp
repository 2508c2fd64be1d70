#pragma once
/// \file
/// check_cell: everything the library promises about a cell, tried on a user's own.
///
///     CHECK(check_cell<MyCell>());            // template <class T> struct MyCell
///     CHECK(check_cell<MyCell<double>>());    // or a cell type with double; float is then not compared
///
/// It builds the cell from (input_size, hidden_size, rng) and says line by line what holds, what does not, and why.

#include <string>
#include <utility>

#include "check_layer.hpp"

namespace unroll {

using CheckCellOptions = CheckLayerOptions;
using CellCheck = LayerCheck;
using CellReport = LayerReport;

namespace detail {

/// One cell's examination.
template <class C>
class UNROLL_PER_ISA CellExaminer : public LayerExaminer<Rnn<C>> {
 public:
  using Base = LayerExaminer<Rnn<C>>;
  CellExaminer(const CheckCellOptions& options, LayerReport& report)
      : Base(built(options), true, options, report) {}

  void examine() {
    this->attempt("step() is a function of input and state", [&] { step_repeatable(); });
    this->attempt("rows of a batch do not see each other", [&] { rows_alone(); });
    this->attempt("project() depends on its input alone", [&] { projection(); });
    this->attempt("initial state", [&] { this->initial(); });
    this->attempt("gradients", [&] { this->gradients(RnnCallOptions{.all_states = true}); });
    this->attempt("ragged batch equals its sequences", [&] { this->ragged(this->layer_); });
    this->attempt("backwards in time", [&] { this->ragged(Rnn<C>(clone(cell()), {.reverse = true})); });
    this->attempt_wrapped();
    this->attempt("step by step equals all at once", [&] { this->streaming(); });
    this->attempt("clone and copy_parameters", [&] { this->copies(); });
    this->attempt("decoding", [&] {
      this->decoding([&](const auto& embed, const auto& output) { return cell_step(embed, cell(), output); });
    });
  }

 private:
  using State = typename C::state;
  using Base::numbers, Base::rows, Base::options_, Base::x_;

  static Rnn<C> built(const CheckCellOptions& options) {
    Rng rng(options.seed);
    return Rnn<C>(options.input_size, options.hidden_size, rng);
  }
  const C& cell() const { return this->layer_.cell; }
  State any_states(Index batch) const override {
    Rng rng(options_.seed + 3);
    return random_state(cell(), batch, rng, 0.5);
  }
  Variable<double> any_input(Index rows) const {
    return input(Numbers(x_.values.begin(), x_.values.begin() + rows * options_.input_size),
                 Shape{rows, options_.input_size});
  }

  void step_repeatable() {
    Tape<double> tape(options_.seed);
    const Evaluation<double> scope(tape);
    const State s = any_states(3);
    const auto x = any_input(3);
    const Numbers before = numbers(s);
    const State first = cell().step(project(cell(), x), s), second = cell().step(project(cell(), x), s);
    const char* hint = ": does it keep something between calls (a counter, an old state)?";
    expect_equal("two calls with one input and state give different states", numbers(first), numbers(second), 0, hint);
    expect_equal("two calls of output() with one state give different outputs", output_of(cell(), first).to_vector(),
                 output_of(cell(), first).to_vector(), 0, hint);
    expect_equal("step() changed the state it was given", numbers(s), before, 0);
    if (!(output_of(cell(), first).shape() == Shape{3, static_cast<Index>(cell().output_size())}))
      throw Fault{"puts out " + output_of(cell(), first).shape().str() + " for 3 rows; output_size() is " +
                      std::to_string(cell().output_size())};
  }

  void rows_alone() {
    Tape<double> tape(options_.seed);
    const Evaluation<double> scope(tape);
    const State s = any_states(3);
    const auto x = any_input(3);
    const State all = cell().step(project(cell(), x), s);
    for (Index b = 0; b < 3; ++b) {
      const State one = cell().step(project(cell(), narrow(x, 0, b, 1)), rows(s, b, 1));
      const std::string row = "row " + std::to_string(b) + " of a batch of 3 ";
      expect_equal(row + "gets another state than alone", numbers(rows(all, b, 1)), numbers(one), options_.tolerance,
                   ": step() or project() mixes the rows of the batch");
      expect_equal(row + "has another output than alone", narrow(output_of(cell(), all), 0, b, 1).to_vector(),
                   output_of(cell(), one).to_vector(), options_.tolerance, ": output() mixes the rows of the batch");
    }
  }

  void projection() {
    Tape<double> tape(options_.seed);
    const Evaluation<double> scope(tape);
    const auto x = any_input(6);
    const Numbers before = project(cell(), x).to_vector();
    for (Index b = 0; b < 6; ++b)
      expect_equal("row " + std::to_string(b) + " of 6 is projected otherwise than alone", row_of(before, 6, b),
                   project(cell(), narrow(x, 0, b, 1)).to_vector(), options_.tolerance,
                   ": project() gets the rows of many steps at once and must treat each by itself");
    cell().step(project(cell(), any_input(3)), any_states(3));
    expect_equal("project() gives other numbers after a step than before it", project(cell(), x).to_vector(), before, 0,
                 ": it is called before the loop over time and must not depend on the state");
  }
};

}  // namespace detail

/// Tries everything the library promises about cells on `C`, a cell type with double: its step is a function of input
/// and state that treats each row of the batch by itself; gradients over parameters, inputs and initial states; a
/// ragged batch equals its sequences one by one, forwards, backwards, in both directions, stacked and in a pyramid, in
/// a Recording as in an Evaluation; step by step equals all at once; clones and copies by name; decoding.
///
/// Random parts of a cell (Zoneout) are checked as they are outside of training, except that gradients are checked with
/// one draw. Takes a few hundredths of a second at the default sizes.
template <class C>
UNROLL_PER_ISA CellReport check_cell(const CheckCellOptions& options = {}) {
  static_assert(detail::check_is_cell<C>() && detail::check_is_double<C>());
  return detail::examined("cell", [&](CellReport& r) { detail::CellExaminer<C>(options, r).examine(); });
}

/// The same for a cell that is a template over its scalar: MyCell<double> is checked, and MyCell<float> beside it.
template <template <class...> class MyCell>
UNROLL_PER_ISA CellReport check_cell(const CheckCellOptions& options = {}) {
  static_assert(detail::check_is_cell<MyCell<double>>());
  return detail::examined("cell", [&](CellReport& r) {
    detail::CellExaminer<MyCell<double>> examiner(options, r);
    examiner.examine();
    examiner.template compare_float<Rnn<MyCell<float>>>();
  });
}

}  // namespace unroll
