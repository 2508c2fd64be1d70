#pragma once
/// \file
/// Tokens and their numbers.

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "../../core/shape.hpp"

namespace unroll {

/// How often each token was met.
using TokenCounts = std::map<std::string, Index, std::less<>>;
/// Adds one for each of `tokens`.
void count_tokens(TokenCounts& counts, std::span<const std::string> tokens);

struct VocabularyOptions {
  /// Tokens that have the first numbers, 0 onwards, whether they were met or not.
  std::vector<std::string> specials = {"<unk>"};
  /// The special token that stands for all that have no number; empty: such tokens are an error.
  std::string unknown = "<unk>";
  Index min_count = 1;  ///< rarer tokens have no number
  Index max_size = 0;   ///< of the whole vocabulary, specials included, the rarest left out; 0: no limit
};

/// Tokens numbered from 0 without holes: first the special ones as given, then the others from the most to the least
/// frequent, those of equal count in the order of their bytes (which for UTF-8 is that of their code points). The same
/// counts give the same numbers anywhere.
///
///     TokenCounts counts;
///     for (const auto& line : lines) count_tokens(counts, tokenize_words(line));
///     const Vocabulary words(counts, {.specials = {"<pad>", "<unk>"}, .min_count = 2});
///     auto batch = pack_ids(tape, words.encode_all(lists));         // for an Embedding(words.size(), ...)
class Vocabulary {
 public:
  /// Empty; every token is an error.
  Vocabulary() = default;
  /// Throws ValueError when `unknown` is not among the specials, a special one is there twice, `min_count` or
  /// `max_size` is negative or `max_size` too small for the specials, and for a token that is empty or not UTF-8.
  explicit Vocabulary(const TokenCounts& counts, const VocabularyOptions& options = {});
  /// These tokens in this order, and one of them (or none) for the unknown. Throws ValueError as above.
  explicit Vocabulary(std::vector<std::string> tokens, const std::string& unknown = "");

  Index size() const { return tokens_.size(); }
  Index specials() const { return specials_; }
  bool contains(std::string_view token) const { return find(token) >= 0; }
  /// The number of a token, that of the unknown one where it has none. Throws ValueError when there is no unknown one.
  Index id(std::string_view token) const;
  /// The number of the unknown token, -1 when there is none.
  Index unknown() const { return unknown_; }
  /// Throws ValueError outside 0 .. size()-1, as `count` does.
  const std::string& token(Index id) const;
  /// How often it was met; 0 for one that was not counted.
  Index count(Index id) const;

  std::vector<Index> encode(std::span<const std::string> tokens) const;
  std::vector<std::vector<Index>> encode_all(std::span<const std::vector<std::string>> lists) const;
  std::vector<std::string> decode(std::span<const Index> ids) const;

  /// Writes a text file, at once or not at all (AtomicFile). UTF-8; its first line is
  ///
  ///     unroll-vocabulary 1 size 3 specials 1 unknown 0
  ///
  /// (`unknown none` when there is none), followed by one line `token TAB count` for each number. In tokens a
  /// backslash, tab, line feed and carriage return are written \\ \t \n \r. Throws FileError.
  void save(const std::string& path) const;
  /// Reads such a file. Throws DataError, with file and line, for any other: another first line, more or fewer lines
  /// than it says, a token that is there twice or empty, a count that is none, an escape that is none, a last line
  /// without end. Whatever it accepts, save() would write again byte for byte.
  static Vocabulary load(const std::string& path);

  friend bool operator==(const Vocabulary& a, const Vocabulary& b) {
    return a.tokens_ == b.tokens_ && a.counts_ == b.counts_ && a.specials_ == b.specials_ && a.unknown_ == b.unknown_;
  }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };

  Index find(std::string_view token) const;
  bool add(std::string token, Index count);  // false: it is there
  std::size_t checked(Index id) const;

  std::vector<std::string> tokens_;
  std::vector<Index> counts_;
  std::unordered_map<std::string, Index, Hash, std::equal_to<>> ids_;
  Index specials_ = 0, unknown_ = -1;
};

}  // namespace unroll
