#pragma once
/// \file
/// The weights of ONNX's RNN, LSTM and GRU operators, both ways.

#include <span>
#include <vector>

#include "recurrent_tensors.hpp"

namespace unroll {

/// Inputs W, R and B of the operators (github.com/onnx/onnx, docs/Operators.md, "LSTM", "GRU", "RNN"):
/// `W` (D, G*H, I), `R` (D, G*H, H), `B` (D, 2*G*H) = [Wb, Rb] or undefined; D directions, forward first. Gates: LSTM
/// i, o, f, c; GRU z, r, h.
template <class T>
struct OnnxRecurrent {
  PlainTensor<T> W, R, B;
};

/// ONNX's weights as ours, one a direction. Exact both ways. Throws ShapeError on other shapes.
///
/// Ours are the operators' default activations (sigmoid, tanh, tanh). A GRU must have `linear_before_reset=1`, as
/// PyTorch exports it: with 0, ONNX's default, the equations are others. `P`, the LSTM's peepholes [i, o, f], has our
/// names `peephole_i`, `peephole_o`, `peephole_f` in PeepholeLSTMCell; `clip`, `input_forget` and other activations we
/// have not.
template <class T>
std::vector<RecurrentTensors<T>> from_onnx(RecurrentKind kind, const OnnxRecurrent<T>& weights);

/// Ours as ONNX's: one direction, or forward and backward. Throws ValueError on none and ShapeError when they differ.
/// Where only some biases are defined the others are zeros.
template <class T>
OnnxRecurrent<T> to_onnx(RecurrentKind kind, std::span<const RecurrentTensors<T>> directions);
template <class T>
UNROLL_PER_ISA OnnxRecurrent<T> to_onnx(RecurrentKind kind, const std::vector<RecurrentTensors<T>>& directions) {
  return to_onnx<T>(kind, std::span<const RecurrentTensors<T>>(directions));
}

}  // namespace unroll
