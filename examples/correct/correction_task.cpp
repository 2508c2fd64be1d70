#include "correct/correction_task.hpp"

#include <algorithm>
#include <set>

#include "common/letters.hpp"
#include "common/program.hpp"
#include "common/subwords.hpp"
#include "unroll/core/error.hpp"
#include "unroll/data/text/text_file.hpp"
#include "unroll/data/text/utf8.hpp"

namespace unroll::examples {
namespace {

using Words = std::vector<std::string>;

void append_passages(const Sentence& paragraph, Index longest, std::vector<Sentence>& passages) {
  Sentence passage, sentence;
  const auto close = [&] {
    if (!passage.empty()) passages.push_back(std::exchange(passage, {}));
  };
  for (std::size_t i = 0; i < paragraph.size(); ++i) {
    sentence.push_back(paragraph[i]);
    const std::string& word = paragraph[i];
    const bool ends = word == "." || word == "!" || word == "?" || i + 1 == paragraph.size();
    if (!ends && std::ssize(sentence) < longest) continue;
    if (std::ssize(passage) + std::ssize(sentence) > longest) close();
    passage.insert(passage.end(), sentence.begin(), sentence.end());
    sentence.clear();
  }
  close();
}

const std::string& any(const Words& words, Rng& rng) {
  return words[static_cast<std::size_t>(rng.integer(std::ssize(words)))];
}

const Words women = {"Isha", "Maria", "Anna", "Grace", "Fatima", "Helen", "Yuki", "Olga", "Carmen", "Ruth"};
const Words men = {"Tom", "Arjun", "Peter", "Omar", "Kenji", "Boris", "Pablo", "Henry", "David", "Ivan"};
const Words things = {"apple",     "orange",       "umbrella",    "engine",     "island",       "oven",
                      "elephant",  "angry letter", "idea",        "book",       "garden",       "bicycle",
                      "letter",    "kitchen",      "window",      "picture",    "blanket",      "telescope",
                      "basket",    "mountain",     "lantern",     "ticket",     "violin",       "carpet",
                      "old clock", "empty bottle", "young horse", "green coat", "silver spoon", "heavy stone"};
const Words plurals = {"neighbours", "children", "teachers", "sailors", "farmers", "visitors", "parents", "students"};
const Words singulars = {"neighbour", "teacher", "sailor", "farmer", "visitor", "doctor", "student", "gardener"};
const Words states = {"tired", "hungry", "happy",   "surprised", "worried",
                      "ready", "quiet",  "thirsty", "cheerful",  "lonely"};
const Words places = {"market", "station", "river",   "village", "harbour",
                      "museum", "school",  "library", "forest",  "castle"};
const Words doings = {"bought", "found",    "carried", "noticed",   "described",
                      "wanted", "borrowed", "painted", "remembered"};
const Words times = {"yesterday",
                     "after breakfast",
                     "before the holiday",
                     "in the afternoon",
                     "during the winter",
                     "when the weather changed",
                     "because the morning train had stopped"};

std::string with_article(const std::string& thing) {
  return (std::string("aeiou").find(thing[0]) != std::string::npos ? "an " : "a ") + thing;
}

std::string generated_sentence(Rng& rng) {
  const bool woman = rng.bernoulli(0.5), many = rng.bernoulli(0.5);
  const std::string name = any(woman ? women : men, rng), he = woman ? "she" : "he", place = any(places, rng);
  const std::string others = "the " + any(many ? plurals : singulars, rng), were = many ? "were" : "was";
  const std::string thing = with_article(any(things, rng)), time = any(times, rng), state = any(states, rng);
  const std::string other_thing = with_article(any(things, rng)), doing = any(doings, rng);
  switch (rng.integer(5)) {
    case 0:
      return name + " " + doing + " " + thing + " near the " + place + " " + time + ", and " + others + " " + were +
             " " + state + " as soon as " + he + " came home with " + other_thing + ".";
    case 1:
      return "Although " + others + " from the " + place + " " + were + " " + state + " " + time + ", " + name +
             " said that " + he + " was looking for " + thing + ".";
    case 2:
      return name + " went to the " + place + " " + time + " and " + doing + " " + thing +
             " there, but nobody knew why " + he + " was so " + state + ".";
    case 3:
      return time + ", " + others + " near the " + place + " " + were + " " + state + ": " + name + " had lost " +
             thing + " that " + he + " " + doing + " long ago.";
    default:
      return name + " told us about the " + place + ", where " + others + " with " + thing + " " + were + " " + state +
             " until " + he + " " + doing + " " + other_thing + ".";
  }
}

}  // namespace

std::vector<Sentence> passages_of(const std::string& text, Index longest) {
  std::vector<Sentence> passages;
  Sentence paragraph;
  std::size_t from = 0;
  while (from <= text.size()) {
    const std::size_t end = std::min(text.find('\n', from), text.size());
    const Sentence line = split_sentence(std::string_view(text).substr(from, end - from));
    paragraph.insert(paragraph.end(), line.begin(), line.end());
    if (line.empty() || line.back() == ":") append_passages(std::exchange(paragraph, {}), longest, passages);
    from = end + 1;
  }
  append_passages(paragraph, longest, passages);
  return passages;
}

CorrectionTask read_correction_task(const std::string& path, Index longest) {
  const auto passages = passages_of(encode_utf8(read_text(path)), longest);
  const auto count = std::ssize(passages), test = count / 10, dev = count / 20;
  if (test < 1 || dev < 1)
    throw DataError(text("%s: too short: %zu passages, expected at least 20", path.c_str(), passages.size()));
  CorrectionTask task{{}, {}, {}, path};
  task.train.assign(passages.begin(), passages.end() - test - dev);
  task.dev.assign(passages.end() - test - dev, passages.end() - test);
  task.test.assign(passages.end() - test, passages.end());
  return task;
}

CorrectionTask generated_correction_task(Index train, Index dev, Index test, Rng& rng) {
  CorrectionTask task{{}, {}, {}, "generated sentences"};
  std::set<std::string> known;
  while (std::ssize(task.test) < test) {
    const std::string sentence = generated_sentence(rng);
    if (!known.insert(sentence).second) continue;
    auto& part = std::ssize(task.train) < train ? task.train : std::ssize(task.dev) < dev ? task.dev : task.test;
    part.push_back(split_sentence(sentence));
  }
  return task;
}

WordList::WordList(const std::vector<Sentence>& sentences) {
  for (const auto& sentence : sentences)
    for (const auto& word : sentence) ++counts_[decode_utf8(word, "word")];
}

Sentence WordList::mend(const Sentence& sentence) const {
  std::u32string letters = U"'";
  for (char32_t c = U'a'; c <= U'z'; ++c) letters += c;
  Sentence mended;
  for (std::size_t i = 0; i < sentence.size(); ++i) {
    if (i > 0 && sentence[i] == sentence[i - 1] && is_letter(decode_utf8(sentence[i], "word")[0])) continue;
    const std::u32string word = decode_utf8(sentence[i], "word");
    mended.push_back(sentence[i]);
    if (word.size() < 3 || !is_letter(word[0]) || counts_.contains(word)) continue;
    Index most = 0;
    const auto consider = [&](const std::u32string& other) {
      const auto found = counts_.find(other);
      if (found != counts_.end() && found->second > most) most = found->second, mended.back() = encode_utf8(other);
    };
    for (std::size_t at = 0; at <= word.size(); ++at) {
      if (at < word.size()) consider(std::u32string(word).erase(at, 1));
      if (at + 1 < word.size()) {
        std::u32string other = word;
        std::swap(other[at], other[at + 1]);
        consider(other);
      }
      for (const char32_t c : letters) {
        consider(std::u32string(word).insert(at, 1, c));
        if (at == word.size()) continue;
        std::u32string other = word;
        other[at] = upper(word[at]) == word[at] ? upper(c) : c;
        consider(other);
      }
    }
  }
  return mended;
}

std::string text_of(const Sentence& sentence) { return join_tokens(sentence); }

}  // namespace unroll::examples
