#pragma once
/// \file
/// Pieces of music as a model sees them: notes, styles, batches; and what simpler models make of them.

#include <CLI/CLI.hpp>
#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "unroll/core/random.hpp"
#include "unroll/data/series/piano_roll.hpp"

namespace unroll::examples {

inline constexpr Index kPitches = 128;  ///< those of MIDI, middle C is 60

/// What a piece is like, in numbers: shares of the twelve pitch classes among its notes (C first), share of the steps
/// that bring another chord than the one before, notes a step / 4, and 1, which says that the style is known. All
/// zeros: it is not.
inline constexpr Index kStyle = 15;
using Style = std::array<float, kStyle>;
Style style_of(const PianoRoll& piece);
/// The style of the same piece so many half tones higher.
Style transposed(const Style& style, int half_tones);
/// Correlation of the pitch classes' shares of two styles; 0 where one of them has no notes.
double similarity(const Style& a, const Style& b);

/// Mean similarity of pieces to their styles, and to those of the next piece.
std::pair<double, double> similarity(std::span<const PianoRoll> pieces, std::span<const Style> styles);

/// Pieces to learn from, to choose by and to be judged by.
struct MusicTask {
  std::vector<PianoRoll> train, valid, test;
  std::string judged;              ///< name of the part in `test`
  double rule = -1;                ///< nats a step that the rules of made tunes leave open; below 0 for files
  std::vector<Style> styles = {};  ///< of `train`

  /// "400 pieces to learn from (44800 steps), 51 to choose by, 51 to be judged by".
  std::string sizes() const;
};
/// Made tunes (seed for them).
MusicTask make_music(Index count, std::uint64_t seed);
/// Reads a file of piano rolls: parts "train" and "valid", judged by "test" if it is there, else by "valid". With one
/// part only, a tenth of its pieces is held out (drawn with `seed`). Throws DataError as read_piano_rolls, and when a
/// part has no steps.
MusicTask read_music(const std::string& path, std::uint64_t seed);

/// Steps from .. to-1 of a piece.
struct Segment {
  Index piece, from, to;
};
/// The pieces in segments of at most `steps` steps, those of a piece of about one length.
std::vector<Segment> segments_of(const std::vector<PianoRoll>& pieces, Index steps);

/// Sequences for a model: what sounds, what sounded one step before (nothing before a piece's first), both
/// (T, kPitches), and the styles (B, kStyle).
struct RollBatch {
  std::vector<std::vector<float>> before, notes;
  std::vector<float> styles;
};
/// Whole pieces, eight to a batch, of styles unknown or known.
std::vector<RollBatch> batches_of(std::span<const PianoRoll> pieces, bool known_styles);
/// Segments as training sees them: shifted in time at random by up to half their length, transposed by up to
/// `transpose` half tones where the pitches allow it, half of the styles unknown.
RollBatch training_batch(const MusicTask& task, std::span<const Segment> segments, std::span<const Index> items,
                         int transpose, Rng& rng);
/// Steps of the segments that `items` name, or of all pieces.
Index steps_of(std::span<const Segment> segments, std::span<const Index> items);
Index steps_of(std::span<const PianoRoll> pieces);

/// Nats a step on `test` of models without a network, their probabilities counted in `train` (counts plus one): each
/// pitch sounds with its own probability; and each is a Markov chain of its own, that is, depends on whether it
/// sounded one step before.
struct MusicBaselines {
  double frequencies, chains;
};
MusicBaselines baselines_of(const MusicTask& task);

/// Pitches drawn, each by itself, with probability sigmoid(logit / temperature); never one whose sigmoid(logit) is
/// below 0.02: of the 128 of a step some wrong note would sound too often.
std::vector<int> draw_notes(std::span<const float> logits, double temperature, Rng& rng);

/// A piece as lines of text, a row a pitch, from the highest one, a column a step, at most `steps` of them.
std::string roll_text(const PianoRoll& piece, Index steps = 96);
/// "C", "C#", ... with the octave, middle C is C4.
std::string pitch_name(int pitch);
/// A picture of a piece: notes that sound, over how likely the model took each: (steps, kPitches).
void draw_roll(const std::string& file, const PianoRoll& piece, std::span<const float> probabilities);
/// A style by words: "random" (between two pieces of `styles`, anywhere), a number k (that of the k-th piece), or the
/// first 14 numbers of a Style parted by commas. Throws DataError for anything else.
Style parse_style(const std::string& text, std::span<const Style> styles, Rng& rng);
/// "60,64,67" as a chord. Throws DataError for anything but pitches parted by commas.
std::vector<int> parse_chord(const std::string& text);

}  // namespace unroll::examples
