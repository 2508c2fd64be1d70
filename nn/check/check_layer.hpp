#pragma once
/// \file
/// check_layer: everything the library promises about a layer over time, tried on a user's own.
///
///     CHECK(check_layer<MyLayer>());           // template <class T> struct MyLayer
///     CHECK(check_layer<MyLayer<double>>());   // or a layer type with double; float is then not compared
///     CHECK(check_layer(layer));               // or a layer that was built otherwise; wrappers are then not tried
///
/// It says line by line what holds, what does not, and why.

#include <exception>
#include <functional>
#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include "../../ops/layout.hpp"
#include "../../ops/losses.hpp"
#include "../bidirectional.hpp"
#include "../bptt/carry.hpp"
#include "../decode/decode.hpp"
#include "../embedding.hpp"
#include "../linear.hpp"
#include "../pyramid.hpp"
#include "../stack.hpp"
#include "gradcheck.hpp"

namespace unroll {

struct CheckLayerOptions {
  Index input_size = 3;  ///< equal to the width of the output for cells and layers that need that
  Index hidden_size = 4;
  std::uint64_t seed = 1;
  double tolerance = 1e-11;       ///< of what must be equal in double, relative to the largest element
  double float_tolerance = 1e-3;  ///< of float beside double
  GradcheckOptions gradcheck = {};
};

/// One thing that was tried.
struct LayerCheck {
  enum class Result { holds, fails, skipped };
  std::string what;
  Result result = Result::holds;
  std::string why;  ///< of a failure, or why it was skipped
};

/// What check_layer or check_cell found: true when nothing fails. `CHECK(check_layer<MyLayer>())` of doctest prints it.
struct LayerReport {
  std::string of = "layer";  ///< what was checked
  std::vector<LayerCheck> checks;

  bool ok() const;
  explicit operator bool() const { return ok(); }
  /// The check with this name; null when there is none.
  const LayerCheck* find(const std::string& what) const;
  /// A line with the verdict, then one line a check.
  std::string str() const;
  friend std::ostream& operator<<(std::ostream& out, const LayerReport& report);
};

namespace detail {

using Numbers = std::vector<double>;

/// What is wrong with a layer or cell, found by one of the checks.
struct Fault {
  std::string why;
};
/// Why a check was not made.
struct Skip {
  std::string why;
};

/// Throws Fault with `what` and the largest difference when a and b differ by more than `tolerance`, relative to the
/// largest element of b (at least 1).
void expect_equal(const std::string& what, const Numbers& a, const Numbers& b, double tolerance,
                  const std::string& hint = "");
/// The same for a check of gradients: throws Fault with the worst element of the report unless it passes.
void expect_passes(const GradcheckReport& report);
/// Rows `row` of B rows.
Numbers row_of(const Numbers& v, Index batch, Index row);

/// A layer as a function: gives the outputs, and appends them and the final states to the list.
using LayerFunction = std::function<Sequence<double>(const Sequence<double>&, std::vector<Variable<double>>&)>;
/// Throws Fault unless the layer makes of sequences of these lengths in one batch what it makes of each alone, in
/// values and gradients, in a Recording as in an Evaluation.
void check_ragged(const LayerFunction& layer, const ParameterList<double>& parameters, const CheckInput& x,
                  const std::vector<Index>& lengths, const CheckLayerOptions& options);

/// One layer's examination. That of a cell is one of its Rnn, and more.
template <class L>
class UNROLL_PER_ISA LayerExaminer {
 public:
  /// `built`: from the sizes, as wrappers build it.
  LayerExaminer(L layer, bool built, const CheckLayerOptions& options, LayerReport& report)
      : layer_(std::move(layer)), built_(built), options_(options), report_(report), lengths_{3, 0, 5, 1} {
    x_ = check_input("x", Shape{5, 4, options.input_size}, options.seed + 1);
  }
  virtual ~LayerExaminer() = default;

  void examine() {
    attempt("run() is a function of input and states", [&] { repeatable(); });
    attempt("sequences of a batch do not see each other", [&] { sequences_alone(); });
    attempt("initial states", [&] { initial(); });
    attempt("gradients", [&] { gradients(); });
    attempt("ragged batch equals its sequences", [&] { ragged(layer_); });
    attempt("a tensor equals a Sequence", [&] { both_kinds(); });
    attempt("backwards in time", [&] { ragged(Reversed<L>(clone(layer_))); });
    attempt_wrapped();
    attempt("step by step equals all at once", [&] { streaming(); });
    attempt("output_in() is what run() puts out", [&] { output(); });
    attempt("clone and copy_parameters", [&] { copies(); });
    attempt("decoding", [&] {
      check_cuttable();
      decoding([&](const auto& embed, const auto& output) { return layer_step(embed, layer_, output); });
    });
  }

  /// The same layer in float.
  template <class F>
  void compare_float() {
    attempt("float close to double", [&] {
      Rng rng(options_.seed);
      F small(options_.input_size, options_.hidden_size, rng);
      copy_parameters(layer_, small);
      Tape<float> tape(options_.seed);
      const Evaluation<float> scope(tape);
      const std::vector<float> values(x_.values.begin(), x_.values.end());
      const auto y = values_of(run_layer("check", small, some_of<float>(input(values, x_.shape))).outputs);
      expect_equal("outputs in float and in double", Numbers(y.begin(), y.end()), outputs_of(layer_),
                   options_.float_tolerance);
    });
  }

 protected:
  using States = typename L::states;
  static constexpr bool takes_sequences = RunsOver<L, Sequence<double>>;
  static constexpr bool is_buildable = std::is_constructible_v<L, Index, Index, Rng&>;

  template <class F>
  void attempt(const char* what, F&& f) {
    LayerCheck check{what, LayerCheck::Result::fails, ""};
    try {
      f();
      check.result = LayerCheck::Result::holds;
    } catch (const Skip& skip) {
      check.result = LayerCheck::Result::skipped, check.why = skip.why;
    } catch (const Fault& fault) {
      check.why = fault.why;
    } catch (const std::exception& e) {
      check.why = std::string("throws ") + e.what();
    }
    report_.checks.push_back(check);
  }

  /// A layer of it, built from the sizes as it is.
  template <class Layer, class... Options>
  void wrapped(bool any_width, const Options&... options) {
    if constexpr (is_buildable) {
      if (!built_) throw Skip{"the layer was given, not built"};
      Rng rng(options_.seed + 2);
      if (const Index width = layer_.output_size(); any_width && width != options_.input_size) {
        try {
          const L above(width, options_.hidden_size, rng);
        } catch (const std::exception& e) {
          throw Skip{std::string("it cannot read what it puts out: ") + e.what()};
        }
      }
      ragged(Layer(options_.input_size, options_.hidden_size, rng, options...));
    } else {
      throw Skip{"it is not built from (input_size, hidden_size, rng)"};
    }
  }
  void attempt_wrapped() {
    attempt("both directions", [&] { wrapped<Bidirectional<L>>(false); });
    attempt("stacked", [&] { wrapped<Stack<L>>(true, StackOptions{.layers = 3}); });
    attempt("pyramid", [&] { wrapped<Pyramid<L>>(true, PyramidOptions{.join = JoinFrames::mean}); });
  }
  void check_cuttable() const {
    if constexpr (!runs_forward<L>) {
      throw Skip{"it says `runs_forward = false`"};
    } else {
      try {
        check_runs_forward("check_layer", layer_);
      } catch (const ValueError& e) {
        throw Skip{e.what()};
      }
    }
  }

  /// Random states, the same for every call.
  virtual States any_states(Index batch) const {
    Rng rng(options_.seed + 3);
    return map_state(initial_states(layer_, batch), [&](const Variable<double>& v) {
      Numbers values(static_cast<std::size_t>(v.size()));
      rng.fill_normal(std::span<double>(values), 0.0, 0.5);
      return input(values, v.shape());
    });
  }
  Variable<double> x() const { return input(x_.values, x_.shape); }
  /// x of these lengths; all of it where the layer takes no Sequence.
  template <class T>
  auto some_of(const Variable<T>& x) const {
    if constexpr (takes_sequences) {
      return sequence(x, lengths_);
    } else {
      return x;
    }
  }
  /// x as a tensor where the layer takes one.
  static auto all_of(const Variable<double>& x) {
    if constexpr (RunsOver<L, Variable<double>>) {
      return x;
    } else {
      return sequence(x);
    }
  }
  static Variable<double> tensor(const Variable<double>& y) { return y; }
  static Variable<double> tensor(const Sequence<double>& y) { return padded(y); }
  template <class T>
  static std::vector<T> values_of(const Variable<T>& y) {
    return y.to_vector();
  }
  template <class T>
  static std::vector<T> values_of(const Sequence<T>& y) {
    return y.rows.to_vector();
  }
  template <class S>
  static Numbers numbers(const S& s) {
    Numbers all;
    visit_state(s, [&](const char*, const auto& v) {
      for (const double n : v.to_vector()) all.push_back(n);
    });
    return all;
  }
  template <class S>
  static S rows(const S& s, Index from, Index count) {
    return map_state(s, [&](const auto& v) { return narrow(v, 0, from, count); });
  }
  Numbers outputs_of(const L& layer) const {
    Tape<double> tape(options_.seed);
    const Evaluation<double> scope(tape);
    return values_of(run_layer("check", layer, some_of(x())).outputs);
  }

  void repeatable() {
    Tape<double> tape(options_.seed);
    const Evaluation<double> scope(tape);
    const States s = any_states(4);
    const Numbers before = numbers(s);
    const auto first = layer_.run(all_of(x()), s), second = layer_.run(all_of(x()), s);
    const char* hint = ": does it keep something between calls (a counter, an old state)?";
    expect_equal("two runs with one input and states give different outputs", values_of(second.outputs),
                 values_of(first.outputs), 0, hint);
    expect_equal("two runs with one input and states end in different states", numbers(final_states(second)),
                 numbers(final_states(first)), 0, hint);
    expect_equal("run() changed the states it was given", numbers(s), before, 0);
    const Shape y = tensor(first.outputs).shape();
    if (y.rank() != 3 || y[1] != 4 || y[2] != static_cast<Index>(layer_.output_size()))
      throw Fault{"puts out " + y.str() + " for a batch of 4; output_size() is " +
                  std::to_string(layer_.output_size())};
    std::vector<Shape> shapes;
    visit_state(s, [&](const char*, const auto& v) { shapes.push_back(v.shape()); });
    std::size_t k = 0;
    visit_state(final_states(first), [&](const char* name, const auto& v) {
      if (k >= shapes.size() || !(v.shape() == shapes[k]))
        throw Fault{std::string("member '") + name + "' of the final states has shape " + v.shape().str() +
                    (k < shapes.size() ? "; that of the initial ones " + shapes[k].str() : "; the initial lack it")};
      ++k;
    });
    if (k != shapes.size()) throw Fault{"the final states have fewer members than the initial ones"};
  }

  void sequences_alone() {
    Tape<double> tape(options_.seed);
    const Evaluation<double> scope(tape);
    const States s = any_states(4);
    const auto all = layer_.run(all_of(x()), s);
    for (Index b = 0; b < 4; ++b) {
      const auto one = layer_.run(all_of(narrow(x(), 1, b, 1)), rows(s, b, 1));
      const std::string who = "sequence " + std::to_string(b) + " of a batch of 4 ";
      expect_equal(who + "has other outputs than alone", narrow(tensor(all.outputs), 1, b, 1).to_vector(),
                   tensor(one.outputs).to_vector(), options_.tolerance, ": run() mixes the sequences of the batch");
      expect_equal(who + "ends in another state than alone", numbers(rows(final_states(all), b, 1)),
                   numbers(final_states(one)), options_.tolerance, ": run() mixes the sequences of the batch");
    }
  }

  /// Initial states have a row for each sequence, and all alike.
  void initial() {
    Tape<double> tape(options_.seed);
    const Evaluation<double> scope(tape);
    const States three = initial_states(layer_, 3), one = initial_states(layer_, 1), none = initial_states(layer_, 0);
    std::vector<Variable<double>> of_one, of_none;
    visit_state(one, [&](const char*, const auto& v) { of_one.push_back(v); });
    visit_state(none, [&](const char*, const auto& v) { of_none.push_back(v); });
    std::size_t k = 0;
    visit_state(three, [&](const char* name, const auto& v) {
      if (v.shape().rank() == 0 || v.dim(0) != 3 || of_one[k].dim(0) != 1 || of_none[k].dim(0) != 0)
        throw Fault{std::string("member '") + name + "' of the initial state of 3 sequences has shape " +
                    v.shape().str() + "; expected one row a sequence"};
      for (Index b = 0; b < 3; ++b)
        expect_equal(std::string("row of member '") + name + "' differs from that of a batch of one",
                     row_of(v.to_vector(), 3, b), of_one[k].to_vector(), 0);
      ++k;
    });
  }

  /// From random initial states, and from the layer's own. `options`: what its run() takes beside.
  template <class... Options>
  void gradients(const Options&... options) {
    std::vector<CheckInput> inputs{x_};
    {
      Tape<double> tape(options_.seed);
      const Evaluation<double> scope(tape);
      const States s = any_states(4);
      visit_state(s, [&](const char* name, const auto& v) {
        inputs.push_back(check_input(std::string("initial state '") + name + "'", v.shape(), v.to_vector()));
      });
    }
    for (const bool given : {true, false}) {
      if (!given) inputs.resize(1);
      const auto run = [&](const std::vector<Variable<double>>& v) {
        std::vector<Variable<double>> outputs;
        std::size_t k = 1;
        if (given) {
          const States s = map_state(initial_states(layer_, 4), [&](const auto&) { return v[k++]; });
          collect_outputs(layer_.run(some_of(v[0]), s, options...), outputs);
        } else {
          collect_outputs(run_layer("check", layer_, some_of(v[0])), outputs);
        }
        return outputs;
      };
      expect_passes(run_gradcheck(run, parameters(layer_), inputs, options_.gradcheck));
    }
  }

  template <class Layer>
  void ragged(const Layer& layer) {
    if constexpr (takes_sequences) {
      check_ragged(
          [&](const Sequence<double>& x, std::vector<Variable<double>>& all) {
            const auto r = run_layer("check", layer, x);
            all.push_back(r.outputs.rows);
            collect_outputs(final_states(r), all);
            return r.outputs;
          },
          parameters(layer), x_, lengths_, options_);
    } else {
      throw Skip{"it takes no Sequence"};
    }
  }

  void both_kinds() {
    if constexpr (takes_sequences && RunsOver<L, Variable<double>>) {
      Tape<double> tape(options_.seed);
      const Evaluation<double> scope(tape);
      const States s = any_states(4);
      const auto a = layer_.run(x(), s);
      const auto b = layer_.run(sequence(x()), s);
      expect_equal("outputs of a tensor, and of the same as a Sequence", a.outputs.to_vector(),
                   tensor(b.outputs).to_vector(), options_.tolerance);
      expect_equal("final states of a tensor, and of the same as a Sequence", numbers(final_states(a)),
                   numbers(final_states(b)), options_.tolerance);
    } else {
      throw Skip{"it takes one of them only"};
    }
  }

  void streaming() {
    check_cuttable();
    Tape<double> tape(options_.seed);
    Numbers outputs, states, so_far;
    {
      const Evaluation<double> scope(tape);
      const auto r = run_layer("check", layer_, all_of(x()));
      outputs = tensor(r.outputs).to_vector(), states = numbers(final_states(r));
    }
    Carry<States, double> carry;
    for (Index t = 0; t < x_.shape[0]; ++t) {
      const Evaluation<double> scope(tape);
      const auto r = layer_.run(all_of(narrow(x(), 0, t, 1)), carry.state(initial_states(layer_, x_.shape[1])));
      for (const double v : tensor(r.outputs).to_vector()) so_far.push_back(v);
      carry.assign(final_states(r));
    }
    const char* hint = ": a layer that cannot be cut says `static constexpr bool runs_forward = false`";
    expect_equal("outputs step by step, the state carried from scope to scope", so_far, outputs, options_.tolerance,
                 hint);
    const Evaluation<double> scope(tape);
    expect_equal("the final state step by step", numbers(carry.state()), states, options_.tolerance, hint);
  }

  void output() {
    check_cuttable();
    Tape<double> tape(options_.seed);
    const Evaluation<double> scope(tape);
    const auto first = narrow(x(), 0, 0, 1);
    const auto r = layer_.run(all_of(first), any_states(4));
    Variable<double> y;
    try {
      y = output_in(layer_, at(first, 0), final_states(r));
    } catch (const ValueError& e) {
      throw Skip{e.what()};
    }
    expect_equal("output_in() after a step, and what run() put out", y.to_vector(), tensor(r.outputs).to_vector(),
                 options_.tolerance);
  }

  void copies() const {
    const Numbers outputs = outputs_of(layer_);
    const L copy = clone(layer_);
    expect_equal("a clone puts out something else", outputs_of(copy), outputs, 0);
    for (const auto& p : parameters(copy))
      for (Index i = 0; i < p.storage->shape.size(); ++i) p.storage->value[i] += 1;
    expect_equal("changing a clone's parameters changes the original", outputs_of(layer_), outputs, 0);
    if constexpr (is_buildable) {
      if (!built_) return;
      Rng other(options_.seed + 4);
      L fresh(options_.input_size, options_.hidden_size, other);
      copy_parameters(layer_, fresh);
      expect_equal("one with the same parameters puts out something else", outputs_of(fresh), outputs, 0,
                   ": does each() name every parameter? What it does not name is not saved, copied or trained");
    }
  }

  /// What beam search says of its hypotheses, and the layer when it reads them at once. `make_step(embed, output)`.
  template <class F>
  void decoding(F&& make_step) const {
    Rng rng(options_.seed + 5);
    const Index symbols = 5;
    const Embedding<double> embed(symbols, options_.input_size, rng);
    const Linear<double> output(layer_.output_size(), symbols, rng);
    Tape<double> tape(options_.seed);
    const Evaluation<double> scope(tape);
    const auto best = decode_beam(make_step(embed, output), initial_states(layer_, 2),
                                  {.begin = 0, .end = 1, .max_length = 4, .width = 3, .n_best = 3});
    for (std::size_t b = 0; b < best.size(); ++b)
      for (const Hypothesis& h : best[b]) {
        std::vector<Index> fed{0}, said = h.symbols;
        if (h.finished) said.push_back(1);
        fed.insert(fed.end(), said.begin(), said.end() - 1);
        const auto n = static_cast<Index>(said.size());
        const auto logits = output(tensor(run_layer("check", layer_, all_of(embed(fed, Shape{n, 1}))).outputs));
        const double loss =
            softmax_cross_entropy(logits, std::span<const Index>(said), {.reduction = Reduction::sum}).item();
        expect_equal("log P of a hypothesis of the beam, and of the same symbols read at once", {h.log_prob}, {-loss},
                     options_.tolerance * 10, ": is the state all that it remembers?");
      }
  }

  L layer_;
  bool built_;
  CheckLayerOptions options_;
  LayerReport& report_;
  std::vector<Index> lengths_;
  CheckInput x_;
};

/// A report `of` what `examine(report)` examines.
template <class F>
UNROLL_PER_ISA LayerReport examined(const char* of, F&& examine) {
  LayerReport report{of, {}};
  try {
    examine(report);
  } catch (const std::exception& e) {
    report.checks.push_back(
        {"built from (input_size, hidden_size, rng)", LayerCheck::Result::fails, std::string("throws ") + e.what()});
  }
  return report;
}

template <class L>
UNROLL_PER_ISA LayerExaminer<L> examiner_of(const CheckLayerOptions& options, LayerReport& report) {
  Rng rng(options.seed);
  return {L(options.input_size, options.hidden_size, rng), true, options, report};
}

template <class X>
constexpr bool check_is_double() {
  static_assert(std::is_same_v<typename X::scalar, double>,
                "check_cell and check_layer need double, float resolves no differences: check_cell<MyCell>() of a "
                "template over the scalar, or check_cell<MyCell<double>>()");
  return true;
}

}  // namespace detail

/// Tries everything the library promises about layers on `L`, a layer type with double: its run is a function of input
/// and states that treats each sequence of the batch by itself; gradients over parameters, inputs and initial states; a
/// ragged batch equals its sequences one by one, forwards, backwards, in both directions, stacked and in a pyramid, in
/// a Recording as in an Evaluation; a tensor equals a Sequence; step by step equals all at once, unless the layer says
/// that it cannot be cut; output_in(); clones and copies by name; decoding.
///
/// Random parts are checked as they are outside of training, except that gradients are checked with one draw.
template <class L>
UNROLL_PER_ISA LayerReport check_layer(const CheckLayerOptions& options = {}) {
  static_assert(detail::check_is_layer<L>() && detail::check_is_double<L>());
  return detail::examined("layer", [&](LayerReport& r) { detail::examiner_of<L>(options, r).examine(); });
}

/// The same for a layer that reads `options.input_size` features.
template <class L>
UNROLL_PER_ISA LayerReport check_layer(const L& layer, const CheckLayerOptions& options = {}) {
  static_assert(detail::check_is_layer<L>() && detail::check_is_double<L>());
  return detail::examined("layer", [&](LayerReport& r) {
    detail::LayerExaminer<L>(clone(layer), false, options, r).examine();
  });
}

/// The same for a layer that is a template over its scalar: MyLayer<double> is checked, and MyLayer<float> beside it.
template <template <class...> class MyLayer>
UNROLL_PER_ISA LayerReport check_layer(const CheckLayerOptions& options = {}) {
  static_assert(detail::check_is_layer<MyLayer<double>>());
  return detail::examined("layer", [&](LayerReport& r) {
    auto examiner = detail::examiner_of<MyLayer<double>>(options, r);
    examiner.examine();
    examiner.template compare_float<MyLayer<float>>();
  });
}

}  // namespace unroll
