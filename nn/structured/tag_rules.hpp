#pragma once
/// \file
/// Which tag may follow which: the schemes that write segments (names, phrases) as one tag a token.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../../core/shape.hpp"

namespace unroll {

/// What a sequence of K tags may begin with, end with, and how it may go on. Given to a `Crf`, whose paths then all
/// keep to it. Made by `tag_rules` from a scheme, or by hand:
///
///     TagRules rules(3);        // everything is allowed
///     rules.forbid(0, 2);       // but 2 after 0
///     rules.start[1] = false;   // and to begin with 1
struct TagRules {
  /// No rules: whatever uses them takes everything as allowed.
  TagRules() = default;
  /// K tags, everything allowed. Throws ValueError on a number below 1.
  explicit TagRules(Index tags);

  std::vector<std::uint8_t> start;   ///< (K): may be the first tag
  std::vector<std::uint8_t> end;     ///< (K): may be the last tag
  std::vector<std::uint8_t> follow;  ///< (K,K) [from][to], row-major: `to` may come right after `from`
  std::vector<std::string> names;    ///< (K), or empty: for messages

  /// K; 0 when there are no rules.
  Index tags() const { return start.size(); }
  bool allows(Index from, Index to) const {
    return follow[static_cast<std::size_t>(from) * start.size() + static_cast<std::size_t>(to)] != 0;
  }
  void forbid(Index from, Index to) {
    follow[static_cast<std::size_t>(from) * start.size() + static_cast<std::size_t>(to)] = 0;
  }
  /// The first thing in `path` (tags 0 .. K-1) that is not allowed, in words: "step 4: I-LOC (3) may not follow O (0)".
  /// Empty for a path that keeps to the rules, and without rules.
  std::string violation(std::span<const Index> path) const;
};

/// How segments of several types are written as one tag a token.
enum class TagScheme {
  /// I-X inside a segment of type X, B-X only where one begins right after another of type X (Ramshaw and Marcus,
  /// "Text chunking using transformation-based learning", 1995).
  iob1,
  /// B-X where a segment begins, I-X on its other tokens. Also called BIO.
  iob2,
  /// B-X, I-X, E-X for the first, inner and last token of a segment, S-X for a segment of one token. Also called IOBES
  /// and, with L and U in place of E and S, BILOU (those letters are not read).
  bioes,
};

/// The rules of a scheme for these tags: "O" (outside of all segments), and a letter alone or with a type behind a
/// hyphen, "B", "B-LOC". `names[k]` is tag k; the order is free and not every type needs every letter.
///
/// Throws ValueError on a name that is none of the scheme's.
TagRules tag_rules(const std::vector<std::string>& names, TagScheme scheme);

}  // namespace unroll
