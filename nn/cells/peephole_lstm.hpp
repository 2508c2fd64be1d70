#pragma once
/// \file
/// LSTM whose gates see the memory, and LSTM with one gate for forgetting and writing.

#include <utility>

#include "../../ops/map.hpp"
#include "../init.hpp"
#include "../lstm.hpp"

namespace unroll {

/// LSTM with peepholes (Gers and Schmidhuber, "Recurrent nets that time and count", 2000): the gates see the memory.
///
///     i = sigmoid(W_ii x + b_ii + W_hi h + b_hi + p_i * c)       f = sigmoid(W_if x + b_if + W_hf h + b_hf + p_f * c)
///     g = tanh(W_ig x + b_ig + W_hg h + b_hg)                    c' = f * c + i * g
///     o = sigmoid(W_io x + b_io + W_ho h + b_ho + p_o * c')      h' = o * tanh(c')
///
/// x (B, I), h and c (B, H). Parameters of LSTMCell, and `peephole_i`, `peephole_f`, `peephole_o` (H), uniform in
/// +-1/sqrt(H) at the start like the others.
template <class T = float>
class UNROLL_PER_ISA PeepholeLSTMCell : public RecurrentWeights<T> {
 public:
  using scalar = T;
  using state = LSTMState<T>;

  PeepholeLSTMCell(Index input_size, Index hidden_size, Rng& rng, LSTMCellOptions options = {})
      : RecurrentWeights<T>("PeepholeLSTMCell", 4, input_size, hidden_size, rng, options.biases) {
    for (Parameter<T>* p : {&peephole_i, &peephole_f, &peephole_o}) {
      *p = Parameter<T>(Shape{hidden_size});
      init::uniform(*p, rng, -this->start_bound(hidden_size), this->start_bound(hidden_size));
    }
  }

  Index output_size() const { return this->hidden_size(); }
  Variable<T> project(Variable<T> x) const { return this->from_input_both_biases(x); }
  state step(Variable<T> px, const state& s) const {
    const auto [i, f, g, o] = chunk<4>(this->from_state_onto(px, s.h));
    const auto [h, c] = map(
        [](auto i, auto f, auto g, auto o, auto c, auto pi, auto pf, auto po) {
          const auto c_next = sigmoid(f + pf * c) * c + sigmoid(i + pi * c) * tanh(g);
          return std::pair(sigmoid(o + po * c_next) * tanh(c_next), c_next);
        },
        i, f, g, o, s.c, peephole_i, peephole_f, peephole_o);
    return {h, c};
  }
  void each(auto&& visit) {
    RecurrentWeights<T>::each(visit);
    visit("peephole_i", peephole_i), visit("peephole_f", peephole_f), visit("peephole_o", peephole_o);
  }

  Parameter<T> peephole_i, peephole_f, peephole_o;
};

/// LSTM with coupled input and forget gate (Greff et al., "LSTM: a search space odyssey", 2017): what is written takes
/// the place of what is forgotten. A quarter fewer weights.
///
///     i = sigmoid(W_ii x + b_ii + W_hi h + b_hi)        f = 1 - i
///     g = tanh(W_ig x + b_ig + W_hg h + b_hg)           o = sigmoid(W_io x + b_io + W_ho h + b_ho)
///     c' = f * c + i * g                                h' = o * tanh(c')
///
/// x (B, I), h and c (B, H). Parameters named as LSTMCell's, gates stacked in the order i, g, o.
template <class T = float>
class UNROLL_PER_ISA CoupledLSTMCell : public RecurrentWeights<T> {
 public:
  using scalar = T;
  using state = LSTMState<T>;

  CoupledLSTMCell(Index input_size, Index hidden_size, Rng& rng, LSTMCellOptions options = {})
      : RecurrentWeights<T>("CoupledLSTMCell", 3, input_size, hidden_size, rng, options.biases) {}

  Index output_size() const { return this->hidden_size(); }
  Variable<T> project(Variable<T> x) const { return this->from_input_both_biases(x); }
  state step(Variable<T> px, const state& s) const {
    const auto [i, g, o] = chunk<3>(this->from_state_onto(px, s.h));
    const auto [h, c] = map(
        [](auto i, auto g, auto o, auto c) {
          const auto c_next = c + sigmoid(i) * (tanh(g) - c);
          return std::pair(sigmoid(o) * tanh(c_next), c_next);
        },
        i, g, o, s.c);
    return {h, c};
  }
};

}  // namespace unroll
