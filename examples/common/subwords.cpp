#include "common/subwords.hpp"

#include <algorithm>
#include <unordered_set>

#include "common/letters.hpp"
#include "unroll/core/error.hpp"
#include "unroll/data/text/tokenize.hpp"
#include "unroll/data/text/utf8.hpp"

namespace unroll::examples {
namespace {

std::u32string points_of(std::string_view text) {
  try {
    return decode_utf8(text, "text");
  } catch (const DataError& e) {
    throw ValueError(e.what());
  }
}

bool is_apostrophe(char32_t c) { return c == U'\'' || c == 0x2019; }
// What stands for an unknown letter counts as one.
bool is_word(char32_t c) { return is_letter(c) || is_digit(c) || c == 0xFFFD; }

// Whether a space is expected between two tokens.
bool expects_space(std::u32string_view before, std::u32string_view token) {
  if (before.empty() || !is_word(token[0])) return false;
  const char32_t last = before.back();
  if (is_digit(token[0]) && is_digit(last)) return false;
  return !is_apostrophe(last) && last != U'-' && last != U'(' && last != U'[' && last != U'{';
}

bool is_marker(char32_t c) { return c == kSpace || c == kGlue; }

// A small letter for the first one, if that is the only capital of a word of letters.
std::string small(const std::string& token) {
  std::u32string points = points_of(token);
  std::size_t first = 0;
  if (points.size() > 1 && is_marker(points[0])) first = 1;
  if (!is_letter(points[first])) return token;
  for (std::size_t i = first + 1; i < points.size(); ++i)
    if (lower(points[i]) != points[i]) return token;
  points[first] = lower(points[first]);
  return encode_utf8(points);
}

// The first token with a letter; the end if there is none.
template <class Tokens>
auto first_word(Tokens& tokens) {
  return std::find_if(tokens.begin(), tokens.end(), [](const std::string& token) {
    const auto points = points_of(token);
    return is_letter(points[points.size() > 1 && is_marker(points[0])]);
  });
}

}  // namespace

std::vector<std::string> split_tokens(std::string_view text) {
  const std::u32string points = points_of(text);
  std::vector<std::string> tokens;
  std::u32string_view before;
  bool space = false;
  for (std::size_t i = 0; i < points.size();) {
    if (is_space(points[i])) {
      space = true, ++i;
      continue;
    }
    std::size_t end = i + 1;
    if (is_letter(points[i])) {
      while (end < points.size() && is_letter(points[end])) ++end;
      if (end + 1 < points.size() && is_apostrophe(points[end]) && is_letter(points[end + 1])) ++end;
    }
    const std::u32string_view token(points.data() + i, end - i);
    const bool expected = expects_space(before, token), there = space && !before.empty();
    const std::u32string marker = expected == there ? U"" : std::u32string(1, there ? kSpace : kGlue);
    tokens.push_back(encode_utf8(marker + std::u32string(token)));
    before = token, space = false, i = end;
  }
  return tokens;
}

std::string join_tokens(std::span<const std::string> tokens) {
  std::u32string text, before;
  for (const auto& marked : tokens) {
    std::u32string token = points_of(marked);
    if (token.empty()) continue;
    const char32_t marker = token.size() > 1 && is_marker(token[0]) ? token[0] : U'\0';
    if (marker) token.erase(0, 1);
    if (!text.empty() && (marker ? marker == kSpace : expects_space(before, token))) text += U' ';
    text += token;
    before = token;
  }
  return encode_utf8(text);
}

Subwords::Subwords(std::span<const std::string> texts, Index merges, Index min_count) {
  std::map<std::string, Index> elsewhere;  // words not at the beginning of a text
  Index capitals = 0, beginnings = 0;
  for (const auto& text : texts) {
    auto tokens = split_tokens(text);
    const auto first = first_word(tokens);
    for (auto t = tokens.begin(); t != tokens.end(); ++t)
      if (t != first) ++elsewhere[*t];
    if (first == tokens.end()) continue;
    ++beginnings;
    capitals += small(*first) != *first;
  }
  capitals_ = 2 * capitals > beginnings;
  for (const auto& [word, count] : elsewhere) {
    const std::string other = small(word);
    const auto found = elsewhere.find(other);
    if (other != word && count > (found == elsewhere.end() ? 0 : found->second)) names_.insert(word);
  }
  std::map<std::string, Index> words;
  for (const auto& text : texts)
    for (const auto& word : without_first_capital(text)) ++words[word];
  learn(words, merges, min_count);
  TokenCounts counts;
  std::map<std::string, std::vector<std::string>> pieces;
  for (const auto& [word, count] : words) {
    pieces[word] = pieces_of(word, 0, nullptr);
    for (const auto& piece : pieces[word]) counts[piece] += count;
    // What dropout may leave unmerged has a number too.
    for (const auto& piece : pieces_of(word, 1, nullptr)) counts.try_emplace(piece, 0);
  }
  for (const auto& [left, right] : merges_) counts.try_emplace(left + right.substr(2), 0);
  vocabulary_ = Vocabulary(counts, {.specials = {"<end>", "<unk>"}, .unknown = "<unk>", .min_count = 0});
  for (const auto& [word, list] : pieces) known_[word] = vocabulary_.encode(list);
}

void Subwords::learn(const std::map<std::string, Index>& words, Index merges, Index min_count) {
  struct Word {
    std::vector<std::string> pieces;
    Index count;
  };
  std::vector<Word> list;
  std::map<Pair, Index> counts;
  std::map<Pair, std::unordered_set<std::size_t>> where;
  const auto count_pairs = [&](std::size_t w, Index sign) {
    const auto& pieces = list[w].pieces;
    for (std::size_t i = 0; i + 1 < pieces.size(); ++i) {
      const Pair pair(pieces[i], pieces[i + 1]);
      counts[pair] += sign * list[w].count;
      if (sign > 0) where[pair].insert(w);
    }
  };
  for (const auto& [word, count] : words) {
    list.push_back({pieces_of(word, 1, nullptr), count});
    count_pairs(list.size() - 1, 1);
  }
  for (Index m = 0; m < merges && !counts.empty(); ++m) {
    const auto best = std::max_element(counts.begin(), counts.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    if (best->second < min_count) break;
    const Pair pair = best->first;
    ranks_[pair] = m;
    merges_.push_back(pair);
    for (const std::size_t w : std::exchange(where[pair], {})) {
      count_pairs(w, -1);
      auto& pieces = list[w].pieces;
      for (std::size_t i = 0; i + 1 < pieces.size(); ++i)
        if (pieces[i] == pair.first && pieces[i + 1] == pair.second) {
          pieces[i] += pieces[i + 1].substr(2);
          pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        }
      count_pairs(w, 1);
    }
    counts.erase(pair);
  }
}

std::vector<std::string> Subwords::pieces_of(const std::string& word, double dropout, Rng* rng) const {
  std::vector<std::string> pieces;
  const std::u32string points = points_of(word);
  for (std::size_t i = 0; i < points.size(); ++i) {
    std::u32string point(1, points[i]);
    if (i == 0 && points.size() > 1 && is_marker(points[0])) point += points[++i];
    pieces.push_back((pieces.empty() ? "" : "##") + encode_utf8(point));
  }
  while (dropout < 1 && pieces.size() > 1) {
    Index best = std::ssize(merges_);
    std::size_t at = 0;
    for (std::size_t i = 0; i + 1 < pieces.size(); ++i) {
      const auto found = ranks_.find({pieces[i], pieces[i + 1]});
      if (found == ranks_.end() || found->second >= best || (rng && rng->bernoulli(dropout))) continue;
      best = found->second, at = i;
    }
    if (best == std::ssize(merges_)) break;
    pieces[at] += pieces[at + 1].substr(2);
    pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
  return pieces;
}

std::vector<std::string> Subwords::without_first_capital(std::string_view text) const {
  auto tokens = split_tokens(text);
  const auto first = first_word(tokens);
  if (capitals_ && first != tokens.end() && !names_.contains(*first)) *first = small(*first);
  return tokens;
}

std::vector<Index> Subwords::encode(std::string_view text) const {
  std::vector<Index> ids;
  for (const auto& word : without_first_capital(text)) {
    const auto found = known_.find(word);
    const auto& list = found != known_.end() ? found->second : vocabulary_.encode(pieces_of(word, 0, nullptr));
    ids.insert(ids.end(), list.begin(), list.end());
  }
  return ids;
}

std::vector<Index> Subwords::encode(std::string_view text, double dropout, Rng& rng) const {
  if (dropout == 0) return encode(text);
  std::vector<Index> ids;
  for (const auto& word : without_first_capital(text)) {
    const auto list = vocabulary_.encode(pieces_of(word, dropout, &rng));
    ids.insert(ids.end(), list.begin(), list.end());
  }
  return ids;
}

std::string Subwords::decode(std::span<const Index> pieces) const {
  std::vector<std::string> tokens;
  for (const Index id : pieces) {
    if (id == kEnd) continue;
    const std::string& piece = id == kUnknown ? "\uFFFD" : vocabulary_.token(id);
    if (piece.size() > 2 && piece.starts_with("##") && !tokens.empty()) {
      tokens.back() += piece.substr(2);
    } else {
      tokens.push_back(piece.size() > 2 && piece.starts_with("##") ? piece.substr(2) : piece);
    }
  }
  std::u32string text = points_of(join_tokens(tokens));
  if (capitals_) {
    const auto letter = std::find_if(text.begin(), text.end(), is_letter);
    if (letter != text.end()) *letter = upper(*letter);
  }
  return encode_utf8(text);
}

nlohmann::json Subwords::to_json() const {
  std::vector<std::string> tokens;
  for (Index i = vocabulary_.specials(); i < vocabulary_.size(); ++i) tokens.push_back(vocabulary_.token(i));
  return {{"merges", merges_}, {"names", names_}, {"capitals", capitals_}, {"pieces", tokens}};
}

Subwords Subwords::from_json(const nlohmann::json& json, const std::string& where) {
  Subwords s;
  try {
    json.at("merges").get_to(s.merges_);
    json.at("names").get_to(s.names_);
    json.at("capitals").get_to(s.capitals_);
    auto tokens = json.at("pieces").get<std::vector<std::string>>();
    tokens.insert(tokens.begin(), {"<end>", "<unk>"});
    s.vocabulary_ = Vocabulary(std::move(tokens), "<unk>");
  } catch (const std::exception& e) {
    throw DataError(where + ": its pieces are not readable: " + e.what());
  }
  for (const auto& pair : s.merges_) s.ranks_.try_emplace(pair, std::ssize(s.ranks_));
  return s;
}

}  // namespace unroll::examples
