#pragma once
/// \file
/// How recordings are varied in training, so that a model meets more voices, rooms and microphones than there are.

#include <span>
#include <vector>

#include "speech/log_mel.hpp"
#include "unroll/core/random.hpp"

namespace unroll::examples {

struct Disguise {
  double tract = 0.15;  ///< frequencies times e^u, u uniform in -tract .. tract (Jaitly and Hinton, 2013)
  double tempo = 0.2;   ///< the same for the speed
  double noise = 10;    ///< white noise, this to 60 dB below the recording; 60: none
  double color = 8;     ///< in dB: spectra tilted by up to so much either way, and bent by half of it
  double cut = 0.5;     ///< share of the beginnings and ends that are cut off where they are weak
  Index masks = 2;      ///< blocks of bands and blocks of frames set to their mean (SpecAugment: Park et al., 2019)
};

/// A voice and a microphone by chance.
VoiceChange voice_change(const Disguise& disguise, Rng& rng);

/// With the probability of `disguise.cut` each, takes from the beginning and the end of a word what is weaker than its
/// loudest 10 ms by more than a threshold, 10 to 40 dB by chance; 0.1 s are left at least. So lose a voice that is
/// recorded by a low microphone, or from too late, its "s" and "t".
void cut_ends(std::vector<float>& samples, Index rate, const Disguise& disguise, Rng& rng);

/// Adds noise of a strength by chance.
void add_noise(std::span<float> samples, const Disguise& disguise, Rng& rng);

/// Sets blocks of bands and of frames of y (T, bands) to 0, each a fifth of them at most.
void mask_blocks(std::span<float> y, Index bands, const Disguise& disguise, Rng& rng);

}  // namespace unroll::examples
