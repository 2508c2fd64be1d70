#pragma once
/// \file
/// The classical recurrent network: states and outputs in one module.

#include <type_traits>

#include "../linear.hpp"
#include "../rnn.hpp"
#include "../rnn_cell.hpp"

namespace unroll {

struct ClassicRnnOptions {
  bool output_bias = true;
};

/// The recurrent network as the lectures write it:
///
///     a_t = g1(W_aa a_{t-1} + W_ax x_t + b_a)           y_t = g2(W_ya a_t + b_y)
///
/// x (T, B, I), states a (T, B, H), outputs y (T, B, O). `G1` and `G2` are functors such as Tanh, Relu,
/// Sigmoid, Identity, or the user's own; a `G2` that takes a Variable<T> gets all outputs at once (a
/// softmax). Parameters: hidden.cell.weight_hh = W_aa, hidden.cell.weight_ih = W_ax, hidden.cell.bias_ih =
/// b_a, output.weight = W_ya, output.bias = b_y.
template <class T = float, class G1 = Tanh, class G2 = Identity>
class UNROLL_PER_ISA ClassicRnn {
 public:
  using scalar = T;
  using state = Variable<T>;

  struct Result {
    Variable<T> states;   ///< (T, B, H)
    Variable<T> outputs;  ///< (T, B, O)
    Variable<T> final_state;
  };

  ClassicRnn(Index input_size, Index hidden_size, Index output_size, Rng& rng, ClassicRnnOptions options = {})
      : hidden(RNNCell<T, G1>(input_size, hidden_size, rng, {.biases = Biases::one})),
        output(hidden_size, output_size, rng, {.bias = options.output_bias}) {}

  /// From a state of zeros.
  Result operator()(Variable<T> x) const { return finish(hidden.run(x)); }
  /// From a given state a_0 (B, H).
  Result operator()(Variable<T> x, Variable<T> a0) const { return finish(hidden.run(x, a0)); }

  Index output_size() const { return output.output_size(); }
  void each(auto&& visit) { visit("hidden", hidden), visit("output", output); }

  Rnn<RNNCell<T, G1>> hidden;
  Linear<T> output;

 private:
  Result finish(const RnnResult<Variable<T>, Variable<T>>& r) const {
    const Variable<T> a = output(r.outputs);
    if constexpr (std::is_invocable_v<G2, Lane<T, native_arch>>) {
      return {r.outputs, map([](auto x) { return G2{}(x); }, a), r.final_state};
    } else {
      return {r.outputs, G2{}(a), r.final_state};
    }
  }
};

}  // namespace unroll
