// Many to one: hears a noisy wave of any pitch, loudness and length, and says of which shape it is.
//
//     h_t, c_t = LSTM(x_t, h_{t-1}, c_{t-1})        p(shape) = softmax(W h_T + b)
//
// Prints the loss, what some waves are taken for, and how many of 1000 it knows: 980 at least
// (seeds 1 to 10: 992); 2 s.

#include <cmath>
#include <iostream>
#include <numbers>
#include <unroll/unroll.hpp>

using namespace unroll;

struct Waves {
  std::vector<std::vector<float>> samples;  // each wave of its own length
  std::vector<Index> shapes;
  Waves(int count, Rng& rng) {
    for (int k = 0; k < count; ++k) {
      shapes.push_back(rng.integer(4));
      const double pitch = rng.uniform(0.06, 0.12), loudness = rng.uniform(0.5, 2.0);
      double turn = rng.uniform();
      for (float& sample : samples.emplace_back(20 + rng.integer(41))) {
        turn = std::fmod(turn + pitch, 1.0);
        const double wave[] = {std::sin(2 * std::numbers::pi * turn), turn < 0.5 ? 1.0 : -1.0,
                               4 * std::abs(turn - 0.5) - 1, 2 * turn - 1};
        sample = static_cast<float>(loudness * wave[shapes.back()] + 0.05 * rng.normal());
      }
    }
  }
};

int main() {
  Rng rng(1);
  Rnn<LSTMCell<>> lstm(1, 32, rng);
  Linear<> out(32, 4, rng);
  const auto hear = [&](const Waves& waves) { return out(last(lstm(sequence(waves.samples, 1)))); };
  Adam adam(parameters(lstm, out));
  Tape<float> tape;
  for (int step = 0; step < 3000; ++step) {
    const Waves waves(32, rng);
    const Recording recording(tape);
    const auto loss = softmax_cross_entropy(hear(waves), std::span(waves.shapes));
    tape.backward(loss);
    adam.set_lr(1e-2 * (1 - step / 3000.0));
    adam.step();
    if (step % 500 == 0) std::cout << "step " << step << ", loss " << loss.item() << "\n";
  }
  const Evaluation evaluation(tape);
  const Waves waves(1000, rng);
  const auto heard = argmax(hear(waves), 1);
  const char* const names[] = {"sine", "square", "triangle", "saw"};
  int right = 0;
  for (std::size_t k = 0; k < 1000; ++k) {
    right += heard[k] == waves.shapes[k];
    if (k < 5) std::cout << names[waves.shapes[k]] << " sounds like " << names[heard[k]] << "\n";
  }
  std::cout << right << " of 1000 waves are right\n";
  return right >= 980 ? 0 : 1;
}
