#pragma once
/// \file
/// How many spans a tagger finds.

#include <map>
#include <span>
#include <string>
#include <vector>

#include "../../core/shape.hpp"

namespace unroll {

/// Counts of spans. A span is right when its begin, end and type all are.
struct SpanCounts {
  Index expected = 0;  ///< in the truth
  Index found = 0;     ///< in the guess
  Index right = 0;     ///< in both

  double precision() const { return share(right, found); }  ///< right / found; 0 when nothing was found
  double recall() const { return share(right, expected); }  ///< right / expected; 0 when there is nothing
  /// 2 P R / (P + R), the harmonic mean (F with beta 1; van Rijsbergen, "Information Retrieval", 1979); 0 when both are
  /// 0.
  double f1() const {
    const double p = precision(), r = recall();
    return p + r > 0 ? 2 * p * r / (p + r) : 0;
  }

 private:
  static double share(Index part, Index whole) {
    return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
  }
};

/// Precision, recall and F1 of spans, overall and by type, counted as the scorer of CoNLL-2000 does (conlleval; Tjong
/// Kim Sang and Buchholz, "Introduction to the CoNLL-2000 shared task: chunking", CoNLL 2000). IOB1, IOB2 and BIOES,
/// valid or not; how tags are read, and what the scorer says of BIOES, is told at spans_of.
///
///     SpanScore score;
///     for (...) score.add(truth, guess);                   // one sentence
///     std::cout << score.text() << score.overall.f1();
struct SpanScore {
  SpanCounts overall;
  std::map<std::string, SpanCounts> types;
  Index tokens = 0;
  Index right_tokens = 0;  ///< whose tags are equal as they are written

  /// Adds a sentence, at whose end every span ends. Throws ValueError when there are more tags in one than in the
  /// other, and for what is no tag.
  void add(std::span<const std::string> truth, std::span<const std::string> guess);

  double accuracy() const { return tokens > 0 ? static_cast<double>(right_tokens) / static_cast<double>(tokens) : 0; }

  /// The scorer's own report, letter by letter: a line of counts, one of overall figures in percent, and one a type,
  /// which ends with how often it was found.
  std::string text() const;
};

}  // namespace unroll
