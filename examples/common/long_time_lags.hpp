#pragma once
/// \file
/// The classical problems that cannot be solved without remembering for long (Hochreiter and Schmidhuber, "Long
/// short-term memory", Neural Computation 9, 1997; the last one: Arjovsky, Shah and Bengio, "Unitary evolution
/// recurrent neural networks", 2016). Endless data from a generator, in the form that layers over Sequences take.

#include <span>
#include <string>
#include <vector>

#include "unroll/core/random.hpp"
#include "unroll/core/shape.hpp"

namespace unroll::examples {

// ---- Reber grammar -------------------------------------------------------------------------------------------------

/// The letters of the grammar; symbol s is written reber_letters[s].
inline constexpr char reber_letters[] = "BTPSXVE";
inline constexpr Index reber_alphabet = 7;

/// A string of the grammar, from B to E, and what could have come in each place.
struct ReberString {
  std::vector<Index> symbols;   ///< n of them
  std::vector<unsigned> legal;  ///< (n - 1): bit s of legal[t] is set where symbol s may follow symbols 0 .. t
  /// symbols 0 .. n-2, what a model reads.
  std::vector<Index> inputs() const { return {symbols.begin(), symbols.end() - 1}; }
  /// symbols 1 .. n-1, what it is to expect.
  std::vector<Index> targets() const { return {symbols.begin() + 1, symbols.end()}; }
  /// As letters: "BTXSE".
  std::string str() const;
};

/// A string of Reber's grammar; where two symbols are possible each has probability one half. 5 symbols or more.
ReberString reber_string(Rng& rng);

/// One of the embedded grammar: B, then T or P, a string of Reber's grammar, the same T or P again, E. 9 symbols or
/// more, 12 in the mean. The last but one can only be known from the second, however long ago that was.
ReberString embedded_reber_string(Rng& rng);

/// Whether every legal symbol has a larger value than every other: the measure of the paper. `values` (7); NaN is never
/// right.
bool legal_first(std::span<const float> values, unsigned legal);

// ---- adding problem ------------------------------------------------------------------------------------------------

/// Sequences of pairs (value, marker) and the number to be known at the end of each.
struct AddingBatch {
  static constexpr Index features = 2;
  static constexpr double bound = 0.04;       ///< an error below it counts as right
  std::vector<std::vector<float>> sequences;  ///< for sequence(sequences, features)
  std::vector<float> targets;                 ///< 0.5 + (X1 + X2) / 4, in 0 .. 1
};

/// `count` sequences of `steps` to 1.1 `steps` pairs. Values are uniform in -1 .. 1; the marker is 1 at two pairs, one
/// of the first ten and one of the first steps/2 - 1, -1 at the first and the last, 0 elsewhere. The sum of the two
/// marked values X1 and X2 is asked for (that of the first pair, when it gets marked, is 0). `steps` 4 or more.
AddingBatch adding_problem(Index count, Index steps, Rng& rng);

// ---- copying task --------------------------------------------------------------------------------------------------

/// Symbols to read, and at each step the symbol to say.
struct CopyingBatch {
  static constexpr Index letters = 8, blank = 8, go = 9, alphabet = 10;
  static constexpr Index length = 10;  ///< letters to remember
  std::vector<std::vector<Index>> inputs, targets;
};

/// `count` sequences of gap + 20 steps: ten random letters 0 .. 7, gap - 1 blanks, `go`, ten blanks. The answer is
/// blank all the time and the ten letters, in their order, at the last ten steps: each is to be remembered for gap + 10
/// steps.
CopyingBatch copying_task(Index count, Index gap, Rng& rng);

}  // namespace unroll::examples
