#pragma once
/// \file
/// An output layer that shares its weight with the embedding.

#include "embedding.hpp"
#include "linear.hpp"

namespace unroll {

/// y = x E^T + b with E (V, F) the table of an Embedding: input and output words share their vectors (Press and Wolf,
/// "Using the output embedding to improve language models", 2017; Inan et al., 2017).
///
/// x (..., F), y (..., V). `weight` is the embedding's own tensor: counted, saved and stepped once, and its gradient is
/// the sum of both uses. `bias` (V) starts at 0.
template <class T = float>
class UNROLL_PER_ISA TiedLinear {
 public:
  using scalar = T;

  explicit TiedLinear(const Embedding<T>& embedding, LinearOptions options = {}) : weight(embedding.weight.tie()) {
    if (options.bias) bias = Parameter<T>(Shape{weight.shape()[0]});
  }

  Variable<T> operator()(Variable<T> x) const {
    return linear(x, use(weight), bias.defined() ? use(bias) : Variable<T>());
  }
  Index input_size() const { return weight.shape()[1]; }
  Index output_size() const { return weight.shape()[0]; }
  void each(auto&& visit) { visit("weight", weight), visit("bias", bias); }

  Parameter<T> weight, bias;
};

}  // namespace unroll
