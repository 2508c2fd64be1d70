#pragma once
/// \file
/// Sentences about people, organisations and places, made from frames and lists of names.

#include "common/tagged_sentences.hpp"
#include "unroll/core/random.hpp"

namespace unroll::examples {

/// `count` sentences such as "Sumesh worked at Cisco in Bengaluru", with tags person, organisation and place in IOB2.
/// `held_out` takes both the frames ("X worked at Y in Z") and all names from lists that have nothing in common with
/// the others. In either part four names of ten are such as people, firms and towns share (Ford, Jackson, Florence):
/// only the sentence says which it is.
TaggedSentences make_name_sentences(Index count, bool held_out, Rng& rng);

/// The same sentences with their words in random order; the words of one name stay together, so that there is still a
/// name to find.
TaggedSentences shuffled_words(const TaggedSentences& sentences, Rng& rng);

/// Sentences in which what a word is depends on the one behind it: "He said Teddy Roosevelt was here", a person, and
/// "He said Teddy bears are on sale", none. `held_out` takes other beginnings, surnames, things and ends, and its first
/// two sentences are those about Teddy.
TaggedSentences make_teddy_sentences(Index count, bool held_out, Rng& rng);

/// Prints and returns the percentage of such sentences in which that word, "Teddy" or another name, has the right tag,
/// and shows the first two.
double report_teddy(const char* model, const TaggedSentences& sentences, const Lists& guesses);

}  // namespace unroll::examples
