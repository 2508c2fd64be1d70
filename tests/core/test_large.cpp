// Long sequences, wide batches, wide layers, many words: that they run, that memory grows as it should, and that what
// comes out is right. bench/sequence_bench --large says how long they take.

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "unroll/nn/embedding.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/ops/losses.hpp"
#include "unroll/ops/reduce.hpp"
#include "unroll/optim/sgd.hpp"

using namespace unroll;

namespace {

std::vector<float> noise(Index n) {
  Rng rng(1);
  std::vector<float> v(static_cast<std::size_t>(n));
  rng.fill_normal(std::span<float>(v), 0.0f, 1.0f);
  return v;
}

// Norm of the gradients after one step of the mean of squares of what `layer` makes of noise (T, B, I).
template <class Layer>
double gradient_norm(const Layer& layer, Tape<float>& tape, Index steps, Index batch, Index width) {
  const auto all = parameters(layer);
  for (const auto& p : all) p.storage->clear_grad();
  const Recording scope(tape);
  const auto y = layer(input(noise(steps * batch * width), Shape{steps, batch, width}));
  CHECK(y.shape() == Shape{steps, batch, layer.output_size()});
  tape.backward(mean(y * y));
  double sum = 0;
  for (const auto& p : all)
    for (Index i = 0; i < p.storage->shape.size(); ++i)
      sum += static_cast<double>(p.storage->grad[i]) * static_cast<double>(p.storage->grad[i]);
  return std::sqrt(sum);
}

}  // namespace

TEST_CASE("10,000 time steps of one sequence: memory in proportion to them") {
  Rng rng(1);
  const Rnn<LSTMCell<>> layer(2, 3, rng);
  std::vector<double> bytes;
  for (const Index steps : {1000, 10000}) {
    Tape<float> tape;
    const double norm = gradient_norm(layer, tape, steps, 1, 2);
    CHECK(std::isfinite(norm));
    CHECK(norm > 0);
    bytes.push_back(static_cast<double>(tape.bytes_used()));
  }
  CHECK(bytes[1] < 11 * bytes[0]);
}

TEST_CASE("512 sequences at once: as each alone") {
  Rng rng(1);
  const Rnn<LSTMCell<>> layer(3, 5, rng);
  Tape<float> tape;
  const double norm = gradient_norm(layer, tape, 4, 512, 3);
  CHECK(std::isfinite(norm));
  CHECK(norm > 0);
  const Evaluation scope(tape);
  const std::vector<float> x = noise(4 * 512 * 3);
  const auto all = layer(input(x, Shape{4, 512, 3}));
  for (const Index b : {0, 300, 511}) {
    std::vector<float> one;
    for (Index t = 0; t < 4; ++t)
      for (Index i = 0; i < 3; ++i) one.push_back(x[static_cast<std::size_t>((t * 512 + b) * 3 + i)]);
    const auto y = layer(input(one, Shape{4, 1, 3}));
    for (Index t = 0; t < 4; ++t)
      for (Index i = 0; i < 5; ++i)
        CHECK(y.values()[static_cast<std::size_t>(t * 5 + i)] ==
              doctest::Approx(all.values()[static_cast<std::size_t>((t * 512 + b) * 5 + i)]).epsilon(1e-5));
  }
}

TEST_CASE("2,048 hidden units") {
  Rng rng(1);
  const Rnn<RNNCell<>> layer(4, 2048, rng);
  Tape<float> tape;
  const double norm = gradient_norm(layer, tape, 3, 2, 4);
  CHECK(std::isfinite(norm));
  CHECK(norm > 0);
}

TEST_CASE("a vocabulary of 100,000: loss and gradients, and rows of unused words stay as they are") {
  constexpr Index words = 100'000, width = 4;
  Rng rng(1);
  const Embedding<> embedding(words, width, rng);
  const Linear<> output(width, words, rng);
  const auto all = parameters(embedding, output);
  const std::vector<float> rows_before(embedding.weight.values().begin(), embedding.weight.values().end());
  SGD sgd(all, {.lr = 1.0});
  Tape<float> tape;
  const std::vector<Index> ids{7, 99'999, 7, 0, 50'000, 3}, targets{99'999, 0, 1, 2, 77'777, 5};
  {
    const Recording scope(tape);
    const auto logits = output(embedding(Indices(ids)));
    const auto loss = softmax_cross_entropy<float>(logits, std::span<const Index>(targets));
    double expected = 0;
    for (std::size_t r = 0; r < ids.size(); ++r) {
      double sum = 0;
      const auto row = logits.values().subspan(r * words, words);
      for (const float v : row) sum += std::exp(static_cast<double>(v));
      expected += (std::log(sum) - static_cast<double>(row[static_cast<std::size_t>(targets[r])])) / 6;
    }
    CHECK(static_cast<double>(loss.item()) == doctest::Approx(expected).epsilon(1e-5));
    tape.backward(loss);
  }
  // Gradients of softmax and cross-entropy add up to nothing over the words.
  const auto bias_gradient = output.bias.grads();
  CHECK(std::abs(std::accumulate(bias_gradient.begin(), bias_gradient.end(), 0.0)) < 1e-5);
  sgd.step();
  Index changed = 0;
  for (Index r = 0; r < words; ++r) {
    bool same = true;
    for (Index i = 0; i < width; ++i)
      same = same && embedding.weight.values()[static_cast<std::size_t>(r * width + i)] ==
                         rows_before[static_cast<std::size_t>(r * width + i)];
    changed += same ? 0 : 1;
  }
  CHECK(changed == 5);
}
