// What a user of unroll writes for a tagger: words in, a tag for each out, by a bidirectional LSTM over sentences of any
// lengths. compile_time.sh measures it; libtorch.cpp is the same program there. It learns to tell the words that follow a
// word twice as large, and fails when it does not.

#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/embedding.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/ops/losses.hpp"
#include "unroll/optim/adam.hpp"
#include "unroll/optim/clip.hpp"

using namespace unroll;

struct Tagger {
  using scalar = float;
  Embedding<> words;
  Bidirectional<Rnn<LSTMCell<>>> encoder;
  Linear<> output;
  explicit Tagger(Rng& rng) : words(50, 16, rng), encoder(16, 16, rng), output(32, 2, rng) {}
  void each(auto&& visit) { visit("words", words), visit("encoder", encoder), visit("output", output); }

  Sequence<> operator()(const PackedIds& sentences) const {
    const Sequence<> h = encoder(Sequence<>{words(Indices(sentences.ids)), sentences.layout});
    return h.with(output(h.rows));
  }
};

int main() {
  Rng rng(1);
  Tagger tagger(rng);
  const auto all = parameters(tagger);
  Adam adam(all, {.lr = 1e-2});
  Tape<float> tape;
  double loss_of_last = 1;
  for (int step = 0; step < 200; ++step) {
    std::vector<std::vector<Index>> words(32), tags(32);
    for (std::size_t b = 0; b < 32; ++b)
      for (Index t = 0, n = 3 + rng.integer(10), before = 0; t < n; ++t) {
        const Index word = rng.bernoulli(0.5) ? before / 2 : rng.integer(50);
        words[b].push_back(word), tags[b].push_back(word == before / 2);
        before = word;
      }
    const Recording recording(tape);
    const auto loss = softmax_cross_entropy(tagger(pack_ids(tape, words)), tags);
    tape.backward(loss);
    clip_grad_norm(all, 5.0);
    adam.step();
    loss_of_last = static_cast<double>(loss.item());
  }
  return loss_of_last < 0.4 ? 0 : 1;
}
