#pragma once
/// \file
/// check_cell: everything the library promises about a cell, tried on a user's own.
///
///     CHECK(check_cell<MyCell>());            // template <class T> struct MyCell
///     CHECK(check_cell<MyCell<double>>());    // or a cell type with double; float is then not compared
///
/// It builds the cell from (input_size, hidden_size, rng) and says line by line what holds, what does not, and why.

#include <algorithm>
#include <exception>
#include <functional>
#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include "../../ops/layout.hpp"
#include "../../ops/losses.hpp"
#include "../bidirectional.hpp"
#include "../decode/decode.hpp"
#include "../embedding.hpp"
#include "../linear.hpp"
#include "../pyramid.hpp"
#include "../stack.hpp"
#include "gradcheck.hpp"

namespace unroll {

struct CheckCellOptions {
  Index input_size = 3;  ///< equal to the width of the output for cells that need that
  Index hidden_size = 4;
  std::uint64_t seed = 1;
  double tolerance = 1e-11;       ///< of what must be equal in double, relative to the largest element
  double float_tolerance = 1e-3;  ///< of float beside double
  GradcheckOptions gradcheck = {};
};

/// One thing that was tried.
struct CellCheck {
  enum class Result { holds, fails, skipped };
  std::string what;
  Result result = Result::holds;
  std::string why;  ///< of a failure, or why it was skipped
};

/// What check_cell found: true when nothing fails. `CHECK(check_cell<MyCell>())` of doctest prints it.
struct CellReport {
  std::vector<CellCheck> checks;

  bool ok() const;
  explicit operator bool() const { return ok(); }
  /// The check with this name; null when there is none.
  const CellCheck* find(const std::string& what) const;
  /// A line with the verdict, then one line a check.
  std::string str() const;
  friend std::ostream& operator<<(std::ostream& out, const CellReport& report);
};

namespace detail {

using Numbers = std::vector<double>;

/// What is wrong with a cell, found by one of the checks.
struct CellFault {
  std::string why;
};

/// Throws CellFault with `what` and the largest difference when a and b differ by more than `tolerance`, relative to
/// the largest element of b (at least 1).
void expect_equal(const std::string& what, const Numbers& a, const Numbers& b, double tolerance,
                  const std::string& hint = "");
/// The same for a check of gradients: throws CellFault with the worst element of the report unless it passes.
void expect_passes(const GradcheckReport& report);
/// Rows `row` of B rows.
Numbers row_of(const Numbers& v, Index batch, Index row);

/// A layer as a function: gives the outputs, and appends them and the final states to the list.
using LayerFunction = std::function<Sequence<double>(const Sequence<double>&, std::vector<Variable<double>>&)>;
/// Throws CellFault unless the layer makes of sequences of these lengths in one batch what it makes of each alone, in
/// values and gradients, in a Recording as in an Evaluation.
void check_ragged(const LayerFunction& layer, const ParameterList<double>& parameters, const CheckInput& x,
                  const std::vector<Index>& lengths, const CheckCellOptions& options);

/// One cell's examination.
template <class C>
class UNROLL_PER_ISA CellExaminer {
 public:
  CellExaminer(const CheckCellOptions& options, CellReport& report)
      : options_(options), report_(report), rng_(options.seed), cell_(options.input_size, options.hidden_size, rng_) {
    lengths_ = {3, 0, 5, 1};
    x_ = check_input("x", Shape{5, 4, options.input_size}, options.seed + 1);
  }

  void examine() {
    attempt("step() is a function of input and state", [&] { repeatable(); });
    attempt("rows of a batch do not see each other", [&] { rows_alone(); });
    attempt("project() depends on its input alone", [&] { projection(); });
    attempt("initial state", [&] { initial(); });
    attempt("gradients", [&] { gradients(); });
    attempt("ragged batch equals its sequences", [&] { ragged(Rnn<C>(clone(cell_))); });
    attempt("backwards in time", [&] { ragged(Rnn<C>(clone(cell_), {.reverse = true})); });
    attempt("both directions", [&] { ragged(build<Bidirectional<Rnn<C>>>()); });
    attempt(
        "stacked", [&] { ragged(build<Stack<Rnn<C>>>(StackOptions{.layers = 3})); }, needs_any_width());
    attempt(
        "pyramid", [&] { ragged(build<Pyramid<Rnn<C>>>(PyramidOptions{.join = JoinFrames::mean})); },
        needs_any_width());
    attempt("step by step equals all at once", [&] { streaming(); });
    attempt("clone and copy_parameters", [&] { copies(); });
    attempt("decoding", [&] { decoding(); });
  }

  /// The same cell in float.
  template <class F>
  void compare_float() {
    attempt("float close to double", [&] {
      F small(options_.input_size, options_.hidden_size, rng_);
      copy_parameters(cell_, small);
      const Rnn<C> in_double(clone(cell_));
      const Rnn<F> in_float(std::move(small));
      Numbers a, b;
      {
        Tape<double> tape(options_.seed);
        const Evaluation<double> scope(tape);
        a = in_double(sequence(input(x_.values, x_.shape), lengths_)).rows.to_vector();
      }
      Tape<float> tape(options_.seed);
      const Evaluation<float> scope(tape);
      const std::vector<float> values(x_.values.begin(), x_.values.end());
      const auto y = in_float(sequence(input(values, x_.shape), lengths_)).rows.to_vector();
      b.assign(y.begin(), y.end());
      expect_equal("outputs in float and in double", b, a, options_.float_tolerance);
    });
  }

 private:
  using State = typename C::state;

  template <class F>
  void attempt(const char* what, F&& f, const std::string& skip = "") {
    if (!skip.empty()) return report_.checks.push_back({what, CellCheck::Result::skipped, skip});
    CellCheck check{what, CellCheck::Result::holds, ""};
    try {
      f();
    } catch (const CellFault& fault) {
      check.why = fault.why;
    } catch (const std::exception& e) {
      check.why = std::string("throws ") + e.what();
    }
    if (!check.why.empty()) check.result = CellCheck::Result::fails;
    report_.checks.push_back(check);
  }

  // Cells that take inputs of one width only cannot be built on top of others.
  std::string needs_any_width() const {
    const Index width = cell_.output_size();
    if (width == options_.input_size) return "";
    try {
      Rng rng(1);
      const C above(width, options_.hidden_size, rng);
      return "";
    } catch (const std::exception& e) {
      return std::string("it cannot read what it puts out: ") + e.what();
    }
  }

  template <class Layer, class... Options>
  Layer build(const Options&... options) {
    Rng rng(options_.seed + 2);
    return Layer(options_.input_size, options_.hidden_size, rng, options...);
  }

  static Numbers numbers(const State& s) {
    Numbers all;
    visit_state(s, [&](const char*, const auto& v) {
      for (const double n : v.to_vector()) all.push_back(n);
    });
    return all;
  }
  static State rows(const State& s, Index from, Index count) {
    return map_state(s, [&](const auto& v) { return narrow(v, 0, from, count); });
  }
  /// A state of random numbers that is the same for every call.
  State any_state(Index batch) const {
    Rng rng(options_.seed + 3);
    return random_state(cell_, batch, rng, 0.5);
  }
  Variable<double> any_input(Index rows) const {
    return input(Numbers(x_.values.begin(), x_.values.begin() + rows * options_.input_size),
                 Shape{rows, options_.input_size});
  }

  void repeatable() {
    Tape<double> tape(options_.seed);
    const Evaluation<double> scope(tape);
    const State s = any_state(3);
    const auto x = any_input(3);
    const Numbers before = numbers(s);
    const State first = cell_.step(project(cell_, x), s), second = cell_.step(project(cell_, x), s);
    const char* hint = ": does the cell keep something between calls (a counter, an old state)?";
    expect_equal("two calls with one input and state give different states", numbers(first), numbers(second), 0, hint);
    expect_equal("two calls of output() with one state give different outputs", output_of(cell_, first).to_vector(),
                 output_of(cell_, first).to_vector(), 0, hint);
    expect_equal("step() changed the state it was given", numbers(s), before, 0);
    if (!(output_of(cell_, first).shape() == Shape{3, static_cast<Index>(cell_.output_size())}))
      throw CellFault{"puts out " + output_of(cell_, first).shape().str() + " for 3 rows; output_size() is " +
                      std::to_string(cell_.output_size())};
  }

  void rows_alone() {
    Tape<double> tape(options_.seed);
    const Evaluation<double> scope(tape);
    const State s = any_state(3);
    const auto x = any_input(3);
    const State all = cell_.step(project(cell_, x), s);
    for (Index b = 0; b < 3; ++b) {
      const State one = cell_.step(project(cell_, narrow(x, 0, b, 1)), rows(s, b, 1));
      const std::string row = "row " + std::to_string(b) + " of a batch of 3 ";
      expect_equal(row + "gets another state than alone", numbers(rows(all, b, 1)), numbers(one), options_.tolerance,
                   ": step() or project() mixes the rows of the batch");
      expect_equal(row + "has another output than alone", narrow(output_of(cell_, all), 0, b, 1).to_vector(),
                   output_of(cell_, one).to_vector(), options_.tolerance, ": output() mixes the rows of the batch");
    }
  }

  void projection() {
    Tape<double> tape(options_.seed);
    const Evaluation<double> scope(tape);
    const auto x = any_input(6);
    const Numbers before = project(cell_, x).to_vector();
    for (Index b = 0; b < 6; ++b)
      expect_equal("row " + std::to_string(b) + " of 6 is projected otherwise than alone", row_of(before, 6, b),
                   project(cell_, narrow(x, 0, b, 1)).to_vector(), options_.tolerance,
                   ": project() gets the rows of many steps at once and must treat each by itself");
    cell_.step(project(cell_, any_input(3)), any_state(3));
    expect_equal("project() gives other numbers after a step than before it", project(cell_, x).to_vector(), before, 0,
                 ": it is called before the loop over time and must not depend on the state");
  }

  void initial() {
    Tape<double> tape(options_.seed);
    const Evaluation<double> scope(tape);
    const State three = initial_state(cell_, 3), one = initial_state(cell_, 1), none = initial_state(cell_, 0);
    std::vector<Variable<double>> of_one, of_none;
    visit_state(one, [&](const char*, const auto& v) { of_one.push_back(v); });
    visit_state(none, [&](const char*, const auto& v) { of_none.push_back(v); });
    std::size_t k = 0;
    visit_state(three, [&](const char* name, const auto& v) {
      if (v.shape().rank() == 0 || v.dim(0) != 3 || of_one[k].dim(0) != 1 || of_none[k].dim(0) != 0)
        throw CellFault{std::string("member '") + name + "' of initial_state(3) has shape " + v.shape().str() +
                        "; expected one row a sequence"};
      for (Index b = 0; b < 3; ++b)
        expect_equal(std::string("row of member '") + name + "' differs from that of a batch of one",
                     row_of(v.to_vector(), 3, b), of_one[k].to_vector(), 0);
      ++k;
    });
  }

  void gradients() {
    std::vector<CheckInput> inputs{x_};
    {
      Tape<double> tape(options_.seed);
      const Evaluation<double> scope(tape);
      const State s = any_state(4);
      visit_state(s, [&](const char* name, const auto& v) {
        inputs.push_back(check_input(std::string("initial state '") + name + "'", v.shape(), v.to_vector()));
      });
    }
    const Rnn<C> layer(clone(cell_));
    expect_passes(run_gradcheck(
        [&](const std::vector<Variable<double>>& v) {
          std::size_t k = 1;
          State s = initial_state(layer.cell, 4);
          visit_state(s, [&](const char*, auto& member) { member = v[k++]; });
          std::vector<Variable<double>> outputs;
          collect_outputs(layer.run(sequence(v[0], lengths_), s, {.all_states = true}), outputs);
          return outputs;
        },
        parameters(layer), inputs, options_.gradcheck));
    expect_passes(run_gradcheck(  // from the cell's own initial state
        [&](const std::vector<Variable<double>>& v) {
          std::vector<Variable<double>> outputs;
          collect_outputs(layer.run(sequence(v[0], lengths_)), outputs);
          return outputs;
        },
        parameters(layer), {x_}, options_.gradcheck));
  }

  template <class Layer>
  void ragged(const Layer& layer) {
    check_ragged(
        [&](const Sequence<double>& x, std::vector<Variable<double>>& all) {
          const auto r = layer.run(x);
          collect_outputs(r, all);
          return r.outputs;
        },
        parameters(layer), x_, lengths_, options_);
  }

  void streaming() {
    const Rnn<C> layer(clone(cell_));
    Tape<double> tape(options_.seed);
    Numbers outputs, states;
    {
      const Evaluation<double> scope(tape);
      const auto r = layer.run(input(x_.values, x_.shape));
      outputs = r.outputs.to_vector(), states = numbers(r.final_state);
    }
    std::vector<std::pair<Shape, Numbers>> kept;  // the state between the scopes
    Numbers so_far, last;
    for (Index t = 0; t < x_.shape[0]; ++t) {
      const Evaluation<double> scope(tape);
      const Index size = x_.shape[1] * x_.shape[2];
      const auto x = input(Numbers(x_.values.begin() + t * size, x_.values.begin() + (t + 1) * size),
                           Shape{x_.shape[1], x_.shape[2]});
      State before = initial_state(cell_, x_.shape[1]);
      std::size_t k = 0;
      if (t > 0) visit_state(before, [&](const char*, auto& v) { v = input(kept[k].second, kept[k].first), ++k; });
      const State next = cell_.step(project(cell_, x), before);
      kept.clear();
      visit_state(next, [&](const char*, const auto& v) { kept.emplace_back(v.shape(), v.to_vector()); });
      for (const double v : output_of(cell_, next).to_vector()) so_far.push_back(v);
      last = numbers(next);
    }
    expect_equal("outputs step by step, the state carried from scope to scope", so_far, outputs, options_.tolerance);
    expect_equal("the final state step by step", last, states, options_.tolerance);
  }

  Numbers outputs_of(const C& cell) const {
    Tape<double> tape(options_.seed);
    const Evaluation<double> scope(tape);
    const auto r = run_over_time(cell, sequence(input(x_.values, x_.shape)).rows,
                                 *dense_layout(tape, x_.shape[0], x_.shape[1]), initial_state(cell, x_.shape[1]));
    return r.outputs.to_vector();
  }

  void copies() {
    const Numbers outputs = outputs_of(cell_);
    const C copy = clone(cell_);
    expect_equal("a clone puts out something else", outputs_of(copy), outputs, 0);
    for (const auto& p : parameters(copy))
      for (Index i = 0; i < p.storage->shape.size(); ++i) p.storage->value[i] += 1;
    expect_equal("changing a clone's parameters changes the original", outputs_of(cell_), outputs, 0);
    Rng other(options_.seed + 4);
    C fresh(options_.input_size, options_.hidden_size, other);
    copy_parameters(cell_, fresh);
    expect_equal("a cell with the same parameters puts out something else", outputs_of(fresh), outputs, 0,
                 ": does each() name every parameter? What it does not name is not saved, copied or trained");
  }

  void decoding() {
    Rng rng(options_.seed + 5);
    const Index symbols = 5;
    const Embedding<double> embed(symbols, options_.input_size, rng);
    const Linear<double> output(cell_.output_size(), symbols, rng);
    const Rnn<C> layer(clone(cell_));
    Tape<double> tape(options_.seed);
    const Evaluation<double> scope(tape);
    const auto step = cell_step(embed, cell_, output);
    const auto best =
        decode_beam(step, initial_state(cell_, 2), {.begin = 0, .end = 1, .max_length = 4, .width = 3, .n_best = 3});
    for (std::size_t b = 0; b < best.size(); ++b)
      for (const Hypothesis& h : best[b]) {
        std::vector<Index> fed{0}, said = h.symbols;
        if (h.finished) said.push_back(1);
        fed.insert(fed.end(), said.begin(), said.end() - 1);
        const auto n = static_cast<Index>(said.size());
        const auto logits = output(layer(embed(fed, Shape{n, 1})));
        const double loss =
            softmax_cross_entropy(logits, std::span<const Index>(said), {.reduction = Reduction::sum}).item();
        expect_equal("log P of a hypothesis of the beam, and of the same symbols read at once", {h.log_prob}, {-loss},
                     options_.tolerance * 10, ": is the state all that the cell remembers?");
      }
  }

  CheckCellOptions options_;
  CellReport& report_;
  Rng rng_;
  C cell_;
  std::vector<Index> lengths_;
  CheckInput x_;
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
  detail::check_is_cell<C>();
  static_assert(std::is_same_v<typename C::scalar, double>,
                "check_cell needs double, float resolves no differences: check_cell<MyCell>() of a template over the "
                "scalar, or check_cell<MyCell<double>>()");
  CellReport report;
  try {
    detail::CellExaminer<C> examiner(options, report);
    examiner.examine();
  } catch (const std::exception& e) {
    report.checks.push_back(
        {"built from (input_size, hidden_size, rng)", CellCheck::Result::fails, std::string("throws ") + e.what()});
  }
  return report;
}

/// The same for a cell that is a template over its scalar: MyCell<double> is checked, and MyCell<float> beside it.
template <template <class...> class MyCell>
UNROLL_PER_ISA CellReport check_cell(const CheckCellOptions& options = {}) {
  using C = MyCell<double>;
  detail::check_is_cell<C>();
  CellReport report;
  try {
    detail::CellExaminer<C> examiner(options, report);
    examiner.examine();
    examiner.template compare_float<MyCell<float>>();
  } catch (const std::exception& e) {
    report.checks.push_back(
        {"built from (input_size, hidden_size, rng)", CellCheck::Result::fails, std::string("throws ") + e.what()});
  }
  return report;
}

}  // namespace unroll
