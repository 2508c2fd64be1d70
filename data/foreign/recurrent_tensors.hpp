#pragma once
/// \file
/// The weights of one recurrent layer in one direction, in PyTorch's layout, which is ours: what Keras' and ONNX's
/// weights are turned into and made from.

#include <string>

#include "../tensors/plain_tensor.hpp"

namespace unroll {

/// Layers whose weights other frameworks have too.
enum class RecurrentKind {
  rnn,   ///< RNNCell
  lstm,  ///< LSTMCell, gates i, f, g, o
  gru,   ///< GRUCell, gates r, z, n, reset gate applied after the product
};

/// `weight_ih` (G*H, I), `weight_hh` (G*H, H), `bias_ih` and `bias_hh` (G*H) of G gates; a bias may be undefined.
template <class T>
struct RecurrentTensors {
  PlainTensor<T> weight_ih, weight_hh, bias_ih, bias_hh;
};

/// The tensors `prefix.weight_ih` ... of a state dict; with an empty prefix `weight_ih` ... Throws ValueError when a
/// weight is missing.
template <class T>
RecurrentTensors<T> take_recurrent(const StateDict<T>& tensors, const std::string& prefix);
/// Puts those that are defined into a state dict, for load_state_dict: prefix "encoder.cell" for an Rnn<LSTMCell> that
/// the module names `encoder`.
template <class T>
void put_recurrent(StateDict<T>& tensors, const std::string& prefix, RecurrentTensors<T> weights);

namespace detail {

UNROLL_PER_ISA inline Index gates_of(RecurrentKind kind) {
  return kind == RecurrentKind::lstm ? 4 : kind == RecurrentKind::gru ? 3 : 1;
}
/// Throws ShapeError, `what` in front, unless the tensors are as RecurrentTensors says.
template <class T>
void check_recurrent(const std::string& what, RecurrentKind kind, const RecurrentTensors<T>& weights);

}  // namespace detail
}  // namespace unroll
