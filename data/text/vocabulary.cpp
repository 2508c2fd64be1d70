#include "vocabulary.hpp"

#include <algorithm>
#include <utility>

#include "../../core/error.hpp"
#include "../files/atomic_file.hpp"
#include "text_detail.hpp"
#include "text_file.hpp"
#include "utf8.hpp"

namespace unroll {

namespace {

constexpr std::string_view escaped = "\\\t\n\r", escape_letters = "\\tnr";

std::string escape(std::string_view token) {
  std::string text;
  for (const char c : token) {
    const auto at = escaped.find(c);
    if (at == escaped.npos) {
      text += c;
    } else {
      text += '\\', text += escape_letters[at];
    }
  }
  return text;
}

/// Reads the file line by line; every error says which.
class VocabularyReader {
 public:
  explicit VocabularyReader(const std::string& path) : path_(path), bytes_(read_bytes(path)), rest_(bytes_) {
    if (bytes_.empty()) throw DataError(path_, ": the file is empty");
    decode_utf8(bytes_, path_);
  }

  [[noreturn]] void fail(const auto&... what) const { throw DataError(at_line(path_, line_), what...); }

  /// False at the end of the file.
  bool next(std::string_view& line) {
    if (rest_.empty()) return false;
    ++line_;
    const auto end = rest_.find('\n');
    if (end == rest_.npos) fail("the last line does not end: is the file cut?");
    line = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return true;
  }

  Index number(std::string_view text, const char* what) const {
    Index value = 0;
    if (!detail::parse(text, value) || value < 0 || text != std::to_string(value))
      fail(what, " is ", detail::quoted(text), ", expected a whole number from 0");
    return value;
  }

  std::string unescape(std::string_view text) const {
    std::string token;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\r') fail("a carriage return, expected \\r in a token and lines that end with \\n");
      if (text[i] != '\\') {
        token += text[i];
        continue;
      }
      const auto at = ++i < text.size() ? escape_letters.find(text[i]) : escape_letters.npos;
      if (at == escape_letters.npos)
        fail("token ", detail::quoted(text), " has an escape other than \\\\, \\t, \\n and \\r");
      token += escaped[at];
    }
    if (token.empty()) fail("an empty token");
    return token;
  }

  std::size_t line() const { return line_; }

 private:
  const std::string& path_;
  std::string bytes_;
  std::string_view rest_;
  std::size_t line_ = 0;
};

}  // namespace

void count_tokens(TokenCounts& counts, std::span<const std::string> tokens) {
  for (const auto& token : tokens) ++counts[token];
}

Vocabulary::Vocabulary(const TokenCounts& counts, const VocabularyOptions& o) {
  const auto refuse = [](const auto&... what) { throw ValueError("[Vocabulary] ", what...); };
  if (o.min_count < 0) refuse("min_count ", o.min_count, ", expected 0 or more");
  const auto specials = static_cast<Index>(o.specials.size());
  if (o.max_size < 0 || (o.max_size > 0 && o.max_size < specials))
    refuse("max_size ", o.max_size, " with ", specials, " special tokens, expected as many or more, or 0 for no limit");
  for (const auto& token : o.specials) {
    const auto at = counts.find(token);
    if (!add(token, at == counts.end() ? 0 : at->second)) refuse("special token '", token, "' is there twice");
  }
  specials_ = size();
  if (!o.unknown.empty() && (unknown_ = find(o.unknown)) < 0)
    refuse("unknown token '", o.unknown, "' is not among the special ones");
  std::vector<const TokenCounts::value_type*> order;
  for (const auto& entry : counts)
    if (entry.second >= o.min_count && !contains(entry.first)) order.push_back(&entry);
  // stable: the map's own order is that of bytes
  std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->second > b->second; });
  for (const auto* entry : order) {
    if (o.max_size > 0 && size() == o.max_size) break;
    add(entry->first, entry->second);
  }
}

Vocabulary::Vocabulary(std::vector<std::string> tokens, const std::string& unknown) {
  for (auto& token : tokens)
    if (!add(token, 0)) throw ValueError("[Vocabulary] token '", token, "' is there twice");
  if (!unknown.empty() && (unknown_ = find(unknown)) < 0)
    throw ValueError("[Vocabulary] unknown token '", unknown, "' is not among the tokens");
}

bool Vocabulary::add(std::string token, Index count) {
  if (token.empty()) throw ValueError("[Vocabulary] an empty token");
  try {
    decode_utf8(token, "token");
  } catch (const DataError&) {
    throw ValueError("[Vocabulary] token ", size(), " is not UTF-8; for bytes use tokenize_bytes");
  }
  if (!ids_.try_emplace(token, size()).second) return false;
  tokens_.push_back(std::move(token));
  counts_.push_back(count);
  return true;
}

Index Vocabulary::find(std::string_view token) const {
  const auto at = ids_.find(token);
  return at == ids_.end() ? -1 : at->second;
}

Index Vocabulary::id(std::string_view token) const {
  const Index found = find(token);
  if (found >= 0) return found;
  if (unknown_ < 0)
    throw ValueError("[Vocabulary] token ", detail::quoted(token), " is none of the ", size(),
                     ", and there is no unknown token");
  return unknown_;
}

std::size_t Vocabulary::checked(Index id) const {
  if (id < 0 || id >= size()) throw ValueError("[Vocabulary] id ", id, ", expected 0 .. ", size() - 1);
  return static_cast<std::size_t>(id);
}
const std::string& Vocabulary::token(Index id) const { return tokens_[checked(id)]; }
Index Vocabulary::count(Index id) const { return counts_[checked(id)]; }

std::vector<Index> Vocabulary::encode(std::span<const std::string> tokens) const {
  std::vector<Index> ids;
  ids.reserve(tokens.size());
  for (const auto& token : tokens) ids.push_back(id(token));
  return ids;
}

std::vector<std::vector<Index>> Vocabulary::encode_all(std::span<const std::vector<std::string>> lists) const {
  std::vector<std::vector<Index>> ids;
  ids.reserve(lists.size());
  for (const auto& list : lists) ids.push_back(encode(list));
  return ids;
}

std::vector<std::string> Vocabulary::decode(std::span<const Index> ids) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const Index id : ids) tokens.push_back(token(id));
  return tokens;
}

void Vocabulary::save(const std::string& path) const {
  std::string text = detail::text("unroll-vocabulary 1 size ", size(), " specials ", specials_, " unknown ",
                                  unknown_ < 0 ? "none" : std::to_string(unknown_), "\n");
  for (std::size_t i = 0; i < tokens_.size(); ++i) text += detail::text(escape(tokens_[i]), "\t", counts_[i], "\n");
  atomic_write(path, text);
}

Vocabulary Vocabulary::load(const std::string& path) {
  VocabularyReader in(path);
  std::string_view line;
  in.next(line);
  const auto words = detail::cut(line, ' ');
  if (words.size() != 8 || words[0] != "unroll-vocabulary" || words[2] != "size" || words[4] != "specials" ||
      words[6] != "unknown")
    in.fail("got ", detail::quoted(line), ", expected `unroll-vocabulary 1 size N specials S unknown U`");
  if (words[1] != "1") in.fail("version ", detail::quoted(words[1]), ", expected 1");
  const Index size = in.number(words[3], "size");
  Vocabulary v;
  v.specials_ = in.number(words[5], "specials");
  v.unknown_ = words[7] == "none" ? -1 : in.number(words[7], "unknown");
  if (v.specials_ > size) in.fail(v.specials_, " special tokens of ", size);
  if (v.unknown_ >= size) in.fail("unknown token ", v.unknown_, " of ", size);
  while (in.next(line)) {
    if (v.size() == size) in.fail("another token after the ", size, " that line 1 tells of");
    const auto parts = detail::cut(line, '\t');
    if (parts.size() != 2) in.fail(parts.size() - 1, " tabs, expected `token TAB count` with one between them");
    const std::string token = in.unescape(parts[0]);
    if (!v.add(token, in.number(parts[1], "count")))
      in.fail("token ", detail::quoted(parts[0]), " is also that of line ", v.find(token) + 2);
  }
  if (v.size() < size) in.fail("the file ends after ", v.size(), " tokens, line 1 tells of ", size);
  return v;
}

}  // namespace unroll
