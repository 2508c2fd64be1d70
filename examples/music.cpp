// One to many: learns to compose from pieces of music, then writes a piece of its own as a standard MIDI file.
//
//     x_t in {0,1}^128                               which pitches sound at step t
//     h_t = cell([x_{t-1}; v], h_{t-1})              one layer or several; v is the style, the same at every step
//     p(pitch n sounds at t) = sigmoid(W dropout(h_t) + b)_n
//     loss = - sum_n log p(x_tn)                     binary cross-entropy summed over notes, nats a step
//
// v: shares of the twelve pitch classes, pace, fullness; half of the time in training, and where the loss is reported,
// v = 0: not known, so that figures compare with the literature's (data/series/piano_roll.hpp). Beside them: each pitch with
// its own frequency, and each pitch a Markov chain of its own, both counted.
//     music --midi new.mid                              learns from dances made by rule, and makes one up
//     music --data nottingham.json --midi new.mid       {"train": [[[60, 64], [60], ...], ...], "valid": [...]}
//     music --load m.st --chord 60,64,67 --midi new.mid     --save m.st before; goes on from a seed chord
//     music --load m.st --style random --midi new.mid   or --style 7 (as the seventh piece), or 14 numbers
//
// To expect without arguments: 2.7 nats a step on new tunes (chains 8.1, frequencies 11.4; the rules leave open 0.49), a
// correlation of pitch classes of 0.7 with the style asked for; 13 s. What it makes up leaves the rules after 40 steps.
// Nottingham, --hidden 384 --dropout 0.3 --lr 5e-3 --steps 200 --epochs 60: 3.16 on valid (chains 5.24), 7 minutes.

#include <cmath>
#include <numeric>

#include "common/plot.hpp"
#include "common/training.hpp"
#include "music/midi.hpp"
#include "music/task.hpp"
#include "unroll/nn/bptt/carry.hpp"
#include "unroll/nn/decode/one_to_many.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/ops/dropout.hpp"
#include "unroll/ops/losses.hpp"

using namespace unroll;
using namespace unroll::examples;

struct Options : TrainingOptions {
  std::string data, midi, chord, style;
  Index layers = 1, hidden = 192, tunes = 600, steps = 128, length = 128;
  double dropout = 0.1, temperature = 0.8;
  int transpose = 0;
  MidiOptions sound;
};

template <class Cell>
struct Composer {
  using State = std::vector<typename Cell::state>;

  Composer(const Options& o, Rng& rng)
      : layers(kPitches + kStyle, o.hidden, rng, {.layers = o.layers, .dropout = o.dropout}),
        out(o.hidden, kPitches, rng),
        dropout(o.dropout) {
    for (float& b : out.bias.mutable_values()) b = -4;  // a pitch seldom sounds
  }

  /// Logits (N, pitches) of what sounds at every step of all pieces.
  Variable<> operator()(const RollBatch& batch) const {
    const auto x = sequence(batch.before, kPitches);
    const auto v = input(batch.styles, Shape{x.batch(), kStyle});
    return out(unroll::dropout(layers(append_to_steps(x, v)).rows, dropout));
  }
  /// Logits (B, pitches) of the step after `before` (B, pitches).
  Variable<> step(const std::vector<float>& before, const std::vector<float>& styles, Carry<State>& carry) const {
    const auto count = static_cast<Index>(styles.size()) / kStyle;
    const auto v = input(styles, Shape{count, kStyle});
    const auto x = append_to_steps(input(before, Shape{1, count, kPitches}), v);
    const auto h = carry.empty() ? layers.run(x) : layers.run(x, carry.state());
    carry.assign(h.final_states);
    return out(reshape(h.outputs, Shape{count, layers.output_size()}));
  }
  void each(auto&& visit) { visit("layers", layers), visit("out", out), visit("dropout", dropout); }

  Stack<Rnn<Cell>> layers;
  Linear<> out;
  double dropout;
};

/// Nats a step for the notes of a batch, divided by `steps`.
template <class Cell>
Variable<> loss_of(const Composer<Cell>& model, const RollBatch& batch, Index steps) {
  const auto notes = sequence(batch.notes, kPitches);
  return binary_cross_entropy_with_logits(model(batch), notes.rows, {.denominator = static_cast<double>(steps)});
}

/// Nats a step on whole pieces.
template <class Cell>
double nats_of(const Composer<Cell>& model, Shards<float>& shards, const std::vector<PianoRoll>& pieces, bool styles) {
  const auto batches = batches_of(pieces, styles);
  std::vector<double> nats(batches.size());
  shards.run([&](Tape<float>& tape, int shard) {
    for (auto k = static_cast<std::size_t>(shard); k < batches.size(); k += static_cast<std::size_t>(shards.count())) {
      const Evaluation scope(tape);
      nats[k] = static_cast<double>(loss_of(model, batches[k], steps_of(pieces)).item());
    }
  });
  return std::accumulate(nats.begin(), nats.end(), 0.0);
}

/// Pieces the model makes up, one a style; `likely` gets how likely it took each pitch at each step of the first one.
template <class Cell>
std::vector<PianoRoll> compose(const Composer<Cell>& model, Tape<float>& tape, std::span<const Style> styles,
                               const Options& o, Rng& rng, std::vector<float>& likely) {
  std::vector<PianoRoll> pieces(styles.size());
  const auto chord = parse_chord(o.chord);
  std::vector<float> v, before(styles.size() * kPitches);
  for (const Style& style : styles) v.insert(v.end(), style.begin(), style.end());
  Carry<typename Composer<Cell>::State> carry;
  for (Index t = 0; t < o.length; ++t) {
    const Evaluation scope(tape);
    const auto logits = model.step(before, v, carry);
    for (std::size_t b = 0; b < styles.size(); ++b) {
      const auto row = logits.values().subspan(b * kPitches, kPitches);
      pieces[b].push_back(t == 0 && !chord.empty() ? chord : draw_notes(row, o.temperature, rng));
      std::ranges::copy(roll_values<float>({pieces[b].back()}),
                        before.begin() + std::ssize(row) * static_cast<Index>(b));
      for (std::size_t n = 0; n < row.size() && b == 0; ++n) likely.push_back(1 / (1 + std::exp(-row[n])));
    }
  }
  return pieces;
}

template <class Cell>
void run(Options& o) {
  const auto seed = static_cast<std::uint64_t>(o.seed);
  const MusicTask task = o.data.empty() ? make_music(o.tunes, seed + 1000) : read_music(o.data, seed);
  Rng rng(seed);
  const Style style = o.style.empty() ? Style{} : parse_style(o.style, task.styles, rng);
  MetricsFile metrics(o.metrics);
  Composer<Cell> model(o, rng);
  if (!o.load.empty()) load_parameters(o.load, model);
  Shards<float> shards(o.threads, rng.next());
  const auto segments = segments_of(task.train, o.steps);
  print("%s; %s, parameters %d", task.sizes().c_str(), o.cell.c_str(), static_cast<int>(parameter_count(model)));

  TrainingResult result;
  if (o.load.empty()) {
    TrainingPlan plan{.program = "music",
                      .settings = {{"cell", o.cell}, {"layers", o.layers}, {"hidden", o.hidden}},
                      .validate = [&] { return nats_of(model, shards, task.valid, false); },
                      .validation = "held-out nats a step",
                      .unit = "segments"};
    for (const Segment& s : segments) plan.work.push_back(s.to - s.from);
    plan.data.add(task.train, task.valid);
    using Items = std::span<const Index>;
    result = train(model, o, std::ssize(segments), metrics, plan, shards, [&](Items share, Items batch) {
      const auto notes = training_batch(task, segments, share, o.transpose, current_tape<float>->rng());
      return loss_of(model, notes, steps_of(segments, batch));
    });
  }

  const double nats = nats_of(model, shards, task.test, false), styled = nats_of(model, shards, task.test, true);
  const auto [frequencies, chains] = baselines_of(task);
  print("nats a step on %s: %.3f, with the style known %.3f; each pitch a Markov chain %.3f, by frequency %.3f",
        task.judged.c_str(), nats, styled, chains, frequencies);
  if (task.rule >= 0) print("the rules by which they were made leave open %.3f", task.rule);
  MetricsLine figures = {{"nats", nats}, {"nats_styled", styled}, {"chains", chains}, {"frequencies", frequencies}};

  std::vector<Style> styles;
  for (const PianoRoll& piece : task.test)
    if (styles.size() < 8) styles.push_back(style_of(piece));
  std::vector<float> likely, unused;
  const auto [own, other] = similarity(compose(model, shards.tape(0), styles, o, rng, unused), styles);
  print("pitch classes of pieces made for %zu styles: correlation %.2f with the style asked for, %.2f with another",
        styles.size(), own, other);
  figures.insert(figures.end(), {{"style_correlation", own}, {"other_correlation", other}});
  const PianoRoll piece = compose(model, shards.tape(0), {&style, 1}, o, rng, likely)[0];
  print("\n%s", roll_text(piece).c_str());
  if (!o.midi.empty()) write_midi(o.midi, piece, o.sound);
  draw_roll(o.plot, piece, likely);
  o.load.empty() ? finish_training(metrics, figures, result) : finish_metrics(metrics, figures);
}

int main(int argc, char** argv) {
  Options o;
  o.batch = 8, o.epochs = 16, o.lr = 6e-3;
  CLI::App app("Learns to compose from piano rolls, and writes a piece of its own as a MIDI file.", "music");
  app.add_option("--data", o.data, "piano rolls (.json) [dances made by rule]");
  add_training_options(app, o, "picture of the piece it makes (.png, .svg), drawn by gnuplot");
  add_number(app, "--layers", o.layers, 1, 64, "layers of cells");
  add_number(app, "--hidden", o.hidden, 1, 16384, "units of a layer");
  add_number(app, "--dropout", o.dropout, 0, 0.99, "share of outputs dropped after each layer");
  add_number(app, "--steps", o.steps, 2, 100000, "longest piece of music back-propagated through");
  add_number(app, "--transpose", o.transpose, 0, 24, "half tones that pieces are moved by at random in training");
  add_number(app, "--tunes", o.tunes, 8, 1000000, "dances made by rule, when there is no --data");
  app.add_option("--midi", o.midi, "file for a piece it makes (.mid)");
  app.add_option("--chord", o.chord, "the piece's first step, as MIDI pitches: 60,64,67");
  app.add_option("--style", o.style, "the piece's style: random, number of a piece to learn from, or 14 numbers");
  add_number(app, "--length", o.length, 1, 100000, "steps of the piece");
  add_number(app, "--temperature", o.temperature, 0.01, 10, "of the draws: below 1 more likely notes only");
  add_midi_options(app, o.sound);
  catch_interrupts();
  return run_program(app, argc, argv, [&] {
    check_plot(o.plot), check_midi(o.midi, o.sound), parse_chord(o.chord);
    if (!o.load.empty()) {
      const auto settings = read_settings(o.load, "music");
      get_settings(settings, o.load, "cell", o.cell, "layers", o.layers, "hidden", o.hidden);
    }
    with_cell(o.cell, [&]<class Cell>() { run<Cell>(o); });
  });
}
