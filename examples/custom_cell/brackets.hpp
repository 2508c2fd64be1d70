#pragma once
/// \file
/// Lines of brackets, some of which have no partner.

#include <span>
#include <vector>

#include "unroll/core/random.hpp"
#include "unroll/core/shape.hpp"

namespace unroll::examples {

/// Lines of 8 to 24 random brackets: `brackets[i][t]` is 0 for "(" and 1 for ")", `alone[i][t]` is 1 where it has no
/// partner.
struct BracketLines {
  BracketLines(Index count, Rng& rng);
  /// Number of brackets in the lines of these numbers.
  double size_of(std::span<const Index> lines) const;

  std::vector<std::vector<Index>> brackets, alone;
};

/// 1 for each bracket that has no partner: a ")" with no "(" left before it, a "(" whose ")" never comes.
std::vector<Index> lonely_brackets(const std::vector<Index>& brackets);

/// Prints a line or two with the marks that `guesses` give them, and the share of lines without a mistake, which it
/// returns.
double show_marks(const BracketLines& lines, const std::vector<std::vector<Index>>& guesses);

}  // namespace unroll::examples
