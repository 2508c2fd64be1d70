#pragma once
/// \file
/// How many changes make one sequence of another, and the error rates that come from it.

#include <span>
#include <string_view>
#include <vector>

#include "../../core/shape.hpp"

namespace unroll {

/// The changes that turn the truth into the guess.
struct Edits {
  Index substitutions = 0;
  Index insertions = 0;  ///< what the guess has too much
  Index deletions = 0;   ///< what the guess lacks
  Index total() const { return substitutions + insertions + deletions; }
  friend bool operator==(const Edits&, const Edits&) = default;
};

/// The fewest changes of single elements (Levenshtein, "Binary codes capable of correcting deletions, insertions and
/// reversals", Soviet Physics Doklady 10, 1966). Of several ways with as few changes, one with most substitutions. Any
/// two sequences with size() and [] whose elements compare: vectors, strings, code points, spans. Time goes with the
/// product of the lengths, memory with the guess's.
template <class A, class B>
UNROLL_PER_ISA Edits edits_between(const A& truth, const B& guess) {
  std::vector<Edits> row(guess.size() + 1);  // from the truth so far to each beginning of the guess
  for (std::size_t j = 1; j < row.size(); ++j) row[j].insertions = static_cast<Index>(j);
  for (std::size_t i = 0; i < truth.size(); ++i) {
    Edits before = row[0];  // one step back in both
    ++row[0].deletions;
    for (std::size_t j = 1; j < row.size(); ++j) {
      Edits best = before;
      best.substitutions += !(truth[i] == guess[j - 1]);
      before = row[j];
      const auto consider = [&best](const Edits& e) {
        if (e.total() < best.total() || (e.total() == best.total() && e.substitutions > best.substitutions)) best = e;
      };
      Edits without = row[j], more = row[j - 1];
      ++without.deletions, ++more.insertions;
      consider(without);
      consider(more);
      row[j] = best;
    }
  }
  return row.back();
}

/// The number of those changes.
template <class A, class B>
UNROLL_PER_ISA Index edit_distance(const A& truth, const B& guess) {
  return edits_between(truth, guess).total();
}

/// Changes over the length of the truth, summed over a corpus: the word error rate when elements are words, the
/// character error rate when they are code points, the label error rate of CTC when they are classes. May be above 1.
struct ErrorRate {
  Edits edits;
  Index length = 0;     ///< of the truths
  Index sequences = 0;  ///< how many were added
  Index wrong = 0;      ///< how many of them are not entirely right

  template <class A, class B>
  UNROLL_PER_ISA void add(const A& truth, const B& guess) {
    const Edits e = edits_between(truth, guess);
    edits.substitutions += e.substitutions, edits.insertions += e.insertions, edits.deletions += e.deletions;
    length += static_cast<Index>(truth.size());
    ++sequences;
    wrong += e.total() > 0;
  }
  /// Words, as white space parts them. Throws ValueError where a text is not UTF-8, as does the other.
  void add_words(std::string_view truth, std::string_view guess);
  /// Unicode code points.
  void add_characters(std::string_view truth, std::string_view guess);

  /// edits / length; 0 when nothing was added, and the number of edits where all truths are empty.
  double rate() const;
  /// Share of sequences that are not entirely right.
  double sequence_rate() const {
    return sequences > 0 ? static_cast<double>(wrong) / static_cast<double>(sequences) : 0;
  }
};

}  // namespace unroll
