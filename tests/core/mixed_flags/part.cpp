// Compiled several times: MIXED_PART is the name of the function and of the instruction set of the file's flags.

#include "part.hpp"

#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/ops/losses.hpp"
#include "unroll/ops/reduce.hpp"
#include "unroll/optim/adam.hpp"
#include "unroll/optim/clip.hpp"

namespace mixed {

using namespace unroll;

namespace {

struct Model {
  using scalar = float;
  Stack<Bidirectional<Rnn<LSTMCell<>>>> words;
  Rnn<OwnCell<float>> own;
  Linear<> readout;
  explicit Model(Rng& rng) : words(3, 5, rng, {.layers = 2}), own(10, 6, rng), readout(6, 2, rng) {}
  void each(auto&& visit) { visit("words", words), visit("own", own), visit("readout", readout); }
};

std::vector<float> train() {
  Rng rng(2);
  const Model model(rng);
  Adam<float> adam(parameters(model));
  Tape<float> tape;
  const std::vector<Index> targets[] = {{0, 1, 1, 0}, {1, 0}, {1}};
  std::vector<float> x(4 * 3 * 3), losses(3);
  rng.fill_normal(std::span<float>(x));
  for (float& out : losses) {
    const Recording scope(tape);
    const auto in = sequence(input(x, Shape{4, 3, 3}), {4, 2, 1});
    const auto h = model.own(model.words(in));
    const auto logits = h.with(model.readout(h.rows));
    const auto loss = softmax_cross_entropy(logits, std::span(targets)) + 0.1 * mean(logits.rows * logits.rows);
    tape.backward(loss);
    clip_grad_norm(adam, 1.0);
    adam.step();
    out = loss.item();
  }
  return losses;
}

}  // namespace

Findings MIXED_PART() {
  Findings found{};
  found.flags = Lane<float>::size;
  Tape<float> tape;
  const std::vector<float> numbers_in{0.5f, -1, 2, 0, 3, -0.25f, 1, 1, 7, 4, -3, 0.125f, 5, 6, 8, 9, -2, 2.5f, 1.5f};
  const Shape shape{static_cast<Index>(numbers_in.size())};
  {
    const Evaluation scope(tape);
    const auto x = input(numbers_in, shape);
    found.functor = static_cast<int>(map(Numbers{}, x).values()[0]);
    found.lambda = static_cast<int>(map([](auto a) { return a * 0 + numbers<decltype(a)>; }, x).values()[0]);
    found.inline_function = static_cast<int>(numbers_inline(x).values()[0]);
    Rng rng(1);
    const Rnn<LSTMCell<>> layer(1, 19, rng);
    const auto y = layer(reshape(x, Shape{shape[0], 1, 1}));
    found.lstm.assign(y.values().begin(), y.values().end());
  }
  found.losses = train();
  const Recording scope(tape);
  const auto x = input(numbers_in, shape, requires_grad);
  tape.backward(sum(map(Function{}, x)));
  found.gradient = x.grad_to_vector();
  return found;
}

}  // namespace mixed
