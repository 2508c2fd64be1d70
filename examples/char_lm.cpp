// A character language model: learns to guess the next character of a text, then writes on by itself.
//
//     e_t = E[x_t]                      a learned vector for each character
//     h_t = cell(e_t, h_{t-1})          RNN, LSTM or GRU; one to several layers
//     p(x_{t+1} | x_1 .. x_t) = softmax(W dropout(h_t) + b)
//     loss = - mean log p(x_{t+1} | x_1 .. x_t)
//
// Trained by truncated back-propagation through time: the text is read as `--batch` parallel streams in chunks of
// `--steps` characters; values of the state go on into the next chunk, gradients do not.
//
//     char_lm                                     licence texts of this Debian system
//     char_lm --data book.txt --prompt "It was "  your text; completes the prompt
//     char_lm --data folder --metrics log.jsonl   all text files of a folder; figures as JSON lines
//
// The last tenth of the text is held out. Beside the loss on it (nats a character) stand those of n-gram models.

#include <cmath>
#include <iostream>
#include <numbers>
#include <thread>

#include "common/corpus.hpp"
#include "common/ngram.hpp"
#include "common/program.hpp"
#include "common/progress.hpp"
#include "common/sampling.hpp"
#include "common/streams.hpp"
#include "unroll/core/gemm.hpp"
#include "unroll/nn/carry.hpp"
#include "unroll/nn/embedding.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/ops/losses.hpp"
#include "unroll/optim/adam.hpp"
#include "unroll/optim/clip.hpp"

using namespace unroll;
using namespace unroll::examples;

struct Options {
  std::vector<std::string> data;
  std::string cell = "lstm", prompt, metrics;
  Index layers = 1, hidden = 256, embed = 64, batch = 32, steps = 64, epochs = 20, patience = 5, length = 600;
  double lr = 4e-3, dropout = 0.3, clip = 1, weight_decay = 0, temperature = 0.7;
  std::uint64_t seed = 1;
  int threads = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 4u));
};

template <class Cell>
struct CharModel {
  using States = std::vector<typename Cell::state>;

  CharModel(Index symbols, const Options& o, Rng& rng)
      : embed(symbols, o.embed, rng),
        layers(o.embed, o.hidden, rng, {.layers = o.layers, .dropout = o.dropout}),
        out(o.hidden, symbols, rng),
        dropout(o.dropout) {}

  /// Logits (T, B, V) of the characters after `ids` (T, B), with the state carried from the chunk before.
  Variable<> operator()(std::span<const Index> ids, Index batch, Carry<States>& carry) const {
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

/// The text as the models see it, and how well n-gram models guess the held-out part.
struct Task {
  explicit Task(std::u32string_view text)
      : train(text.substr(0, text.size() - text.size() / 10)),
        vocabulary(train),
        train_ids(vocabulary.encode(train)),
        held_out_ids(vocabulary.encode(text.substr(train.size()))) {
    if (held_out_ids.empty())
      throw DataError("the text has " + std::to_string(text.size()) + " characters; expected at least 10");
    const auto loss = [&](int order) {
      return NgramModel(train_ids, vocabulary.size(), order).cross_entropy(train_ids, held_out_ids);
    };
    unigram = loss(1), trigram = loss(3), five_gram = loss(5);
  }

  std::u32string_view train;
  Vocabulary vocabulary;
  std::vector<Index> train_ids, held_out_ids;
  double unigram, trigram, five_gram;
};

/// Mean loss over the held-out text.
template <class Cell>
double validate(const CharModel<Cell>& model, Tape<float>& tape, const Task& task, const TrainingStreams& like) {
  ValidationStreams streams(task.train_ids.back(), task.held_out_ids, std::min<Index>(like.batch(), 16), like.steps());
  Carry<typename CharModel<Cell>::States> carry;
  double sum = 0;
  for (Index k = 0; k < streams.chunks(); ++k) {
    const Chunk& chunk = streams.chunk(k);
    const Evaluation scope(tape);
    const auto logits = model(chunk.inputs, chunk.batch, carry);
    sum += static_cast<double>(softmax_cross_entropy<float>(logits, std::span<const Index>(chunk.targets),
                                                            {.reduction = Reduction::sum, .ignore_index = kNoTarget})
                                   .item());
  }
  return sum / static_cast<double>(task.held_out_ids.size());
}

/// `o.prompt` (or a new line) and `o.length` characters more.
template <class Cell>
std::u32string write_on(const CharModel<Cell>& model, Tape<float>& tape, const Task& task, const Options& o) {
  const std::u32string prompt = o.prompt.empty() ? U"\n" : decode_utf8(o.prompt, "--prompt");
  std::u32string text = o.prompt.empty() ? U"" : prompt;
  std::vector<Index> ids = task.vocabulary.encode(prompt);
  Carry<typename CharModel<Cell>::States> carry;
  Rng rng(o.seed);
  for (Index i = 0; i < o.length && !ids.empty(); ++i) {
    const Evaluation scope(tape);
    const auto logits = model(ids, 1, carry);
    const Index next = draw(at(logits, -1).values(), o.temperature, task.vocabulary.unknown(), rng);
    text += task.vocabulary.symbol(next);
    ids = {next};
  }
  return text;
}

template <class Cell>
void run(const Options& o, const Corpus& corpus, MetricsLog& metrics) {
  const Task task(corpus.text);
  TrainingStreams streams(task.train_ids, o.batch, o.steps);
  if (streams.batch() != o.batch || streams.steps() != o.steps)
    std::cout << "the text is short: " << streams.batch() << " streams, chunks of " << streams.steps()
              << " characters\n";

  Rng rng(o.seed);
  CharModel<Cell> model(task.vocabulary.size(), o, rng);
  CharModel<Cell> best = clone(model);
  Adam<float> adam(parameters(model), {.lr = o.lr, .weight_decay = o.weight_decay});
  Tape<float> tape(o.seed);
  set_blas_threads(o.threads);
  std::cout << corpus.files.size() << " files, " << corpus.text.size() << " characters, " << task.vocabulary.size() - 1
            << " distinct; " << o.cell << " with " << parameter_count(model) << " parameters\n";

  const Index total = o.epochs * streams.chunks();
  const auto characters = static_cast<double>(streams.batch() * streams.steps());
  Progress progress(static_cast<double>(total) * characters, "characters");
  double best_loss = INFINITY;
  Index step = 0, epoch = 0, since_best = 0;
  while (epoch < o.epochs && since_best < o.patience && !interrupted()) {
    ++epoch;
    Carry<typename CharModel<Cell>::States> carry;
    const Index offset = rng.integer(static_cast<Index>(task.train_ids.size()));
    double sum = 0;
    Index chunks = 0;
    while (chunks < streams.chunks() && !interrupted()) {
      const Chunk& chunk = streams.chunk(chunks, offset);
      const double done = static_cast<double>(step) / static_cast<double>(total);
      adam.set_lr(o.lr * std::min(1.0, static_cast<double>(step + 1) / 100) * 0.5 *
                  (1 + std::cos(std::numbers::pi * done)));
      const Recording scope(tape);
      const auto loss =
          softmax_cross_entropy<float>(model(chunk.inputs, chunk.batch, carry), std::span<const Index>(chunk.targets));
      tape.backward(loss);
      clip_grad_norm(adam, o.clip);
      adam.step();
      sum += static_cast<double>(loss.item());
      ++chunks, ++step;
      const double mean = sum / static_cast<double>(chunks);
      char text[64];
      std::snprintf(text, sizeof text, "epoch %d/%d  loss %.3f", static_cast<int>(epoch), static_cast<int>(o.epochs),
                    mean);
      progress.show(static_cast<double>(step) * characters, text);
      if (step % 100 == 0)
        metrics.write({{"step", step},
                       {"train_loss", mean},
                       {"seconds", progress.seconds()},
                       {"characters_per_second", progress.rate()},
                       {"peak_memory", peak_memory()}});
    }
    progress.pause();
    const double loss = validate(model, tape, task, streams);
    progress.clear();
    std::printf("epoch %d: %.3f training, %.4f nats = %.4f bits a character held out, %.0f characters/s\n",
                static_cast<int>(epoch), sum / static_cast<double>(chunks), loss, loss / std::numbers::ln2,
                progress.rate());
    std::fflush(stdout);
    metrics.write({{"epoch", epoch}, {"val_loss", loss}, {"train_loss", sum / static_cast<double>(chunks)}});
    progress.resume();
    ++since_best;
    if (loss < best_loss) best_loss = loss, since_best = 0, copy_parameters(model, best);
  }
  progress.pause();
  const std::u32string sample = write_on(best, tape, task, o);
  const KnownWords words = known_words(sample, task.train);
  std::cout << "\n" << encode_utf8(sample) << "\n\n";
  std::printf("nats a character: unigram %.4f, trigram %.4f, 5-gram %.4f, this model %.4f\n", task.unigram,
              task.trigram, task.five_gram, best_loss);
  std::printf("words: %.0f %%  seconds %.1f\n", 100 * words.share(), progress.seconds());
  metrics.write({{"final", true}, {"val_loss", best_loss}, {"trigram", task.trigram}});
}

int main(int argc, char** argv) {
  Options o;
  CLI::App app("A character language model: trains on a text, then writes on by itself.", "char_lm");
  app.add_option("--data", o.data, "text file or folder, repeatable [the licence texts of Debian]");
  app.add_option("--cell", o.cell, "rnn, lstm or gru")
      ->check(CLI::IsMember({"rnn", "lstm", "gru"}))
      ->capture_default_str();
  app.add_option("--layers", o.layers)->check(between<Index>(1, 100))->capture_default_str();
  app.add_option("--hidden", o.hidden)->check(between<Index>(1, 65536))->capture_default_str();
  app.add_option("--embed", o.embed)->check(between<Index>(1, 65536))->capture_default_str();
  app.add_option("--batch", o.batch)->check(between<Index>(1, 65536))->capture_default_str();
  app.add_option("--steps", o.steps)->check(between<Index>(1, 65536))->capture_default_str();
  app.add_option("--epochs", o.epochs)->check(between<Index>(1, 1000000))->capture_default_str();
  app.add_option("--patience", o.patience)->check(between<Index>(1, 1000000))->capture_default_str();
  app.add_option("--lr", o.lr)->check(between<double>(0, 10))->capture_default_str();
  app.add_option("--dropout", o.dropout)->check(between<double>(0, 0.99))->capture_default_str();
  app.add_option("--clip", o.clip)->check(between<double>(0, 1e9))->capture_default_str();
  app.add_option("--weight-decay", o.weight_decay)->check(between<double>(0, 1))->capture_default_str();
  app.add_option("--seed", o.seed)->check(between<std::uint64_t>(0, ~0ull))->capture_default_str();
  app.add_option("--threads", o.threads)->check(between<int>(1, 1024))->capture_default_str();
  app.add_option("--temperature", o.temperature)->check(between<double>(0, 100))->capture_default_str();
  app.add_option("--prompt", o.prompt);
  app.add_option("--length", o.length)->check(between<Index>(0, 100000000))->capture_default_str();
  app.add_option("--metrics", o.metrics);
  return run_program(app, argc, argv, [&] {
    catch_interrupts();
    const Corpus corpus = o.data.empty() ? read_default_corpus() : read_corpus(o.data);
    MetricsLog metrics(o.metrics);
    for (const std::string& note : corpus.notes) std::cout << note << "\n";
    if (o.cell == "rnn") run<RNNCell<>>(o, corpus, metrics);
    if (o.cell == "lstm") run<LSTMCell<>>(o, corpus, metrics);
    if (o.cell == "gru") run<GRUCell<>>(o, corpus, metrics);
  });
}
