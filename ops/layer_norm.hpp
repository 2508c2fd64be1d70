#pragma once
/// \file
/// Layer normalisation over the last axis.

#include "../core/variable.hpp"

namespace unroll {

/// Normalises every row and then scales and shifts it (Ba, Kiros and Hinton, "Layer normalization", 2016; PyTorch:
/// layer_norm over the last dimension):
///
///     y = (x - m) / sqrt(v + eps) * weight + bias        m = mean of the row, v = mean of (x - m)^2
///
/// x (..., F), of any rank from 1, rows may be apart; `weight` (F) and `bias` (F), either undefined: 1 and 0; result
/// (..., F). Gradients of all three. m and v are summed in double. With F = 1 y is the bias. Throws ShapeError on a
/// scalar or when the features differ, ValueError unless eps >= 0 is finite.
template <class T>
Variable<T> layer_norm(const Variable<T>& x, const Variable<T>& weight = {}, const Variable<T>& bias = {},
                       double eps = 1e-5);

}  // namespace unroll
