#pragma once
/// \file
/// LSTM with layer normalisation inside.

#include <utility>

#include "../../ops/map.hpp"
#include "../lstm.hpp"
#include "../norm.hpp"

namespace unroll {

/// LSTM with layer normalisation inside the cell (Ba, Kiros and Hinton, "Layer normalization", 2016, equations 20 to 22
/// with one shift b for both products):
///
///     (i, f, g, o) = LN(W_ih x; a_x, b) + LN(W_hh h; a_h)       LN over all four gates of a row
///     c' = sigmoid(f) * c + sigmoid(i) * tanh(g)                h' = sigmoid(o) * tanh(LN(c'; a_c, b_c))
///
/// x (B, I), h and c (B, H). Parameters: `weight_ih` (4H, I) and `weight_hh` (4H, H) with gates in the order i, f, g,
/// o; a_x and b are `norm_ih.weight` and `.bias` (4H), a_h `norm_hh.weight` (4H), a_c and b_c `norm_c.weight` and
/// `.bias` (H). The gains a start at 1, the shifts b at 0. c itself is not normalised, so that it can keep what it
/// holds.
template <class T = float>
class UNROLL_PER_ISA LayerNormLSTMCell : public RecurrentWeights<T> {
 public:
  using scalar = T;
  using state = LSTMState<T>;

  LayerNormLSTMCell(Index input_size, Index hidden_size, Rng& rng)
      : RecurrentWeights<T>("LayerNormLSTMCell", 4, input_size, hidden_size, rng, Biases::none),
        norm_ih(4 * hidden_size),
        norm_hh(4 * hidden_size, {.bias = false}),
        norm_c(hidden_size) {}

  Index output_size() const { return this->hidden_size(); }
  Variable<T> project(Variable<T> x) const { return norm_ih(this->from_input(x)); }
  state step(Variable<T> px, const state& s) const {
    const auto [xi, xf, xg, xo] = chunk<4>(px);
    const auto [hi, hf, hg, ho] = chunk<4>(norm_hh(this->from_state(s.h)));
    const auto [c, o] =
        map([](auto xi, auto xf, auto xg, auto xo, auto hi, auto hf, auto hg, auto ho,
               auto c) { return std::pair(sigmoid(xf + hf) * c + sigmoid(xi + hi) * tanh(xg + hg), sigmoid(xo + ho)); },
            xi, xf, xg, xo, hi, hf, hg, ho, s.c);
    return {map([](auto o, auto c) { return o * tanh(c); }, o, norm_c(c)), c};
  }
  void each(auto&& visit) {
    RecurrentWeights<T>::each(visit);
    visit("norm_ih", norm_ih), visit("norm_hh", norm_hh), visit("norm_c", norm_c);
  }

  LayerNorm<T> norm_ih, norm_hh, norm_c;
};

}  // namespace unroll
