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
//
// To expect on the held-out tenth, beside interpolated n-gram models (modified Kneser-Ney), and the time on two cores:
//
//     licence texts of Debian 12, defaults          1.36 (3-gram 1.91, 5-gram 1.38)   36 s
//     tinyshakespeare, --hidden 384 --batch 32
//       --lr 4e-3 --dropout 0.4 --epochs 6          1.47 (3-gram 2.04, 5-gram 1.56)   5.4 min

#include <cmath>
#include <limits>
#include <numbers>
#include <thread>

#include "common/corpus.hpp"
#include "common/ngram.hpp"
#include "common/program.hpp"
#include "common/progress.hpp"
#include "common/sampling.hpp"
#include "common/streams.hpp"
#include "unroll/core/shards.hpp"
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
  Index layers = 1, hidden = 256, embed = 64, batch = 16, steps = 64, epochs = 12, patience = 5, length = 600, seed = 1;
  double lr = 6e-3, dropout = 0.5, clip = 1, temperature = 0.7;
  int threads = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 4u));
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

/// The text as the models see it, and the loss of n-gram models on its held-out part.
struct Task {
  explicit Task(std::u32string_view text)
      : train(text.substr(0, text.size() - text.size() / 10)),
        vocabulary(train),
        train_ids(vocabulary.encode(train)),
        held_out_ids(vocabulary.encode(text.substr(train.size()))) {
    if (held_out_ids.empty())
      throw DataError("the text is too short: " + std::to_string(text.size()) + " characters, expected at least 10");
    const auto loss = [&](int order) {
      return NgramModel(train_ids, vocabulary.size(), order).cross_entropy(train_ids, held_out_ids);
    };
    unigram = loss(1), trigram = loss(3), five_gram = loss(5);
  }

  std::u32string_view train;
  examples::Vocabulary vocabulary;
  std::vector<Index> train_ids, held_out_ids;
  double unigram, trigram, five_gram;
};

/// Mean loss over the held-out text, read in streams as in training (but no more than 16: each starts without a past).
template <class Cell>
double validate(const CharModel<Cell>& model, Tape<float>& tape, const Task& task, const TrainingStreams& like,
                Index most_chunks = std::numeric_limits<Index>::max()) {
  ValidationStreams streams(task.train_ids.back(), task.held_out_ids, std::min<Index>(like.batch(), 16), like.steps());
  Carry<typename CharModel<Cell>::State> carry;
  double sum = 0;
  for (Index k = 0; k < std::min(streams.chunks(), most_chunks); ++k) {
    const Chunk& chunk = streams.chunk(k);
    const Evaluation scope(tape);
    const auto loss =
        softmax_cross_entropy<float>(model(chunk.inputs, chunk.batch, carry), std::span<const Index>(chunk.targets),
                                     {.reduction = Reduction::sum, .ignore_index = kNoTarget});
    sum += static_cast<double>(loss.item());
  }
  return sum / static_cast<double>(task.held_out_ids.size());
}

/// The prompt, and `o.length` characters more; without a prompt, what follows a new line.
template <class Cell>
std::u32string write_on(const CharModel<Cell>& model, Tape<float>& tape, const Task& task, const Options& o) {
  std::u32string text = decode_utf8(o.prompt, "--prompt");
  std::vector<Index> ids = task.vocabulary.encode(text.empty() ? U"\n" : text);
  Carry<typename CharModel<Cell>::State> carry;
  Rng rng(static_cast<std::uint64_t>(o.seed));
  for (Index i = 0; i < o.length; ++i) {
    const Evaluation scope(tape);
    const auto logits = model(ids, 1, carry);
    ids = {draw(at(logits, -1).values(), o.temperature, task.vocabulary.unknown(), rng)};
    text += task.vocabulary.symbol(ids[0]);
  }
  return text;
}

/// Learning rate, as a share of the highest: up over the first 100 steps, then down to zero along a cosine.
double schedule(Index step, Index total) {
  const double warm_up = std::min(1.0, static_cast<double>(step + 1) / 100);
  return warm_up * (1 + std::cos(std::numbers::pi * static_cast<double>(step) / static_cast<double>(total))) / 2;
}

template <class Cell>
void run(const Options& o, const Corpus& corpus, MetricsLog& metrics) {
  const Task task(corpus.text);
  TrainingStreams streams(task.train_ids, o.batch, o.steps);
  Rng rng(static_cast<std::uint64_t>(o.seed));
  CharModel<Cell> model(task.vocabulary.size(), o, rng), best = clone(model);
  Adam<float> adam(parameters(model), {.lr = o.lr});
  // Each thread reads its share of the streams, on a tape of its own.
  Shards<float> shards(static_cast<int>(std::min<Index>(o.threads, streams.batch())), rng.next());
  Tape<float>& tape = shards.tape(0);
  std::vector<Carry<typename CharModel<Cell>::State>> carries(static_cast<std::size_t>(shards.count()));
  std::vector<Chunk> shares(carries.size());

  print("files %zu, characters %zu, different ones %d; %s, parameters %d", corpus.files.size(), corpus.text.size(),
        static_cast<int>(task.vocabulary.size() - 1), o.cell.c_str(), static_cast<int>(parameter_count(model)));
  if (streams.batch() != o.batch || streams.steps() != o.steps)
    print("the text is short: batch %d, steps %d", static_cast<int>(streams.batch()),
          static_cast<int>(streams.steps()));

  const Index total = o.epochs * streams.chunks();
  const auto characters = static_cast<double>(streams.batch() * streams.steps());
  Progress progress(static_cast<double>(total) * characters, "characters");
  double best_loss = INFINITY;
  Index step = 0;
  validate(model, tape, task, streams, 1);  // memory does not grow any more once training has begun
  for (Index epoch = 1, best_epoch = 1; epoch <= o.epochs && epoch <= best_epoch + o.patience; ++epoch) {
    for (auto& carry : carries) carry.clear();
    const Index offset = rng.integer(static_cast<Index>(task.train_ids.size()));
    double train_loss = 0;  // mean of this epoch
    for (Index k = 0; k < streams.chunks() && !interrupted(); ++k, ++step) {
      const Chunk& chunk = streams.chunk(k, offset);
      const double loss = shards.step([&](Tape<float>&, int shard) {
        Chunk& share = shares[static_cast<std::size_t>(shard)];
        take_streams(chunk, chunk.batch * shard / shards.count(), chunk.batch * (shard + 1) / shards.count(), share);
        const auto logits = model(share.inputs, share.batch, carries[static_cast<std::size_t>(shard)]);
        return softmax_cross_entropy<float>(logits, std::span<const Index>(share.targets),
                                            {.denominator = static_cast<double>(chunk.targets.size())});
      });
      if (!std::isfinite(loss))
        throw ValueError("the loss is not a finite number after " + std::to_string(step) +
                         " steps; a lower --lr may help");
      clip_grad_norm(adam, o.clip);
      adam.set_lr(o.lr * schedule(step, total));
      adam.step();
      train_loss += (loss - train_loss) / static_cast<double>(k + 1);
      progress.show(static_cast<double>(step + 1) * characters,
                    text("epoch %d/%d  loss %.3f", static_cast<int>(epoch), static_cast<int>(o.epochs), train_loss));
      if ((step + 1) % 100 == 0)
        metrics.write({{"step", step + 1}, {"train_loss", train_loss}, {"peak_memory", peak_memory()}});
    }
    progress.pause();
    const double loss = validate(model, tape, task, streams);
    progress.clear();
    print("epoch %d: training %.3f, held out %.4f nats = %.3f bits a character%s", static_cast<int>(epoch), train_loss,
          loss, loss / std::numbers::ln2, loss < best_loss ? "" : " (not the best)");
    metrics.write({{"epoch", epoch},
                   {"train_loss", train_loss},
                   {"val_loss", loss},
                   {"val_bits", loss / std::numbers::ln2},
                   {"seconds", progress.seconds()},
                   {"characters_per_second", progress.rate()}});
    if (loss < best_loss) {
      best_loss = loss, best_epoch = epoch;
      copy_parameters(model, best);
    }
    if (interrupted()) break;
    progress.resume();
  }
  progress.pause();

  const std::u32string sample = write_on(best, tape, task, o);
  const KnownWords words = known_words(sample, task.train);
  print("\n%s\n", encode_utf8(sample).c_str());
  print("words of this sample that occur in the text: %.0f %%", 100 * words.share());
  print("held out, nats a character: unigram %.3f, trigram %.3f, 5-gram %.3f, this model %.4f (%.3f bits)",
        task.unigram, task.trigram, task.five_gram, best_loss, best_loss / std::numbers::ln2);
  print("%s after %d steps in %s of training", interrupted() ? "interrupted" : "done", static_cast<int>(step),
        duration_text(progress.seconds()).c_str());
  metrics.write({{"final", true},
                 {"val_loss", best_loss},
                 {"val_bits", best_loss / std::numbers::ln2},
                 {"unigram", task.unigram},
                 {"trigram", task.trigram},
                 {"five_gram", task.five_gram},
                 {"known_words", words.share()},
                 {"steps", step},
                 {"seconds", progress.seconds()},
                 {"interrupted", interrupted()},
                 {"peak_memory", peak_memory()}});
}

int main(int argc, char** argv) {
  Options o;
  CLI::App app("A character language model: trains on a text, then writes on by itself.", "char_lm");
  const auto number = [&](const char* name, auto& value, auto low, auto high, const char* help) {
    using Number = std::remove_reference_t<decltype(value)>;
    const auto range = between<Number>(static_cast<Number>(low), static_cast<Number>(high));
    app.add_option(name, value, help)->check(range)->capture_default_str();
  };
  app.add_option("--data", o.data, "text file or folder, repeatable [Debian's licence texts]");
  app.add_option("--cell", o.cell, "rnn, lstm or gru")
      ->check(CLI::IsMember({"rnn", "lstm", "gru"}))
      ->capture_default_str();
  number("--layers", o.layers, 1, 64, "layers of cells");
  number("--hidden", o.hidden, 1, 16384, "units of a layer");
  number("--embed", o.embed, 1, 16384, "size of a character's vector");
  number("--batch", o.batch, 1, 16384, "streams read side by side");
  number("--steps", o.steps, 1, 16384, "characters back-propagated through");
  number("--epochs", o.epochs, 1, 1000000, "times through the text, at most");
  number("--patience", o.patience, 1, 1000000, "epochs without a better result before it stops");
  number("--lr", o.lr, 0, 10, "highest learning rate (Adam; 100 steps up, then a cosine down)");
  number("--dropout", o.dropout, 0, 0.99, "share of outputs dropped after each layer");
  number("--clip", o.clip, 0, 1e9, "highest norm of the gradient");
  number("--seed", o.seed, 0, Index{1} << 62, "of parameters, dropout and sample");
  number("--threads", o.threads, 1, 1024, "of the training, each with its share of the streams");
  number("--temperature", o.temperature, 0, 100, "of the sample: low is careful, 0 always takes the likeliest");
  app.add_option("--prompt", o.prompt, "the sample goes on from this text");
  number("--length", o.length, 0, 100000000, "characters to write");
  app.add_option("--metrics", o.metrics, "file for the figures, one JSON object a line");
  catch_interrupts();
  return run_program(app, argc, argv, [&] {
    const Corpus corpus = o.data.empty() ? read_default_corpus() : read_corpus(o.data);
    for (const std::string& note : corpus.notes) print("%s", note.c_str());
    MetricsLog metrics(o.metrics);
    if (o.cell == "rnn") run<RNNCell<>>(o, corpus, metrics);
    if (o.cell == "lstm") run<LSTMCell<>>(o, corpus, metrics);
    if (o.cell == "gru") run<GRUCell<>>(o, corpus, metrics);
  });
}
