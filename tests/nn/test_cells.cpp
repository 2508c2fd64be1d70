// Cells and what runs them over time. Every gradient is checked over parameters, inputs and initial states; values
// are compared with the equations spelled out in plain loops.

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "unroll/nn/cells/classic_rnn.hpp"
#include "unroll/nn/check/gradcheck.hpp"
#include "unroll/nn/embedding.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/map.hpp"

using namespace unroll;

namespace {

using Vector = std::vector<double>;

double sigma(double x) { return 1 / (1 + std::exp(-x)); }

/// W x + b for one row, from the tensors' values.
Vector affine(const Parameter<double>& w, const Parameter<double>& b, const double* x) {
  const Index out = w.shape()[0], in = w.shape()[1];
  Vector y(static_cast<std::size_t>(out));
  for (Index o = 0; o < out; ++o) {
    double sum = b.defined() ? b.values()[static_cast<std::size_t>(o)] : 0;
    for (Index i = 0; i < in; ++i) sum += w.values()[static_cast<std::size_t>(o * in + i)] * x[i];
    y[static_cast<std::size_t>(o)] = sum;
  }
  return y;
}

Vector normal_values(Index n, std::uint64_t seed, double scale = 1) {
  Vector v(static_cast<std::size_t>(n));
  Rng rng(seed);
  for (double& x : v) x = scale * rng.normal();
  return v;
}

void check_close(const Vector& a, const Vector& b, double tolerance = 1e-12) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  CHECK(worst <= tolerance);
}

template <class State>
std::vector<Variable<double>> members(const State& s) {
  std::vector<Variable<double>> list;
  detail::visit_state(s, [&](const char*, const auto& v) { list.push_back(v); });
  return list;
}

/// A cell over time by hand: no Rnn, no hoisted projection.
template <class C>
std::vector<Variable<double>> plain_loop(const C& cell, Variable<double> x, typename C::state s) {
  std::vector<Variable<double>> outputs;
  for (Index t = 0; t < x.dim(0); ++t) {
    s = cell.step(project(cell, at(x, t)), s);
    outputs.push_back(output_of(cell, s));
  }
  return outputs;
}

/// Loss, its gradients with respect to all parameters and to x, for any way to run a cell.
template <class C, class F>
std::vector<Vector> gradients(const C& cell, const Vector& x, const Shape& shape, F&& run) {
  Tape<double> tape;
  Recording<double> step(tape);
  for (auto& p : parameters(cell)) p.storage->clear_grad();
  const Variable<double> in = input(x, shape, requires_grad);
  const std::vector<Variable<double>> y = run(in);
  std::vector<Vector> result;
  for (const auto& v : y) result.push_back(v.to_vector());
  tape.backward(detail::weighted_sum({concat(y, 0)}));
  for (auto& p : parameters(cell)) result.emplace_back(p.storage->grad, p.storage->grad + p.storage->shape.size());
  result.push_back(in.grad_to_vector());
  return result;
}

struct Cube {
  auto operator()(const auto& x) const { return x * x * x; }
};
struct Leaky {
  auto operator()(const auto& x) const { return x + 0.5 * tanh(x); }
};

/// The cell of a user, as the guide shows it.
template <class T = float>
struct MyCell {
  Linear<T> ih, hh;
  using scalar = T;
  using state = Variable<T>;
  MyCell(Index input_size, Index hidden_size, Rng& rng)
      : ih(input_size, hidden_size, rng), hh(hidden_size, hidden_size, rng) {}
  Index output_size() const { return hh.output_size(); }
  auto project(Variable<T> x) const { return ih(x); }
  auto step(Variable<T> px, state h) const {
    return map([](auto a, auto b) { return tanh(a + b); }, px, hh(h));
  }
  void each(auto&& visit) { visit("ih", ih), visit("hh", hh); }
};

/// Everything optional at once: two LSTMs in one state, another width out, a start of its own, no projection.
struct Deep {
  struct State {
    std::array<LSTMState<double>, 2> levels;
    Variable<double> mean;
    void each(auto&& visit) { visit("levels", levels), visit("mean", mean); }
  };
  LSTMCell<double> low, high;
  Linear<double> out;
  Parameter<double> start;
  using scalar = double;
  using state = State;
  Deep(Index input_size, Index hidden_size, Rng& rng)
      : low(input_size, hidden_size, rng),
        high(hidden_size, hidden_size + 1, rng),
        out(hidden_size + 1, 2, rng),
        start(Shape{hidden_size}) {
    for (double& v : start.mutable_values()) v = rng.normal();
  }
  Index output_size() const { return 2; }
  State initial_state(Index batch) const {
    State s{{unroll::initial_state(low, batch), unroll::initial_state(high, batch)}, {}};
    s.mean = zeros<double>(Shape{batch, low.hidden_size()});
    s.levels[0].h = map([](auto a, auto b) { return a + b; }, s.levels[0].h, start);
    return s;
  }
  State step(Variable<double> x, const State& s) const {
    const auto a = low.step(low.project(x), s.levels[0]);
    const auto b = high.step(high.project(a.h), s.levels[1]);
    return {{a, b}, map([](auto m, auto h) { return 0.9 * m + 0.1 * h; }, s.mean, a.h)};
  }
  Variable<double> output(const State& s) const { return out(s.levels[1].h); }
  void each(auto&& visit) { visit("low", low), visit("high", high), visit("out", out), visit("start", start); }
};

/// Checks a cell's gradient from a given state, both directions, states and outputs.
template <class C, class MakeState>
void check_cell(const C& cell, Index input_size, MakeState&& make_state, const std::vector<CheckInput>& state) {
  for (const bool reverse : {false, true}) {
    const Rnn<C> rnn(clone(cell), {.reverse = reverse});
    const auto x = check_input("x", Shape{4, 2, input_size}, 7);
    if (state.size() == 1)
      CHECK(gradcheck([&](auto x, auto h0) { return rnn.run(x, make_state(h0, h0), {.all_states = true}); }, rnn, x,
                      state[0]));
    else
      CHECK(gradcheck([&](auto x, auto h0, auto c0) { return rnn.run(x, make_state(h0, c0), {.all_states = true}); },
                      rnn, x, state[0], state[1]));
    CHECK(gradcheck(rnn, x));
  }
}

}  // namespace

TEST_CASE("RNNCell: gradients for every activation and number of biases") {
  Rng rng(1);
  const auto as_state = [](auto h, auto) { return h; };
  const std::vector<CheckInput> h0 = {check_input("h0", Shape{2, 4}, 8)};
  for (const Biases b : {Biases::two, Biases::one, Biases::none}) {
    check_cell(RNNCell<double, Tanh>(3, 4, rng, {.biases = b}), 3, as_state, h0);
    check_cell(RNNCell<double, Relu>(3, 4, rng, {.biases = b}), 3, as_state, h0);
    check_cell(RNNCell<double, Sigmoid>(3, 4, rng, {.biases = b}), 3, as_state, h0);
    check_cell(RNNCell<double, Leaky>(3, 4, rng, {.biases = b}), 3, as_state, h0);
  }
  CHECK(parameters(RNNCell<double>(3, 4, rng, {.biases = Biases::none})).size() == 2);
  CHECK(parameters(RNNCell<double>(3, 4, rng, {.biases = Biases::one})).size() == 3);
}

TEST_CASE("LSTMCell, GRUCell, CombinedRNNCell: gradients") {
  Rng rng(2);
  const auto first = [](auto h, auto) { return h; };
  const auto both = [](auto h, auto c) { return LSTMState<double>{h, c}; };
  const auto h0 = check_input("h0", Shape{2, 4}, 8), c0 = check_input("c0", Shape{2, 4}, 9);
  for (const Biases b : {Biases::two, Biases::one, Biases::none}) {
    check_cell(LSTMCell<double>(3, 4, rng, {.biases = b}), 3, both, {h0, c0});
    check_cell(GRUCell<double>(3, 4, rng, {.biases = b}), 3, first, {h0});
  }
  check_cell(CombinedRNNCell<double, Tanh>(3, 4, rng), 3, first, {h0});
  check_cell(CombinedRNNCell<double, Leaky>(3, 4, rng), 3, first, {h0});
}

TEST_CASE("gradients with saturated gates, and with one unit, one step, one row") {
  Rng rng(3);
  LSTMCell<double> lstm(3, 4, rng);
  GRUCell<double> gru(3, 4, rng);
  for (auto& p : parameters(lstm))
    for (Index i = 0; i < p.storage->shape.size(); ++i) p.storage->value[i] *= 5;
  for (auto& p : parameters(gru))
    for (Index i = 0; i < p.storage->shape.size(); ++i) p.storage->value[i] *= 5;
  CHECK(gradcheck(Rnn(clone(lstm)), check_input("x", Shape{4, 2, 3}, 1, 3)));
  CHECK(gradcheck(Rnn(clone(gru)), check_input("x", Shape{4, 2, 3}, 1, 3)));
  for (const Shape& shape : {Shape{1, 1, 1}, Shape{3, 1, 1}, Shape{1, 3, 1}, Shape{3, 17, 1}, Shape{2, 20, 1}}) {
    CHECK(gradcheck(Rnn<LSTMCell<double>>(1, 1, rng), check_input("x", shape, 2)));
    CHECK(gradcheck(Rnn<GRUCell<double>>(1, 2, rng), check_input("x", shape, 2)));
    CHECK(gradcheck(Rnn<RNNCell<double>>(1, 3, rng), check_input("x", shape, 2)));
  }
}

TEST_CASE("one step is the equation") {
  const Index batch = 2, in = 3, hidden = 4;
  Rng rng(4);
  const Vector x = normal_values(batch * in, 5), h = normal_values(batch * hidden, 6),
               c = normal_values(batch * hidden, 7);
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto xv = input(x, Shape{batch, in}), hv = input(h, Shape{batch, hidden}), cv = input(c, Shape{batch, hidden});

  const RNNCell<double, Sigmoid> rnn(in, hidden, rng);
  const LSTMCell<double> lstm(in, hidden, rng);
  const GRUCell<double> gru(in, hidden, rng);
  Vector want_rnn, want_h, want_c, want_gru;
  for (Index b = 0; b < batch; ++b) {
    const double *xb = x.data() + b * in, *hb = h.data() + b * hidden, *cb = c.data() + b * hidden;
    const Vector r1 = affine(rnn.weight_ih, rnn.bias_ih, xb), r2 = affine(rnn.weight_hh, rnn.bias_hh, hb);
    const Vector l1 = affine(lstm.weight_ih, lstm.bias_ih, xb), l2 = affine(lstm.weight_hh, lstm.bias_hh, hb);
    const Vector g1 = affine(gru.weight_ih, gru.bias_ih, xb), g2 = affine(gru.weight_hh, gru.bias_hh, hb);
    for (std::size_t k = 0, n = hidden; k < n; ++k) {
      want_rnn.push_back(sigma(r1[k] + r2[k]));
      const double i = sigma(l1[k] + l2[k]), f = sigma(l1[n + k] + l2[n + k]);
      const double g = std::tanh(l1[2 * n + k] + l2[2 * n + k]), o = sigma(l1[3 * n + k] + l2[3 * n + k]);
      want_c.push_back(f * cb[k] + i * g);
      want_h.push_back(o * std::tanh(want_c.back()));
      const double r = sigma(g1[k] + g2[k]), z = sigma(g1[n + k] + g2[n + k]);
      const double m = std::tanh(g1[2 * n + k] + r * g2[2 * n + k]);
      want_gru.push_back((1 - z) * m + z * hb[k]);
    }
  }
  check_close(rnn.step(rnn.project(xv), hv).to_vector(), want_rnn, 1e-14);
  const auto s = lstm.step(lstm.project(xv), {hv, cv});
  check_close(s.h.to_vector(), want_h, 1e-14);
  check_close(s.c.to_vector(), want_c, 1e-14);
  check_close(gru.step(gru.project(xv), hv).to_vector(), want_gru, 1e-14);
}

TEST_CASE("the combined form W [h; x] equals the split one, outputs and gradients") {
  Rng rng(5);
  const Index in = 3, hidden = 4;
  for (const Biases biases : {Biases::two, Biases::one, Biases::none}) {
    const RNNCell<double> split(in, hidden, rng, {.biases = biases});
    const CombinedRNNCell<double> combined(split);
    const Shape shape{5, 2, in};
    const Vector x = normal_values(shape.size(), 6);
    const auto run = [](const auto& rnn) { return [&](Variable<double> v) { return std::vector{rnn(v)}; }; };
    const Rnn<RNNCell<double>> a(clone(split));
    const Rnn<CombinedRNNCell<double>> b(clone(combined));
    const auto ga = gradients(a, x, shape, run(a)), gb = gradients(b, x, shape, run(b));
    check_close(ga.front(), gb.front());
    check_close(ga.back(), gb.back());
    // W = [W_hh W_ih]; the gradient of b is that of either bias.
    const Vector &ih = ga[1], &hh = ga[2], &w = gb[1];
    Vector joined;
    for (Index r = 0; r < hidden; ++r) {
      joined.insert(joined.end(), hh.begin() + r * hidden, hh.begin() + (r + 1) * hidden);
      joined.insert(joined.end(), ih.begin() + r * in, ih.begin() + (r + 1) * in);
    }
    check_close(w, joined);
    if (biases != Biases::none) check_close(ga[3], gb[2]);
    if (biases == Biases::two) check_close(ga[4], gb[2]);
  }
}

TEST_CASE("a layer equals its cell in a loop by hand, in a Recording and in an Evaluation, both directions") {
  Rng rng(6);
  const auto check = [&]<class C>(const C& cell, Index in) {
    for (const Index batch : {1, 2, 3, 17, 50}) {
      const Shape shape{5, batch, in};
      const Vector x = normal_values(shape.size(), 8);
      const Rnn<C> rnn(clone(cell));
      const auto by_hand = gradients(
          rnn, x, shape, [&](Variable<double> v) { return plain_loop(rnn.cell, v, initial_state(rnn.cell, batch)); });
      const auto layer = gradients(rnn, x, shape, [&](Variable<double> v) {
        const Variable<double> y = rnn(v);
        std::vector<Variable<double>> steps;
        for (Index t = 0; t < 5; ++t) steps.push_back(at(y, t));
        return steps;
      });
      REQUIRE(by_hand.size() == layer.size());
      for (std::size_t i = 0; i < layer.size(); ++i) check_close(by_hand[i], layer[i]);

      // Evaluation: to rounding, since a Recording multiplies with a transposed copy of the weights.
      Tape<double> tape;
      Vector recorded, recorded_reverse, recorded_state, flipped;
      const Rnn<C> back(clone(cell), {.reverse = true});
      {
        Recording<double> scope(tape);
        const auto v = input(x, shape);
        recorded = rnn(v).to_vector();
        recorded_reverse = back(v).to_vector();
        recorded_state = members(back.run(v).final_state).back().to_vector();
        flipped = flip(rnn(flip(v))).to_vector();
        check_close(members(rnn.run(flip(v)).final_state).back().to_vector(), recorded_state);
      }
      check_close(recorded_reverse, flipped);
      Evaluation<double> scope(tape);
      const auto v = input(x, shape);
      check_close(rnn(v).to_vector(), recorded, 1e-13);
      check_close(back(v).to_vector(), recorded_reverse, 1e-13);
      check_close(members(back.run(v).final_state).back().to_vector(), recorded_state, 1e-13);
    }
  };
  check(RNNCell<double>(3, 4, rng), 3);
  check(LSTMCell<double>(3, 4, rng), 3);
  check(GRUCell<double>(2, 5, rng), 2);
  check(CombinedRNNCell<double>(3, 4, rng), 3);
  check(MyCell<double>(3, 4, rng), 3);
  check(Deep(3, 4, rng), 3);
}

TEST_CASE("final_state, all_states and outputs agree; zero states are the default") {
  Rng rng(7);
  for (const bool reverse : {false, true}) {
    const Rnn<LSTMCell<double>> rnn(3, 4, rng, {.reverse = reverse});
    const Index steps = 6, batch = 2, last = reverse ? 0 : steps - 1;
    Tape<double> tape;
    const auto look = [&] {
      const auto x = input(normal_values(steps * batch * 3, 9), Shape{steps, batch, 3});
      const auto zero = LSTMState<double>{zeros<double>(Shape{batch, 4}), full(Shape{batch, 4}, 0.0)};
      const auto r = rnn.run(x, zero, {.all_states = true}), d = rnn.run(x, {.all_states = true});
      CHECK(r.outputs.shape() == Shape{steps, batch, 4});
      CHECK(r.all_states.c.shape() == Shape{steps, batch, 4});
      CHECK(r.final_state.c.shape() == Shape{batch, 4});
      CHECK(r.all_states.h.to_vector() == r.outputs.to_vector());
      CHECK(at(r.all_states.h, last).to_vector() == r.final_state.h.to_vector());
      CHECK(at(r.all_states.c, last).to_vector() == r.final_state.c.to_vector());
      CHECK_FALSE(rnn.run(x).all_states.h.defined());
      check_close(r.outputs.to_vector(), d.outputs.to_vector());
      check_close(r.all_states.c.to_vector(), d.all_states.c.to_vector());
    };
    {
      Recording<double> scope(tape);
      look();
    }
    Evaluation<double> scope(tape);
    look();
  }
}

TEST_CASE("random_state: normal numbers in the shapes of the cell's state, repeated by the seed") {
  Rng rng(8);
  const LSTMCell<double> cell(3, 50, rng);
  const Rnn<LSTMCell<double>> rnn(clone(cell));
  Tape<double> tape;
  Evaluation<double> scope(tape);
  Rng a(5), b(5);
  const auto s = random_state(cell, 200, a, 0.3), again = random_state(cell, 200, b, 0.3);
  CHECK(s.h.shape() == Shape{200, 50});
  CHECK(s.h.to_vector() == again.h.to_vector());
  CHECK(s.h.to_vector() != s.c.to_vector());
  for (const auto& v : {s.h, s.c}) {
    double mean = 0, square = 0;
    for (const double e : v.to_vector()) mean += e / 1e4, square += e * e / 1e4;
    CHECK(std::abs(mean) < 0.015);
    CHECK(std::sqrt(square) == doctest::Approx(0.3).epsilon(0.03));
  }
  const auto x = full(Shape{2, 200, 3}, 1.0);
  CHECK(rnn.run(x, s).outputs.to_vector() != rnn(x).to_vector());
  const auto deep = random_state(Deep(3, 4, rng), 2, a);
  CHECK(deep.levels[1].c.shape() == Shape{2, 5});
  CHECK(deep.mean.to_vector() != Vector(8));
}

TEST_CASE("no steps, no rows, one step") {
  Rng rng(9);
  const auto check = [&](const auto& rnn, Index width) {
    Tape<double> tape;
    const auto look = [&] {
      const auto none = rnn.run(input(Vector{}, Shape{0, 2, 3}), {.all_states = true});
      CHECK(none.outputs.shape() == Shape{0, 2, width});
      for (const auto& v : members(none.all_states)) CHECK(v.shape().rank() == 3);
      for (const auto& v : members(none.all_states)) CHECK(v.dim(0) == 0);
      const auto empty = rnn.run(input(Vector{}, Shape{4, 0, 3}), {.all_states = true});
      CHECK(empty.outputs.shape() == Shape{4, 0, width});
      const auto x = full(Shape{1, 2, 3}, 0.5);
      const auto one = rnn.run(x);
      check_close(
          reshape(one.outputs, Shape{2, width}).to_vector(),
          output_of(rnn.cell, rnn.cell.step(project(rnn.cell, at(x, 0)), initial_state(rnn.cell, 2))).to_vector());
      // The state goes through untouched when there is no step.
      const auto s = random_state(rnn.cell, 2, rng);
      const auto through = rnn.run(input(Vector{}, Shape{0, 2, 3}), s);
      for (std::size_t m = 0; m < members(s).size(); ++m)
        CHECK(members(through.final_state)[m].to_vector() == members(s)[m].to_vector());
    };
    {
      Recording<double> scope(tape);
      look();
      // Backward through no steps is no error: the gradient is zero, or the initial state's.
      const auto y = rnn(input(Vector{}, Shape{0, 2, 3}, requires_grad));
      CHECK(y.size() == 0);
    }
    Evaluation<double> scope(tape);
    look();
  };
  check(Rnn<RNNCell<double>>(3, 4, rng), 4);
  check(Rnn<LSTMCell<double>>(3, 4, rng), 4);
  check(Rnn<GRUCell<double>>(3, 4, rng, {.reverse = true}), 4);
  check(Rnn<MyCell<double>>(3, 4, rng), 4);
  check(Rnn<Deep>(3, 4, rng), 2);
  const Rnn<LSTMCell<double>> lstm(3, 4, rng);
  CHECK(gradcheck(
      [&](auto x, auto h, auto c) {
        return lstm.run(x, {h, c}).final_state;
      },
      lstm, check_input("x", Shape{0, 2, 3}, 1), check_input("h0", Shape{2, 4}, 2), check_input("c0", Shape{2, 4}, 3)));
}

TEST_CASE("cells of users: ten lines, and everything optional at once") {
  Rng rng(10);
  CHECK(gradcheck(Rnn<MyCell<double>>(3, 4, rng), check_input("x", Shape{5, 2, 3}, 7)));
  CHECK(gradcheck(Rnn<MyCell<double>>(3, 4, rng, {.reverse = true}), check_input("x", Shape{5, 2, 3}, 7)));
  const Rnn<Deep> deep(3, 4, rng);
  CHECK(deep.output_size() == 2);
  CHECK(
      gradcheck([&](auto x) { return deep.run(x, {.all_states = true}); }, deep, check_input("x", Shape{3, 2, 3}, 7)));
  CHECK(gradcheck(Stack<Rnn<MyCell<double>>>(3, 4, rng, {.layers = 2}), check_input("x", Shape{3, 2, 3}, 7)));
  CHECK(gradcheck(Stack<Rnn<Deep>>(3, 3, rng, {.layers = 2}), check_input("x", Shape{3, 2, 3}, 7)));
}

TEST_CASE("Stack: one to three layers, gradients, states, dropout between them") {
  Rng rng(11);
  for (Index layers = 1; layers <= 3; ++layers) {
    const Stack<Rnn<LSTMCell<double>>> stack(3, 4, rng, {.layers = layers});
    const Stack<Rnn<GRUCell<double>>> dropped(3, 4, rng, {.layers = layers, .dropout = 0.4});
    CHECK(stack.output_size() == 4);
    CHECK(parameters(stack).size() == static_cast<std::size_t>(4 * layers));
    CHECK(gradcheck(stack, check_input("x", Shape{3, 2, 3}, 7)));
    CHECK(gradcheck(dropped, check_input("x", Shape{3, 2, 3}, 7)));
    CHECK(gradcheck(
        [&](auto x, auto h, auto c) {
          std::vector<LSTMState<double>> s;
          for (Index i = 0; i < layers; ++i) s.push_back({i % 2 ? c : h, i % 2 ? h : c});
          return stack.run(x, s);
        },
        stack, check_input("x", Shape{3, 2, 3}, 7), check_input("h0", Shape{2, 4}, 8),
        check_input("c0", Shape{2, 4}, 9)));

    Tape<double> tape;
    const auto x = normal_values(18, 3);
    Vector layer_by_layer, evaluated, trained, untrained;
    {
      Recording<double> scope(tape);
      auto v = input(x, Shape{3, 2, 3});
      const auto r = stack.run(v);
      REQUIRE(r.final_states.size() == static_cast<std::size_t>(layers));
      for (std::size_t i = 0; i < r.final_states.size(); ++i) {
        const auto one = stack.layers[i].run(v);
        check_close(one.final_state.c.to_vector(), r.final_states[i].c.to_vector());
        v = one.outputs;
      }
      check_close(v.to_vector(), r.outputs.to_vector());
      check_close(v.to_vector(), stack(input(x, Shape{3, 2, 3})).to_vector());
      trained = dropped(input(x, Shape{3, 2, 3})).to_vector();
    }
    {
      Recording<double> scope(tape, {.training = false});
      untrained = dropped(input(x, Shape{3, 2, 3})).to_vector();
    }
    Evaluation<double> scope(tape);
    check_close(dropped(input(x, Shape{3, 2, 3})).to_vector(), untrained, 1e-13);
    // With one layer there is nothing between layers.
    CHECK((trained == untrained) == (layers == 1));
  }
  Stack<Rnn<RNNCell<double>>> stack(3, 4, rng, {.layers = 2});
  Tape<double> tape;
  Recording<double> scope(tape);
  CHECK_THROWS_WITH_AS(stack.run(full(Shape{2, 2, 3}, 0.0), {zeros<double>(Shape{2, 4})}),
                       "[Stack] 1 initial states for 2 layers", ShapeError);
  CHECK_THROWS_WITH_AS(Stack<Rnn<RNNCell<double>>>(3, 4, rng, {.layers = 0}),
                       "[Stack] layers is 0; expected at least 1", ValueError);
  CHECK_THROWS_WITH_AS(Stack<Rnn<RNNCell<double>>>(3, 4, rng, {.dropout = 1.5}),
                       doctest::Contains("[Stack] dropout is 1.5"), ValueError);
}

TEST_CASE("ClassicRnn: any g1 and g2, with and without output bias") {
  // g2 over whole rows: gets the Variable.
  struct Centred {
    Variable<double> operator()(const Variable<double>& y) const {
      const auto parts = chunk<2>(y);
      return parts[0] - parts[1];
    }
  };
  Rng rng(12);
  const auto all = [](const auto& net) {
    return [&](auto x, auto a0) {
      const auto r = net(x, a0);
      return std::array{r.states, r.outputs, r.final_state};
    };
  };
  const auto x = check_input("x", Shape{4, 2, 3}, 1), a0 = check_input("a0", Shape{2, 4}, 2);
  const ClassicRnn<double> plain(3, 4, 2, rng);
  const ClassicRnn<double, Sigmoid, Tanh> bounded(3, 4, 2, rng, {.output_bias = false});
  const ClassicRnn<double, Leaky, Cube> own(3, 4, 2, rng);
  const ClassicRnn<double, Tanh, Centred> rows(3, 4, 2, rng);
  CHECK(gradcheck(all(plain), plain, x, a0));
  CHECK(gradcheck(all(bounded), bounded, x, a0));
  CHECK(gradcheck(all(own), own, x, a0));
  CHECK(gradcheck(all(rows), rows, x, a0));
  CHECK(parameters(plain).size() == 5);
  CHECK(parameters(bounded).size() == 4);

  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto in = input(x.values, x.shape);
  const auto r = bounded(in);
  CHECK(r.outputs.shape() == Shape{4, 2, 2});
  Vector a(8);  // from zeros
  for (Index t = 0; t < 4; ++t) {
    Vector next, y;
    for (Index b = 0; b < 2; ++b) {
      const auto& cell = bounded.hidden.cell;
      const Vector px = affine(cell.weight_ih, cell.bias_ih, x.values.data() + (t * 2 + b) * 3);
      const Vector pa = affine(cell.weight_hh, {}, a.data() + b * 4);
      for (std::size_t k = 0; k < 4; ++k) next.push_back(sigma(px[k] + pa[k]));
      for (const double o : affine(bounded.output.weight, {}, next.data() + b * 4)) y.push_back(std::tanh(o));
    }
    a = next;
    check_close(at(r.states, t).to_vector(), a);
    check_close(at(r.outputs, t).to_vector(), y);
  }
  check_close(r.final_state.to_vector(), a);
}

TEST_CASE("one-hot rows through Linear equal Embedding, outputs and gradients") {
  Rng rng(13);
  const Index symbols = 6, dim = 3, hidden = 4;
  Embedding<double> table(symbols, dim, rng);
  Linear<double> linear(symbols, dim, rng, {.bias = false});  // weight (dim, symbols): the table transposed
  for (Index s = 0; s < symbols; ++s)
    for (Index d = 0; d < dim; ++d)
      linear.weight.mutable_values()[static_cast<std::size_t>(d * symbols + s)] =
          table.weight.values()[static_cast<std::size_t>(s * dim + d)];
  const Rnn<LSTMCell<double>> rnn(dim, hidden, rng);
  const std::vector<int> ids = {0, 3, 5, 3, 2, 0, 5, 5};  // symbols 1 and 4 never appear
  Tape<double> tape;
  Vector embedded, hot;
  const auto run = [&](auto&& encode) {
    Recording<double> step(tape);
    const Variable<double> y = rnn(encode());
    tape.backward(detail::weighted_sum({y}));
    return y.to_vector();
  };
  embedded = run([&] { return table(ids, Shape{4, 2}); });
  hot = run([&] { return linear(one_hot<double>(ids, symbols, Shape{4, 2})); });
  check_close(embedded, hot);
  const auto a = table.weight.grads(), b = linear.weight.grads();
  double size = 0;
  for (std::size_t s = 0; s < 6; ++s)
    for (std::size_t d = 0; d < 3; ++d) {
      CHECK(std::abs(a[s * 3 + d] - b[d * 6 + s]) < 1e-13);
      if (s == 1 || s == 4) CHECK(a[s * 3 + d] == 0);
      size += std::abs(a[s * 3 + d]);
    }
  CHECK(size > 0.1);
  CHECK(gradcheck([&](auto) { return rnn(table(ids, Shape{4, 2})); }, table, rnn, check_input("none", Shape{1}, 1)));
}

TEST_CASE("an Evaluation over T steps keeps its outputs and one state") {
  Rng rng(14);
  const Index batch = 2, hidden = 32;
  const auto used_by = [&](const auto& layer, Index steps) {
    Tape<float> tape;
    Evaluation<float> scope(tape);
    const auto x = full(Shape{steps, batch, 8}, 0.1f);
    const std::size_t before = tape.bytes_used();
    const auto y = layer(x);
    CHECK(y.dim(0) == steps);
    const std::size_t kept = tape.bytes_used() - before;
    return std::pair(kept, tape.bytes_reserved());
  };
  const auto check = [&](const auto& layer) {
    const auto [kept1, reserved1] = used_by(layer, 2000);
    const auto [kept2, reserved2] = used_by(layer, 20000);
    // Outputs of 18,000 more steps, and where each step lies.
    const std::size_t outputs = 18000u * batch * (hidden * sizeof(float) + sizeof(Index) * 2 / batch);
    CHECK(kept2 - kept1 <= outputs + 4096);
    CHECK(kept2 - kept1 >= 18000u * batch * hidden * sizeof(float));
    CHECK(reserved2 < 2 * (20000u * batch * (hidden + 8 + 4) * sizeof(float)) + (8u << 20));
  };
  check(Rnn<LSTMCell<float>>(8, hidden, rng));
  check(Rnn<GRUCell<float>>(8, hidden, rng, {.reverse = true}));
  check(Rnn<MyCell<float>>(8, hidden, rng));
}

namespace {

/// Cells that are wrong at run time, each in its way.
struct Faulty : RNNCell<double> {
  enum class Fault { none, features, rows, width, unset, output, projection } fault = Fault::none;
  using RNNCell<double>::RNNCell;
  mutable int calls = 0;
  Index output_size() const { return fault == Fault::output ? 5 : 4; }
  Variable<double> initial_state(Index batch) const { return zeros<double>(Shape{batch, 4}); }
  Variable<double> project(Variable<double> x) const {
    const auto p = RNNCell<double>::project(x);
    return fault == Fault::projection ? narrow(p, 0, 0, 2) : p;
  }
  Variable<double> step(Variable<double> x, Variable<double> h) const {
    if (++calls <= 2) return RNNCell<double>::step(x, h);
    switch (fault) {
      case Fault::features:
        return RNNCell<double>::step(x, narrow(h, 1, 0, 3));
      case Fault::rows:
        return zeros<double>(Shape{7, 4});
      case Fault::width:
        return zeros<double>(Shape{2, 9});
      case Fault::unset:
        return {};
      default:
        return RNNCell<double>::step(x, h);
    }
  }
};

}  // namespace

TEST_CASE("errors name the time step, in a Recording and in an Evaluation") {
  Rng rng(15);
  Tape<double> tape;
  const auto message = [&](Faulty::Fault fault, bool recording, bool reverse) -> std::string {
    Rnn<Faulty> rnn(3, 4, rng, {.reverse = reverse});
    rnn.cell.fault = fault;
    const auto run = [&] {
      try {
        rnn(full(Shape{5, 2, 3}, 0.0));
      } catch (const ShapeError& e) {
        return std::string(e.what());
      } catch (const EmptyVariableError& e) {
        return std::string("empty: ") + e.what();
      }
      return std::string("no error");
    };
    if (recording) {
      Recording<double> scope(tape);
      return run();
    }
    Evaluation<double> scope(tape);
    return run();
  };
  using F = Faulty::Fault;
  for (const bool recording : {true, false}) {
    CHECK(message(F::none, recording, false) == "no error");
    CHECK(message(F::features, recording, false) ==
          "time step 2: [linear_onto] input (2,3) has 3 features, weight (4,4) takes 4");
    CHECK(message(F::features, recording, true) ==
          "time step 2: [linear_onto] input (2,3) has 3 features, weight (4,4) takes 4");
    CHECK(message(F::rows, recording, false) ==
          "time step 2: [Rnn] step() returned a state whose 'h' has shape (7,4); expected (2,4) as before");
    CHECK(message(F::width, recording, true) ==
          "time step 2: [Rnn] step() returned a state whose 'h' has shape (2,9); expected (2,4) as before");
    CHECK(message(F::unset, recording, false) ==
          "empty: time step 2: [Rnn] step() returned a state whose 'h' was never set");
    CHECK(message(F::output, recording, false) ==
          "time step 0: [Rnn] the cell put out (2,4); its output_size() promises (2,5)");
    CHECK(message(F::projection, recording, false) == "[Rnn] project() made (2,4) of (10,3); expected 10 rows");
  }
}

TEST_CASE("errors of shapes and scopes") {
  Rng rng(16);
  const Rnn<LSTMCell<double>> rnn(3, 4, rng);
  Tape<double> tape;
  Variable<double> stale;
  {
    Recording<double> scope(tape);
    stale = full(Shape{2, 2, 3}, 0.0);
    CHECK_THROWS_WITH_AS(rnn(full(Shape{2, 3}, 0.0)), "[Rnn] input (2,3); expected (T,B,F): steps, batch, features",
                         ShapeError);
    CHECK_THROWS_WITH_AS(rnn(full(Shape{2, 2, 5}, 0.0)), "[linear] input (4,5) has 5 features, weight (16,3) takes 3",
                         ShapeError);
    const auto h = zeros<double>(Shape{2, 4}), wrong = zeros<double>(Shape{3, 4});
    CHECK_THROWS_WITH_AS(rnn.run(stale, {h, wrong}), "[Rnn] the initial state 'c' has shape (3,4); expected 2 rows",
                         ShapeError);
    CHECK_THROWS_AS(rnn.run(stale, {h, {}}), EmptyVariableError);
    CHECK_THROWS_AS(rnn.run(stale, {h, zeros<double>(Shape{2, 5})}), ShapeError);
    CHECK_THROWS_AS(rnn(Variable<double>()), EmptyVariableError);
  }
  CHECK_THROWS_AS(rnn(stale), NoScopeError);
  Recording<double> scope(tape);
  CHECK_THROWS_AS(rnn(stale), StaleVariableError);
  CHECK_THROWS_WITH_AS(LSTMCell<float>(0, 4, rng), "[LSTMCell] input_size is 0; expected at least 1", ValueError);
  CHECK_THROWS_WITH_AS(GRUCell<float>(3, -1, rng), "[GRUCell] hidden_size is -1; expected at least 1", ValueError);
  CHECK_THROWS_WITH_AS(RNNCell<float>(3, 0, rng), "[RNNCell] hidden_size is 0; expected at least 1", ValueError);
  CHECK_THROWS_WITH_AS(Embedding<float>(0, 2, rng), "[Embedding] count is 0; expected at least 1", ValueError);
}
