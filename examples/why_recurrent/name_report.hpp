#pragma once
/// \file
/// What the program `why_recurrent` measures of its two networks, and says about them.

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "unroll/optim/run/metrics_file.hpp"
#include "why_recurrent/name_sentences.hpp"

namespace unroll::examples {

/// Right and wrong words.
struct NameCounts {
  Index words = 0, right = 0;                     ///< all words
  Index found = 0, missed = 0, false_alarms = 0;  ///< words of names

  void add(bool name, bool guess);
  double accuracy() const;  ///< share of right words; NaN of none
  double recall() const;    ///< share of names' words that were found; NaN of none
  double f1() const;
};

/// What a network does.
struct NameFigures {
  std::string name;
  Index parameters = 0;
  NameCounts known = {};                   ///< sentences as long as in training
  NameCounts longer = {};                  ///< longer ones
  NameCounts same_place = {};              ///< words that were names at this place in training
  NameCounts new_place = {};               ///< words that were names in training, but never at this place
  std::vector<NameCounts> at_length = {};  ///< of sentences of 0, 1, ... words
  std::vector<NameCounts> at_place = {};   ///< new_place, by place
};

/// Which words are names, of up to a batch of sentences.
using NameGuesser = std::function<std::vector<std::vector<bool>>(std::span<const NameItem>)>;
/// Lets a network guess all that is to be judged by.
NameFigures examine(const std::string& name, const NameTask& task, const NameGuesser& guess);

/// Parameters of the two networks for sentences of `length` words: see why_recurrent/name_networks.hpp.
Index window_parameters(Index vocabulary, Index length, Index hidden);

/// The table. `vocabulary` and `hidden` are the networks' sizes.
void report_names(const NameTask& task, const NameFigures& window, const NameFigures& recurrent, Index vocabulary,
                  Index hidden, MetricsFile& metrics);
/// One picture of three: parameters, names in new places, lengths.
void draw_names(const std::string& plot, const NameTask& task, const NameFigures& window, const NameFigures& recurrent,
                Index vocabulary, Index hidden);

}  // namespace unroll::examples
