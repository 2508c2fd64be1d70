#pragma once
/// \file
/// The fully connected layer.

#include "../core/random.hpp"
#include "../ops/linear.hpp"
#include "module.hpp"

namespace unroll {

struct LinearOptions {
  bool bias = true;
};

/// y = x W^T + b. x (..., input_size), y (..., output_size); `weight` (output_size, input_size), `bias` (output_size).
/// Both start uniform in +-1/sqrt(input_size), as PyTorch's do. Throws ValueError on a size below 1.
template <class T = float>
class Linear {
 public:
  using scalar = T;

  Linear(Index input_size, Index output_size, Rng& rng, LinearOptions options = {});

  Variable<T> operator()(Variable<T> x) const {
    return linear(x, use(weight), bias.defined() ? use(bias) : Variable<T>());
  }
  /// sum + x W^T + b, computed in the memory of `sum` where nobody else needs that: see linear_onto().
  Variable<T> onto(Variable<T> sum, Variable<T> x) const {
    return linear_onto(sum, x, use(weight), bias.defined() ? use(bias) : Variable<T>());
  }
  Index input_size() const { return weight.shape()[1]; }
  Index output_size() const { return weight.shape()[0]; }
  void each(auto&& visit) { visit("weight", weight), visit("bias", bias); }

  Parameter<T> weight, bias;
};

extern template class Linear<float>;
extern template class Linear<double>;

}  // namespace unroll
