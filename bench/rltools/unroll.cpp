#include "text_gru.hpp"
#include "unroll/nn/embedding.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/module.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/ops/losses.hpp"
#include "unroll/optim/adam.hpp"

namespace text_gru {
namespace {

using namespace unroll;

struct Model {
  using scalar = float;
  Embedding<> letters;
  Rnn<GRUCell<>> gru;
  Linear<> down, out;

  explicit Model(Rng& rng)
      : letters(classes, embedding, rng),
        gru(embedding, hidden, rng),
        down(hidden, embedding, rng),
        out(embedding, classes, rng) {}
  void each(auto&& visit) { visit("letters", letters), visit("gru", gru), visit("down", down), visit("out", out); }
};

class Unroll : public Contender {
 public:
  Unroll() : rng_(1), model_(rng_), adam_(parameters(model_), {.lr = 0.003, .eps = 1e-7}) {}

  Weights weights() const {
    Weights w;
    for (const auto& p : adam_.parameters())
      w.emplace_back(p.storage->value, p.storage->value + p.storage->shape.size());
    return w;
  }
  void step(const std::vector<std::ptrdiff_t>& bytes, const std::vector<std::ptrdiff_t>& next) override {
    const Recording<float> step(tape_);
    const auto x = reshape(model_.letters(Indices(bytes)), Shape{steps, batch, embedding});
    const auto loss = softmax_cross_entropy(model_.out(model_.down(model_.gru(x))), next);
    tape_.backward(loss);
    adam_.step();
    loss_ = static_cast<double>(loss.item());
  }
  double loss() override { return loss_; }

 private:
  Rng rng_;
  Model model_;
  Adam<float> adam_;
  Tape<float> tape_;
  double loss_ = 0;
};

}  // namespace

std::unique_ptr<Contender> make_unroll(Weights& weights) {
  auto contender = std::make_unique<Unroll>();
  weights = contender->weights();
  return contender;
}

}  // namespace text_gru
