// The README's program: a recurrent cell of one's own learns to say at every step whether the number of ones so far is
// odd. Takes about two seconds; fails when fewer than 99 % of the last answers are right.

#include <unroll/unroll.hpp>

using namespace unroll;

template <class T = float>
struct MyCell {  // h' = tanh(W x + U h + b)
  using scalar = T;
  using state = Variable<T>;
  Linear<T> ih, hh;
  MyCell(Index input_size, Index hidden_size, Rng& rng)
      : ih(input_size, hidden_size, rng), hh(hidden_size, hidden_size, rng) {}
  Index output_size() const { return hh.output_size(); }
  auto project(Variable<T> x) const { return ih(x); }  // needs no state: done once for all time steps
  auto step(Variable<T> px, state h) const {           // one time step
    return map([](auto a, auto b) { return tanh(a + b); }, px, hh(h));
  }
  void each(auto&& visit) { visit("ih", ih), visit("hh", hh); }  // names the parameters
};

int main() {
  Rng rng(1);
  Rnn<MyCell<>> rnn(1, 32, rng);
  Linear<> readout(32, 1, rng);
  Adam adam(parameters(rnn, readout), {.lr = 5e-3});
  Tape<float> tape;
  Index right = 0;
  for (int step = 0; step < 1500; ++step) {
    xt::xarray<float> bits = xt::zeros<float>({10, 64, 1}), odd = bits;  // T = 10 steps, B = 64 sequences
    for (std::size_t b = 0; b < 64; ++b)
      for (std::size_t t = 0, ones = 0; t < 10; ++t) {
        if (rng.bernoulli(0.5)) bits(t, b, 0) = 1, ++ones;
        odd(t, b, 0) = static_cast<float>(ones % 2);
      }
    Recording recording(tape);
    auto logits = readout(rnn(input(bits)));
    tape.backward(binary_cross_entropy_with_logits(logits, input(odd)));  // through all ten steps
    adam.step();
    right = 0;
    for (std::size_t i = 0; i < odd.size(); ++i) right += (logits.values()[i] > 0) == (odd.flat(i) > 0);
  }
  return right > 633 ? 0 : 1;  // of 640
}
