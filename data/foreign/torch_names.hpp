#pragma once
/// \file
/// PyTorch's names for the parameters of recurrent layers.

#include <string>
#include <string_view>

namespace unroll {

/// The name that torch.nn.RNN, LSTM and GRU give to a parameter of ours (docs.pytorch.org, torch.nn.LSTM, "Variables"):
///
///     encoder.cell.weight_ih                encoder.weight_ih_l0               Rnn<Cell>
///     encoder.fwd.cell.bias_hh              encoder.bias_hh_l0                 Bidirectional<Rnn<Cell>>
///     encoder.bwd.cell.bias_hh              encoder.bias_hh_l0_reverse
///     encoder.layers.1.cell.weight_ih       encoder.weight_ih_l1               Stack<Rnn<Cell>>: num_layers
///     encoder.layers.1.bwd.cell.weight_hr   encoder.weight_hr_l1_reverse    Stack<Bidirectional<Rnn<Cell>>>: proj_size
///
/// Any other name is PyTorch's already (`output.weight` of Linear, Embedding, LayerNorm) and comes back as it is.
/// Shapes and gate orders (LSTM i, f, g, o; GRU r, z, n) are PyTorch's throughout. For use both ways, as
/// `load_parameters(path, model, {.names = torch_name})` and `save_parameters(path, model, {.names = torch_name})`.
///
/// A cell that PyTorch's model steps by itself (torch.nn.LSTMCell) has its names `cell.weight_ih` in both.
std::string torch_name(std::string_view ours);

}  // namespace unroll
