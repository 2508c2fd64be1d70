#include "correct/transducer.hpp"

namespace unroll::examples {

Lexicon::Lexicon(const std::vector<Sentence>& sentences, Index min_count, Index max_words) {
  TokenCounts word_counts, letter_counts;
  for (const auto& sentence : sentences) {
    count_tokens(word_counts, sentence);
    for (const auto& word : sentence) count_tokens(letter_counts, tokenize_characters(word));
  }
  words = Vocabulary(word_counts, {.specials = {"<end>", "<copy>", "<skip>", "<unk>"},
                                   .unknown = "<unk>",
                                   .min_count = min_count,
                                   .max_size = max_words + 4});
  letters = Vocabulary(letter_counts);
}

Script script_of(const Sentence& wrong, const Sentence& right, const Vocabulary& words) {
  Script script;
  Index at = 0;
  const auto say = [&](Index symbol) {
    script.symbols.push_back(symbol), script.at.push_back(at);
    at += symbol == kCopySymbol || symbol == kSkipSymbol;
  };
  for (const Edit& edit : edits_of(wrong, right)) {
    while (at < edit.from) say(kCopySymbol);
    bool known = true;
    for (const auto& word : edit.words) known = known && words.contains(word);
    if (known)
      for (const auto& word : edit.words) say(words.id(word));
    while (at < edit.to) say(known ? kSkipSymbol : kCopySymbol);
  }
  while (at < std::ssize(wrong)) say(kCopySymbol);
  say(kEndSymbol);
  return script;
}

Sentence follow(const Sentence& wrong, std::span<const Index> symbols, const Vocabulary& words) {
  Sentence right;
  std::size_t at = 0;
  for (const Index symbol : symbols) {
    if (at == wrong.size() && (symbol == kCopySymbol || symbol == kSkipSymbol)) break;
    if (symbol == kCopySymbol) right.push_back(wrong[at]);
    if (symbol > kUnknownWord) right.push_back(words.token(symbol));
    at += symbol == kCopySymbol || symbol == kSkipSymbol;
  }
  right.insert(right.end(), wrong.begin() + static_cast<std::ptrdiff_t>(at), wrong.end());
  return right;
}

}  // namespace unroll::examples
