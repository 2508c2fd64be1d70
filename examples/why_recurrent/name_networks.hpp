#pragma once
/// \file
/// Two networks that say which words are names: one with weights of its own for each place, one that is recurrent.

#include <span>
#include <vector>

#include "unroll/nn/embedding.hpp"
#include "unroll/nn/init.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/rows.hpp"

namespace unroll::examples {

/// Reads a window of T words at once, V words in all, H units:
///
///     h = tanh(b + sum_t E_t[word_t])        p_t = sigmoid(v_t . h + c_t)        t = 0 .. T-1
///
/// (T V + 1) H + T (H + 1) parameters: E_t is the part of the first layer's weights that belongs to place t of one-hot
/// words.
struct WindowNetwork {
  using scalar = float;
  WindowNetwork(Index vocabulary, Index window_, Index hidden, Rng& rng)
      : words(vocabulary), window(window_), first(words * window + 1, hidden, rng), second(hidden, window, rng) {
    init::normal(first.weight, rng, 0, 0.1f);
  }
  /// Logits of all words (N, 1). Sentences of up to T words.
  Sequence<> operator()(std::span<const std::vector<Index>> sentences) const {
    std::vector<std::vector<Index>> rows, outputs;
    for (const auto& sentence : sentences) {
      const auto b = std::ssize(outputs);
      rows.emplace_back(1, words * window), outputs.emplace_back();  // the last row is the bias
      for (Index t = 0; t < std::ssize(sentence); ++t) {
        rows.back().push_back(t * words + sentence[static_cast<std::size_t>(t)]);
        outputs.back().push_back(b * window + t);
      }
    }
    Tape<float>& tape = *current_tape<float>;
    const auto in = pack_ids(tape, std::span<const std::vector<Index>>(rows));
    const auto out = pack_ids(tape, std::span<const std::vector<Index>>(outputs));
    const auto h = tanh(pool(Sequence<>{first(in.ids), in.layout}, Pool::sum));
    const auto y = second(h);
    return {take_rows(reshape(y, {y.size(), 1}), out.ids), out.layout};
  }
  void each(auto&& visit) { visit("first", first), visit("second", second); }

  Index words, window;
  Embedding<> first;
  Linear<> second;
};

/// Reads word by word, with the same weights at each place:
///
///     h_t = cell(E[word_t], h_{t-1})        p_t = sigmoid(v . h_t + c)
template <class Cell>
struct RecurrentNetwork {
  RecurrentNetwork(Index vocabulary, Index hidden, Rng& rng)
      : embed(vocabulary, hidden, rng), rnn(hidden, hidden, rng), out(hidden, 1, rng) {}
  Sequence<> operator()(std::span<const std::vector<Index>> sentences) const {
    const auto in = pack_ids(*current_tape<float>, sentences);
    const auto h = rnn(Sequence<>{embed(in.ids), in.layout});
    return h.with(out(h.rows));
  }
  void each(auto&& visit) { visit("embed", embed), visit("rnn", rnn), visit("out", out); }

  Embedding<> embed;
  Rnn<Cell> rnn;
  Linear<> out;
};

}  // namespace unroll::examples
