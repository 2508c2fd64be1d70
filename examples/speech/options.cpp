#include "speech/options.hpp"

#include <set>

#include "common/program.hpp"

namespace unroll::examples {

SpeechOptions::SpeechOptions() { epochs = 20, weight_decay = 1e-2; }

void add_speech_options(CLI::App& app, SpeechOptions& o) {
  auto* data = app.add_option("--data", o.data, "folder of {word}_{speaker}_{number}.wav, or with a folder a word");
  app.add_option("--speak", o.speak, "who speaks without --data: espeak, rule, or auto (espeak-ng if it is there)")
      ->check(CLI::IsMember({"auto", "espeak", "rule"}))
      ->capture_default_str()
      ->excludes(data);
  app.add_option("--write", o.write, "folder for what is spoken without --data, as wav files")->excludes(data);
  auto* held = app.add_option("--hold-out", o.parting.hold_out, "speakers to be judged by [a tenth, at random]");
  auto* folds = app.add_flag("--folds", o.parting.folds, "holds out each speaker in turn")->excludes(held);
  add_number(app, "--first", o.parting.first, 0, 1000000,
             "recordings 0 .. N-1 of every speaker and word are held out, no speaker")
      ->excludes(held)
      ->excludes(folds);
  app.add_flag("--ctc", o.ctc, "writes letters (CTC), of several words said in a row [--epochs 60 --listeners 1]");
  add_number(app, "--join", o.join, 1, 100, "words in a row at most, with --ctc");
  add_number(app, "--levels", o.levels, -1, 16, "joins of neighbouring steps; -1: 2, or 1 with --ctc");
  add_number(app, "--hidden", o.hidden, 1, 16384, "units of a layer in each direction");
  add_number(app, "--listeners", o.listeners, 1, 100, "models that learn side by side and decide together");
  add_number(app, "--bands", o.bands, 1, 1024, "of frequencies");
  add_number(app, "--dropout", o.dropout, 0, 0.99, "share of outputs dropped after each layer");
  add_number(app, "--tract", o.disguise.tract, 0, 2, "in training frequencies times e^-x .. e^x");
  add_number(app, "--tempo", o.disguise.tempo, 0, 2, "in training speed times e^-x .. e^x");
  add_number(app, "--noise", o.disguise.noise, -60, 60, "in training noise so many to 60 dB below the voice");
  add_number(app, "--color", o.disguise.color, 0, 60, "in training spectra tilted by up to so many dB");
  add_number(app, "--cut", o.disguise.cut, 0, 1,
             "in training share of beginnings and ends cut off where they are weak");
  add_number(app, "--masks", o.disguise.masks, 0, 100, "in training blocks of bands and of moments taken away");
  app.add_option("--listen", o.listen, "sound files: says what the model of --load hears")->needs("--load");
}

nlohmann::json settings_of(const SpeechOptions& o, const Words& words) {
  return {{"cell", o.cell},           {"hidden", o.hidden},   {"levels", o.levels}, {"bands", o.bands},
          {"listeners", o.listeners}, {"dropout", o.dropout}, {"ctc", o.ctc},       {"words", words.words}};
}

std::optional<Words> load_settings(SpeechOptions& o) {
  if (o.levels < 0) o.levels = o.ctc ? 1 : 2;
  if (o.load.empty()) return {};
  const auto settings = read_settings(o.load, "speech");
  std::vector<std::string> words;
  get_settings(settings, o.load, "cell", o.cell, "hidden", o.hidden, "levels", o.levels, "bands", o.bands, "listeners",
               o.listeners, "dropout", o.dropout, "ctc", o.ctc, "words", words);
  return Words(std::move(words));
}

std::vector<Utterance> recordings_of(const SpeechOptions& o) {
  Rng rng(static_cast<std::uint64_t>(o.seed) + 1);
  std::vector<Utterance> recordings;
  std::string source = o.data;
  if (!o.data.empty()) {
    recordings = read_recordings(o.data);
  } else if (o.speak == "espeak" || (o.speak == "auto" && can_speak())) {
    source = "espeak-ng", recordings = speak_digits(12, 4, rng);
  } else {
    source = "the program's own synthesizer", recordings = make_words(12, 4, rng);
  }
  if (!o.write.empty()) write_recordings(o.write, recordings);
  std::set<std::string> words, speakers;
  double seconds = 0;
  for (const Utterance& u : recordings) {
    words.insert(u.word), speakers.insert(u.speaker);
    seconds += static_cast<double>(u.samples.size()) / static_cast<double>(u.rate);
  }
  print("%s: %zu recordings, %.0f seconds; %zu words, %zu speakers", source.c_str(), recordings.size(), seconds,
        words.size(), speakers.size());
  return recordings;
}

}  // namespace unroll::examples
