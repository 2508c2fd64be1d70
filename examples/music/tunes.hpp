#pragma once
/// \file
/// Tunes made by rule, for who has no music at hand.

#include "unroll/core/random.hpp"
#include "unroll/data/series/piano_roll.hpp"

namespace unroll::examples {

/// A tune, and what its choices come to: the sum of log(number of possibilities), each being equally likely. No model
/// can expect to guess such tunes with less nats.
struct Tune {
  PianoRoll notes;
  double nats = 0;
};

/// A dance of four phrases of four bars, its steps eighth notes: two different phrases in the order AABA or ABAB, in
/// any of 12 keys, major or minor, a march (4/4) or a waltz (3/4). Bass and chords follow one of four sequences of
/// chords; the melody has a chord's note where a bar begins and goes on by small steps in the key.
Tune make_tune(Rng& rng);

}  // namespace unroll::examples
