// RNN (tanh, relu), LSTM and GRU beside LibTorch's: outputs, final states and every gradient, one to three layers, from
// given initial states. Parameters are copied by name: ours "layers.1.cell.weight_ih", LibTorch's "weight_ih_l1".

#include <doctest/doctest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "unroll/core/tape.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/linear.hpp"

namespace {

using unroll::Index;
using unroll::Shape;
using unroll::Variable;

template <class T>
constexpr auto torch_type = std::is_same_v<T, float> ? torch::kFloat32 : torch::kFloat64;

struct Sizes {
  Index steps, batch, input, hidden, layers;
};

template <class T>
std::vector<T> to_vector(const torch::Tensor& x) {
  const torch::Tensor c = x.detach().contiguous();
  return {c.data_ptr<T>(), c.data_ptr<T>() + c.numel()};
}

template <class T>
Variable<T> to_unroll(const torch::Tensor& x) {
  return unroll::input(to_vector<T>(x), Shape(x.sizes().data(), static_cast<int>(x.dim())), unroll::requires_grad);
}

template <class T>
torch::Tensor random(at::IntArrayRef sizes) {
  return torch::randn(sizes, torch_type<T>).requires_grad_(true);
}

/// Largest difference, relative to the largest element.
template <class T>
void check_close(const std::vector<T>& ours, const torch::Tensor& theirs, const char* what) {
  const std::vector<T> want = to_vector<T>(theirs);
  REQUIRE(ours.size() == want.size());
  double error = 0, scale = 1;
  for (std::size_t i = 0; i < want.size(); ++i) {
    error = std::max(error, std::abs(double(ours[i]) - double(want[i])));
    scale = std::max(scale, std::abs(double(want[i])));
  }
  INFO(what);
  CHECK(error / scale <= (std::is_same_v<T, float> ? 1e-5 : 1e-10));
}

template <class T>
torch::Tensor loss_of(const torch::Tensor& y, const torch::Tensor& w) {
  return (y * w).sum();
}
template <class T>
Variable<T> loss_of(const Variable<T>& y, const torch::Tensor& w) {
  const auto flat = reshape(y, Shape{y.size()});
  return linear(flat, unroll::input(to_vector<T>(w), Shape{1, y.size()}));
}

/// The states of one layer are `layer` of (layers, B, H), h or c.
template <class State, class T>
State state_of(const std::vector<Variable<T>>& initial, Index layer) {
  std::size_t k = 0;
  return unroll::detail::map_state(State{}, [&](const auto&) { return unroll::at(initial[k++], layer); });
}

template <class T, class Cell, class Theirs>
void compare(Theirs theirs, const Sizes& s, bool lstm) {
  CAPTURE(s.steps);
  CAPTURE(s.batch);
  CAPTURE(s.hidden);
  CAPTURE(s.layers);
  theirs->to(torch_type<T>);
  unroll::Rng rng(1);
  const unroll::Stack<unroll::Rnn<Cell>> ours(s.input, s.hidden, rng, {.layers = s.layers});
  const auto parameters = unroll::parameters(ours);
  const auto their_name = [](const std::string& name) {  // layers.1.cell.weight_ih -> weight_ih_l1
    return name.substr(name.rfind('.') + 1) + "_l" + name.substr(7, name.find('.', 7) - 7);
  };
  REQUIRE(parameters.size() == theirs->parameters().size());
  for (const auto& p : parameters) {
    const auto value = to_vector<T>(theirs->named_parameters()[their_name(p.name)]);
    REQUIRE(static_cast<Index>(value.size()) == p.storage->shape.size());
    std::ranges::copy(value, p.storage->value);
  }

  const auto x = random<T>({s.steps, s.batch, s.input}), h0 = random<T>({s.layers, s.batch, s.hidden}),
             c0 = random<T>({s.layers, s.batch, s.hidden}), wy = random<T>({s.steps, s.batch, s.hidden}),
             wh = random<T>({s.layers, s.batch, s.hidden}), wc = random<T>({s.layers, s.batch, s.hidden});
  torch::Tensor y, h, c;
  if constexpr (requires { theirs->forward(x, std::tuple(h0, c0)); }) {
    std::tuple<torch::Tensor, torch::Tensor> last;
    std::tie(y, last) = theirs->forward(x, std::tuple(h0, c0));
    std::tie(h, c) = last;
  } else {
    std::tie(y, h) = theirs->forward(x, h0);
  }
  auto loss = loss_of<T>(y, wy) + loss_of<T>(h, wh);
  if (lstm) loss = loss + loss_of<T>(c, wc);
  loss.backward();

  unroll::Tape<T> tape;
  {
    unroll::Recording<T> step(tape);
    const auto in = to_unroll<T>(x);
    std::vector<Variable<T>> initial = {to_unroll<T>(h0)};
    if (lstm) initial.push_back(to_unroll<T>(c0));
    std::vector<typename Cell::state> states;
    for (Index i = 0; i < s.layers; ++i) states.push_back(state_of<typename Cell::state>(initial, i));
    const auto result = ours.run(in, states);
    std::vector<std::vector<Variable<T>>> last(2);
    for (const auto& state : result.final_states) {
      std::size_t k = 0;
      unroll::detail::visit_state(state, [&](const char*, const auto& v) { last[k++].push_back(v); });
    }
    const auto our_h = stack(last[0]);
    auto total = loss_of<T>(result.outputs, wy) + loss_of<T>(our_h, wh);
    if (lstm) total = total + loss_of<T>(stack(last[1]), wc);
    tape.backward(total);

    check_close(result.outputs.to_vector(), y, "outputs");
    check_close(our_h.to_vector(), h, "final h");
    if (lstm) check_close(stack(last[1]).to_vector(), c, "final c");
    check_close(in.grad_to_vector(), x.grad(), "gradient of x");
    check_close(initial[0].grad_to_vector(), h0.grad(), "gradient of h0");
    if (lstm) check_close(initial[1].grad_to_vector(), c0.grad(), "gradient of c0");
    for (const auto& p : parameters)
      check_close(std::vector<T>(p.storage->grad, p.storage->grad + p.storage->shape.size()),
                  theirs->named_parameters()[their_name(p.name)].grad(), p.name.c_str());
  }
  // Values only, from the same states.
  unroll::Evaluation<T> scope(tape);
  std::vector<Variable<T>> initial = {to_unroll<T>(h0), to_unroll<T>(c0)};
  std::vector<typename Cell::state> states;
  for (Index i = 0; i < s.layers; ++i) states.push_back(state_of<typename Cell::state>(initial, i));
  check_close(ours.run(to_unroll<T>(x), states).outputs.to_vector(), y, "outputs of an Evaluation");
}

template <class T>
void compare_all(const Sizes& s) {
  const auto rnn = [&](auto nonlinearity) {
    return torch::nn::RNN(torch::nn::RNNOptions(s.input, s.hidden).num_layers(s.layers).nonlinearity(nonlinearity));
  };
  compare<T, unroll::RNNCell<T>>(rnn(torch::kTanh), s, false);
  compare<T, unroll::RNNCell<T, unroll::Relu>>(rnn(torch::kReLU), s, false);
  compare<T, unroll::LSTMCell<T>>(torch::nn::LSTM(torch::nn::LSTMOptions(s.input, s.hidden).num_layers(s.layers)), s,
                                  true);
  compare<T, unroll::GRUCell<T>>(torch::nn::GRU(torch::nn::GRUOptions(s.input, s.hidden).num_layers(s.layers)), s,
                                 false);
}

}  // namespace

TEST_CASE_TEMPLATE("recurrent layers agree with LibTorch", T, float, double) {
  torch::manual_seed(1);
  torch::set_num_threads(1);
  for (const Sizes& s : std::vector<Sizes>{{7, 3, 5, 4, 1},
                                           {7, 3, 5, 4, 2},
                                           {7, 3, 5, 4, 3},
                                           {7, 1, 5, 4, 2},
                                           {1, 1, 1, 1, 1},
                                           {20, 1, 64, 64, 1},
                                           {12, 16, 48, 64, 2},
                                           {9, 33, 37, 65, 1},
                                           {6, 64, 100, 128, 1}})
    compare_all<T>(s);
}
