// Compiled several times: MIXED_PART is the name of the function and of the instruction set of the file's flags.

#include "part.hpp"

#include "unroll/ops/reduce.hpp"

namespace mixed {

using namespace unroll;

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
  const Recording scope(tape);
  const auto x = input(numbers_in, shape, requires_grad);
  tape.backward(sum(map(Function{}, x)));
  found.gradient = x.grad_to_vector();
  return found;
}

}  // namespace mixed
