#pragma once
/// \file
/// LSTM with a projection of its output.

#include <string>
#include <utility>

#include "../init.hpp"
#include "../lstm.hpp"

namespace unroll {

struct ProjectedLSTMCellOptions {
  Index proj_size = 0;  ///< P; 0: half of hidden_size, rounded up
  Biases biases = Biases::two;
};

/// LSTM whose output is projected to fewer numbers (Sak, Senior and Beaufays, 2014; PyTorch's proj_size): a large
/// memory with small recurrent weights.
///
///     i, f, g, o as in LSTMCell, from x (B, I) and h (B, P)
///     c' = f * c + i * g (B, H)                         h' = W_hr (o * tanh(c')) (B, P)
///
/// Parameters as torch.nn.LSTM with proj_size: `weight_ih` (4H, I), `weight_hh` (4H, P), `weight_hr` (P, H), biases;
/// all uniform in +-1/sqrt(H) at the start. Throws ValueError unless 0 <= P < H, or P = H = 1.
template <class T = float>
class UNROLL_PER_ISA ProjectedLSTMCell : public RecurrentWeights<T> {
 public:
  using scalar = T;
  using state = LSTMState<T>;  ///< h (B, P), c (B, H)

  ProjectedLSTMCell(Index input_size, Index hidden_size, Rng& rng, ProjectedLSTMCellOptions options = {})
      : RecurrentWeights<T>("ProjectedLSTMCell", 4, input_size, hidden_size, rng, options.biases,
                            checked_width(hidden_size, options.proj_size)),
        weight_hr(Shape{this->weight_hh.shape()[1], hidden_size}) {
    init::uniform(weight_hr, rng, -this->start_bound(hidden_size), this->start_bound(hidden_size));
  }

  Index hidden_size() const { return weight_hr.shape()[1]; }
  Index output_size() const { return weight_hr.shape()[0]; }
  Variable<T> project(Variable<T> x) const { return this->from_input_both_biases(x); }
  state initial_state(Index batch) const {
    return {zeros<T>(Shape{batch, output_size()}), zeros<T>(Shape{batch, hidden_size()})};
  }
  state step(Variable<T> px, const state& s) const {
    const auto [h, c] = detail::lstm_step(this->from_state_onto(px, s.h), s.c);
    return {linear(h, use(weight_hr)), c};
  }
  void each(auto&& visit) {
    RecurrentWeights<T>::each(visit);
    visit("weight_hr", weight_hr);
  }

  Parameter<T> weight_hr;

 private:
  static Index checked_width(Index hidden_size, Index proj_size) {
    if (proj_size < 0 || (proj_size > 0 && proj_size >= hidden_size))
      throw ValueError("[ProjectedLSTMCell] proj_size is ", proj_size, "; expected 0 (half of hidden_size) or 1 .. ",
                       hidden_size - 1);
    return proj_size > 0 ? proj_size : (hidden_size + 1) / 2;
  }
};

}  // namespace unroll
