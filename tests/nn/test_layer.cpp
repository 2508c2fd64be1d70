// Layers that the library does not know, with a state and without, through everything the library has for layers; what
// check_layer says of them, of the library's own, and of ones with planted errors.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "unroll/nn/bptt/recompute.hpp"
#include "unroll/nn/bptt/truncated.hpp"
#include "unroll/nn/cells/classic_rnn.hpp"
#include "unroll/nn/cells/weight_drop.hpp"
#include "unroll/nn/check/check_layer.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/inspect/gradient_flow.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/norm.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/ops/reduce.hpp"
#include "unroll/optim/sgd.hpp"

using namespace unroll;

namespace {

using Var = Variable<double>;
constexpr Index kSteps = 5, kBatch = 3, kInputs = 3, kHidden = 4;
const std::vector<Index> lengths{4, 0, 5};

/// An LSTM whose outputs are normalised: the example at the head of nn/layer.hpp.
template <class T = float>
struct Block {
  using scalar = T;
  using states = LSTMState<T>;
  Rnn<LSTMCell<T>> lstm;
  LayerNorm<T> norm;
  Block(Index input_size, Index hidden_size, Rng& rng) : lstm(input_size, hidden_size, rng), norm(hidden_size) {}
  Index output_size() const { return lstm.output_size(); }
  states initial_states(Index batch) const { return lstm.initial_states(batch); }
  Variable<T> output_in(const Variable<T>&, const states& s) const { return norm(s.h); }
  template <SequenceLike<T> X>
  LayerResult<states, X> run(const X& x, const states& from) const {
    const auto r = lstm.run(x, from);
    return {norm(r.outputs), r.final_state};
  }
  void each(auto&& visit) { visit("lstm", lstm), visit("norm", norm); }
};

/// Without a state: each step by itself.
template <class T = float>
struct Gated {
  using scalar = T;
  using states = NoState<T>;
  Linear<T> gate, value;
  Gated(Index input_size, Index hidden_size, Rng& rng)
      : gate(input_size, hidden_size, rng), value(input_size, hidden_size, rng) {}
  Index output_size() const { return value.output_size(); }
  template <SequenceLike<T> X>
  LayerResult<states, X> run(const X& x, const states& from) const {
    return {on_rows(x, [&](const Variable<T>& rows) { return sigmoid(gate(rows)) * value(rows); }), from};
  }
  void each(auto&& visit) { visit("gate", gate), visit("value", value); }
};

/// Its members are called as those of Stack, Bidirectional, Pyramid, Rnn, Tape and Shards. It is none of these: two
/// layers side by side, whose states are a list.
template <class T = float>
struct Misnamed {
  using scalar = T;
  using states = std::vector<Variable<T>>;
  Rnn<GRUCell<T>> fwd, bwd;
  Linear<T> layers, link, gates, cell, layer;
  Index factor = 2;
  bool reverse = true;
  double count = 0.5, tape = 1, rng = 2, bytes_reserved = 3, all_states = 4, rows = 5, layout = 6;
  Misnamed(Index input_size, Index hidden_size, Rng& r)
      : fwd(input_size, hidden_size, r),
        bwd(input_size, hidden_size + 1, r),
        layers(hidden_size, hidden_size, r),
        link(hidden_size + 1, hidden_size, r),
        gates(1, 1, r),
        cell(1, 1, r),
        layer(1, 1, r) {}
  Index output_size() const { return link.output_size(); }
  states initial_states(Index batch) const { return {fwd.initial_states(batch), bwd.initial_states(batch)}; }
  Variable<T> output_in(const Variable<T>&, const states& s) const { return tanh(layers(s[0]) + link(s[1])); }
  template <SequenceLike<T> X>
  LayerResult<states, X> run(const X& x, const states& from) const {
    const auto a = fwd.run(x, from.at(0)), b = bwd.run(x, from.at(1));
    const auto with_b = [&](const Variable<T>& u) { return tanh(layers(u) + link(rows_of(b.outputs))); };
    return {on_rows(a.outputs, with_b), {a.final_state, b.final_state}};
  }
  static Variable<T> rows_of(const Variable<T>& x) { return x; }
  static Variable<T> rows_of(const Sequence<T>& x) { return x.rows; }
  void each(auto&& visit) {
    visit("fwd", fwd), visit("bwd", bwd), visit("layers", layers), visit("link", link), visit("factor", factor);
    visit("reverse", reverse), visit("count", count);
  }
};

/// Takes tensors only, and knows its own start.
struct Tensors {
  using scalar = double;
  using states = Var;
  Rnn<RNNCell<double>> rnn;
  Parameter<double> start;
  Tensors(Index input_size, Index hidden_size, Rng& rng)
      : rnn(input_size, hidden_size, rng), start(Shape{hidden_size}) {
    for (double& v : start.mutable_values()) v = rng.uniform<double>();
  }
  Index output_size() const { return rnn.output_size(); }
  Var initial_states(Index batch) const { return zeros<double>(Shape{batch, output_size()}) + start; }
  RnnResult<Var, Var> run(const Var& x, const Var& from) const { return rnn.run(x, from); }
  void each(auto&& visit) { visit("rnn", rnn), visit("start", start); }
};

/// Both directions in it, and says so.
struct Backward {
  using scalar = double;
  using Inside = Bidirectional<Rnn<RNNCell<double>>>;
  using states = Inside::states;
  static constexpr bool runs_forward = false;
  Inside inside;
  Backward(Index input_size, Index hidden_size, Rng& rng) : inside(input_size, hidden_size, rng) {}
  Index output_size() const { return inside.output_size(); }
  states initial_states(Index batch) const { return inside.initial_states(batch); }
  template <SequenceLike<double> X>
  LayerResult<states, X> run(const X& x, const states& from) const {
    const auto r = inside.run(x, from);
    return {on_rows(r.outputs, [](const Var& rows) { return tanh(rows); }), r.final_state};
  }
  void each(auto&& visit) { visit("inside", inside); }
};

std::vector<double> x_values(Index seed = 1) {
  return check_input("x", Shape{kSteps, kBatch, kInputs}, static_cast<std::uint64_t>(seed)).values;
}
Var x_of(Index from, Index count) {
  static const std::vector<double> x = x_values();
  const Index row = kBatch * kInputs;
  return input(std::span(x).subspan(static_cast<std::size_t>(from * row), static_cast<std::size_t>(count * row)),
               Shape{count, kBatch, kInputs});
}

/// Numbers, and the gradient of every parameter.
struct Outcome {
  std::vector<double> values;
  std::vector<std::vector<double>> gradients;
};
template <class L>
void take_gradients(const L& layer, Outcome& outcome) {
  for (const auto& p : parameters(layer)) {
    std::vector<double>& g = outcome.gradients.emplace_back(static_cast<std::size_t>(p.storage->shape.size()));
    if (p.storage->has_grad) std::copy_n(p.storage->grad, g.size(), g.begin());
    p.storage->clear_grad();
  }
}
template <class L, class F>
Outcome outcome(const L& layer, F&& loss) {
  Outcome seen;
  Tape<double> tape;
  const Recording<double> scope(tape);
  const Var l = loss();
  tape.backward(l);
  seen.values = {l.item()};
  take_gradients(layer, seen);
  return seen;
}
void same(const Outcome& a, const Outcome& b) {
  REQUIRE(a.values.size() == b.values.size());
  for (std::size_t i = 0; i < a.values.size(); ++i) CHECK(a.values[i] == doctest::Approx(b.values[i]).epsilon(1e-12));
  REQUIRE(a.gradients.size() == b.gradients.size());
  double largest = 0;
  for (std::size_t p = 0; p < a.gradients.size(); ++p)
    for (std::size_t i = 0; i < a.gradients[p].size(); ++i) {
      CHECK(std::abs(a.gradients[p][i] - b.gradients[p][i]) < 1e-12);
      largest = std::max(largest, std::abs(b.gradients[p][i]));
    }
  CHECK(largest > 1e-3);
}
Var squares(const Var& y) { return sum(y * y); }

/// Wrapped in everything: gradients by differences over a ragged batch, from states of their own.
template <class L>
void check_wrapped() {
  Rng rng(3);
  const auto x = check_input("x", Shape{kSteps, kBatch, kInputs}, 2);
  const auto check = [&](const auto& wrapper) {
    CHECK(gradcheck([&](auto v) { return wrapper.run(sequence(v, lengths)); }, wrapper, x));
  };
  check(Stack<L>(kInputs, kHidden, rng, {.layers = 2, .link = Link::highway}));
  check(Bidirectional<L, MeanDirections>(kInputs, kHidden, rng));
  check(Pyramid<L>(kInputs, kHidden, rng, {.levels = 1}));
  check(Reversed<L>(kInputs, kHidden, rng));
  check(WeightDrop<L>(kInputs, kHidden, rng, {.probability = 0.3, .name = "weight"}));
}

/// Cut into pieces, computed again, looked at.
template <class L>
void check_in_time(const L& layer) {
  const auto all = [&] { return detail::run_layer("test", layer, x_of(0, kSteps)).outputs; };
  const Outcome whole = outcome(layer, [&] { return squares(all()); });

  same(outcome(layer,
               [&] {
                 const auto f = [&](const Var& v, const typename L::states& s) { return layer.run(v, s); };
                 const auto r = recompute(f, x_of(0, kSteps), initial_states(layer, kBatch));
                 return squares(r.outputs);
               }),
       whole);
  same(outcome(layer,
               [&] {
                 return recompute_over_time(kSteps, initial_states(layer, kBatch),
                                            [&](Index begin, Index end, const auto& s) {
                                              const auto r = layer.run(x_of(begin, end - begin), s);
                                              return std::pair{squares(r.outputs), final_states(r)};
                                            },
                                            {.segment = 2})
                     .first;
               }),
       whole);

  Tape<double> tape;
  for (const Index window : {kSteps, Index{2}}) {  // 2: what has been carried is a constant
    Outcome truncated, loop;
    Carry<typename L::states> carry;
    truncated.values = {truncated_bptt(
        tape, layer, carry, kSteps, {.k1 = window, .k2 = window}, x_of,
        [](const auto& y, Index, Index) { return squares(y); }, [&] { take_gradients(layer, truncated); })};
    double total = 0;
    Carry<typename L::states> own;
    for (Index t = 0; t < kSteps; t += window) {
      const Recording<double> scope(tape);
      const auto r = layer.run(x_of(t, std::min(window, kSteps - t)), own.state(initial_states(layer, kBatch)));
      const Var l = squares(r.outputs);
      tape.backward(l);
      total += l.item();
      own.assign(final_states(r));
      take_gradients(layer, loop);
    }
    loop.values = {total};
    same(truncated, loop);
    if (window == kSteps) same(truncated, whole);
    const Evaluation<double> scope(tape);
    const auto numbers = [](const auto& s) {
      std::vector<double> all;
      detail::visit_state(s, [&](const char*, const auto& v) {
        for (const double n : v.to_vector()) all.push_back(n);
      });
      return all;
    };
    CHECK(numbers(carry.state()) == numbers(own.state()));
  }

  const auto read = [] { return x_of(0, kSteps); };
  const auto loss = [](Index t, const auto& y) { return t == kSteps - 1 ? squares(y) : Var{}; };
  double norm = 0;
  for (const auto& g : outcome(layer, [&] { return squares(at(all(), kSteps - 1)); }).gradients)
    for (const double v : g) norm += v * v;
  CHECK(gradient_contributions(layer, read, loss).whole.back() == doctest::Approx(std::sqrt(norm)).epsilon(1e-10));
}

/// dE/ds_t of every t against the definition: the state before the rest of the steps made a variable.
template <class L>
void check_state_gradients(const L& layer) {
  const auto squared = [](Index, const auto& y) { return squares(y); };
  const StateGradients flow = state_gradients(layer, [] { return x_of(0, kSteps); }, squared);
  Tape<double> tape;
  for (Index t = 1; t < kSteps; ++t) {
    const Recording<double> scope(tape);
    auto s = final_states(layer.run(x_of(0, t), initial_states(layer, kBatch)));
    std::vector<Var> members;
    s = detail::map_state(s, [&](const Var& v) {
      return members.emplace_back(input(v.to_vector(), v.shape(), requires_grad));
    });
    tape.backward(squares(detail::output_in(layer, at(x_of(t - 1, 1), 0), s)) +
                  squares(layer.run(x_of(t, kSteps - t), s).outputs));
    double norm = 0;
    for (const Var& v : members)
      for (const double g : v.grad_to_vector()) norm += g * g;
    CHECK(flow.norms[static_cast<std::size_t>(t)] == doctest::Approx(std::sqrt(norm)).epsilon(1e-10));
  }
}

/// The report fails the check `what` with `why` in the reason.
void refused(const LayerReport& report, const std::string& what, const std::string& why) {
  INFO(report.str());
  CHECK(!report);
  const LayerCheck* check = report.find(what);
  REQUIRE(check);
  CHECK(check->result == LayerCheck::Result::fails);
  CHECK(check->why.find(why) != std::string::npos);
}
void skipped(const LayerReport& report, const std::string& what, const std::string& why) {
  INFO(report.str());
  CHECK(report);
  const LayerCheck* check = report.find(what);
  REQUIRE(check);
  CHECK(check->result == LayerCheck::Result::skipped);
  CHECK(check->why.find(why) != std::string::npos);
}

enum class Plant {
  stop_gradient,
  mixes_sequences,
  counter,
  hidden_parameter,   // not named by each()
  old_states,         // ends in what it began with
  reads_ahead,        // from the end, without saying so
  padding,            // a ragged batch is run as if it were a tensor
  wrong_width,        // output_size() lies
  wrong_output_in,
  one_initial_state,  // for all sequences
};
/// A user's layer with an error.
template <Plant plant>
struct Planted {
  using scalar = double;
  using states = Var;
  Rnn<RNNCell<double>> rnn;
  std::vector<double> secret;
  mutable double calls = 0;
  Planted(Index input_size, Index hidden_size, Rng& rng)
      : rnn(input_size, hidden_size, rng), secret{rng.uniform<double>()} {}
  Index output_size() const { return rnn.output_size() + (plant == Plant::wrong_width); }
  Var initial_states(Index batch) const {
    return rnn.initial_states(plant == Plant::one_initial_state ? 1 : batch);
  }
  Var output_in(const Var&, const Var& s) const { return plant == Plant::wrong_output_in ? s + 1.0 : s; }
  RnnResult<Var, Sequence<double>> run(const Sequence<double>& x, const Var& from) const {
    if constexpr (plant == Plant::padding) {
      const auto r = run(padded(x), from);
      const std::vector<Index> all = x.lengths();
      return {sequence(r.outputs, all), r.final_state, {}};
    } else {
      auto r = rnn.run(x, from);
      r.outputs.rows = spoilt(r.outputs.rows);
      return r;
    }
  }
  RnnResult<Var, Var> run(const Var& x, const Var& from) const {
    auto r = rnn.run(x, from);
    r.outputs = spoilt(r.outputs);
    if (plant == Plant::mixes_sequences) r.outputs = r.outputs + mean(mean(r.outputs, 0), 0);
    if (plant == Plant::reads_ahead) r.outputs = r.outputs + flip(r.outputs);
    if (plant == Plant::old_states) r.final_state = from;
    return r;
  }
  Var spoilt(Var y) const {
    if (plant == Plant::stop_gradient) y = y + stop_gradient(y);
    if (plant == Plant::counter) y = y * (1 + 0.01 * ++calls);
    if (plant == Plant::hidden_parameter) y = y * secret[0];
    return y;
  }
  void each(auto&& visit) { visit("rnn", rnn); }
};
template <Plant plant>
LayerReport check_planted() {
  return check_layer<Planted<plant>>();
}

}  // namespace

static_assert(Layer<Block<>> && Layer<Gated<double>> && Layer<Misnamed<>> && Layer<Tensors> && Layer<Backward>);
static_assert(Layer<Rnn<LSTMCell<>>> && Layer<Stack<Block<>>> && Layer<Bidirectional<Gated<>>> && Layer<ClassicRnn<>>);
static_assert(Layer<Pyramid<Misnamed<>>> && Layer<Reversed<Tensors>> && Layer<WeightDrop<Stack<Block<>>>>);
static_assert(!Layer<LSTMCell<>> && !Layer<Linear<>>);

TEST_CASE("users' layers keep every promise; their reports say what was not tried") {
  CHECK(check_layer<Block>());
  CHECK(check_layer<Gated>());
  CHECK(check_layer<Misnamed>());
  CHECK(check_layer<Stack<Misnamed<double>>>());
  const LayerReport report = check_layer<Block>();
  CHECK(report.str().starts_with("the layer keeps every promise\n  holds    run() is a function of input"));
  CHECK(report.checks.size() == 15);
  CHECK(std::ranges::all_of(report.checks, [](const LayerCheck& c) { return c.result == LayerCheck::Result::holds; }));
  skipped(check_layer<Tensors>(), "ragged batch equals its sequences", "it takes no Sequence");
  skipped(check_layer<Tensors>(), "output_in() is what run() puts out", "puts out in a state is not known");
  skipped(check_layer<Backward>(), "step by step equals all at once", "it says `runs_forward = false`");
}

TEST_CASE("so do the library's") {
  Rng rng(1);
  CHECK(check_layer<Stack<Rnn<LSTMCell<double>>>>());
  CHECK(check_layer(Stack<Rnn<GRUCell<double>>>(3, 3, rng, {.layers = 3, .link = Link::highway})));
  CHECK(check_layer<WeightDrop<Rnn<LSTMCell<double>>>>());
  CHECK(check_layer(ClassicRnn<double>(3, 4, 2, rng)));
  skipped(check_layer(ClassicRnn<double>(3, 4, 2, rng)), "stacked", "it is not built from");
  skipped(check_layer<Bidirectional<Rnn<LSTMCell<double>>>>(), "decoding", "it says `runs_forward = false`");
  skipped(check_layer<Reversed<Rnn<GRUCell<double>>>>(), "decoding", "it says `runs_forward = false`");
  skipped(check_layer<Pyramid<Rnn<GRUCell<double>>>>(), "decoding", "it says `runs_forward = false`");
  skipped(check_layer(Rnn<GRUCell<double>>(3, 4, rng, {.reverse = true})), "step by step equals all at once",
          "the layer runs from the last step to the first");
}

TEST_CASE("planted errors are refused, with the reason") {
  refused(check_planted<Plant::stop_gradient>(), "gradients", "by differences (wrong)");
  refused(check_planted<Plant::mixes_sequences>(), "sequences of a batch do not see each other", "run() mixes");
  refused(check_planted<Plant::counter>(), "run() is a function of input and states", "a counter");
  refused(check_planted<Plant::hidden_parameter>(), "clone and copy_parameters", "does each() name every parameter?");
  refused(check_planted<Plant::old_states>(), "step by step equals all at once", "outputs step by step");
  refused(check_planted<Plant::old_states>(), "a tensor equals a Sequence", "final states");
  refused(check_planted<Plant::reads_ahead>(), "step by step equals all at once", "`static constexpr bool");
  refused(check_planted<Plant::padding>(), "ragged batch equals its sequences", "another final state");
  refused(check_planted<Plant::wrong_width>(), "run() is a function of input and states", "output_size() is 5");
  refused(check_planted<Plant::wrong_output_in>(), "output_in() is what run() puts out", "output_in() after a step");
  refused(check_planted<Plant::one_initial_state>(), "initial states", "expected one row a sequence");
  CHECK(check_planted<Plant::counter>().str().starts_with("the layer breaks "));
}

TEST_CASE("users' layers in every wrapper: gradients over a ragged batch") {
  check_wrapped<Block<double>>();
  check_wrapped<Gated<double>>();
  check_wrapped<Misnamed<double>>();
}

TEST_CASE("users' layers, and stacks of them, over time: pieces, computed again, contributions of the steps") {
  Rng rng(5);
  check_in_time(Block<double>(kInputs, kHidden, rng));
  check_in_time(Gated<double>(kInputs, kHidden, rng));
  check_in_time(Misnamed<double>(kInputs, kHidden, rng));
  check_in_time(Tensors(kInputs, kHidden, rng));
  check_in_time(Stack<Block<double>>(kInputs, kInputs, rng, {.layers = 2, .link = Link::residual}));
  check_in_time(Stack<Gated<double>>(kInputs, kHidden, rng, {.layers = 2}));
}

TEST_CASE("users' layers, and stacks of them: gradients by the states of every step") {
  Rng rng(6);
  check_state_gradients(Block<double>(kInputs, kHidden, rng));
  check_state_gradients(Misnamed<double>(kInputs, kHidden, rng));
  check_state_gradients(Stack<Block<double>>(kInputs, kInputs, rng, {.layers = 2, .link = Link::highway}));
  check_state_gradients(ClassicRnn<double>(kInputs, kHidden, 2, rng));
  const Tensors silent_about_it(kInputs, kHidden, rng);
  CHECK_THROWS_WITH_AS(check_state_gradients(silent_about_it), doctest::Contains("output_in"), ValueError);
  const auto silent = state_gradients(
      Gated<double>(kInputs, kHidden, rng), [] { return x_of(0, kSteps); },
      [](Index, const auto& y) { return squares(y); });
  CHECK(silent.norms == std::vector<double>(kSteps + 1));  // there is no state to depend on
}

TEST_CASE("without a state there are still as many rows to decode as sequences") {
  Rng rng(7);
  const Gated<double> layer(kInputs, kHidden, rng);
  const Embedding<double> embed(6, kInputs, rng);
  const Linear<double> output(kHidden, 6, rng);
  Tape<double> tape;
  const Evaluation<double> scope(tape);
  const auto step = layer_step(embed, layer, output);
  const auto found = decode_greedy(step, initial_states(layer, 2), {.begin = 3, .max_length = 4});
  REQUIRE(found.size() == 2);
  CHECK(found[0].symbols == found[1].symbols);
  Index symbol = 3;  // by hand: what follows depends on the symbol before alone
  for (const Index next : found[0].symbols) {
    const auto logits = output(layer.run(embed(std::vector<Index>{symbol}, Shape{1, 1}), {}).outputs).to_vector();
    symbol = std::ranges::max_element(logits) - logits.begin();
    CHECK(next == symbol);
  }
}

TEST_CASE("Bidirectional has Rnn run backwards by itself, and reverses others around") {
  static_assert(std::is_same_v<Bidirectional<Rnn<GRUCell<>>>::BackwardLayer, Rnn<GRUCell<>>>);
  static_assert(std::is_same_v<Bidirectional<Misnamed<>>::BackwardLayer, Reversed<Misnamed<>>>);
  Rng rng(8);
  const Bidirectional<Misnamed<double>> both(kInputs, kHidden, rng);
  Tape<double> tape;
  const Evaluation<double> scope(tape);
  const Sequence<double> x = sequence(x_of(0, kSteps), lengths);
  const auto r = both.run(x);
  const auto back = reverse(x).with(both.bwd.layer.run(reverse(x), initial_states(both.bwd, kBatch)).outputs.rows);
  CHECK(narrow(r.outputs.rows, 1, kHidden, kHidden).to_vector() == reverse(back).rows.to_vector());
}
