#include "music/tunes.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace unroll::examples {

namespace {

constexpr std::array<std::array<int, 7>, 2> kScales = {{{0, 2, 4, 5, 7, 9, 11}, {0, 2, 3, 5, 7, 8, 11}}};
// Chords of a phrase's bars, as steps of the scale, major and minor.
constexpr int kChords[2][4][4] = {{{0, 3, 4, 0}, {0, 5, 3, 4}, {0, 4, 5, 4}, {0, 0, 4, 0}},
                                  {{0, 3, 4, 0}, {0, 5, 3, 4}, {0, 2, 3, 4}, {0, 0, 4, 0}}};
// Eighths of a bar on which the melody has a note, as bits; march and waltz.
constexpr unsigned kRhythms[2][4] = {{0b01010101, 0b01110101, 0b01011101, 0b00010101},
                                     {0b010101, 0b110101, 0b011101, 0b000101}};

class TuneMaker {
 public:
  explicit TuneMaker(Rng& rng) : rng_(rng) {}

  Tune make() {
    tonic_ = choose(12);
    mode_ = choose(2);
    waltz_ = choose(2);
    const bool returns = choose(2) == 0;
    const PianoRoll a = phrase(), b = phrase();
    for (const PianoRoll* part : {&a, returns ? &a : &b, returns ? &b : &a, returns ? &a : &b})
      tune_.notes.insert(tune_.notes.end(), part->begin(), part->end());
    return std::move(tune_);
  }

 private:
  int choose(int count) {
    tune_.nats += std::log(count);
    return static_cast<int>(rng_.integer(count));
  }
  /// Step `degree` of the key's scale, counted from the tonic between 48 and 59.
  int pitch(int degree) const {
    const int octave = degree >= 0 ? degree / 7 : -((6 - degree) / 7);
    return 48 + tonic_ + 12 * octave +
           kScales[static_cast<std::size_t>(mode_)][static_cast<std::size_t>(degree - 7 * octave)];
  }

  PianoRoll phrase() {
    const int* chords = kChords[mode_][choose(4)];
    const int bar = waltz_ ? 6 : 8;
    PianoRoll notes(static_cast<std::size_t>(4 * bar));
    int melody = 11;  // a fifth above the tonic an octave up
    for (int k = 0; k < 4; ++k) {
      const int chord = chords[k];
      const unsigned rhythm = kRhythms[waltz_][choose(4)];
      for (int t = 0; t < bar; ++t) {
        auto& step = notes[static_cast<std::size_t>(k * bar + t)];
        if (rhythm >> t & 1) melody = t == 0 ? chord_note(chord, melody) : neighbour(melody);
        const int beat = waltz_ ? t / 2 : t / 2 % 2;
        if (beat == 0) step = {pitch(chord) - 12};
        if (beat > 0) step = {pitch(chord), pitch(chord + 2), pitch(chord + 4)};
        step.push_back(pitch(melody));
        std::ranges::sort(step);
        step.erase(std::unique(step.begin(), step.end()), step.end());
      }
    }
    return notes;
  }
  /// The nearest note of the chord, or the one above.
  int chord_note(int chord, int melody) {
    const auto is_in = [&](int degree) { return (degree - chord + 70) % 7 % 2 == 0 && (degree - chord + 70) % 7 < 6; };
    int note = std::max(melody - 1, 7);
    for (int skip = choose(2); !is_in(note) || skip-- > 0;) ++note;
    return note;
  }
  int neighbour(int melody) {
    constexpr int kMoves[4] = {-2, -1, 1, 2};
    const int note = melody + kMoves[choose(4)];
    return note < 7 ? note + 4 : note > 17 ? note - 4 : note;
  }

  Rng& rng_;
  Tune tune_;
  int tonic_ = 0, mode_ = 0, waltz_ = 0;
};

}  // namespace

Tune make_tune(Rng& rng) { return TuneMaker(rng).make(); }

}  // namespace unroll::examples
