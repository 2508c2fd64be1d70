#include "correct/transducer.hpp"

#include <algorithm>

namespace unroll::examples {

Script script_of(const Choices& wrong, const Sentence& right, const Vocabulary& inserted) {
  Sentence written;
  for (const auto& word : wrong) written.push_back(word[0].word);
  Script script;
  Index at = 0;
  const auto say = [&](Index symbol) {
    script.symbols.push_back(symbol), script.at.push_back(at);
    at += moves_on(symbol);
  };
  for (const Edit& edit : edits_of(written, right)) {
    while (at < edit.from) say(kCopySymbol);
    if (edit.to == edit.from + 1 && edit.words.size() == 1) {
      const auto& candidates = wrong[static_cast<std::size_t>(at)];
      const auto found = std::ranges::find(candidates, edit.words[0], &Candidate::word);
      if (found != candidates.end()) {
        say(found - candidates.begin());
        continue;
      }
    }
    const bool known = std::ranges::all_of(edit.words, [&](const auto& word) { return inserted.contains(word); });
    if (known)
      for (const auto& word : edit.words) say(kFirstInserted + inserted.id(word));
    while (at < edit.to) say(known ? kSkipSymbol : kCopySymbol);
  }
  while (at < std::ssize(wrong)) say(kCopySymbol);
  say(kEndSymbol);
  return script;
}

Sentence follow(const Choices& wrong, std::span<const Index> symbols, const Vocabulary& inserted) {
  Sentence right;
  if (wrong.empty()) return right;
  std::size_t at = 0;
  for (const Index symbol : symbols) {
    if (moves_on(symbol) && at == wrong.size()) break;
    if (symbol >= kFirstInserted) right.push_back(inserted.token(symbol - kFirstInserted));
    if (symbol <= kMostCandidates) {
      const auto& candidates = wrong[at];
      right.push_back(candidates[symbol < std::ssize(candidates) ? static_cast<std::size_t>(symbol) : 0].word);
    }
    at += moves_on(symbol);
  }
  for (; at < wrong.size(); ++at) right.push_back(wrong[at][0].word);
  return right;
}

}  // namespace unroll::examples
