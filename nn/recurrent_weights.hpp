#pragma once
/// \file
/// The parameters that PyTorch's recurrent cells have in common.

#include "../core/random.hpp"
#include "../ops/elementwise.hpp"
#include "../ops/linear.hpp"
#include "module.hpp"

namespace unroll {

/// Bias vectors of a cell: one for the input and one for the state, as PyTorch has them; one for both; or none.
enum class Biases { two, one, none };

/// `weight_ih` (G*H, I), `weight_hh` (G*H, H), `bias_ih` (G*H), `bias_hh` (G*H) for a cell of G gates, H hidden and I
/// input units; all uniform in +-1/sqrt(H) at the start. Names, shapes and start are PyTorch's.
template <class T = float>
class RecurrentWeights {
 public:
  /// `state_size`: columns of weight_hh where the state that it multiplies is not H wide; 0: H.
  RecurrentWeights(const char* cell, Index gates, Index input_size, Index hidden_size, Rng& rng, Biases biases,
                   Index state_size = 0);

  Index input_size() const { return weight_ih.shape()[1]; }
  Index hidden_size() const { return weight_hh.shape()[1]; }
  void each(auto&& visit) {
    visit("weight_ih", weight_ih), visit("weight_hh", weight_hh), visit("bias_ih", bias_ih), visit("bias_hh", bias_hh);
  }

  /// W_ih x + b_ih: what depends on the input alone.
  Variable<T> from_input(Variable<T> x) const { return linear(x, use(weight_ih), optional(bias_ih)); }
  /// W_ih x + b_ih + b_hh, for cells in which the two biases are only ever added: the state's product then needs none.
  Variable<T> from_input_both_biases(Variable<T> x) const {
    if (!bias_hh.defined()) return from_input(x);
    return linear(x, use(weight_ih), use(bias_ih) + use(bias_hh));
  }
  /// W_hh h.
  Variable<T> from_state(Variable<T> h) const { return linear(h, use(weight_hh)); }
  /// px + W_hh h, in the memory of px where nobody else needs that: see linear_onto().
  Variable<T> from_state_onto(Variable<T> px, Variable<T> h) const { return linear_onto(px, h, use(weight_hh)); }
  /// W_hh h + b_hh.
  Variable<T> from_state_with_bias(Variable<T> h) const { return linear(h, use(weight_hh), optional(bias_hh)); }

  Parameter<T> weight_ih, weight_hh, bias_ih, bias_hh;

 protected:
  /// 1/sqrt(H): weights start uniform in +- this.
  static T start_bound(Index hidden_size);

 private:
  static Variable<T> optional(const Parameter<T>& p) { return p.defined() ? use(p) : Variable<T>(); }
};

extern template class RecurrentWeights<float>;
extern template class RecurrentWeights<double>;

}  // namespace unroll
