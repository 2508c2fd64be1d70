#pragma once
/// \file
/// Which classes are taken for which.

#include <string>
#include <vector>

#include "../../core/shape.hpp"

namespace unroll {

/// How often class `truth` was taken for class `guess`: counts[truth * classes + guess].
struct ConfusionMatrix {
  explicit ConfusionMatrix(std::vector<std::string> names);
  /// Throws ValueError when one is no number of a class.
  void add(Index truth, Index guess);

  Index at(Index truth, Index guess) const;
  Index total() const;
  /// The share of right guesses among all; 0 when there is nothing.
  double accuracy() const;
  /// Right ones among those of the class, among those taken for it, and the harmonic mean of both; 0 when there are
  /// none.
  double recall(Index c) const;
  double precision(Index c) const;
  double f1(Index c) const;
  /// The mean of all classes' f1.
  double macro_f1() const;

  /// A table, one line a class, with recall and precision; names and numbers in columns.
  std::string text() const;

  std::vector<std::string> classes;
  std::vector<Index> counts;
};

}  // namespace unroll
