#pragma once
/// \file
/// Spoken words as a task: who is learnt from and who is held out, and what a model is shown of a recording.

#include <map>
#include <span>
#include <string>
#include <vector>

#include "speech/disguise.hpp"
#include "speech/recordings.hpp"

namespace unroll::examples {

/// Words said one after the other, by one speaker.
using Said = std::vector<const Utterance*>;

/// Some of the recordings, which must outlive it.
struct Part {
  std::vector<const Utterance*> items;

  void add(const Utterance& utterance);
  /// Item k, and behind it up to `most` - 1 others at random by the same speaker.
  Said said(Index k, Index most, Rng& rng) const;

 private:
  std::map<std::string, std::vector<const Utterance*>> by_speaker_;
};

/// Which recordings are learnt from and which are judged by.
struct Parting {
  std::string name;  ///< who is held out
  Part train, test;
};

/// How to part recordings: by the first of these that is set.
struct PartingOptions {
  std::vector<std::string> hold_out;  ///< these speakers are judged by
  bool folds = false;                 ///< each speaker in turn
  Index first = 0;  ///< numbers 0 .. first-1 of every speaker and word; 0: a tenth of the speakers, at random
};

/// Throws DataError for a speaker who is not there, and when nothing is left to learn from or to be judged by.
std::vector<Parting> part_recordings(std::span<const Utterance> recordings, const PartingOptions& options, Rng& rng);

/// What is heard of recordings: log-mel energies, as sequences (T, bands) with mean 0 in each band.
class Ears {
 public:
  /// For recordings of the rates of these.
  Ears(std::span<const Utterance> recordings, const LogMelOptions& options);

  /// May be called by several threads at once. Throws DataError when rates differ.
  std::vector<float> hear(const Said& said) const;
  /// In a disguise by chance.
  std::vector<float> hear(const Said& said, const Disguise& disguise, Rng& rng) const;
  Index bands() const { return options_.bands; }

 private:
  const LogMel& ear_for(const Said& said) const;

  LogMelOptions options_;
  std::map<Index, LogMel> by_rate_;
};

/// The words there are, sorted.
std::vector<std::string> words_of(std::span<const Utterance> recordings);

/// The words of recordings as classes, and the letters they are written with.
struct Words {
  explicit Words(const Part& part);
  explicit Words(std::vector<std::string> sorted_words);

  /// Throws DataError, naming the file, for a word that is none of these.
  Index number_of(const Utterance& utterance) const;
  /// Numbers of the letters of words said one after the other, from 1; a space between words. 0 is CTC's blank. Throws
  /// DataError for a letter that is none of these.
  std::vector<Index> spelled(const Said& said) const;
  std::string text(std::span<const Index> letters) const;

  std::vector<std::string> words;  ///< sorted
  std::string letters;             ///< sorted; letter k has number k + 1
};

/// Share of the test's words that are those of the nearest recording in training by dynamic time warping. At most
/// `most` recordings of training are compared with, evenly taken.
double nearest_recording_accuracy(const Parting& parting, const Words& words, const Ears& ears, Index most,
                                  int threads);

}  // namespace unroll::examples
