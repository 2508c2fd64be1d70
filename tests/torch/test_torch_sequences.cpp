// Packed ragged batches beside LibTorch's: RNN (tanh, relu), LSTM, GRU and LSTM with projection, one and two
// directions, one to three layers, from given initial states: outputs, final states and every gradient, in double.

#include <doctest/doctest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "unroll/core/tape.hpp"
#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/cells/projected_lstm.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/linear.hpp"

namespace {

using unroll::Index;
using unroll::Shape;
using Variable = unroll::Variable<double>;

std::vector<double> to_vector(const torch::Tensor& x) {
  const torch::Tensor c = x.detach().contiguous();
  return {c.data_ptr<double>(), c.data_ptr<double>() + c.numel()};
}
Variable to_unroll(const torch::Tensor& x) {
  return unroll::input(to_vector(x), Shape(x.sizes().data(), static_cast<int>(x.dim())), unroll::requires_grad);
}
torch::Tensor random(at::IntArrayRef sizes) { return torch::randn(sizes, torch::kFloat64).requires_grad_(true); }

/// Largest difference, relative to the largest element.
void check_close(const std::vector<double>& ours, const torch::Tensor& theirs, const std::string& what) {
  const std::vector<double> want = to_vector(theirs);
  REQUIRE(ours.size() == want.size());
  double error = 0, scale = 1;
  for (std::size_t i = 0; i < want.size(); ++i) {
    error = std::max(error, std::abs(ours[i] - want[i]));
    scale = std::max(scale, std::abs(want[i]));
  }
  INFO(what);
  CHECK(error / scale <= 1e-10);
}

Variable weighted(const Variable& y, const torch::Tensor& w) {
  return linear(reshape(y, Shape{y.size()}), unroll::input(to_vector(w), Shape{1, y.size()}));
}

constexpr Index input_size = 3, hidden = 5;

/// layers.1.bwd.cell.weight_ih -> weight_ih_l1_reverse
std::string their_name(const std::string& name) {
  return name.substr(name.rfind('.') + 1) + "_l" + name.substr(7, name.find('.', 7) - 7) +
         (name.find(".bwd.") != std::string::npos ? "_reverse" : "");
}

template <class Layer, class Theirs>
void compare(Theirs theirs, Index layers, const std::vector<Index>& lengths, bool given_states) {
  theirs->to(torch::kFloat64);
  unroll::Rng rng(1);
  const unroll::Stack<Layer> ours(input_size, hidden, rng, {.layers = layers});
  const auto parameters = unroll::parameters(ours);
  REQUIRE(parameters.size() == theirs->parameters().size());
  for (const auto& p : parameters) {
    const auto value = to_vector(theirs->named_parameters()[their_name(p.name)]);
    REQUIRE(static_cast<Index>(value.size()) == p.storage->shape.size());
    std::ranges::copy(value, p.storage->value);
  }

  // Members of all states in our order: layer, direction, h and c.
  const Index batch = static_cast<Index>(lengths.size()), steps = *std::ranges::max_element(lengths);
  unroll::Tape<double> tape;
  std::vector<Shape> members;
  {
    const unroll::Evaluation<double> scope(tape);
    const auto r = ours.run(unroll::zeros<double>(Shape{1, batch, input_size}));
    unroll::detail::visit_state(r.final_states, [&](const char*, const auto& v) { members.push_back(v.shape()); });
  }
  const bool has_memory = requires { theirs->forward(torch::Tensor(), std::tuple(torch::Tensor(), torch::Tensor())); };
  const std::size_t kinds = has_memory ? 2 : 1;
  const auto count = static_cast<Index>(members.size() / kinds);  // layers times directions
  const auto state_tensor = [&](std::size_t kind) { return random({count, batch, members[kind][1]}); };
  std::vector<torch::Tensor> start, state_weights;
  for (std::size_t k = 0; k < kinds; ++k) {
    start.push_back(given_states ? state_tensor(k)
                                 : torch::zeros({count, batch, members[k][1]}, torch::kFloat64).requires_grad_(true));
    state_weights.push_back(state_tensor(k));
  }
  const auto x = random({steps, batch, input_size}), wy = random({steps, batch, ours.output_size()});

  const auto packed = torch::nn::utils::rnn::pack_padded_sequence(
      x, torch::tensor(std::vector<std::int64_t>(lengths.begin(), lengths.end())), false, false);
  torch::nn::utils::rnn::PackedSequence packed_outputs = packed;
  std::vector<torch::Tensor> last(kinds);
  if constexpr (requires { theirs->forward(x, std::tuple(x, x)); }) {
    std::tuple<torch::Tensor, torch::Tensor> both;
    std::tie(packed_outputs, both) = theirs->forward_with_packed_input(packed, std::tuple(start[0], start[1]));
    std::tie(last[0], last[1]) = both;
  } else {
    std::tie(packed_outputs, last[0]) = theirs->forward_with_packed_input(packed, start[0]);
  }
  const torch::Tensor y = std::get<0>(torch::nn::utils::rnn::pad_packed_sequence(packed_outputs));
  torch::Tensor their_loss = (y * wy).sum();
  for (std::size_t k = 0; k < kinds; ++k) their_loss = their_loss + (last[k] * state_weights[k]).sum();
  their_loss.backward();

  const unroll::Recording<double> scope(tape);
  const Variable in = to_unroll(x);
  std::vector<Variable> initial;
  for (const auto& s : start) initial.push_back(to_unroll(s));
  std::vector<typename Layer::state> states(static_cast<std::size_t>(layers));
  std::size_t m = 0;
  unroll::detail::visit_state(
      states, [&](const char*, auto& v) { v = unroll::at(initial[m % kinds], static_cast<Index>(m / kinds)), ++m; });
  const auto sequence = unroll::sequence(in, lengths);
  const auto r = given_states ? ours.run(sequence, states) : ours.run(sequence);
  const Variable outputs = padded(r.outputs);
  Variable loss = weighted(outputs, wy);
  m = 0;
  unroll::detail::visit_state(r.final_states, [&](const char*, const auto& v) {
    const auto row = static_cast<Index>(m / kinds);
    check_close(v.to_vector(), last[m % kinds][row], "final state");
    loss = loss + weighted(v, state_weights[m % kinds][row]);
    ++m;
  });
  tape.backward(loss);
  check_close(outputs.to_vector(), y, "outputs");
  check_close(in.grad_to_vector(), x.grad(), "gradient of the input");
  if (given_states)
    for (std::size_t k = 0; k < kinds; ++k)
      check_close(initial[k].grad_to_vector(), start[k].grad(), "gradient of the initial state");
  for (const auto& p : parameters) {
    const auto n = static_cast<std::size_t>(p.storage->shape.size());
    check_close({p.storage->grad, p.storage->grad + n}, theirs->named_parameters()[their_name(p.name)].grad(), p.name);
  }
}

template <class Cell, class Make>
void compare_all(Make make) {
  torch::manual_seed(3);
  const std::vector<std::vector<Index>> batches{{4, 1, 6, 2, 6}, {3, 3}, {1}};
  for (Index layers = 1; layers <= 3; ++layers)
    for (const auto& lengths : batches)
      for (const bool given : {true, false}) {
        CAPTURE(layers);
        CAPTURE(lengths.size());
        CAPTURE(given);
        using Layer = unroll::Rnn<Cell>;
        compare<Layer>(make(layers, false), layers, lengths, given);
        compare<unroll::Bidirectional<Layer>>(make(layers, true), layers, lengths, given);
      }
}

}  // namespace

TEST_CASE("packed RNN") {
  compare_all<unroll::RNNCell<double>>([](Index layers, bool both) {
    return torch::nn::RNN(torch::nn::RNNOptions(input_size, hidden).num_layers(layers).bidirectional(both));
  });
  compare_all<unroll::RNNCell<double, unroll::Relu>>([](Index layers, bool both) {
    return torch::nn::RNN(
        torch::nn::RNNOptions(input_size, hidden).num_layers(layers).bidirectional(both).nonlinearity(torch::kReLU));
  });
}

TEST_CASE("packed LSTM") {
  compare_all<unroll::LSTMCell<double>>([](Index layers, bool both) {
    return torch::nn::LSTM(torch::nn::LSTMOptions(input_size, hidden).num_layers(layers).bidirectional(both));
  });
}

TEST_CASE("packed LSTM with projection") {
  compare_all<unroll::ProjectedLSTMCell<double>>([](Index layers, bool both) {
    return torch::nn::LSTM(
        torch::nn::LSTMOptions(input_size, hidden).num_layers(layers).bidirectional(both).proj_size((hidden + 1) / 2));
  });
}

TEST_CASE("packed GRU") {
  compare_all<unroll::GRUCell<double>>([](Index layers, bool both) {
    return torch::nn::GRU(torch::nn::GRUOptions(input_size, hidden).num_layers(layers).bidirectional(both));
  });
}
