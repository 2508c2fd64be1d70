// Cells of users and of the library learn what needs memory: running parity, whose state no window of the input holds.

#include <doctest/doctest.h>

#include <vector>

#include "unroll/core/tape.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/ops/losses.hpp"
#include "unroll/ops/map.hpp"
#include "unroll/optim/adam.hpp"

using namespace unroll;

namespace {

/// A user's cell whose gate multiplies: h' = (1 - u) h + u tanh(W x + U h), u = sigmoid(V x + Q h).
struct GatedCell {
  Linear<float> x, h;
  using scalar = float;
  using state = Variable<float>;
  GatedCell(Index input_size, Index hidden_size, Rng& rng)
      : x(input_size, 2 * hidden_size, rng), h(hidden_size, 2 * hidden_size, rng, {.bias = false}) {}
  Index output_size() const { return h.input_size(); }
  auto project(Variable<float> in) const { return x(in); }
  state step(Variable<float> px, state s) const {
    const auto [xu, xn] = chunk<2>(px);
    const auto [hu, hn] = chunk<2>(h(s));
    return map([](auto xu, auto xn, auto hu, auto hn, auto s) { return s + sigmoid(xu + hu) * (tanh(xn + hn) - s); },
               xu, xn, hu, hn, s);
  }
  void each(auto&& visit) { visit("x", x), visit("h", h); }
};

/// Share of right answers on sequences longer than those it was trained on.
template <class Cell>
double learn_parity(int updates) {
  constexpr Index batch = 32, hidden = 16;
  Rng rng(7);
  const Rnn<Cell> rnn(1, hidden, rng);
  const Linear<float> out(hidden, 2, rng);
  auto list = parameters(rnn);
  for (const auto& p : parameters(out)) list.push_back(p);
  Adam<float> adam(list, {.lr = 0.01});
  Tape<float> tape;
  std::vector<float> bits;
  std::vector<Index> parity;
  const auto draw = [&](Index steps) {
    bits.assign(static_cast<std::size_t>(steps * batch), 0);
    parity.assign(bits.size(), 0);
    for (std::size_t i = 0; i < bits.size(); ++i) {
      bits[i] = static_cast<float>(rng.integer(2));
      parity[i] = (i < batch ? 0 : parity[i - batch]) ^ static_cast<Index>(bits[i]);
    }
    return input(bits, Shape{steps, batch, 1});
  };
  for (int i = 0; i < updates; ++i) {
    Recording<float> step(tape);
    const auto y = out(rnn(draw(2 + rng.integer(9))));
    tape.backward(softmax_cross_entropy(y, std::span<const Index>(parity)));
    adam.step();
  }
  Evaluation<float> scope(tape);
  const auto y = out(rnn(draw(20))).to_vector();
  Index right = 0;
  for (std::size_t i = 0; i < parity.size(); ++i) right += (y[2 * i + 1] > y[2 * i]) == (parity[i] == 1);
  return double(right) / double(parity.size());
}

}  // namespace

TEST_CASE("running parity, on sequences twice as long as those seen") {
  CHECK(learn_parity<GatedCell>(1500) > 0.99);
  CHECK(learn_parity<LSTMCell<float>>(1500) > 0.99);
  CHECK(learn_parity<GRUCell<float>>(1500) > 0.99);
  CHECK(learn_parity<RNNCell<float>>(1500) > 0.99);
}
