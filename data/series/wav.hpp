#pragma once
/// \file
/// Sound files.

#include <string>
#include <vector>

#include "../../core/shape.hpp"

namespace unroll {

/// Samples over time.
struct Sound {
  Index rate = 0;              ///< samples a second
  Index channels = 0;          ///< C
  std::vector<float> samples;  ///< (T, C) row-major; integers in the file are scaled to -1 .. 1

  Index steps() const { return channels > 0 ? static_cast<Index>(samples.size()) / channels : 0; }
  /// (T): the mean of the channels.
  std::vector<float> mono() const;
};

/// Reads a sound file through libsndfile: wav, and whatever else it knows (FLAC, AIFF, AU, Ogg). With channels as
/// features, `sequence({sound.samples}, sound.channels)` is a Sequence.
///
/// Throws FileError, which names the file, for what is missing, unreadable or no sound file, and in a build of the
/// library without libsndfile (UNROLL_SNDFILE). Of a wav file that was cut short, libsndfile gives what is there.
Sound read_wav(const std::string& path);

}  // namespace unroll
