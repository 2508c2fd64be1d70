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
  using states = state;

  struct Result {
    Variable<T> states;   ///< (T, B, H)
    Variable<T> outputs;  ///< (T, B, O)
    Variable<T> final_state;
    void each(auto&& visit) { visit("states", states), visit("outputs", outputs), visit("final_state", final_state); }
    friend const Variable<T>& final_states(const Result& r) { return r.final_state; }
  };

  ClassicRnn(Index input_size, Index hidden_size, Index output_size, Rng& rng, ClassicRnnOptions options = {})
      : hidden(RNNCell<T, G1>(input_size, hidden_size, rng, {.biases = Biases::one})),
        output(hidden_size, output_size, rng, {.bias = options.output_bias}) {}

  /// From a state of zeros.
  Result operator()(Variable<T> x) const { return run(x); }
  /// From a given state a_0 (B, H).
  Result operator()(Variable<T> x, Variable<T> a0) const { return run(x, a0); }
  Result run(const Variable<T>& x) const { return finish(hidden.run(x)); }
  Result run(const Variable<T>& x, const states& a0) const { return finish(hidden.run(x, a0)); }
  LayerResult<states, Sequence<T>> run(const Sequence<T>& x, const states& a0) const {
    const auto r = hidden.run(x, a0);
    return {x.with(activated(output(r.outputs.rows))), r.final_state};
  }

  Index output_size() const { return output.output_size(); }
  states initial_states(Index batch) const { return hidden.initial_states(batch); }
  Variable<T> output_in(const Variable<T>&, const states& a) const { return activated(output(a)); }
  void each(auto&& visit) { visit("hidden", hidden), visit("output", output); }

  Rnn<RNNCell<T, G1>> hidden;
  Linear<T> output;

 private:
  Result finish(const RnnResult<Variable<T>, Variable<T>>& r) const {
    return {r.outputs, activated(output(r.outputs)), r.final_state};
  }
  static Variable<T> activated(const Variable<T>& a) {
    if constexpr (std::is_invocable_v<G2, Lane<T, native_arch>>) {
      return map([](auto x) { return G2{}(x); }, a);
    } else {
      return G2{}(a);
    }
  }
};

}  // namespace unroll
