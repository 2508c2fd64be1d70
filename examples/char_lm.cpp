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
//     char_lm --save lm.safetensors --plot l.png  keeps the best model, and draws the losses
//     char_lm --save lm.safetensors --resume      goes on with one that was ended or killed, to the same bits
//     char_lm --load lm.safetensors               writes with a kept model; with --data, trains it further
//
// To expect on the held-out tenth, beside interpolated n-gram models (modified Kneser-Ney), and the time on two cores:
//
//     licence texts of Debian 12, defaults          1.39 (3-gram 1.91, 5-gram 1.38)   36 s
//     tinyshakespeare, --hidden 384 --batch 32
//       --lr 4e-3 --dropout 0.4 --epochs 6          1.47 (3-gram 2.04, 5-gram 1.56)   5.4 min

#include <algorithm>
#include <numbers>

#include "char_lm/char_task.hpp"
#include "char_lm/streams.hpp"
#include "common/plot.hpp"
#include "common/training.hpp"
#include "unroll/nn/bptt/carry.hpp"
#include "unroll/nn/embedding.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/ops/losses.hpp"
#include "unroll/optim/schedules/schedule.hpp"

using namespace unroll;
using namespace unroll::examples;

struct Options : TrainingOptions {
  std::vector<std::string> data;
  Index layers = 1, hidden = 256, embed = 64, steps = 64, save_every = 500;
  double dropout = 0.5;
  SampleOptions sample;
  Options() { batch = 16, epochs = 12, patience = 5, lr = 6e-3; }
  /// Those that a training must be resumed with.
  void each(auto&& visit) { TrainingOptions::each(visit), visit("steps", steps); }
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

/// Each thread reads its share of the streams, on a tape of its own.
template <class Cell>
TrainingResult learn(CharModel<Cell>& model, Options& o, const CharTask& task, const TrainingStreams& streams,
                     Shards<float>& shards, Rng& rng, MetricsFile& metrics) {
  AdamW<float> adam(parameters(model), {.lr = o.lr, .weight_decay = o.weight_decay});
  ShiftedStreams batches(streams, std::ssize(task.train_ids), rng);
  std::vector<Carry<typename CharModel<Cell>::State>> carries(static_cast<std::size_t>(shards.count()));
  std::vector<Chunk> shares(carries.size());
  TrainingResult result;
  for (auto* curve : {&result.train_curve, &result.val_curve})
    curve->reserve(static_cast<std::size_t>(std::min<Index>(o.epochs, 1000)));
  const auto keep_model = [&] {
    if (!o.save.empty())
      save_parameters(o.save, model, {.metadata = char_metadata(task.vocabulary, o.cell, o.layers, o.hidden, o.embed)});
  };
  FitOptions options{.epochs = o.epochs,
                     .clip_norm = o.clip,
                     .lr = o.lr * (warmup_lr(100) * cosine_annealing_lr(o.epochs * streams.chunks())),
                     .validate = [&] { return held_out_loss(model, shards.tape(0), task, streams); },
                     .patience = o.patience,
                     .checkpoint_every = o.save_every,
                     .metrics = {&metrics},
                     .items = static_cast<double>(streams.batch() * streams.steps()),
                     .unit = "characters"};
  options.on_epoch = [&](const FitEpoch& e) {
    print("epoch %d: training %.3f, held out %.4f nats = %.3f bits a character%s", static_cast<int>(e.epoch),
          e.train_loss, e.val_loss, e.val_loss / std::numbers::ln2, e.best ? "" : " (not the best)");
    result.train_curve.push_back(e.train_loss), result.val_curve.push_back(e.val_loss);
    if (e.best) keep_model();
    for (auto& carry : carries) carry.clear();
  };
  options.on_log = [&](MetricsLine& line) {
    if (line.front().first == "epoch") line.emplace_back("val_bits", result.val_curve.back() / std::numbers::ln2);
    line.emplace_back("memory", memory_in_use());
  };
  std::uint64_t data = Fingerprint().add(task.train_ids, task.held_out_ids).value();
  auto checkpoints = checkpoints_of(o.save, o.resume, data);
  if (checkpoints) {
    options.checkpoints = &*checkpoints;
    options.state.add("options", o).add("data", data).add("rng", rng).add("carries", carries);
    options.state.add("train_curve", result.train_curve).add("val_curve", result.val_curve);
  }
  static_cast<FitResult&>(result) = fit(
      model, adam, shards, batches,
      [&](const Chunk& chunk, Tape<float>&, int shard) {
        Chunk& share = shares[static_cast<std::size_t>(shard)];
        take_streams(chunk, chunk.batch * shard / shards.count(), chunk.batch * (shard + 1) / shards.count(), share);
        const auto logits = model(share.inputs, share.batch, carries[static_cast<std::size_t>(shard)]);
        return softmax_cross_entropy<float>(logits, std::span<const Index>(share.targets),
                                            {.denominator = static_cast<double>(chunk.targets.size())});
      },
      options);
  keep_model();
  if (checkpoints && !result.interrupted) checkpoints->remove();
  return result;
}

template <class Cell>
void run(Options& o, const Corpus& corpus, const std::optional<Vocabulary>& known, MetricsFile& metrics) {
  const CharTask task(corpus.text, known);
  const TrainingStreams streams(task.train_ids, o.batch, o.steps);
  Rng rng(static_cast<std::uint64_t>(o.seed));
  CharModel<Cell> model(task.vocabulary.size(), o, rng);
  if (!o.load.empty()) load_parameters(o.load, model);
  Shards<float> shards(static_cast<int>(std::min<Index>(o.threads, streams.batch())), rng.next());

  print("files %zu, characters %zu, different ones %d; %s, parameters %d", corpus.files.size(), corpus.text.size(),
        static_cast<int>(task.vocabulary.size() - 1), o.cell.c_str(), static_cast<int>(parameter_count(model)));
  if (streams.batch() != o.batch || streams.steps() != o.steps)
    print("the text is short: batch %d, steps %d", static_cast<int>(streams.batch()),
          static_cast<int>(streams.steps()));
  held_out_loss(model, shards.tape(0), task, streams, 2);  // memory does not grow any more once training has begun

  const auto result = learn(model, o, task, streams, shards, rng, metrics);
  const std::u32string sample = write_on(model, shards.tape(0), task.vocabulary, o.sample);
  print("\n%s\n", encode_utf8(sample).c_str());
  report_result(task, sample, result, metrics);
  if (!o.plot.empty() && !result.val_curve.empty())
    draw_char_losses(o.plot, task, result.train_curve, result.val_curve);
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
  add_number(app, "--layers", o.layers, 1, 64, "layers of cells");
  add_number(app, "--hidden", o.hidden, 1, 16384, "units of a layer");
  add_number(app, "--embed", o.embed, 1, 16384, "size of a character's vector");
  add_number(app, "--steps", o.steps, 1, 16384, "characters back-propagated through, in each of --batch streams");
  add_number(app, "--dropout", o.dropout, 0, 0.99, "share of outputs dropped after each layer");
  add_sample_options(app, o.sample);
  add_training_options(app, o, "picture of the losses (.png, .svg), drawn by gnuplot");
  add_number(app, "--save-every", o.save_every, 0, 1000000000, "steps between checkpoints, beside each epoch's");
  auto* load = app.get_option("--load")->description("model of --save: writes on; with --data, is trained further");
  load->remove_excludes(app.get_option("--save"));
  catch_interrupts();
  return run_program(app, argc, argv, [&] {
    o.sample.seed = o.seed;
    std::optional<Vocabulary> known;
    if (!o.load.empty()) known = read_char_metadata(o.load, o.cell, o.layers, o.hidden, o.embed);
    with_cell(o.cell, [&]<class Cell> { start<Cell>(o, known); });
  });
}
