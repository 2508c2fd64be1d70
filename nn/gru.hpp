#pragma once
/// \file
/// The gated recurrent unit.

#include "../ops/layout.hpp"
#include "cell.hpp"
#include "kernels/cell_steps.hpp"
#include "recurrent_weights.hpp"

namespace unroll {

struct GRUCellOptions {
  Biases biases = Biases::two;
};

/// Gated recurrent unit (Cho et al., 2014), in the form that applies the reset gate after the product, as PyTorch and
/// cuDNN do.
///
///     r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)        z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
///     n = tanh(W_in x + b_in + r * (W_hn h + b_hn))     h' = (1 - z) * n + z * h
///
/// x (B, I), h (B, H). Parameters as torch.nn.GRUCell: gates stacked in the order r, z, n.
template <class T = float>
class UNROLL_PER_ISA GRUCell : public RecurrentWeights<T> {
 public:
  using scalar = T;
  using state = Variable<T>;

  GRUCell(Index input_size, Index hidden_size, Rng& rng, GRUCellOptions options = {})
      : RecurrentWeights<T>("GRUCell", 3, input_size, hidden_size, rng, options.biases) {}

  Index output_size() const { return this->hidden_size(); }
  Variable<T> project(Variable<T> x) const { return this->from_input(x); }
  state step(Variable<T> px, state h) const {
    const auto [xr, xz, xn] = chunk<3>(px);
    const auto [hr, hz, hn] = chunk<3>(this->from_state_with_bias(h));
    return detail::gru_gates(xr, xz, xn, hr, hz, hn, h);
  }
};

}  // namespace unroll
