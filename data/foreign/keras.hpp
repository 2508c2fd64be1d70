#pragma once
/// \file
/// The weights of Keras' recurrent layers, both ways.

#include <string>

#include "recurrent_tensors.hpp"

namespace unroll {

/// `kernel` (I, G*H), `recurrent_kernel` (H, G*H) and `bias`, as the layer's `get_weights()` lists them. Gates: LSTM i,
/// f, c, o; GRU z, r, h. Bias: (G*H), and (2, G*H) for GRU, input's and state's (`reset_after=True`, the default);
/// undefined with `use_bias=False`. (keras.io/api/layers/recurrent_layers; keras/src/layers/rnn/lstm.py, gru.py,
/// simple_rnn.py.)
template <class T>
struct KerasRecurrent {
  PlainTensor<T> kernel, recurrent_kernel, bias;
};

/// Keras' weights as ours. Of an LSTM's or SimpleRNN's one bias comes `bias_ih`, and a `bias_hh` of zeros if
/// `two_biases`, for cells that have both (Biases::two, the default). Throws ShapeError on other shapes; a GRU's bias
/// of (3H), which is that of `reset_after=False`, belongs to other equations and is refused with a word on it.
///
/// Ours are Keras' defaults: LSTM and GRU with sigmoid and tanh, SimpleRNN with tanh (or RNNCell<T, Relu>). A GRU
/// without bias does not show how it was made: it must be one with `reset_after=True`.
template <class T>
RecurrentTensors<T> from_keras(RecurrentKind kind, const KerasRecurrent<T>& weights, bool two_biases = true);

/// Ours as Keras'. The two biases of LSTM and RNN, which are only ever added, become their sum; everything else is
/// exact, so Keras' weights come back as they went.
template <class T>
KerasRecurrent<T> to_keras(RecurrentKind kind, const RecurrentTensors<T>& weights);

/// `prefix/kernel`, `prefix/recurrent_kernel`, `prefix/bias` of tensors saved by their Keras path (`w.path`, such as
/// "lstm/lstm_cell/kernel"). Throws ValueError when a kernel is missing.
template <class T>
KerasRecurrent<T> take_keras(const StateDict<T>& tensors, const std::string& prefix);

}  // namespace unroll
