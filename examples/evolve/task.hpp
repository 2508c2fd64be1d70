#pragma once
/// \file
/// Strings whose next symbol is to be told, for the program `evolve`.

#include <string>
#include <vector>

#include "common/long_time_lags.hpp"
#include "unroll/core/random.hpp"

namespace unroll::examples {

/// Strings, as what is read and what comes next.
struct SymbolStrings {
  std::vector<std::vector<Index>> inputs, targets;
  std::vector<std::vector<unsigned>> legal;  ///< as ReberString; empty where there is no grammar
  std::vector<std::vector<float>> weights;   ///< of each target in the loss

  Index size() const { return static_cast<Index>(inputs.size()); }
};

/// Where strings come from: the embedded Reber grammar, or the lines of a file.
class SymbolSource {
 public:
  /// The grammar. Its last symbol but one can only be known from the second; it counts four times in the loss.
  SymbolSource();
  /// The lines of a file, an end after each; every tenth, chosen at random, is never drawn. Throws DataError, with
  /// file and line, as read_utf8_lines does, and with fewer than ten lines.
  SymbolSource(const std::string& path, Rng& rng);

  bool grammar() const { return lines_.empty(); }
  Index alphabet() const { return alphabet_; }
  /// `count` strings to learn from, drawn at random.
  SymbolStrings draw(Index count, Rng& rng) const;
  /// Strings to be judged by: `count` fresh ones, or the lines that are never drawn.
  SymbolStrings exam(Index count, Rng& rng) const;

 private:
  void add(SymbolStrings& strings, const std::vector<Index>& line) const;

  Index alphabet_;
  std::vector<std::vector<Index>> lines_, held_out_;
};

/// Nats a symbol of `exam` by counts of single symbols (`context` 0) or pairs (1) of `train`, one added to each.
double counted_loss(const SymbolStrings& train, const SymbolStrings& exam, Index alphabet, int context);
/// The least that is possible where a grammar tells how many symbols may follow.
double least_loss(const SymbolStrings& exam);

}  // namespace unroll::examples
