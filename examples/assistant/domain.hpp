#pragma once
/// \file
/// The small world of the assistant program: timers, weather and travel.

#include <string>
#include <vector>

#include "assistant/utterances.hpp"
#include "unroll/core/random.hpp"

namespace unroll::examples {

/// `count` utterances to an assistant ("wake me in ten minutes", "will it rain in oslo on friday", "i need a flight to
/// quito from lagos") made of frames, with six intents and seven kinds of slots. `held_out` takes cities, names of
/// timers and airlines from other lists; numbers and days are the same.
Utterances make_utterances(Index count, bool held_out, Rng& rng);

/// What the assistant says to an utterance of this world: that it does so, or a question for a slot that is missing.
/// "" for an intent that is not of it.
std::string reply(const std::string& intent, const std::vector<std::string>& words,
                  const std::vector<std::string>& tags);

}  // namespace unroll::examples
