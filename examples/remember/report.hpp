#pragma once
/// \file
/// What the program `remember` says about its readers.

#include <string>
#include <vector>

#include "remember/stories.hpp"
#include "unroll/optim/run/metrics_file.hpp"

namespace unroll::examples {

/// What readers of one kind of cell did.
struct ReaderFigures {
  std::string cell;                   ///< "rnn"
  std::vector<double> accuracy;       ///< for each group of stories, 0 to 1
  std::vector<double> before, after;  ///< training: norms of dE/ds_t, t = 0, 1, ..., as shares of the last one
};

/// The share of the most frequent answer among the test stories: what guessing gets.
double guessing(const StoryTask& task);

/// Prints two tables and writes a line for each group and each time step.
void report_readers(const StoryTask& task, const std::vector<ReaderFigures>& readers, MetricsFile& metrics);

/// "rnn_accuracy" and the like at the longest gap, "rnn_gradient" that reaches the first word before training.
MetricsLine last_figures(const StoryTask& task, const std::vector<ReaderFigures>& readers);

/// "name-gradient.svg" for "name.svg".
std::string gradient_plot(const std::string& plot);

/// Two pictures: accuracy against gap in `plot`, gradients against time steps in gradient_plot(plot).
void draw_readers(const std::string& plot, const StoryTask& task, const std::vector<ReaderFigures>& readers);

}  // namespace unroll::examples
