#pragma once
/// \file
/// Matrix products on the tape.

#include "../core/variable.hpp"

namespace unroll {

/// Affine map y = x W^T + b, row by row.
///
/// x (..., I), of any rank from 1; its rows may be apart (a slice). `weight` (O, I), `bias` (O) or undefined; result
/// (..., O). Gradients: dx = dy W, dW = dy^T x, db = sum of the rows of dy.
///
/// Where the same weight is used in many small steps (a recurrent loop at a small batch) dW is computed once, when
/// backward has met all uses: steps whose operands lie one after the other (see `Loop`) are then one product.
/// Throws ShapeError when the features, or the bias and the outputs, differ.
template <class T>
Variable<T> linear(Variable<T> x, Variable<T> weight, Variable<T> bias = {});

/// y = sum + x W^T + b: what `sum + linear(x, weight, bias)` is, without a pass over memory for the addition. `sum`
/// (..., O) has the shape of the result.
///
/// For cells: in a layer's loop over time y is computed in the memory of a projected input that has had no other use,
/// and both share one adjoint. A use of that projected input in the same step after this one is then an error
/// (StaleVariableError), so a cell gives it away last:
///
///     auto step(Variable<T> px, state h) const { return tanh(hh.onto(px, h)); }
///
/// Throws ShapeError as `linear` does, and when `sum` has another shape than the result.
template <class T>
Variable<T> linear_onto(Variable<T> sum, Variable<T> x, Variable<T> weight, Variable<T> bias = {});

/// How `matmul` takes its operands.
struct MatmulOptions {
  bool transpose_a = false;  ///< a is stored as (K, M)
  bool transpose_b = false;  ///< b is stored as (N, K)
};

/// Matrix product c = a b. a (M, K), b (K, N), result (M, N); or a batch of S of them: a (S, M, K), b (S, K, N),
/// result (S, M, N). Rows may be apart (slices). Gradients: da = dc b^T, db = a^T dc.
/// Throws ShapeError when ranks, batches or inner dimensions differ.
template <class T>
Variable<T> matmul(Variable<T> a, Variable<T> b, MatmulOptions options = {});

}  // namespace unroll
