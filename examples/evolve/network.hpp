#pragma once
/// \file
/// The network of the program `evolve`.

#include <concepts>
#include <span>
#include <vector>

#include "evolve/report.hpp"
#include "evolve/task.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/ops/losses.hpp"

namespace unroll::examples {

/// Says what comes next in a string:
///
///     s_t = cell(x_t, s_{t-1})        p(next) = softmax(V h_t + c)        x_t one-hot
///
/// Weights begin as PyTorch's, the cell's twice as large; `keep` is added to the bias of gates that keep.
template <class Cell>
struct Network {
  Network(Index alphabet, Index hidden, double keep, Rng& rng)
      : rnn(Cell(alphabet, hidden, rng, {.biases = Biases::one})), out(hidden, alphabet, rng) {
    for (Parameter<float>* p : {&rnn.cell.weight_ih, &rnn.cell.weight_hh})
      for (float& w : p->mutable_values()) w *= 2;
    if constexpr (!std::same_as<Cell, RNNCell<>>) {  // gates that keep from the start: f and z both come second
      const auto h = static_cast<std::size_t>(hidden);
      for (float& b : rnn.cell.bias_ih.mutable_values().subspan(h, h)) b += static_cast<float>(keep);
    }
  }
  /// Logits of the symbol after each.
  Sequence<> operator()(std::span<const std::vector<Index>> strings) const {
    const auto ids = pack_ids(*current_tape<float>, strings);
    const auto y = rnn(Sequence<>{one_hot(ids.ids, out.output_size()), ids.layout});
    return y.with(out(y.rows));
  }
  void each(auto&& visit) { visit("rnn", rnn), visit("out", out); }

  Rnn<Cell> rnn;
  Linear<> out;
};

/// Cross-entropy, weighted.
template <class Cell>
Variable<> loss_of(const Network<Cell>& network, const SymbolStrings& strings) {
  const Sequence<> y = network(strings.inputs);
  const std::span<const std::vector<float>> weights = strings.weights;
  return softmax_cross_entropy(y, strings.targets, {.weights = in_row_order(*current_tape<float>, *y.layout, weights)});
}

/// How good a network is on strings that it has not seen.
template <class Cell>
EvolvePoint judged(const Network<Cell>& network, const SymbolStrings& strings) {
  Tape<float> tape;
  const Evaluation<float> scope(tape);
  const Sequence<> y = network(strings.inputs);
  EvolvePoint point{.loss = static_cast<double>(softmax_cross_entropy(y, strings.targets).item()), .wrong = 0};
  const auto width = static_cast<std::size_t>(y.rows.dim(1));
  for (std::size_t b = 0; b < strings.legal.size(); ++b) {
    bool right = true;
    for (std::size_t t = 0; t < strings.legal[b].size(); ++t) {
      const auto row = static_cast<std::size_t>(y.layout->first[t] + y.layout->place[b]);
      right = right && legal_first(y.rows.values().subspan(row * width, width), strings.legal[b][t]);
    }
    point.wrong += right ? 0 : 1;
  }
  point.wrong /= static_cast<double>(strings.legal.size());  // NaN without grammar
  return point;
}

}  // namespace unroll::examples
