// Many to many of different lengths: reads a sentence to its end, then writes another one, looking back at every step.
//
//     x_i = E[s_i];   m_i = [forward_i, backward_i]       an RNN, LSTM or GRU in both directions over the source's
//     pieces d_0 = tanh(A mean_i(m_i) + a)                       where the decoder starts d_t = cell([E'[y_{t-1}],
//     f_{t-1}], d_{t-1})         it reads what it wrote last, and what it saw then a_ti = softmax_i(v . tanh(W h(d_t) +
//     U m_i + b))    where it looks (Bahdanau, Cho and Bengio, 2015) f_t = tanh(C [sum_i a_ti m_i, h(d_t)] + c); p(y_t
//     | y_1 .. y_{t-1}, s) = softmax(O f_t + o)
//
// Trained by teacher forcing on smoothed cross-entropy; used with beam search. Texts are cut into pieces by byte pair
// encoding (--pieces pairs at most), so that there are no unknown words; the capital that begins a sentence is put back
// at the end. Beside its figures stand those of looking up the most similar sentence of training.
//
//     translate                                       dates in words to ISO form, "1994-03-21"
//     translate --data pairs.tsv                      lines `source TAB target`; a tenth of them to be judged by
//     translate --train a.tsv --dev b.tsv --test c.tsv --save model.safetensors --plot attention.png
//     translate --load model.safetensors --interactive

#include <iostream>

#include "common/parallel_text.hpp"
#include "common/plot.hpp"
#include "common/subwords.hpp"
#include "common/training.hpp"
#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/seq2seq.hpp"
#include "unroll/nn/stack.hpp"

using namespace unroll;
using namespace unroll::examples;

struct Options : TrainingOptions {
  Options() { epochs = 8, lr = 5e-3; }
  std::string data, train, dev, test, show;
  Index layers = 1, hidden = 96, embed = 64, pieces = 2000, beam = 5, limit = 60;
  double dropout = 0.1, smoothing = 0.1, piece_dropout = 0, word_dropout = 0, test_share = 0.1, dev_share = 0.05;
  bool interactive = false, tied = false;
};

using Texts = std::vector<std::string>;
using Pieces = std::vector<std::vector<Index>>;
constexpr Index end_piece = Subwords::kEnd;

template <class Cell>
struct Translator {
  Translator(Index sources, Index targets, const Options& o, Rng& rng)
      : embed(sources, o.embed, rng),
        encoder(o.embed, o.hidden, rng, {.layers = o.layers, .dropout = o.dropout}),
        decoder(targets, o.embed, o.hidden, 2 * o.hidden, AdditiveAttention<>(o.hidden, 2 * o.hidden, o.hidden, rng),
                rng, {.dropout = o.dropout}),
        start(2 * o.hidden, decoder.cell, rng),
        dropout(o.dropout) {}

  struct Read {
    AttentionMemory<float> memory;
    AttentionState<Cell> start;
  };
  /// Sentences, read to their ends.
  Read read(const Pieces& sources) const {
    const auto packed = pack_ids(*current_tape<float>, std::span<const std::vector<Index>>(sources));
    const Sequence<> x{unroll::dropout(embed(packed.ids), dropout), packed.layout};
    const Sequence<> m = encoder(x);
    const Sequence<> dropped = m.with(unroll::dropout(m.rows, dropout));
    return {decoder.attention.memory(dropped), decoder.start(start(pool(dropped, Pool::mean)), m.batch())};
  }
  void each(auto&& visit) {
    visit("embed", embed), visit("encoder", encoder), visit("decoder", decoder), visit("start", start);
    visit("dropout", dropout);
  }

  Embedding<> embed;
  Stack<Bidirectional<Rnn<Cell>>> encoder;
  AttentionDecoder<Cell, AdditiveAttention<>> decoder;
  StateFrom<Cell> start;
  double dropout;
};

/// A model and the pieces it reads and writes.
template <class Cell>
struct Program {
  const Options& o;
  Subwords sources, targets;
  Translator<Cell> model;

  /// The best translations of each text, `count` at most.
  std::vector<std::vector<Hypothesis>> search(Tape<float>& tape, std::span<const std::string> texts, Index width,
                                              Index count = 1) const {
    std::vector<std::vector<Hypothesis>> found;
    for (std::size_t from = 0; from < texts.size(); from += 50) {
      Evaluation<float> scope(tape);
      Pieces pieces;
      for (const auto& t : texts.subspan(from, std::min<std::size_t>(50, texts.size() - from)))
        pieces.push_back(sources.encode(t));
      const auto [memory, start] = model.read(pieces);
      auto best = decode_beam(
          model.decoder.over(memory), start,
          {.begin = end_piece, .end = end_piece, .max_length = o.limit, .width = width, .n_best = count, .alpha = 1.0});
      std::move(best.begin(), best.end(), std::back_inserter(found));
    }
    return found;
  }

  Texts translate(Shards<float>& shards, std::span<const TextPair> pairs, Index width) const {
    Texts texts(pairs.size()), result(pairs.size());
    std::transform(pairs.begin(), pairs.end(), texts.begin(), [](const TextPair& p) { return p.source; });
    const auto count = static_cast<std::size_t>(shards.count());
    shards.run([&](Tape<float>& tape, int shard) {
      const auto s = static_cast<std::size_t>(shard);
      const std::size_t from = texts.size() * s / count, to = texts.size() * (s + 1) / count;
      const auto found = search(tape, std::span<const std::string>(texts).subspan(from, to - from), width);
      for (std::size_t i = from; i < to; ++i) result[i] = targets.decode(found[i - from].at(0).symbols);
    });
    return result;
  }
};

/// Trains; what it learns by is in `task`.
template <class Cell>
TrainingResult teach(Program<Cell>& p, Options& o, const PairTask& task, MetricsFile& metrics, Shards<float>& shards,
                     const nlohmann::json& settings) {
  TrainingPlan plan{.program = "translate", .settings = settings, .unit = "sentences"};
  Pieces targets;
  for (const auto& pair : task.train) {
    targets.push_back(p.targets.encode(pair.target));
    plan.work.push_back(std::ssize(targets.back()) + 1);
  }
  if (!task.dev.empty()) {
    plan.validation = "100 - quality on dev";
    plan.validate = [&] { return 100 - score_translations(task.dev, p.translate(shards, task.dev, 1)).quality(); };
  }
  return train(p.model, o, std::ssize(task.train), metrics, plan, shards,
               [&](std::span<const Index> share, std::span<const Index> batch) {
                 Rng& rng = current_tape<float>->rng();
                 Pieces from, to;
                 for (const Index i : share) {
                   const auto& pair = task.train[static_cast<std::size_t>(i)];
                   from.push_back(p.sources.encode(pair.source, o.piece_dropout, rng));
                   to.push_back(p.targets.encode(pair.target, o.piece_dropout, rng));
                   to.back().push_back(end_piece);
                   for (Index& piece : from.back())
                     if (o.word_dropout > 0 && rng.bernoulli(o.word_dropout)) piece = Subwords::kUnknown;
                 }
                 double count = 0;
                 for (const Index i : batch) count += static_cast<double>(plan.work[static_cast<std::size_t>(i)]);
                 const auto [memory, start] = p.model.read(from);
                 const auto logits = teacher_forced(p.model.decoder.over(memory), start, end_piece, to);
                 return softmax_cross_entropy(logits, to, {.label_smoothing = o.smoothing, .denominator = count});
               });
}

/// Where the decoder looks while it writes its translation of a text.
template <class Cell>
void draw_attention(const Program<Cell>& p, Tape<float>& tape, const std::string& source) {
  const auto symbols = p.search(tape, {&source, 1}, p.o.beam)[0].at(0).symbols;
  Evaluation<float> scope(tape);
  const auto from = p.sources.encode(source);
  const auto [memory, start] = p.model.read({from});
  DecodeStream stream(tape, p.model.decoder.over(memory), start);
  Texts rows, columns;
  std::vector<double> weights;
  for (std::size_t t = 0; t <= symbols.size(); ++t) {
    const auto seen = stream.feed(std::vector<Index>{t == 0 ? end_piece : symbols[t - 1]});
    weights.insert(weights.end(), seen.attention(0).begin(), seen.attention(0).end());
    rows.push_back(p.targets.vocabulary().token(t < symbols.size() ? symbols[t] : end_piece));
  }
  for (const Index piece : from) columns.push_back(p.sources.vocabulary().token(piece));
  draw_heat(p.o.plot, p.targets.decode(symbols), rows, columns, weights, "written", "read", "attention");
}

/// Translates what is typed, until the input ends.
template <class Cell>
void answer(const Program<Cell>& p, Tape<float>& tape) {
  print("a sentence a line; an empty one ends");
  for (std::string line; std::getline(std::cin, line) && !line.empty();) {
    try {
      for (const auto& best : p.search(tape, {&line, 1}, p.o.beam, std::min<Index>(3, p.o.beam))[0])
        print("  %5.1f %%  %s", 100 * std::exp(best.log_prob), p.targets.decode(best.symbols).c_str());
    } catch (const ValueError& e) {
      print("  %s", e.what());
    }
  }
}

template <class Cell>
void run(Options& o, const PairTask& task, Subwords sources, Subwords targets, const nlohmann::json& settings) {
  MetricsFile metrics(o.metrics);
  Rng rng(static_cast<std::uint64_t>(o.seed));
  const Index from = sources.size(), to = targets.size();
  Program<Cell> p{o, std::move(sources), std::move(targets), Translator<Cell>(from, to, o, rng)};
  Shards<float> shards(o.threads, rng.next());
  TrainingResult result;
  if (o.load.empty()) {
    print("%s: %zu pairs to learn from, pieces %d -> %d; %s, parameters %d", task.name.c_str(), task.train.size(),
          static_cast<int>(from), static_cast<int>(to), o.cell.c_str(), static_cast<int>(parameter_count(p.model)));
    result = teach(p, o, task, metrics, shards, settings);
  } else {
    load_parameters(o.load, p.model);
  }
  if (!task.test.empty()) {
    const Texts best = p.translate(shards, task.test, o.beam);
    const auto score = score_translations(task.test, best);
    const auto greedy = score_translations(task.test, p.translate(shards, task.test, 1));
    for (std::size_t i = 0; i < std::min<std::size_t>(5, best.size()); ++i)
      print("  %s\n    -> %s\n    [] %s", task.test[i].source.c_str(), best[i].c_str(), task.test[i].target.c_str());
    print("beam of %d: exact %.2f %%, %s", static_cast<int>(o.beam), 100 * score.exact, score.bleu.text().c_str());
    print("greedy:    exact %.2f %%, BLEU = %.2f", 100 * greedy.exact, greedy.bleu.score);
    MetricsLine figures = {{"exact", score.exact},
                           {"bleu", score.bleu.score},
                           {"greedy_exact", greedy.exact},
                           {"greedy_bleu", greedy.bleu.score}};
    if (!task.train.empty()) {
      const auto nearest = score_translations(task.test, nearest_translations(task.train, task.test));
      print("the most similar sentence of training: exact %.2f %%, BLEU = %.2f", 100 * nearest.exact,
            nearest.bleu.score);
      figures.insert(figures.end(), {{"nearest_exact", nearest.exact}, {"nearest_bleu", nearest.bleu.score}});
    }
    o.load.empty() ? finish_training(metrics, figures, result) : finish_metrics(metrics, figures);
    if (!o.plot.empty()) draw_attention(p, shards.tape(0), o.show.empty() ? task.test[0].source : o.show);
  }
  if (o.interactive) answer(p, shards.tape(0));
}

PairTask read_task(const Options& o) {
  Rng rng(static_cast<std::uint64_t>(o.seed));
  if (!o.data.empty()) {
    PairTask task = part_pairs(read_pairs(o.data), o.dev_share, o.test_share, rng);
    task.name = o.data;
    return task;
  }
  if (o.train.empty() && o.test.empty()) return date_task(8000, 200, 1000, rng);
  PairTask task;
  task.name = o.train;
  if (!o.train.empty()) task.train = read_pairs(o.train);
  if (!o.dev.empty()) task.dev = read_pairs(o.dev);
  task.test = o.test.empty() ? task.dev : read_pairs(o.test);
  return task;
}

Subwords pieces_of(const std::vector<TextPair>& pairs, std::string TextPair::*side, Index merges) {
  Texts texts;
  for (const auto& pair : pairs) texts.push_back(pair.*side);
  return Subwords(texts, merges);
}

int main(int argc, char** argv) {
  Options o;
  CLI::App app("Translates sentences, by an encoder and a decoder that attends to it.", "translate");
  app.add_option("--data", o.data, "file of lines `source TAB target`, parted at random [dates in words]");
  auto* train = app.add_option("--train", o.train, "file to learn from")->excludes("--data");
  app.add_option("--dev", o.dev, "file to choose the best epoch by")->needs(train);
  app.add_option("--test", o.test, "file to be judged by [that of --dev]")->excludes("--data");
  add_number(app, "--test-share", o.test_share, 0, 0.9, "share of --data to be judged by");
  add_number(app, "--dev-share", o.dev_share, 0, 0.9, "share of --data to choose the best epoch by");
  add_number(app, "--pieces", o.pieces, 0, 1000000, "pairs of byte pair encoding, of each language; 0: characters");
  add_number(app, "--piece-dropout", o.piece_dropout, 0, 0.99, "share of pairs left unmerged while training");
  add_number(app, "--word-dropout", o.word_dropout, 0, 0.99, "share of the source's pieces hidden while training");
  add_number(app, "--layers", o.layers, 1, 16, "layers of the encoder");
  add_number(app, "--hidden", o.hidden, 1, 16384, "units of the decoder, and of the encoder in each direction");
  add_number(app, "--embed", o.embed, 1, 16384, "size of a piece's vector");
  add_number(app, "--dropout", o.dropout, 0, 0.99, "share of vectors' elements dropped");
  add_number(app, "--smoothing", o.smoothing, 0, 0.99, "label smoothing");
  add_number(app, "--beam", o.beam, 1, 1000, "hypotheses side by side");
  add_number(app, "--limit", o.limit, 1, 100000, "pieces of a translation at most");
  app.add_flag("--interactive", o.interactive, "translates what is typed");
  app.add_option("--show", o.show, "sentence for --plot [the first one of the test]");
  add_training_options(app, o, "picture of where the decoder looks (.png, .svg), drawn by gnuplot");
  catch_interrupts();
  return run_program(app, argc, argv, [&] {
    check_plot(o.plot);
    PairTask task;
    Subwords sources, targets;
    nlohmann::json settings;
    if (o.load.empty()) {
      task = read_task(o);
      if (task.train.empty()) throw DataError("nothing to learn from: --train names a file, --load a model");
      sources = pieces_of(task.train, &TextPair::source, o.pieces);
      targets = pieces_of(task.train, &TextPair::target, o.pieces);
      settings = {{"cell", o.cell},   {"layers", o.layers},          {"hidden", o.hidden},
                  {"embed", o.embed}, {"source", sources.to_json()}, {"target", targets.to_json()}};
    } else {
      settings = read_settings(o.load, "translate");
      o.cell = setting<std::string>(settings, "cell", o.load);
      o.layers = setting<Index>(settings, "layers", o.load);
      o.hidden = setting<Index>(settings, "hidden", o.load);
      o.embed = setting<Index>(settings, "embed", o.load);
      sources = Subwords::from_json(setting<nlohmann::json>(settings, "source", o.load), o.load);
      targets = Subwords::from_json(setting<nlohmann::json>(settings, "target", o.load), o.load);
      if (!o.interactive || !o.data.empty() || !o.test.empty()) task = read_task(o);
    }
    with_cell(o.cell, [&]<class Cell> { run<Cell>(o, task, sources, targets, settings); });
  });
}
