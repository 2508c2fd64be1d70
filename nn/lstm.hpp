#pragma once
/// \file
/// The long short-term memory cell.

#include "../ops/layout.hpp"
#include "cell.hpp"
#include "kernels/cell_steps.hpp"
#include "recurrent_weights.hpp"

namespace unroll {

/// State of an LSTM: what it puts out, and its memory. Both (B, H).
template <class T = float>
struct UNROLL_PER_ISA LSTMState {
  Variable<T> h, c;
  void each(auto&& visit) { visit("h", h), visit("c", c); }
};

struct LSTMCellOptions {
  Biases biases = Biases::two;
};

namespace detail {

/// One step of an LSTM from its gates (B, 4H) in the order i, f, g, o, each before its activation.
template <class T>
UNROLL_PER_ISA LSTMState<T> lstm_step(const Variable<T>& gates, const Variable<T>& c_before) {
  const auto [i, f, g, o] = chunk<4>(gates);
  const auto [h, c] = lstm_gates(i, f, g, o, c_before);
  return {h, c};
}

}  // namespace detail

/// Long short-term memory (Hochreiter and Schmidhuber, 1997; with the forget gate of Gers et al., 2000).
///
///     i = sigmoid(W_ii x + b_ii + W_hi h + b_hi)        f = sigmoid(W_if x + b_if + W_hf h + b_hf)
///     g = tanh(W_ig x + b_ig + W_hg h + b_hg)           o = sigmoid(W_io x + b_io + W_ho h + b_ho)
///     c' = f * c + i * g                                h' = o * tanh(c')
///
/// x (B, I), h and c (B, H). Parameters as torch.nn.LSTMCell: gates stacked in the order i, f, g, o.
template <class T = float>
class UNROLL_PER_ISA LSTMCell : public RecurrentWeights<T> {
 public:
  using scalar = T;
  using state = LSTMState<T>;

  LSTMCell(Index input_size, Index hidden_size, Rng& rng, LSTMCellOptions options = {})
      : RecurrentWeights<T>("LSTMCell", 4, input_size, hidden_size, rng, options.biases) {}

  Index output_size() const { return this->hidden_size(); }
  Variable<T> project(Variable<T> x) const { return this->from_input_both_biases(x); }
  state step(Variable<T> px, const state& s) const { return detail::lstm_step(this->from_state_onto(px, s.h), s.c); }
};

}  // namespace unroll
