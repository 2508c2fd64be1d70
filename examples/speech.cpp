// Speech: hears words by a voice it has never heard, and says which they were, or writes them down.
//
//     x_t   = log-mel energies of 25 ms of sound every 10 ms, less their mean    (speech/log_mel.hpp, with FFTW)
//     h^0   = both(x)                  a layer in both directions: f_t = cell(x_t, f_(t-1)), b_t = cell(x_t, b_(t+1))
//     h^l_s = both([h^(l-1)_2s, h^(l-1)_(2s+1)])    a pyramid: every layer reads pairs of steps of the one below
//     p(word | x)    = softmax(V sum_s a_s h_s + c)    a = softmax_s(v . tanh(W h_s + u)); loss: - log p; with --ctc
//     p(letters | x) = sum over the paths that spell them of prod_s softmax(V h_s + c)    (Graves et al., 2006)
//
// In training every recording is heard in another disguise each time (speech/disguise.hpp): a longer or shorter vocal
// tract, faster or slower, through noise and another microphone, its weak beginning or end cut off, with bands and
// moments missing. Without that the model learns the speakers, not the words. Three listeners, begun from other
// weights, decide together.
//
//     speech                              digits, spoken by espeak-ng's voices; two of them are never heard in training
//     speech --speak rule                 the same, spoken by a small synthesizer of the program's own
//     speech --ctc                        one to three digits in a row, written letter by letter
//     speech --data fsdd --hold-out theo  wav files named {word}_{speaker}_{number}.wav, or a folder a word
//     speech --data fsdd --folds          each speaker held out in turn; --first 5: recordings 0 .. 4 of all speakers
//     speech --data fsdd --save model     then: speech --load model --listen what_is_this.wav
//
// Beside it stands the nearest recording by dynamic time warping, which is how telephones understood digits once. It
// knows espeak-ng's voices, which are all alike, nearly as well as the model does: 97.5 %, and the model 100 %, after
// 18 s of one core. Four people are not alike: Free Spoken Digits (fsdd) with --folds --threads 1, seed 1: 80.8 % of a
// voice never heard (jackson 82.4, nicolas 72.4, theo 88.6, yweweler 80.0; nearest recording 67.2 %), 36 s of one core
// a voice; with seed 2 82.0 %; with --first 5 instead 99.0 % (96.0 %), 38 s. With --ctc and espeak-ng's voices 1.1 % of
// letters and 4.0 % of words are wrong, after 30 s.

#include "common/plot.hpp"
#include "speech/listeners.hpp"
#include "unroll/nn/attention.hpp"
#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/pyramid.hpp"
#include "unroll/nn/structured/ctc.hpp"
#include "unroll/ops/losses.hpp"

using namespace unroll;
using namespace unroll::examples;

template <class Cell>
struct Listener {
  Listener(const Words& known, const SpeechOptions& o, Rng& rng)
      : words(known),
        encoder(o.bands, o.hidden, rng, {.levels = o.levels, .dropout = o.dropout}),
        out(encoder.output_size(), o.ctc ? std::ssize(words.letters) + 1 : std::ssize(words.words), rng),
        dropout(o.dropout) {
    if (!o.ctc) attention.emplace_back(encoder.output_size(), o.hidden, rng);
  }

  /// (B, words) logits of the word that was said.
  Variable<> word(const Sequence<>& x) const { return out(unroll::dropout(attention.at(0)(encoder(x)), dropout)); }
  /// Logits of CTC's blank and the letters, at every step of the top of the pyramid.
  Sequence<> letters(const Sequence<>& x) const {
    const auto h = encoder(x);
    return h.with(out(unroll::dropout(h.rows, dropout)));
  }

  /// The loss of what was said, divided by `denominator`.
  Variable<> loss(const Sequence<>& x, const std::vector<Said>& said, double denominator) const {
    std::vector<std::vector<Index>> spelled;
    std::vector<Index> numbers;
    for (const Said& s : said) {
      if (attention.empty())
        spelled.push_back(words.spelled(s));
      else
        numbers.push_back(words.number_of(*s[0]));
    }
    // What was said faster than the top of the pyramid can spell it teaches nothing.
    if (attention.empty()) return ctc_loss(letters(x), spelled, {.zero_infinity = true, .denominator = denominator});
    return softmax_cross_entropy(word(x), std::span<const Index>(numbers), {.denominator = denominator});
  }

  void each(auto&& visit) {
    visit("encoder", encoder), visit("attention", attention), visit("out", out), visit("dropout", dropout);
  }

  Words words;
  Pyramid<Bidirectional<Rnn<Cell>>> encoder;
  std::vector<AttentionPool<>> attention;  // one for a word, none for letters
  Linear<> out;
  double dropout;
};

/// What the model understands of each, without disguise.
template <class Cell>
std::vector<Heard> understand(const Listeners<Listener<Cell>>& model, const std::vector<Said>& said, const Ears& ears) {
  std::vector<Heard> all;
  Tape<float> tape;
  for (std::size_t from = 0; from < said.size(); from += 64) {
    const Evaluation scope(tape);
    std::vector<std::vector<float>> x;
    for (std::size_t i = from; i < std::min(from + 64, said.size()); ++i) x.push_back(ears.hear(said[i]));
    const auto heard = model.understand(sequence(x, ears.bands()));
    all.insert(all.end(), heard.begin(), heard.end());
  }
  return all;
}

template <class Cell>
FitResult learn(Listeners<Listener<Cell>>& model, SpeechOptions& o, const Part& part, const Ears& ears,
                Shards<float>& shards, MetricsFile& metrics) {
  print("recordings to learn from %zu, words %zu; %s, parameters %d", part.items.size(), model.words().words.size(),
        o.cell.c_str(), static_cast<int>(parameter_count(model)));
  TrainingPlan plan{.program = "speech", .settings = settings_of(o, model.words()), .unit = "recordings"};
  for (const Utterance* u : part.items) {
    plan.work.push_back(std::ssize(u->samples));
    plan.data.add(u->word, u->samples);
  }
  plan.on_epoch = [](const FitEpoch& e) {
    if (e.epoch % 5 == 0 || e.epoch == e.epochs) print("epoch %d: loss %.4f", static_cast<int>(e.epoch), e.train_loss);
  };
  return train(model, o, std::ssize(part.items), metrics, plan, shards,
               [&](std::span<const Index> share, std::span<const Index> batch) {
                 Rng& rng = current_tape<float>->rng();
                 std::vector<Said> said;
                 std::vector<std::vector<float>> x;
                 for (const Index k : share) {
                   said.push_back(part.said(k, o.most_words(), rng));
                   x.push_back(ears.hear(said.back(), o.disguise, rng));
                 }
                 return model.loss(sequence(x, ears.bands()), said, static_cast<double>(batch.size()));
               });
}

/// Learns from a part of the recordings, and is judged by the other; with --load only the latter.
template <class Cell>
void run(SpeechOptions& o, const std::optional<Words>& known) {
  if (o.ctc && !o.plot.empty()) throw DataError("--plot shows which words are taken for which; --ctc writes letters");
  check_plot(o.plot);
  MetricsFile metrics(o.metrics);
  const auto recordings = recordings_of(o);
  const Ears ears(recordings, {.bands = o.bands});
  Rng rng(static_cast<std::uint64_t>(o.seed));
  const auto partings = part_recordings(recordings, o.parting, rng);
  if (partings.size() > 1 && !o.save.empty()) throw DataError("--save keeps one model, --folds makes several");
  SpeechReport report(words_of(recordings), o.ctc);
  FitResult sum;
  for (const Parting& parting : partings) {
    Rng start(static_cast<std::uint64_t>(o.seed));
    Listeners<Listener<Cell>> model(known ? *known : Words(parting.train), o, start);
    Shards<float> shards(o.threads, start.next());
    std::vector<Said> said;
    for (Index k = 0; k < std::ssize(parting.test.items); ++k)
      said.push_back(parting.test.said(k, o.most_words(), start));
    const double nearest = o.ctc ? -1 : nearest_recording_accuracy(parting, model.words(), ears, 500, o.threads);
    if (known) load_parameters(o.load, model);
    if (!known) {
      const auto result = learn(model, o, parting.train, ears, shards, metrics);
      sum.steps += result.steps, sum.epochs += result.epochs, sum.seconds += result.seconds;
      sum.interrupted = result.interrupted;
    }
    report.add(parting.name, said, understand(model, said, ears), nearest);
    if (sum.interrupted) break;
  }
  report.draw(o.plot);
  if (known) finish_metrics(metrics, report.finish());
  if (!known) finish_training(metrics, report.finish(), sum);
}

/// Says what is heard in the files of --listen.
template <class Cell>
void listen(const SpeechOptions& o, const Words& words) {
  std::vector<Utterance> files;
  for (const std::string& file : o.listen) files.push_back(read_recording(file));
  Rng rng(1);
  Listeners<Listener<Cell>> model(words, o, rng);
  load_parameters(o.load, model);
  for (const Utterance& u : files) {
    const auto heard = understand(model, {{&u}}, Ears({&u, 1}, {.bands = o.bands}));
    print("%s: %s (probability %.2f)", u.file.c_str(), heard[0].text.c_str(), heard[0].probability);
  }
}

int main(int argc, char** argv) {
  SpeechOptions o;
  CLI::App app("Hears words by a voice it has never heard, and says which they were, or writes them down.", "speech");
  add_training_options(app, o, "picture of which words are taken for which (.png, .svg), drawn by gnuplot");
  add_speech_options(app, o);
  catch_interrupts();
  return run_program(app, argc, argv, [&] {
    if (o.ctc && app.count("--epochs") == 0) o.epochs = 60;
    if (o.ctc && app.count("--listeners") == 0) o.listeners = 1;
    const auto known = load_settings(o);
    with_cell(o.cell, [&]<class Cell> { o.listen.empty() ? run<Cell>(o, known) : listen<Cell>(o, *known); });
  });
}
