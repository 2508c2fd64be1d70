#pragma once
/// \file
/// Music as notes that sound at each step.

#include <string>
#include <utility>
#include <vector>

#include "../../core/shape.hpp"

namespace unroll {

/// A piece: for each step the MIDI pitches (0 .. 127) that sound, rising, none twice; a rest has none.
using PianoRoll = std::vector<std::vector<int>>;

/// The parts of a file ("train", "valid", "test") in its order.
struct PianoRolls {
  std::string path;
  std::vector<std::pair<std::string, std::vector<PianoRoll>>> parts;

  /// The pieces of a part. Throws DataError when there is none of that name, and lists those that are there.
  const std::vector<PianoRoll>& part(const std::string& name) const;
};

/// Reads a JSON file such as {"train": [piece, ...], "valid": [...]}, a piece being a list of steps and a step a list
/// of pitches, as the sets of Boulanger-Lewandowski, Bengio and Vincent ("Modeling temporal dependencies in
/// high-dimensional sequences", ICML 2012) are passed on. A pitch that a step names twice counts once.
///
/// Throws DataError, with file and line, for what is missing, unreadable, no JSON, of another form, without a part,
/// with a part twice, and for a pitch that is no whole number from 0 to 127.
PianoRolls read_piano_rolls(const std::string& path);

/// (T, count) row-major, 1 for pitches lowest .. lowest+count-1 that sound and 0 for the others: for `sequence`. Throws
/// ValueError when a pitch lies outside.
template <class T = float>
std::vector<T> roll_values(const PianoRoll& piece, Index lowest = 0, Index count = 128);

/// The other way: the pitches where `values` is above `threshold`. Throws ValueError when it is no whole number of
/// steps.
template <class T>
PianoRoll roll_of(const std::vector<T>& values, Index lowest = 0, Index count = 128, T threshold = T(0.5));

}  // namespace unroll
