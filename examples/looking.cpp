// Looking at what a model does: everything that docs/looking.md shows, made while small models train.
//
//     looking                    numbers as text: summary, profile, a planted fault that is found
//     looking --output folder    and the files of the page, for unroll-plot and Graphviz:
//
//         run.jsonl     losses, learning rate and gradient norm of a training; where the decoder looked then
//         flow.jsonl    how gradients of three untrained cells fade over 60 time steps
//         graph.dot     the tape of two steps of a cell
//
// The model reads a string of digits from both ends and says it backwards, with attention (Bahdanau et al., 2015).
// To expect, and the time on two cores: a validation loss below 0.05, and an attention matrix that is bright from one
// corner to the other, where the decoder reads from the end.                                                     8 s

#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <numbers>

#include "common/program.hpp"
#include "unroll/data/files/atomic_file.hpp"
#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/decode/seq2seq.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/inspect/gradient_flow.hpp"
#include "unroll/nn/inspect/watch.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/ops/reduce.hpp"
#include "unroll/optim/adam.hpp"
#include "unroll/optim/clip.hpp"
#include "unroll/optim/gradient_watch.hpp"
#include "unroll/optim/run/metrics_file.hpp"

using namespace unroll;
using namespace unroll::examples;

constexpr Index kBegin = 10, kEnd = 11, kSymbols = 12;

using Strings = std::vector<std::vector<Index>>;

/// Strings of 4 to 9 digits, and what is to be said: the same backwards, and the end.
struct Batch {
  Strings sources, targets;
  Batch(Index count, Rng& rng) {
    for (Index k = 0; k < count; ++k) {
      auto& s = sources.emplace_back();
      for (Index n = 4 + rng.integer(6); n > 0; --n) s.push_back(rng.integer(10));
      targets.emplace_back(s.rbegin(), s.rend()).push_back(kEnd);
    }
  }
};

struct Reverser {
  using scalar = float;
  Embedding<> embed;
  Bidirectional<Rnn<GRUCell<>>> encoder;
  AttentionDecoder<GRUCell<>, AdditiveAttention<>> decoder;

  explicit Reverser(Rng& rng)
      : embed(kSymbols, 16, rng),
        encoder(16, 32, rng),
        decoder(kSymbols, 16, 32, 64, AdditiveAttention<>(32, 64, 32, rng), rng) {}

  AttentionMemory<> read(const Strings& sources) const {
    const auto ids = pack_ids(*current_tape<float>, std::span<const std::vector<Index>>(sources));
    return decoder.attention.memory(encoder(Sequence<>{embed(ids.ids), ids.layout}));
  }
  Variable<> loss(const Batch& batch) const {
    const auto start = decoder.start(static_cast<Index>(batch.sources.size()));
    const auto logits = teacher_forced(decoder.over(read(batch.sources)), start, kBegin, batch.targets);
    return softmax_cross_entropy(logits, batch.targets);
  }
  void each(auto&& visit) { visit("embed", embed), visit("encoder", encoder), visit("decoder", decoder); }
};

/// Where the decoder looks while it says `source` backwards: a row each symbol it says.
MetricsLine attention_of(const Reverser& model, Tape<float>& tape, const std::vector<Index>& source) {
  const Evaluation scope(tape);
  const auto memory = model.read({source});
  nlohmann::json inputs, outputs, attention = nlohmann::json::array();
  for (const Index digit : source) inputs.push_back(std::to_string(digit));
  auto state = model.decoder.start(1);
  Index previous = kBegin;
  while (previous != kEnd && attention.size() < 2 * source.size()) {
    const auto [logits, next, attended] = model.decoder.step(state, {&previous, 1}, memory, {});
    attention.push_back(attended.weights.to_vector());
    state = next;
    previous = argmax(logits);
    outputs.push_back(previous == kEnd ? "end" : std::to_string(previous));
  }
  return {{"attention", JsonText{attention.dump()}},
          {"inputs", JsonText{inputs.dump()}},
          {"outputs", JsonText{outputs.dump()}}};
}

/// How the norm of dE/ds_t falls with the distance from the last of 60 steps, whose output is the loss.
template <class Cell>
MetricsLine flow_of(const char* name) {
  constexpr Index steps = 60, batch = 8, inputs = 4;
  Rng rng(5);
  const Rnn<Cell> layer(inputs, 32, rng);
  std::vector<double> x(steps * batch * inputs);
  rng.fill_normal(std::span(x));
  const auto flow = state_gradients(
      layer,
      [&] {
        return input(x, Shape{steps, batch, inputs});
      },
      [](Index t, const auto& y) { return t == steps - 1 ? sum(y) : Variable<double>(); });
  return {{"name", std::string(name)}, {"gradient_norms", JsonText{nlohmann::json(flow.norms).dump()}}};
}

/// The tape of two steps of a cell, in Graphviz' language.
std::string small_graph() {
  Rng rng(1);
  const Rnn<RNNCell<>> layer(3, 4, rng);
  Tape<float> tape;
  const Watch watch(tape, layer);
  const Recording scope(tape);
  const auto y = layer(input(std::vector<float>(2 * 2 * 3), Shape{2, 2, 3}));
  mean(square(y));
  return watch.dot();
}

void train(Reverser& model, Tape<float>& tape, MetricsFile& metrics, Rng& rng) {
  constexpr Index steps = 900, every = 10;
  const Batch held_out(64, rng);
  Adam<float> adam(parameters(model), {.lr = 4e-3});
  GradientWatch watch(parameters(model));
  for (Index step = 1; step <= steps; ++step) {
    adam.set_lr(4e-3 * std::min(1.0, static_cast<double>(step) / 50) *
                (1 + std::cos(std::numbers::pi * static_cast<double>(step) / steps)) / 2);
    const Batch batch(32, rng);
    MetricsLine line = {{"step", step}, {"lr", adam.lr()}};
    double train_loss = 0;
    {
      const Recording scope(tape);
      const auto loss = model.loss(batch);
      tape.backward(loss);
      for (const GradientWarning& warning : watch.look()) print("%s", warning.text.c_str());
      line.emplace_back("grad_norm", clip_grad_norm(adam, 1.0));
      train_loss = static_cast<double>(loss.item());
      line.emplace_back("train_loss", train_loss);
      adam.step();
    }
    if (step % 50 == 0) {
      const Evaluation scope(tape);
      const auto val_loss = static_cast<double>(model.loss(held_out).item());
      line.emplace_back("val_loss", val_loss);
      print("step %d: training %.3f, validation %.3f nats a symbol", static_cast<int>(step), train_loss, val_loss);
    }
    if (step % every == 0) metrics.write(line);
  }
}

int main(int argc, char** argv) {
  std::string folder;
  CLI::App app("Shows ways of looking at what a model does.", "looking");
  app.add_option("-o,--output", folder, "folder for the files that unroll-plot and Graphviz draw");
  return run_program(app, argc, argv, [&] {
    if (!folder.empty()) std::filesystem::create_directories(folder);
    const auto file = [&](const char* name) { return folder.empty() ? std::string() : folder + "/" + name; };
    Rng rng(1);
    Reverser model(rng);
    const Batch batch(32, rng);
    print("%s", summary(model, [&] { model.loss(batch); }).c_str());

    Tape<float> tape;
    MetricsFile metrics(file("run.jsonl"));
    train(model, tape, metrics, rng);
    metrics.write(attention_of(model, tape, {3, 1, 4, 1, 5, 9, 2, 6}));
    MetricsFile flow(file("flow.jsonl"));
    flow.write(flow_of<RNNCell<double>>("RNN"));
    flow.write(flow_of<GRUCell<double>>("GRU"));
    flow.write(flow_of<LSTMCell<double>>("LSTM"));
    if (!folder.empty()) atomic_write(file("graph.dot"), small_graph());

    Watch watch(tape, model);
    {
      const Recording scope(tape);
      tape.backward(model.loss(batch));
    }
    print("\none step of training:\n%s", watch.profile().table().c_str());

    model.decoder.combine.weight.mutable_values()[0] = std::numeric_limits<float>::max();
    model.decoder.combine.weight.mutable_values()[1] = std::numeric_limits<float>::max();
    model.decoder.combine.bias.mutable_values()[0] = std::numeric_limits<float>::max();
    try {
      const Recording scope(tape);
      tape.backward(model.loss(batch));
    } catch (const NonFiniteError& e) {
      print("a weight that is far too large is found:\n%s", e.what());
    }
  });
}
