#pragma once
/// \file
/// Utterances with slots and an intent: what is read, and how guesses are judged.

#include <string>
#include <vector>

#include "common/tagged_sentences.hpp"

namespace unroll::examples {

/// One tag a word in IOB2, and one intent an utterance.
struct Utterances {
  TaggedSentences sentences;
  std::vector<std::string> intents;
};

inline const Lists& words_of(const Utterances& utterances) { return utterances.sentences.words; }
/// Those of these numbers.
Utterances chosen_items(const Utterances& utterances, std::span<const Index> numbers);

/// Reads utterances in the form that `path` has:
///
/// - Lines of the ATIS corpus, `BOS show flights to boston EOS TAB O O O O B-toloc intent`: words and as many labels,
///   the last of which is the intent and stands under EOS. BOS and EOS are left out of the result.
/// - A folder with files seq.in (words), seq.out (tags) and label (the intent), an utterance a line in each.
/// - Columns `word tag`, where the line behind an utterance's last word holds the intent alone; then a blank line.
///
/// Throws DataError, with file and line, for what is in none, has no words, as many tags as words, or no intent, and
/// for tags that are none.
Utterances read_utterances(const std::string& path);

/// The different intents, sorted.
std::vector<std::string> intent_names(const Utterances& utterances);

/// Slots by F1 in percent, intents and whole utterances by the percentage that is right; an utterance is when its
/// intent and all its slots are.
struct UtteranceScore {
  SpanScore slots;
  double slot_f1 = 0, intent_accuracy = 0, sentence_accuracy = 0;
};
UtteranceScore score_of(const Utterances& truth, const Utterances& guess);

/// What needs no order: each word gets the tag that training gave it most often (I-X after O counts as a beginning, as
/// in the CoNLL scorer; unknown words get O), and the utterance the most probable intent of a naive Bayes model of its
/// words.
Utterances guess_by_words(const Utterances& train, const Lists& words);

}  // namespace unroll::examples
