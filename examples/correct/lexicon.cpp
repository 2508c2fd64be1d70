#include "correct/lexicon.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "common/letters.hpp"
#include "unroll/core/error.hpp"
#include "unroll/data/text/tokenize.hpp"
#include "unroll/data/text/utf8.hpp"

namespace unroll::examples {
namespace {

std::u32string small_letters(std::u32string word) {
  for (char32_t& c : word) c = lower(c);
  return word;
}
bool is_capital(char32_t c) { return lower(c) != c; }

}  // namespace

Lexicon::Lexicon(const std::vector<Sentence>& sentences, Index min_count, Index max_words, Index inserted) {
  TokenCounts small_counts, word_counts, letter_counts;
  for (std::size_t i = 0; i < sentences.size(); ++i)
    for (const auto& word : sentences[i]) {
      const std::u32string written = decode_utf8(word, "word"), small = small_letters(written);
      Entry& entry = entries_[small];
      ++entry.count, ++entry.in_part[static_cast<std::size_t>(part_of(i, sentences.size()))];
      entry.small += written == small;
      ++small_counts[encode_utf8(small)];
      if (has_letter(written)) ++word_counts[word];
      count_tokens(letter_counts, tokenize_characters(word));
    }
  words_ = Vocabulary(
      small_counts,
      {.specials = {"<end>", "<unk>"}, .unknown = "<unk>", .min_count = min_count, .max_size = max_words + 2});
  letters_ = Vocabulary(letter_counts);
  inserted_ = Vocabulary(word_counts, {.specials = {}, .unknown = "", .max_size = inserted});
  index();
}

void Lexicon::index() {
  std::set<char32_t> alphabet;
  for (auto& [word, entry] : entries_) {
    entry.id = words_.id(encode_utf8(word));
    for (const char32_t c : word)
      if (is_letter(c)) alphabet.insert(c);
  }
  alphabet_.assign(alphabet.begin(), alphabet.end());
  for (const auto& [word, entry] : entries_) origins_.emplace(word, origins_of(word));
}

Index Lexicon::count_of(const std::u32string& word, int part) const {
  const auto found = entries_.find(word);
  if (found == entries_.end()) return 0;
  return found->second.count - (part == kOther ? 0 : found->second.in_part[static_cast<std::size_t>(part)]);
}

std::vector<Lexicon::Origin> Lexicon::origins_of(const std::u32string& word) const {
  std::map<std::u32string, double> chances;
  if (has_letter(word))
    before_typing(word, alphabet_, [&](const std::u32string& right, double chance) {
      if (entries_.contains(right)) chances[right] += chance;
    });
  return {chances.begin(), chances.end()};
}

Candidate Lexicon::candidate(const std::string& word, const std::u32string& small, int part) const {
  const Index count = count_of(small, part);
  Candidate c{word, count > 0 ? entries_.at(small).id : kUnknown, {}};
  c.features[0] = static_cast<float>(std::log1p(static_cast<double>(count))) / 4;
  c.features[1] = count == 0;
  return c;
}

std::string Lexicon::in_case_of(const std::u32string& written, const std::u32string& small) const {
  const auto capitals = std::count_if(written.begin(), written.end(), is_capital);
  const auto letters = std::count_if(written.begin(), written.end(), is_letter);
  const bool first = is_capital(written[0]) || (written.size() > 1 && is_capital(written[1]));
  std::u32string word = small;
  if (capitals > 1 && 2 * capitals > letters) {
    for (char32_t& c : word) c = upper(c);
  } else if (const auto found = entries_.find(small); first || (found != entries_.end() && found->second.small == 0)) {
    word[0] = upper(word[0]);
  }
  return encode_utf8(word);
}

Choices Lexicon::choices_of(const Sentence& sentence, int part) const {
  Choices choices;
  for (std::size_t i = 0; i < sentence.size(); ++i) {
    const std::u32string written = decode_utf8(sentence[i], "word"), small = small_letters(written);
    auto& mine = choices.emplace_back();
    mine.push_back(candidate(sentence[i], small, part));
    mine[0].features[4] = i > 0 && sentence[i] == sentence[i - 1];
    mine[0].features[5] = is_capital(written[0]);
    if (const auto other = other_of_pair(sentence[i]); !other.empty()) {
      mine.push_back(candidate(other, small_letters(decode_utf8(other, "word")), part));
      mine.back().features[3] = 1;
    }
    const auto found = origins_.find(small);
    const auto origins = found == origins_.end() ? origins_of(small) : std::vector<Origin>();
    std::vector<std::pair<double, Candidate>> likely;
    for (const auto& [right, chance] : found == origins_.end() ? origins : found->second)
      if (const Index count = count_of(right, part); count > 0) {
        likely.emplace_back(chance * static_cast<double>(count), candidate(in_case_of(written, right), right, part));
        likely.back().second.features[2] = static_cast<float>(std::log(chance)) / 4;
      }
    std::stable_sort(likely.begin(), likely.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    for (const auto& [chance, c] : likely)
      if (std::ssize(mine) <= kMostCandidates) mine.push_back(c);
  }
  return choices;
}

nlohmann::json Lexicon::to_json() const {
  nlohmann::json json;
  for (auto [name, list] :
       {std::pair("words", &words_), std::pair("letters", &letters_), std::pair("inserted", &inserted_)}) {
    json[name] = nlohmann::json::array();
    for (Index i = 0; i < list->size(); ++i) json[name].push_back(list->token(i));
  }
  for (const auto& [word, entry] : entries_) json["counts"][encode_utf8(word)] = {entry.count, entry.small};
  return json;
}

Lexicon Lexicon::from_json(const nlohmann::json& json, const std::string& where) {
  Lexicon lexicon;
  try {
    using Tokens = std::vector<std::string>;
    lexicon.words_ = Vocabulary(json.at("words").get<Tokens>(), "<unk>");
    lexicon.letters_ = Vocabulary(json.at("letters").get<Tokens>(), "<unk>");
    lexicon.inserted_ = Vocabulary(json.at("inserted").get<Tokens>());
    for (const auto& [word, counts] : json.at("counts").get<std::map<std::string, std::array<Index, 2>>>())
      lexicon.entries_[decode_utf8(word, "word")] = {counts[0], counts[1], kUnknown, {}};
    lexicon.index();
  } catch (const std::exception&) {
    throw DataError(where + ": its settings have no proper list of words");
  }
  return lexicon;
}

}  // namespace unroll::examples
