#pragma once
/// \file
/// Recordings of spoken words: read from files, spoken by a program, or made by rule.

#include <string>
#include <vector>

#include "unroll/core/random.hpp"
#include "unroll/core/shape.hpp"

namespace unroll::examples {

/// A word, spoken by somebody.
struct Utterance {
  std::string word, speaker;
  Index number = 0;  ///< which one of this word by this speaker
  std::string file;  ///< its name, for messages
  Index rate = 0;    ///< samples a second
  std::vector<float> samples;
};

/// Reads a folder of sound files named {word}_{speaker}_{number}.wav, or one with a folder a word, whose files are
/// named {speaker}_{anything}.wav (Google's Speech Commands); the number is what stands behind the last "_", or else 0.
/// In the order of the words, speakers and numbers.
///
/// Throws DataError for a folder that is missing or has no such files, for a file with another kind of name, and for
/// one without samples; FileError as read_wav does.
std::vector<Utterance> read_recordings(const std::string& folder);

/// One sound file as read_recordings has them, its word unknown.
Utterance read_recording(const std::string& file);

/// Writes recordings as read_recordings has them, 16 bit wav files in a folder, which is made. Throws DataError when
/// that cannot be done.
void write_recordings(const std::string& folder, const std::vector<Utterance>& recordings);

/// Whether a program that speaks is installed: espeak-ng.
bool can_speak();

/// The ten digits, spoken by espeak-ng with `voices` different voices, `times` times each at different pitches and
/// speeds. The last voices are the ones that differ most. Throws DataError when the program fails.
std::vector<Utterance> speak_digits(Index voices, Index times, Rng& rng);

/// Ten "words" by rule: two to four sounds, each two resonances (the vowels' formants) that glide to the next one's, or
/// hiss. Speakers differ in the length of the vocal tract, pitch and speed.
std::vector<Utterance> make_words(Index speakers, Index times, Rng& rng);

/// A word's letters, from which a text can be put together: a digit's English name, or the word itself.
std::string letters_of(const std::string& word);

}  // namespace unroll::examples
