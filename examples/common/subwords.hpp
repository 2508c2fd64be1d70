#pragma once
/// \file
/// Texts as short lists of pieces from a small vocabulary, and back to the same texts.

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "unroll/core/random.hpp"
#include "unroll/data/text/vocabulary.hpp"

namespace unroll::examples {

/// Words, single digits and single marks. An apostrophe between letters ends a word and is its last character ("l'",
/// "avion"). Between words a space is expected, none before marks, and none after an apostrophe, a hyphen or an opening
/// bracket; a token where the text is otherwise begins with kSpace or kGlue. So join_tokens() gives the text again, but
/// for the kind and number of its spaces. Throws ValueError where `text` is not UTF-8.
std::vector<std::string> split_tokens(std::string_view text);
std::string join_tokens(std::span<const std::string> tokens);
inline constexpr char32_t kSpace = 0x2581, kGlue = 0xFFED;

/// Turns texts into pieces by byte pair encoding (Sennrich, Haddow and Birch, "Neural machine translation of rare words
/// with subword units", 2016): words begin as single characters; the pair of neighbours that is most frequent in the
/// learning texts becomes one piece, again and again. Rare words stay several pieces, so that there are hardly any
/// unknown ones. Pieces that go on with a word begin with "##".
///
/// The capital at the beginning of a text is made small before, unless the word has it elsewhere too; decode() puts it
/// back if the learning texts begin with capitals.
class Subwords {
 public:
  static constexpr Index kEnd = 0, kUnknown = 1;  ///< numbers of the end of a text and of unknown characters

  Subwords() = default;
  /// Learns at most `merges` pairs, none that is met fewer than `min_count` times. Throws ValueError on bad UTF-8.
  Subwords(std::span<const std::string> texts, Index merges, Index min_count = 2);

  Index size() const { return vocabulary_.size(); }
  const Vocabulary& vocabulary() const { return vocabulary_; }

  /// Numbers of the pieces of a text. With `dropout` each merge is left out with that probability, other pieces every
  /// time (Provilkov, Emelianenko and Voita, "BPE-dropout", 2020).
  std::vector<Index> encode(std::string_view text) const;
  std::vector<Index> encode(std::string_view text, double dropout, Rng& rng) const;
  /// A text from pieces. Those of kEnd are left out, unknown ones become U+FFFD.
  std::string decode(std::span<const Index> pieces) const;

  /// All that is needed to build it again, and that. Throws DataError, with `where`, on anything else.
  nlohmann::json to_json() const;
  static Subwords from_json(const nlohmann::json& json, const std::string& where);

 private:
  using Pair = std::pair<std::string, std::string>;
  void learn(const std::map<std::string, Index>& words, Index merges, Index min_count);
  std::vector<std::string> pieces_of(const std::string& word, double dropout, Rng* rng) const;
  std::vector<std::string> without_first_capital(std::string_view text) const;

  std::vector<Pair> merges_;
  std::map<Pair, Index> ranks_;
  std::set<std::string> names_;  // keep their capital at the beginning of a text
  bool capitals_ = false;        // texts begin with one
  Vocabulary vocabulary_;
  std::unordered_map<std::string, std::vector<Index>> known_;  // words of the learning texts
};

}  // namespace unroll::examples
