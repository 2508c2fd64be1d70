// The whole library in miniature; read this first. From one multiplication to a recurrent network that has learned to
// remember, in the order in which things build on each other.

#include <doctest/doctest.h>

#include <vector>

#include "unroll/core/tape.hpp"
#include "unroll/nn/bptt/carry.hpp"
#include "unroll/nn/check/gradcheck.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/losses.hpp"
#include "unroll/ops/map.hpp"
#include "unroll/optim/adam.hpp"

using namespace unroll;

TEST_CASE("1. a tape records operations, backward() runs them last to first") {
  Tape<double> tape;             // memory, and the list of what was done
  Recording<double> step(tape);  // from here to the end of the block everything is recorded

  const auto x = input(std::vector{3.0}, Shape{}, requires_grad);
  const auto y = x * x + 2.0 * x;  // y = x^2 + 2x
  tape.backward(y);                // dy/dx = 2x + 2

  CHECK(y.item() == 15);
  CHECK(x.grad_to_vector()[0] == 8);
}

TEST_CASE("2. a parameter outlives the tape; every use adds to its gradient") {
  Parameter<double> w(Shape{});
  w.mutable_values()[0] = 0.5;
  Tape<double> tape;
  {
    Recording<double> step(tape);
    auto h = input(std::vector{1.0}, Shape{});
    for (int t = 0; t < 3; ++t) h = h * w;  // the same weight at every time step: h = w^3
    tape.backward(h);                       // dh/dw, summed over the three uses: 3 w^2
  }
  CHECK(w.grads()[0] == 0.75);
  w.clear_grad();
  CHECK(w.grads()[0] == 0);
}

// 3. A recurrent cell in ten lines: h' = tanh(W x + U h + b). A plain struct, no base class; `each` names its members,
// and from that come parameters, saving, counting and checking.
template <class T>
struct TinyCell {
  Linear<T> ih, hh;
  using scalar = T;
  using state = Variable<T>;
  TinyCell(Index input_size, Index hidden_size, Rng& rng)
      : ih(input_size, hidden_size, rng), hh(hidden_size, hidden_size, rng) {}
  Index output_size() const { return hh.output_size(); }
  auto project(Variable<T> x) const { return ih(x); }  // done for all time steps at once
  auto step(Variable<T> px, state h) const {
    return map([](auto a, auto b) { return tanh(a + b); }, px, hh(h));
  }
  void each(auto&& visit) { visit("ih", ih), visit("hh", hh); }
};

TEST_CASE("4. the gradient of anything is checked in one line") {
  Rng rng(1);
  const Rnn<TinyCell<double>> rnn(3, 4, rng);  // the cell, unrolled over time
  CHECK(gradcheck(rnn, check_input("x", Shape{5, 2, 3}, 7)));

  // It can fail: a function that hides half of its gradient is found out, by name.
  const auto hidden = [&](auto x) { return rnn(x) + stop_gradient(rnn(x)); };
  const GradcheckReport report = gradcheck(hidden, rnn, check_input("x", Shape{5, 2, 3}, 7));
  CHECK_FALSE(report.ok());
  CHECK(report.verdict() == Verdict::wrong);
}

// 5. A model is a struct of modules: here the recurrent layer and a linear output.
struct Echo {
  Rnn<TinyCell<float>> rnn;
  Linear<float> out;
  using scalar = float;
  explicit Echo(Rng& rng) : rnn(2, 16, rng), out(16, 2, rng) {}
  void each(auto&& visit) { visit("rnn", rnn), visit("out", out); }
};

TEST_CASE("6. training: the network learns to say what it heard two steps ago") {
  constexpr Index steps = 12, batch = 8, delay = 2;
  Rng rng(1);
  Echo model(rng);
  Adam<float> adam(parameters(model), {.lr = 0.02});
  Tape<float> tape;

  std::vector<float> x(steps * batch * 2);
  std::vector<Index> heard(steps * batch), target(steps * batch);
  const auto listen = [&] {  // random bits, one-hot, time-major: (steps, batch, 2)
    for (std::size_t i = 0; i < heard.size(); ++i) {
      heard[i] = rng.integer(2);
      x[2 * i] = static_cast<float>(1 - heard[i]);
      x[2 * i + 1] = static_cast<float>(heard[i]);
      target[i] = i < delay * batch ? -1 : heard[i - delay * batch];
    }
  };
  const auto loss_of = [&](Variable<float> h) {
    return softmax_cross_entropy(model.out(h), std::span<const Index>(target), {.ignore_index = -1});
  };

  float first = 0, last = 0;
  for (int i = 0; i < 300; ++i) {
    listen();
    Recording<float> step(tape);
    const auto loss = loss_of(model.rnn(input(x, Shape{steps, batch, 2})));
    tape.backward(loss);
    adam.step();  // reads the gradients, changes the values, forgets the gradients
    (i == 0 ? first : last) = loss.item();
  }
  CHECK(first > 0.5f);  // knowing nothing costs log 2 = 0.69 nats
  CHECK(last < 0.05f);

  // 7. Evaluation keeps values only. A long sequence may come in pieces: the state is carried from one to the next.
  listen();
  Carry<Variable<float>> carry;
  std::vector<float> whole, pieces;
  {
    Evaluation<float> look(tape);
    const auto h = model.rnn(input(x, Shape{steps, batch, 2}));
    CHECK(loss_of(h).item() < 0.05f);
    whole = model.out(h).to_vector();
  }
  for (Index t = 0; t < steps; t += 4) {
    Evaluation<float> look(tape);
    const std::vector<float> piece(x.begin() + t * batch * 2, x.begin() + (t + 4) * batch * 2);
    const auto in = input(piece, Shape{4, batch, 2});
    const auto result = carry.empty() ? model.rnn.run(in) : model.rnn.run(in, carry.state());
    carry.assign(result.final_state);
    for (const float y : model.out(result.outputs).to_vector()) pieces.push_back(y);
  }
  for (std::size_t i = 0; i < whole.size(); ++i) CHECK(pieces[i] == doctest::Approx(whole[i]).epsilon(1e-4));
}
