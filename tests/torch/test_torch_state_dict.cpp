// A model of LibTorch's, written as safetensors under PyTorch's names, in ours, and ours in LibTorch's: same outputs.

#include <doctest/doctest.h>
#include <torch/torch.h>

#include <cmath>
#include <string>
#include <vector>

#include "temporary_folder.hpp"
#include "unroll/core/tape.hpp"
#include "unroll/data/foreign/torch_names.hpp"
#include "unroll/data/tensors/parameter_file.hpp"
#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/cells/projected_lstm.hpp"
#include "unroll/nn/embedding.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/norm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/nn/stack.hpp"

namespace {

using unroll::Index;
using unroll::Shape;

constexpr Index symbols = 11, width = 5, hidden = 4, layers = 2, steps = 7, batch = 3, classes = 6;

/// Embedding, a recurrent layer, LayerNorm, Linear: names as anybody would choose them.
template <class Recurrent>
struct TheirModel : torch::nn::Module {
  torch::nn::Embedding words{nullptr};
  Recurrent encoder{nullptr};
  torch::nn::LayerNorm norm{nullptr};
  torch::nn::Linear output{nullptr};

  TheirModel(Recurrent recurrent, Index encoded) {
    words = register_module("words", torch::nn::Embedding(symbols, width));
    encoder = register_module("encoder", recurrent);
    norm = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({encoded})));
    output = register_module("output", torch::nn::Linear(encoded, classes));
    for (auto& p : parameters()) torch::nn::init::uniform_(p, -0.5, 0.5);
    to(torch::kFloat64);
  }
  torch::Tensor forward(const torch::Tensor& ids) { return output(norm(std::get<0>(encoder(words(ids))))); }
};

template <class Encoder>
struct OurModel {
  unroll::Embedding<double> words;
  Encoder encoder;
  unroll::LayerNorm<double> norm;
  unroll::Linear<double> output;
  using scalar = double;

  explicit OurModel(unroll::Rng& rng)
      : words(symbols, width, rng),
        encoder(width, hidden, rng, {.layers = layers}),
        norm(encoder.output_size()),
        output(encoder.output_size(), classes, rng) {}
  auto operator()(const unroll::Indices& ids) const { return output(norm(encoder(words(ids, Shape{steps, batch})))); }
  void each(auto&& visit) {
    visit("words", words), visit("encoder", encoder), visit("norm", norm), visit("output", output);
  }
};

std::vector<double> to_vector(const torch::Tensor& x) {
  const torch::Tensor c = x.detach().contiguous();
  return {c.data_ptr<double>(), c.data_ptr<double>() + c.numel()};
}

/// What `safetensors.torch.save_file(model.state_dict(), path)` does.
void save_theirs(const std::string& path, const torch::nn::Module& model) {
  std::vector<unroll::TensorView> views;
  for (const auto& p : model.named_parameters()) {
    const torch::Tensor& x = p.value();
    REQUIRE(x.is_contiguous());
    views.push_back({p.key(),
                     unroll::DType::f64,
                     {x.sizes().begin(), x.sizes().end()},
                     std::as_bytes(std::span(x.data_ptr<double>(), static_cast<std::size_t>(x.numel())))});
  }
  unroll::write_safetensors(path, views, {{"format", "pt"}});
}

/// What `model.load_state_dict(safetensors.torch.load_file(path))` does.
void load_theirs(const std::string& path, torch::nn::Module& model) {
  const unroll::SafetensorsFile file(path);
  const torch::NoGradGuard guard;
  auto parameters = model.named_parameters();
  REQUIRE(parameters.size() == file.tensors().size());
  for (auto& p : parameters) {
    auto x = file.read<double>(p.key());
    REQUIRE(std::vector<Index>(p.value().sizes().begin(), p.value().sizes().end()) == x.shape);
    p.value().copy_(torch::from_blob(x.values.data(), p.value().sizes(), torch::kFloat64));
  }
}

template <class Cell, class Recurrent>
void compare(Recurrent recurrent) {
  using Encoder = unroll::Stack<unroll::Bidirectional<unroll::Rnn<Cell>>>;
  const TemporaryFolder folder;
  const std::string path = folder.file("model.safetensors");
  unroll::Rng rng(1);
  OurModel<Encoder> ours(rng);
  TheirModel<Recurrent> theirs(recurrent, ours.encoder.output_size());
  const auto ids = torch::randint(symbols, {steps, batch}, torch::kInt64);
  const std::vector<Index> our_ids(ids.data_ptr<std::int64_t>(), ids.data_ptr<std::int64_t>() + ids.numel());

  unroll::Tape<double> tape;
  const auto same_outputs = [&] {
    const unroll::Evaluation<double> scope(tape);
    const auto y = ours(our_ids).to_vector(), want = to_vector(theirs.forward(ids));
    REQUIRE(y.size() == want.size());
    double error = 0, size = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      error = std::max(error, std::abs(y[i] - want[i]));
      size = std::max(size, std::abs(want[i]));
    }
    return error <= 1e-10 * size;
  };
  CHECK_FALSE(same_outputs());
  save_theirs(path, theirs);
  CHECK(unroll::load_parameters(path, ours, {.names = unroll::torch_name}).complete());
  CHECK(same_outputs());

  for (auto& p : unroll::parameters(ours))
    for (Index i = 0; i < p.storage->shape.size(); ++i)
      p.storage->value[i] = rng.uniform(-0.5, 0.5), p.storage->version++;
  CHECK_FALSE(same_outputs());
  unroll::save_parameters(path, ours, {.names = unroll::torch_name});
  load_theirs(path, theirs);
  CHECK(same_outputs());
}

}  // namespace

TEST_CASE("models of two bidirectional layers between LibTorch and unroll, by name") {
  torch::manual_seed(1);
  torch::set_num_threads(1);
  const auto lstm = torch::nn::LSTMOptions(width, hidden).num_layers(layers).bidirectional(true);
  compare<unroll::LSTMCell<double>>(torch::nn::LSTM(lstm));
  compare<unroll::ProjectedLSTMCell<double>>(torch::nn::LSTM(torch::nn::LSTMOptions(lstm).proj_size((hidden + 1) / 2)));
  compare<unroll::GRUCell<double>>(
      torch::nn::GRU(torch::nn::GRUOptions(width, hidden).num_layers(layers).bidirectional(true)));
  compare<unroll::RNNCell<double>>(
      torch::nn::RNN(torch::nn::RNNOptions(width, hidden).num_layers(layers).bidirectional(true)));
}
