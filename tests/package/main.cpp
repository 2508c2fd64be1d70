// An outside program: one step of training, with what is installed.
#include <unroll/unroll.hpp>

int main() {
  unroll::Rng rng(1);
  unroll::Rnn<unroll::LSTMCell<>> layer(3, 4, rng);
  unroll::SGD sgd(unroll::parameters(layer), {.lr = 0.1});
  unroll::Tape<float> tape;
  unroll::Recording step(tape);
  const auto loss = mean(layer(unroll::input(std::vector<float>(30, 1.f), unroll::Shape{5, 2, 3})));
  tape.backward(loss);
  sgd.step();
  return loss.item() == 0;
}
