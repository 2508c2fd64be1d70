#pragma once
/// \file
/// The vanilla recurrent cell, in split and in combined form.

#include <type_traits>

#include "../ops/elementwise.hpp"
#include "../ops/layout.hpp"
#include "../ops/map.hpp"
#include "cell.hpp"
#include "recurrent_weights.hpp"

namespace unroll {

/// Activations for RNNCell and ClassicRnn; any functor that is callable with what a `map` lambda gets will do.
struct Tanh {
  UNROLL_INLINE auto operator()(const auto& x) const { return tanh(x); }
};
struct Relu {
  UNROLL_INLINE auto operator()(const auto& x) const { return relu(x); }
};
struct Sigmoid {
  UNROLL_INLINE auto operator()(const auto& x) const { return sigmoid(x); }
};
struct Identity {
  UNROLL_INLINE auto operator()(const auto& x) const { return x; }
};

namespace detail {

/// g(x) for each element. The usual ones are compiled in the library, for every instruction set.
template <class Activation, class T>
UNROLL_PER_ISA Variable<T> activate(const Variable<T>& x) {
  if constexpr (std::is_same_v<Activation, Tanh>) {
    return tanh(x);
  } else if constexpr (std::is_same_v<Activation, Relu>) {
    return relu(x);
  } else if constexpr (std::is_same_v<Activation, Sigmoid>) {
    return sigmoid(x);
  } else {
    return map([](auto a) { return Activation{}(a); }, x);
  }
}

}  // namespace detail

struct RNNCellOptions {
  Biases biases = Biases::two;
};

/// h' = g(W_ih x + b_ih + W_hh h + b_hh)  (Elman, 1990; parameters as torch.nn.RNNCell)
///
/// x (B, I), h (B, H). `Activation` g is Tanh unless said otherwise.
template <class T = float, class Activation = Tanh>
class UNROLL_PER_ISA RNNCell : public RecurrentWeights<T> {
 public:
  using scalar = T;
  using state = Variable<T>;

  RNNCell(Index input_size, Index hidden_size, Rng& rng, RNNCellOptions options = {})
      : RecurrentWeights<T>("RNNCell", 1, input_size, hidden_size, rng, options.biases) {}

  Index output_size() const { return this->hidden_size(); }
  Variable<T> project(Variable<T> x) const { return this->from_input_both_biases(x); }
  state step(Variable<T> px, state h) const { return detail::activate<Activation>(this->from_state_onto(px, h)); }
};

/// The same cell with one matrix on both: h' = g(W [h; x] + b), W (H, H + I), `[h; x]` the state above the input.
///
/// Equal to RNNCell with W = [W_hh W_ih] and b = b_ih + b_hh; slower, since the input's product cannot be taken out of
/// the time loop.
template <class T = float, class Activation = Tanh>
class UNROLL_PER_ISA CombinedRNNCell {
 public:
  using scalar = T;
  using state = Variable<T>;

  CombinedRNNCell(Index input_size, Index hidden_size, Rng& rng)
      : CombinedRNNCell(RNNCell<T>(input_size, hidden_size, rng)) {}
  /// The combined form of a split cell: its values, in a matrix of its own.
  template <class A>
  explicit CombinedRNNCell(const RNNCell<T, A>& split);

  Index output_size() const { return weight.shape()[0]; }
  state step(Variable<T> x, state h) const {
    const Variable<T> joined[] = {h, x};
    return detail::activate<Activation>(linear(concat<T>(joined, -1), use(weight), use(bias)));
  }
  void each(auto&& visit) { visit("weight", weight), visit("bias", bias); }

  Parameter<T> weight, bias;
};

template <class T, class Activation>
template <class A>
CombinedRNNCell<T, Activation>::CombinedRNNCell(const RNNCell<T, A>& split)
    : weight(Shape{split.hidden_size(), split.hidden_size() + split.input_size()}), bias(Shape{split.hidden_size()}) {
  const Index h = split.hidden_size(), i = split.input_size();
  const auto w = weight.mutable_values();
  for (Index r = 0; r < h; ++r)
    for (Index c = 0; c < h + i; ++c)
      w[static_cast<std::size_t>(r * (h + i) + c)] =
          c < h ? split.weight_hh.values()[static_cast<std::size_t>(r * h + c)]
                : split.weight_ih.values()[static_cast<std::size_t>(r * i + c - h)];
  const auto b = bias.mutable_values();
  for (Index r = 0; r < h; ++r)
    for (const Parameter<T>* p : {&split.bias_ih, &split.bias_hh})
      if (p->defined()) b[static_cast<std::size_t>(r)] += p->values()[static_cast<std::size_t>(r)];
}

}  // namespace unroll
