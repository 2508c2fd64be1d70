#pragma once
/// \file
/// Normalisation layers.

#include "../ops/layer_norm.hpp"
#include "module.hpp"

namespace unroll {

template <class T>
struct Sequence;

struct LayerNormOptions {
  double eps = 1e-5;   ///< added to the variance
  bool affine = true;  ///< with a trained weight and bias
  bool bias = true;    ///< false: a weight only
};

/// y = (x - mean) / sqrt(variance + eps) * weight + bias over the last axis: see `layer_norm`.
///
/// x (..., size) or a Sequence, y alike. `weight` (size) starts at 1, `bias` (size) at 0, as torch.nn.LayerNorm's.
/// Throws ValueError on a size below 1, ShapeError when the features differ.
template <class T = float>
class LayerNorm {
 public:
  using scalar = T;

  explicit LayerNorm(Index size, LayerNormOptions options = {});

  Variable<T> operator()(const Variable<T>& x) const;
  Sequence<T> operator()(const Sequence<T>& x) const { return x.with((*this)(x.rows)); }
  Index output_size() const { return size; }
  void each(auto&& visit) { visit("weight", weight), visit("bias", bias), visit("size", size), visit("eps", eps); }

  Parameter<T> weight, bias;
  Index size;
  double eps;
};

extern template class LayerNorm<float>;
extern template class LayerNorm<double>;

}  // namespace unroll
