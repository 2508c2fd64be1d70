// A character language model: learns to guess the next character of a text, then writes on by itself.
//
//     e_t = E[x_t]                                a learned vector for each character
//     h_t = cell(e_t, h_{t-1})                    RNN, LSTM or GRU, one layer or several
//     p(x_{t+1} | x_1 .. x_t) = softmax(W dropout(h_t) + b)
//     loss = - mean log p(x_{t+1} | x_1 .. x_t)   in nats a character
//
// Trained by truncated back-propagation through time: the text is read as `--batch` streams side by side, in chunks of
// `--steps` characters; the state goes on into the next chunk, gradients do not. The last tenth of the text is held
// out; the parameters that guess it best are kept. Beside its loss stand those of n-gram models.
//
//     char_lm                                     the licence texts of this Debian system
//     char_lm --data book.txt --prompt "It was "  your own text; goes on from the prompt
//     char_lm --data folder --metrics log.jsonl   all text files of a folder; the figures as JSON lines
//     char_lm --save lm.safetensors --plot l.png  keeps the best model, and draws the losses; ended or killed on the
//     way, char_lm --save lm.safetensors --resume      goes on to the same bits char_lm --load lm.safetensors writes
//     with a kept model; with --data, trains it further
//
// To expect on the held-out tenth, beside interpolated n-gram models (modified Kneser-Ney), and the time on two cores:
//
//     licence texts of Debian 12, defaults          1.39 (3-gram 1.91, 5-gram 1.38)   36 s
//     tinyshakespeare, --hidden 384 --batch 32
//       --lr 4e-3 --dropout 0.4 --epochs 6          1.47 (3-gram 2.04, 5-gram 1.56)   5.4 min

#include <algorithm>
#include <cmath>
#include <numbers>

#include "char_lm/char_task.hpp"
#include "char_lm/streams.hpp"
#include "common/plot.hpp"
#include "common/program.hpp"
#include "unroll/core/threads.hpp"
#include "unroll/data/parameter_file.hpp"
#include "unroll/nn/carry.hpp"
#include "unroll/nn/embedding.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/ops/losses.hpp"
#include "unroll/optim/adam.hpp"
#include "unroll/optim/fit.hpp"

using namespace unroll;
using namespace unroll::examples;

struct Options {
  std::vector<std::string> data;
  std::string cell = "lstm", metrics, save, load, plot;
  Index layers = 1, hidden = 256, embed = 64, batch = 16, steps = 64, epochs = 12, patience = 5, save_every = 500;
  double lr = 6e-3, dropout = 0.5, clip = 1;
  SampleOptions sample;
  int threads = std::min(get_num_threads(), 4);
  bool resume = false;
  Index symbols = 0;  // of the text, once it is read

  /// Those that a training must be resumed with.
  void each(auto&& visit) {
    visit("cell", cell), visit("batch", batch), visit("steps", steps), visit("epochs", epochs), visit("lr", lr);
    visit("patience", patience), visit("clip", clip), visit("seed", sample.seed), visit("threads", threads);
    visit("symbols", symbols);
  }
};

template <class Cell>
struct CharModel {
  using State = std::vector<typename Cell::state>;

  CharModel(Index symbols, const Options& o, Rng& rng)
      : embed(symbols, o.embed, rng),
        layers(o.embed, o.hidden, rng, {.layers = o.layers, .dropout = o.dropout}),
        out(o.hidden, symbols, rng),
        dropout(o.dropout) {}

  /// Logits (T,B,V) of what follows `ids` (T,B), from the state that the chunk before left in `carry`.
  Variable<> operator()(std::span<const Index> ids, Index batch, Carry<State>& carry) const {
    const auto e = embed(ids, Shape{static_cast<Index>(ids.size()) / batch, batch});
    const auto h = carry.empty() ? layers.run(e) : layers.run(e, carry.state());
    carry.assign(h.final_states);
    return out(unroll::dropout(h.outputs, dropout));
  }
  void each(auto&& visit) {
    visit("embed", embed), visit("layers", layers), visit("out", out), visit("dropout", dropout);
  }

  Embedding<> embed;
  Stack<Rnn<Cell>> layers;
  Linear<> out;
  double dropout;
};

/// Learning rate, as a share of the highest: up over the first 100 steps, then down to zero along a cosine.
double schedule(Index step, Index total) {
  const double warm_up = std::min(1.0, static_cast<double>(step + 1) / 100);
  return warm_up * (1 + std::cos(std::numbers::pi * static_cast<double>(step) / static_cast<double>(total))) / 2;
}

template <class Cell>
void run(Options& o, const Corpus& corpus, const std::optional<Vocabulary>& known, MetricsFile& metrics) {
  const CharTask task(corpus.text, known);
  const TrainingStreams streams(task.train_ids, o.batch, o.steps);
  Rng rng(static_cast<std::uint64_t>(o.sample.seed));
  CharModel<Cell> model(task.vocabulary.size(), o, rng);
  if (!o.load.empty()) load_parameters(o.load, model);
  Adam<float> adam(parameters(model), {.lr = o.lr});
  // Each thread reads its share of the streams, on a tape of its own.
  Shards<float> shards(static_cast<int>(std::min<Index>(o.threads, streams.batch())), rng.next());
  Tape<float>& tape = shards.tape(0);
  std::vector<Carry<typename CharModel<Cell>::State>> carries(static_cast<std::size_t>(shards.count()));
  std::vector<Chunk> shares(carries.size());
  ShiftedStreams batches(streams, std::ssize(task.train_ids), rng);

  print("files %zu, characters %zu, different ones %d; %s, parameters %d", corpus.files.size(), corpus.text.size(),
        static_cast<int>(task.vocabulary.size() - 1), o.cell.c_str(), static_cast<int>(parameter_count(model)));
  if (streams.batch() != o.batch || streams.steps() != o.steps)
    print("the text is short: batch %d, steps %d", static_cast<int>(streams.batch()),
          static_cast<int>(streams.steps()));
  held_out_loss(model, tape, task, streams, 2);  // memory does not grow any more once training has begun

  std::vector<double> train_curve, val_curve;
  for (auto* curve : {&train_curve, &val_curve})
    curve->reserve(static_cast<std::size_t>(std::min<Index>(o.epochs, 1000)));
  const auto keep_model = [&] {
    if (!o.save.empty())
      save_parameters(o.save, model, {.metadata = char_metadata(task.vocabulary, o.cell, o.layers, o.hidden, o.embed)});
  };
  FitOptions fit_options{.epochs = o.epochs,
                         .clip_norm = o.clip,
                         .patience = o.patience,
                         .checkpoint_every = o.save_every,
                         .metrics = {&metrics},
                         .items = static_cast<double>(streams.batch() * streams.steps()),
                         .unit = "characters"};
  fit_options.lr = [&](Index step) { return o.lr * schedule(step, o.epochs * streams.chunks()); };
  fit_options.validate = [&] { return held_out_loss(model, tape, task, streams); };
  fit_options.on_epoch = [&](const FitEpoch& e) {
    print("epoch %d: training %.3f, held out %.4f nats = %.3f bits a character%s", static_cast<int>(e.epoch),
          e.train_loss, e.val_loss, e.val_loss / std::numbers::ln2, e.best ? "" : " (not the best)");
    train_curve.push_back(e.train_loss), val_curve.push_back(e.val_loss);
    if (e.best) keep_model();
    for (auto& carry : carries) carry.clear();
  };
  fit_options.on_log = [&](MetricsLine& line) {
    if (line.front().first == "epoch") line.emplace_back("val_bits", val_curve.back() / std::numbers::ln2);
    line.emplace_back("memory", memory_in_use());
  };
  o.symbols = std::ssize(task.train_ids);
  Checkpoints checkpoints(o.save + ".run", {.keep = 2, .keep_best = false});
  if (!o.save.empty()) {
    if (!o.resume && !checkpoints.files().empty())
      throw DataError(checkpoints.files()[0] +
                      " is of an unfinished training: --resume goes on with it; remove it to begin anew");
    fit_options.checkpoints = &checkpoints;
    fit_options.state.add("options", o).add("rng", rng).add("carries", carries);
    fit_options.state.add("train_curve", train_curve).add("val_curve", val_curve);
  }
  const FitResult result = fit(
      model, adam, shards, batches,
      [&](const Chunk& chunk, Tape<float>&, int shard) {
        Chunk& share = shares[static_cast<std::size_t>(shard)];
        take_streams(chunk, chunk.batch * shard / shards.count(), chunk.batch * (shard + 1) / shards.count(), share);
        const auto logits = model(share.inputs, share.batch, carries[static_cast<std::size_t>(shard)]);
        return softmax_cross_entropy<float>(logits, std::span<const Index>(share.targets),
                                            {.denominator = static_cast<double>(chunk.targets.size())});
      },
      fit_options);
  keep_model();
  if (!o.save.empty() && !result.interrupted) checkpoints.remove();

  const std::u32string sample = write_on(model, tape, task.vocabulary, o.sample);
  print("\n%s\n", encode_utf8(sample).c_str());
  report_result(task, sample, result, metrics);
  if (!o.plot.empty() && !val_curve.empty()) draw_char_losses(o.plot, task, train_curve, val_curve);
}

/// Trains, or only writes on with a model of --load.
template <class Cell>
void start(Options& o, const std::optional<Vocabulary>& known) {
  if (!o.load.empty() && o.data.empty()) {
    Rng rng(1);
    CharModel<Cell> model(known->size(), o, rng);
    load_parameters(o.load, model);
    Tape<float> tape;
    return print("%s", encode_utf8(write_on(model, tape, *known, o.sample)).c_str());
  }
  check_plot(o.plot);
  MetricsFile metrics(o.metrics);
  const Corpus corpus = o.data.empty() ? read_default_corpus() : read_corpus(o.data);
  for (const std::string& note : corpus.notes) print("%s", note.c_str());
  run<Cell>(o, corpus, known, metrics);
}

int main(int argc, char** argv) {
  Options o;
  CLI::App app("A character language model: trains on a text, then writes on by itself.", "char_lm");
  app.add_option("--data", o.data, "text file or folder, repeatable [Debian's licence texts]");
  app.add_option("--cell", o.cell, "rnn, lstm or gru")
      ->check(CLI::IsMember({"rnn", "lstm", "gru"}))
      ->capture_default_str();
  add_number(app, "--layers", o.layers, 1, 64, "layers of cells");
  add_number(app, "--hidden", o.hidden, 1, 16384, "units of a layer");
  add_number(app, "--embed", o.embed, 1, 16384, "size of a character's vector");
  add_number(app, "--batch", o.batch, 1, 16384, "streams read side by side");
  add_number(app, "--steps", o.steps, 1, 16384, "characters back-propagated through");
  add_number(app, "--epochs", o.epochs, 1, 1000000, "times through the text, at most");
  add_number(app, "--patience", o.patience, 1, 1000000, "epochs without a better result before it stops");
  add_number(app, "--lr", o.lr, 0, 10, "highest learning rate (Adam; 100 steps up, then a cosine down)");
  add_number(app, "--dropout", o.dropout, 0, 0.99, "share of outputs dropped after each layer");
  add_number(app, "--clip", o.clip, 0, 1e9, "highest norm of the gradient");
  add_number(app, "--seed", o.sample.seed, 0, Index{1} << 62, "of parameters, dropout and sample");
  add_number(app, "--threads", o.threads, 1, 1024, "of the training, each with its share of the streams");
  add_sample_options(app, o.sample);
  app.add_option("--metrics", o.metrics, "file for the figures: JSON lines, or a table (.csv)");
  app.add_option("--plot", o.plot, "picture of the losses (.png, .svg), drawn by gnuplot");
  auto* save = app.add_option("--save", o.save, "file for the best model (safetensors); beside it, <file>.run-...");
  app.add_flag("--resume", o.resume, "goes on with the training of --save that was ended or killed, to the same bits")
      ->needs(save);
  add_number(app, "--save-every", o.save_every, 0, 1000000000, "steps between savings, beside each epoch's");
  app.add_option("--load", o.load, "model of --save: writes on; with --data, is trained further");
  catch_interrupts();
  return run_program(app, argc, argv, [&] {
    std::optional<Vocabulary> known;
    if (!o.load.empty()) known = read_char_metadata(o.load, o.cell, o.layers, o.hidden, o.embed);
    if (o.cell == "rnn") start<RNNCell<>>(o, known);
    if (o.cell == "lstm") start<LSTMCell<>>(o, known);
    if (o.cell == "gru") start<GRUCell<>>(o, known);
  });
}
