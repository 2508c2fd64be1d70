// Watching a tape: the first value that is not finite, profiles, graphs, summaries with outputs, gradients' troubles.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "unroll/nn/bptt/recompute.hpp"
#include "unroll/nn/inspect/watch.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/losses.hpp"
#include "unroll/ops/reduce.hpp"
#include "unroll/ops/softmax.hpp"
#include "unroll/ops/where.hpp"
#include "unroll/optim/gradient_watch.hpp"

using namespace unroll;

namespace {

constexpr Index kSteps = 5, kBatch = 2, kSize = 3;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

enum class Trap { none, log, sqrt, exp };

/// h' = tanh(trap(x) + W h + b): what is planted in x shows in the trap, at its time step, and nowhere before.
struct TrapCell {
  using scalar = double;
  using state = Variable<double>;
  Linear<double> hh;
  Trap trap = Trap::none;

  TrapCell(Index, Index hidden_size, Rng& rng) : hh(hidden_size, hidden_size, rng) {}
  Index output_size() const { return hh.output_size(); }
  state step(const Variable<double>& x, const state& h) const {
    const auto y = trap == Trap::log ? log(x) : trap == Trap::sqrt ? sqrt(x) : trap == Trap::exp ? exp(x) : x;
    return tanh(y + hh(h));
  }
  void each(auto&& visit) { visit("hh", hh); }
};

struct Model {
  using scalar = double;
  Rnn<TrapCell> encoder;
  Linear<double> readout;
  explicit Model(Rng& rng) : encoder(kSize, kSize, rng), readout(kSize, 1, rng) {}
  void each(auto&& visit) { visit("encoder", encoder), visit("readout", readout); }
};

struct Planted {
  Rng rng{3};
  Model model{rng};
  Tape<double> tape;
  std::vector<double> x = std::vector<double>(kSteps * kBatch * kSize, 0.5);

  Variable<double> loss() const {
    return mean(model.readout(model.encoder(input(x, Shape{kSteps, kBatch, kSize}, requires_grad))));
  }
  void plant(Trap trap, Index t, Index b, Index f, double value) {
    model.encoder.cell.trap = trap;
    x[static_cast<std::size_t>((t * kBatch + b) * kSize + f)] = value;
  }
  /// What a training step finds; the op is empty when nothing.
  NonFinite found(bool recording = true) {
    const Watch watch(tape, model);
    try {
      if (recording) {
        const Recording<double> scope(tape);
        tape.backward(loss());
      } else {
        const Evaluation<double> scope(tape);
        loss();
      }
    } catch (const NonFiniteError& e) {
      message = e.what();
      return e.found;
    }
    return {};
  }
  std::string message;
};

struct OddNames {
  using scalar = double;
  Parameter<double> p{Shape{2}};
  void each(auto&& visit) { visit("a\"];b\\\n", p); }
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

int count(const std::string& text, const std::string& part) {
  int n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("the first value that is not finite: op, layer, time step, shape, element") {
  for (const bool recording : {true, false})
    for (const Index t : {Index{0}, Index{3}, kSteps - 1}) {
      CAPTURE(recording);
      CAPTURE(t);
      Planted p;
      p.plant(Trap::log, t, 1, 2, 0);
      const NonFinite found = p.found(recording);
      CHECK(found.op == "log");
      CHECK(found.layer == "encoder.cell");
      CHECK(found.time_step == t);
      CHECK_FALSE(found.backward);
      CHECK(found.shape == Shape{kBatch, kSize});
      CHECK(found.at == std::vector<Index>{1, 2});
      CHECK(found.value == -kInfinity);
      REQUIRE(found.operands.size() == 1);
      CHECK(found.operands[0].shape == Shape{kBatch, kSize});
      CHECK(
          p.message.starts_with("time step " + std::to_string(t) +
                                ": layer encoder.cell: [log] made -inf at (1,2) of its result (2,3); operands: (2,3)"));
    }
}

TEST_CASE("other operations, and none") {
  Planted p;
  CHECK(p.found().op.empty());
  p.plant(Trap::exp, 2, 0, 1, 1e6);
  CHECK(p.found().op == "exp");
  CHECK(p.found().value == kInfinity);
  CHECK(p.found().time_step == 2);
  p.plant(Trap::log, 2, 0, 1, 0.5);
  CHECK(p.found().op.empty());
  p.plant(Trap::log, 1, 0, 1, -1);  // nan
  CHECK(p.found().op == "log");
  CHECK(std::isnan(p.found().value));
  p.plant(Trap::none, 1, 0, 1, std::nan(""));
  CHECK(p.found().op == "input");
  CHECK(p.found().at == std::vector<Index>{1, 0, 1});
  CHECK(p.found().time_step == -1);
}

TEST_CASE("a parameter that is not finite is named") {
  Planted p;
  p.model.encoder.cell.hh.bias.mutable_values()[1] = std::nan("");
  const NonFinite found = p.found();
  CHECK(found.op == "parameter");
  REQUIRE(found.operands.size() == 1);
  CHECK(found.operands[0].from == "parameter encoder.cell.hh.bias");
  p.model.encoder.cell.hh.bias.mutable_values()[1] = 0;
  for (double& w : p.model.readout.weight.mutable_values()) w = 1.7e308;
  p.model.readout.bias.mutable_values()[0] = 1.7e308;
  const NonFinite product = p.found();
  CHECK(product.op == "linear");
  CHECK(product.layer == "readout");
  CHECK(product.time_step == -1);
  CHECK(has(p.message, "parameter readout.weight"));
}

TEST_CASE("adjoints: where they first are not finite in backward") {
  for (const Index t : {Index{0}, Index{2}}) {
    Planted p;
    p.plant(Trap::sqrt, t, 1, 0, 0);  // finite forward; infinite derivative
    const NonFinite found = p.found();
    CHECK(found.op == "sqrt");
    CHECK(found.backward);
    CHECK(found.layer == "encoder.cell");
    CHECK(found.time_step == t);
    CHECK(found.operand == 0);
    CHECK(found.shape == Shape{kBatch, kSize});
    CHECK(found.at == std::vector<Index>{1, 0});
    CHECK(std::isinf(found.value));
    REQUIRE(found.results.size() == 1);
    CHECK(has(p.message, "layer encoder.cell, time step " + std::to_string(t) + ": [sqrt] backward made "));
    CHECK(p.found(false).op.empty());
  }
}

TEST_CASE("infinities that were asked for are handed on; a nan of them is an error") {
  Tape<double> tape;
  const Watch watch(tape);
  const std::vector<std::uint8_t> mask{1, 0, 1, 1};
  {
    const Recording scope(tape);
    const auto x = input(std::vector<double>{1, 2, 3, 4}, Shape{1, 4}, requires_grad);
    const auto masked = masked_fill(x, std::span<const std::uint8_t>(mask), -kInfinity);
    tape.backward(sum(softmax(masked) * full(Shape{1, 4}, 2.0)));
    CHECK_NOTHROW(masked + 1.0);
    CHECK_THROWS_AS(masked - masked, NonFiniteError);
    CHECK_THROWS_AS(masked * 0.0, NonFiniteError);
  }
}

TEST_CASE("places that the caller opens, and steps of a sequence in segments") {
  Rng rng(1);
  Tape<double> tape;
  const Watch watch(tape);
  const Evaluation scope(tape);
  const auto zero = full(Shape{2}, 0.0);
  try {
    const Place part("decoder");
    const Place segment = Place::from(10);
    const Place step(4);
    log(zero);
    FAIL("nothing was found");
  } catch (const NonFiniteError& e) {
    CHECK(e.found.layer == "decoder");
    CHECK(e.found.time_step == 14);
    CHECK(std::string(e.what()).starts_with("layer decoder, time step 14: [log] made -inf at (0)"));
  }
}

TEST_CASE("inside recompute, forward and backward") {
  Planted p;
  const auto run = [&](Trap trap) {
    p.model.encoder.cell.trap = trap;
    const Watch watch(p.tape, p.model);
    const Recording scope(p.tape);
    const auto x = input(p.x, Shape{kSteps, kBatch, kSize}, requires_grad);
    const auto state = recompute_over_time(
        kSteps, initial_state(p.model.encoder.cell, kBatch),
        [&p, x](Index t, const Variable<double>& h) { return p.model.encoder.cell.step(at(x, t), h); });
    p.tape.backward(sum(state));
    return std::pair{watch.profile(), p.tape.nodes()};
  };
  const auto [profile, nodes] = run(Trap::sqrt);
  CHECK(profile["sqrt"].calls == 2 * kSteps);  // forward, and again in backward
  CHECK(profile["sqrt"].backward_calls == kSteps);
  CHECK(profile["recompute"].backward_calls == 2);
  p.plant(Trap::sqrt, 4, 0, 0, 0);
  for (const Trap trap : {Trap::log, Trap::sqrt}) {
    try {
      run(trap);
      FAIL("nothing was found");
    } catch (const NonFiniteError& e) {
      CHECK(e.found.op == (trap == Trap::log ? "log" : "sqrt"));
      CHECK(e.found.time_step == 4);
      CHECK(e.found.backward == (trap == Trap::sqrt));
    }
  }
}

TEST_CASE("the profile counts exactly") {
  Tape<double> tape;
  const Watch watch(tape, {.non_finite = false});
  std::size_t bytes = 0;
  Index nodes = 0;
  {
    const Recording scope(tape);
    Variable<double> x = input(std::vector<double>(64, 0.1), Shape{8, 8}, requires_grad);
    for (int k = 0; k < 3; ++k) x = tanh(x);
    const auto halves = chunk(x * x, 2, 1);
    const auto loss = sum(halves[0] + exp(halves[1]));
    bytes = tape.bytes_used();
    nodes = tape.nodes();
    const Profile p = watch.profile();
    CHECK(p["input"].calls == 1);
    CHECK(p["tanh"].calls == 3);
    CHECK(p["tanh"].nodes == 3);
    CHECK(p["tanh"].bytes >= 3 * 64 * sizeof(double));
    CHECK(p["chunk"].calls == 1);
    CHECK(p["chunk"].nodes == 2);
    CHECK(p["exp"].nodes == 1);
    CHECK(p["sinh"].calls == 0);
    CHECK(p.total().nodes == nodes);
    CHECK(p.total().bytes == bytes);
    tape.backward(loss);
  }
  const Profile p = watch.profile();
  CHECK(p.total().nodes == nodes);
  CHECK(p["tanh"].backward_calls == 3);
  CHECK(p["exp"].backward_calls == 1);
  CHECK(p["input"].backward_calls == 0);
  CHECK(p["chunk"].backward_calls == 0);
  CHECK(p["tanh"].backward_bytes >= 3 * 64 * sizeof(double));
  CHECK(p["tanh"].forward > 0);
  CHECK(p["tanh"].backward > 0);
  const std::string table = p.table();
  CHECK(has(table, "operation"));
  CHECK(count(table, "\n") == static_cast<int>(p.ops.size()) + 2);
}

TEST_CASE("numbers in an Evaluation, several recordings, reset") {
  Tape<double> tape;
  Watch watch(tape);
  for (int k = 0; k < 3; ++k) {
    const Evaluation outer(tape);
    const auto x = full(Shape{4}, 1.0);
    for (int i = 0; i < 2; ++i) {
      const Evaluation inner(tape);
      exp(x);
    }
  }
  CHECK(watch.profile()["exp"].calls == 6);
  CHECK(watch.profile()["exp"].nodes == 6);
  CHECK(watch.profile()["full"].nodes == 3);
  watch.reset();
  CHECK(watch.profile()["exp"].calls == 0);
}

TEST_CASE("the same bits and the same tape with and without") {
  const auto train = [](bool watched, std::size_t& bytes, Index& nodes) {
    Rng rng(5);
    Rnn<LSTMCell<float>> layer(3, 4, rng);
    Linear<float> readout(4, 2, rng);
    Tape<float> tape;
    std::optional<Watch<float>> watch;
    if (watched) watch.emplace(tape, layer);
    std::vector<float> numbers(7 * 2 * 3);
    Rng(7).fill_normal(std::span(numbers));
    const Recording scope(tape);
    const auto y = readout(layer(input(numbers, Shape{7, 2, 3})));
    const auto loss = mean(square(y));
    tape.backward(loss);
    bytes = tape.bytes_used();
    nodes = tape.nodes();
    std::vector<float> all{loss.item()};
    for (const auto& p : parameters(layer, readout)) {
      p.storage->ensure_grad();
      all.insert(all.end(), p.storage->grad, p.storage->grad + p.storage->shape.size());
    }
    return all;
  };
  std::size_t bytes[2];
  Index nodes[2];
  CHECK(train(false, bytes[0], nodes[0]) == train(true, bytes[1], nodes[1]));
  CHECK(bytes[0] == bytes[1]);
  CHECK(nodes[0] == nodes[1]);
}

TEST_CASE("a graph in Graphviz' language") {
  Planted p;
  const Watch watch(p.tape, p.model);
  {
    const Recording scope(p.tape);
    p.tape.backward(p.loss());
  }
  const std::string dot = watch.dot();
  CHECK(dot.starts_with("digraph tape {"));
  CHECK(count(dot, "label=\"encoder.cell.hh.weight\\n(3,3)\"") == 1);
  CHECK(count(dot, "label=\"readout.bias\\n(1)\"") == 1);
  CHECK(count(dot, "label=\"layer encoder.cell, time step ") == kSteps);
  CHECK(count(dot, "label=\"tanh\\n(2,3)\"") == kSteps);
  CHECK(count(dot, "{") == count(dot, "}"));
  {
    const Evaluation scope(p.tape);
    p.loss();
  }
  CHECK_FALSE(has(watch.dot(), "label=\"tanh"));
}

TEST_CASE("edges of a graph, and names that are hostile") {
  Tape<double> tape;
  OddNames odd;
  const Watch watch(tape, odd);
  const Recording scope(tape);
  const auto x = use(odd.p);  // op0
  const auto y = x * x;       // op1
  sum(y + x);                 // op2, op3
  const std::string dot = watch.dot();
  CHECK(has(dot, "op0 [label=\"a\\\"];b\\\\\\n\\n(2)\""));
  CHECK(count(dot, "op0 -> op1;") == 1);
  CHECK(count(dot, "op0 -> op2;") == 1);
  CHECK(count(dot, "op1 -> op2;") == 1);
  CHECK(count(dot, "op2 -> op3;") == 1);
  CHECK(count(dot, "->") == 4);
}

TEST_CASE("a summary with outputs") {
  Rng rng(1);
  Model model(rng);
  const std::string table = summary(model, [&] {
    return model.readout(model.encoder(input(std::vector<double>(30), Shape{kSteps, kBatch, kSize})));
  });
  CHECK(table ==
        "layer            output   parameters       bytes\n"
        "encoder.cell     (10,3)            0         0 B\n"
        "encoder.cell.hh  (2,3)            12        96 B\n"
        "readout          (5,2,1)           4        32 B\n"
        "total                             16       128 B\n");
}

TEST_CASE("misuse of a Watch") {
  Tape<double> tape;
  {
    const Recording scope(tape);
    CHECK_THROWS_WITH_AS(Watch<double>{tape},
                         "[Watch] the tape has a scope open; expected watching to begin between its scopes",
                         TapeInUseError);
  }
  const Watch watch(tape);
  CHECK_THROWS_WITH_AS(Watch<double>{tape}, "[Watch] the tape has a Watch already; expected one at a time",
                       TapeInUseError);
  const Recording scope(tape);
  CHECK_THROWS_AS(exp(Variable<double>()), EmptyVariableError);
}

TEST_CASE("dead and exploding gradients by name") {
  Rng rng(1);
  Linear<double> layer(2, 1, rng);
  GradientWatch watch(parameters(layer), {.dead_after = 3, .exploding = 50, .warm_up = 4});
  auto& weight = layer.weight;
  const auto step = [&](double w, double b) {
    weight.clear_grad(), layer.bias.clear_grad();
    if (w != 0) weight.mutable_grads()[0] = w;
    if (b != 0) layer.bias.mutable_grads()[0] = b;
    return watch.look();
  };
  for (int k = 0; k < 4; ++k) CHECK(step(1, 2).empty());
  CHECK(step(49, 2).empty());
  const auto jump = step(1e4, 0);
  REQUIRE(jump.size() == 1);
  CHECK(jump[0].trouble == GradientTrouble::exploding);
  CHECK(jump[0].parameter == "weight");
  CHECK(jump[0].step == 6);
  CHECK(jump[0].norm == doctest::Approx(1e4));
  CHECK(jump[0].text.starts_with("step 6: weight: the gradient's norm is 1e+04, usually "));
  CHECK(watch.norms() == std::vector<double>{1e4, 0});
  CHECK(step(1e4, 0).empty());  // told already; no bias for two steps
  const auto dead = step(1, 0);
  REQUIRE(dead.size() == 1);
  CHECK(dead[0].trouble == GradientTrouble::dead);
  CHECK(dead[0].text == "step 8: bias: the gradient has been zero for 3 steps");
  CHECK(step(1, 0).empty());
  CHECK(step(1, 1).empty());
  CHECK(step(1, 0).empty());
  CHECK(step(1, 0).empty());
  CHECK(step(1, 0).size() == 1);  // dead again
  const auto nan = step(std::nan(""), 1);
  REQUIRE(nan.size() == 1);
  CHECK(nan[0].text == "step 14: weight: the gradient is not finite");
  layer.bias.freeze();
  for (int k = 0; k < 5; ++k) CHECK(step(1, 0).empty());
  CHECK_THROWS_WITH_AS(GradientWatch(parameters(layer), {.dead_after = 0}),
                       "[GradientWatch] dead_after 0, exploding 100; expected at least 1 step, and a factor above 1",
                       ValueError);
}
