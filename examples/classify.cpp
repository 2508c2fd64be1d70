// Many to one: reads a text or a series of numbers from both ends and says which class it belongs to, or rates it.
//
//     x_t = E[c_t]                               a learned vector for each character (Unicode code point) of a text; or
//     x_t = (v_t - mean) / deviation             a step of a series, scaled as training's steps are
//     f_t = cell(x_t, f_{t-1})                   RNN, LSTM or GRU from the first step to the last
//     b_t = cell(x_t, b_{t+1})                   and another one from the last to the first; h_t = [f_t, b_t]
//     s   = sum_t a_t h_t                        a = softmax_t(v . tanh(W h_t + u)), or --pool last, mean or max
//     p(class | x) = softmax(V dropout(s) + c)   loss: - mean log p of the right class
//
// With --regress a label is a number, guessed by V s + c; loss: the mean of the squared error.
//
//     classify                            sentences made by a grammar: is "nobody would call the cake bad" praise?
//     classify --regress                  the same, rated
//     classify --data reviews.tsv         lines `label TAB text`: nine tenths to learn from, one to be judged by
//     classify --data names --splits 5    a folder, one file a class, an item a line; mean of five such partings
//     classify --train a.ts --test b.ts   series in sktime's format; --dev c.ts or --dev-share to choose by
//
// Beside it stands what needs no order: naive Bayes over pairs of characters, or ridge regression over counts of words.
// To expect, and the time on two cores:
//     no arguments            99 % of sentences about things that training never names (naive Bayes 49 %)       10 s
//     --regress               rank correlation 0.99, root mean square error 0.14 (ridge 0.53, 0.86)             10 s
//     Japanese vowels (UCI), --pool max --noise 0.5 --epochs 60         98 % (median of five seeds)              2 s
//     surnames of 18 languages, --splits 5 --pool last                  81.4 % (naive Bayes 78.5 %)             35 s

#include <cmath>
#include <numbers>
#include <thread>

#include "common/judge.hpp"
#include "common/plot.hpp"
#include "common/program.hpp"
#include "common/progress.hpp"
#include "unroll/core/shards.hpp"
#include "unroll/nn/attention.hpp"
#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/embedding.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/optim/adam.hpp"
#include "unroll/optim/clip.hpp"

using namespace unroll;
using namespace unroll::examples;

struct Options : TaskOptions {
  std::string cell = "lstm", pool = "attention", metrics, plot;
  Index layers = 1, hidden = 64, embed = 32, batch = 32, epochs = 15;
  double lr = 4e-3, dropout = 0.3, noise = 0, weight_decay = 1e-2, clip = 1;
  int threads = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 4u));
};

template <class Cell>
struct Classifier {
  Classifier(const LabelledTask& task, const Options& options, Rng& rng)
      : o(options),
        features(task.features),
        layers(features > 0 ? features : o.embed, o.hidden, rng, {.layers = o.layers, .dropout = o.dropout}),
        out(layers.output_size(), std::max<Index>(std::ssize(task.classes), 1), rng) {
    if (features == 0) embed.emplace_back(task.vocabulary.size(), o.embed, rng);
    if (o.pool == "attention") attention.emplace_back(layers.output_size(), o.hidden, rng);
  }

  /// What there is at every step of the items.
  Sequence<> input_of(const Batch& batch) const {
    Tape<float>& tape = *current_tape<float>;
    if (features > 0) return sequence<float>(values_of(batch, tape.training() ? o.noise : 0, tape.rng()), features);
    const auto ids = ids_of(batch);
    const auto packed = pack_ids(tape, std::span<const std::vector<Index>>(ids));
    return {dropout(embed[0](packed.ids), o.dropout), packed.layout};
  }

  /// (B, classes) logits, or (B, 1) ratings.
  Variable<> operator()(const Batch& batch) const {
    const auto h = layers.run(input_of(batch));
    const auto& top = layers.layers.back();
    const auto& end = h.final_states.back();
    const auto s = o.pool == "attention" ? attention[0](h.outputs)
                   : o.pool == "mean"    ? pool(h.outputs, Pool::mean)
                   : o.pool == "max"     ? pool(h.outputs, Pool::max)
                                     : concat({output_of(top.fwd.cell, end.fwd), output_of(top.bwd.cell, end.bwd)}, 1);
    return out(dropout(s, o.dropout));
  }

  void each(auto&& visit) {
    visit("embed", embed), visit("layers", layers), visit("attention", attention), visit("out", out);
    visit("pool", o.pool), visit("dropout", o.dropout), visit("noise", o.noise);
  }

  Options o;
  Index features;
  std::vector<Embedding<>> embed;  // one for texts, none for series
  Stack<Bidirectional<Rnn<Cell>>> layers;
  std::vector<AttentionPool<>> attention;  // one, or none
  Linear<> out;
};

/// Learning rate, as a share of the highest: up over the first twentieth, then down to zero along a cosine.
double schedule(double done) { return std::min(1.0, 20 * done) * (1 + std::cos(std::numbers::pi * done)) / 2; }

/// The summed loss of one thread's share of a batch of `size` items, divided by that.
template <class Cell>
Variable<> loss_of(const Classifier<Cell>& model, const Batch& share, std::size_t size) {
  const auto y = model(share);
  const auto denominator = static_cast<double>(size);
  if (y.dim(1) == 1) return squared_error(y, input(ratings_of(share), y.shape()), {.denominator = denominator});
  const auto labels = labels_of(share);
  return softmax_cross_entropy(y, std::span<const Index>(labels), {.denominator = denominator});
}

/// Trains a model; its guesses for the items of `task.test`.
template <class Cell>
std::vector<double> train(const LabelledTask& task, const Options& o, std::uint64_t seed, MetricsLog& metrics,
                          double& seconds) {
  Rng rng(seed);
  Classifier<Cell> model(task, o, rng), best = clone(model);
  AdamW<float> adam(parameters(model), {.lr = o.lr, .weight_decay = o.weight_decay});
  Shards<float> shards(o.threads, rng.next());
  print("%s; %s, parameters %d", task.sizes().c_str(), o.cell.c_str(), static_cast<int>(parameter_count(model)));
  const auto count = static_cast<Index>(task.train.size());
  const auto total = static_cast<double>(o.epochs * count);
  Progress progress(total, "items");
  double best_error = INFINITY, done = 0;
  for (Index epoch = 1; epoch <= o.epochs && !interrupted(); ++epoch) {
    const auto order = rng.permutation(count);
    double mean_loss = 0;
    for (const Batch& batch : batches_of(task.train, o.batch, order)) {
      const auto shares = shares_of(batch, shards.count());
      const double loss = shards.step([&](Tape<float>&, int shard) {
        const Batch& share = shares[static_cast<std::size_t>(shard)];
        return share.empty() ? Variable<>() : loss_of(model, share, batch.size());
      });
      if (!std::isfinite(loss)) throw ValueError("the loss is not a finite number; a lower --lr may help");
      clip_grad_norm(adam, o.clip);
      adam.set_lr(o.lr * schedule(done / total));
      adam.step();
      done += static_cast<double>(batch.size());
      mean_loss += loss * static_cast<double>(batch.size()) / static_cast<double>(count);
      if (interrupted()) break;
      progress.show(done, text("epoch %d/%d", static_cast<int>(epoch), static_cast<int>(o.epochs)));
    }
    progress.pause();
    nlohmann::json line = {{"epoch", epoch}, {"train_loss", mean_loss}, {"seconds", progress.seconds()}};
    if (!task.dev.empty()) {
      const double error = error_of(task, task.dev, guesses_of(model, shards.tape(0), task.dev));
      if (error <= best_error) best_error = error, copy_parameters(model, best);
      line["dev_error"] = error;
    }
    metrics.write(line);
    progress.resume();
  }
  seconds += progress.seconds();
  return guesses_of(task.dev.empty() ? model : best, shards.tape(0), task.test);
}

template <class Cell>
void run(const Options& o, MetricsLog& metrics) {
  const auto tasks = read_tasks(o);
  Report report(tasks);
  double seconds = 0;
  for (std::size_t k = 0; k < tasks.size() && !interrupted(); ++k) {
    const auto guesses = train<Cell>(tasks[k], o, static_cast<std::uint64_t>(o.seed) + k, metrics, seconds);
    metrics.write(report.add(guesses));
  }
  auto line = report.finish(o.plot);
  print("%s after %s of training", interrupted() ? "interrupted" : "done", duration_text(seconds).c_str());
  line["final"] = true, line["seconds"] = seconds, line["interrupted"] = interrupted();
  metrics.write(line);
}

int main(int argc, char** argv) {
  Options o;
  CLI::App app("Says which class a text or a series of numbers belongs to, or rates it.", "classify");
  add_task_options(app, o);
  app.add_option("--cell", o.cell, "rnn, lstm or gru")->check(CLI::IsMember({"rnn", "lstm", "gru"}));
  app.add_option("--pool", o.pool, "from steps to one vector: attention, last, mean or max")
      ->check(CLI::IsMember({"attention", "last", "mean", "max"}));
  add_number(app, "--layers", o.layers, 1, 64, "layers of cells, each in both directions");
  add_number(app, "--hidden", o.hidden, 1, 16384, "units of a layer in each direction");
  add_number(app, "--embed", o.embed, 1, 16384, "size of a character's vector");
  add_number(app, "--batch", o.batch, 1, 16384, "items of a step");
  add_number(app, "--epochs", o.epochs, 1, 1000000, "times through the items");
  add_number(app, "--lr", o.lr, 0, 10, "highest learning rate (AdamW; up, then a cosine down)");
  add_number(app, "--weight-decay", o.weight_decay, 0, 10, "of AdamW");
  add_number(app, "--dropout", o.dropout, 0, 0.99, "share of vectors' elements dropped");
  add_number(app, "--noise", o.noise, 0, 100, "deviation of what is added to a series' scaled values in training");
  add_number(app, "--clip", o.clip, 0, 1e9, "highest norm of the gradient");
  add_number(app, "--threads", o.threads, 1, 1024, "of the training, each with its share of a batch");
  app.add_option("--metrics", o.metrics, "file for the figures, one JSON object a line");
  app.add_option("--plot", o.plot, ".svg or .png file for a picture of confusions or ratings");
  catch_interrupts();
  return run_program(app, argc, argv, [&] {
    check_plot(o.plot);
    MetricsLog metrics(o.metrics);
    if (o.cell == "rnn") run<RNNCell<>>(o, metrics);
    if (o.cell == "lstm") run<LSTMCell<>>(o, metrics);
    if (o.cell == "gru") run<GRUCell<>>(o, metrics);
  });
}
