#pragma once
/// \file
/// The pictures of unroll-plot: what is drawn from which figures.

#include <string>
#include <vector>

namespace unroll::examples {

struct PlotRequest {
  std::vector<std::string> files = {};
  std::string output = {};              ///< .svg or .png
  std::string title = {}, unit = {};    ///< empty: one that fits
  std::string x = {};                   ///< key of the x axis; empty: "step", or "epoch" where there are no steps
  std::vector<std::string> y = {};      ///< keys of the curves
  std::vector<std::string> names = {};  ///< of the runs; empty: their files'
  bool log_y = false;
};

// All throw DataError for files that have not what is to be drawn, and as check_plot (common/plot.hpp).

/// Curves of any figures `y` over `x`: a colour each run, or each figure when there is one run.
void draw_figures(const PlotRequest& request);
/// Those of the training and validation losses that the files have; training's are dashed when there are both.
void draw_losses(PlotRequest request);
/// The learning rate, "lr".
void draw_rates(PlotRequest request);
/// The norms of the gradient over time steps ("gradient_norms"), one curve a line of the file.
void draw_flow(const PlotRequest& request);
/// The last matrix "attention".
void draw_attention(const PlotRequest& request);
/// The last matrix "confusion".
void draw_confusion(const PlotRequest& request);

}  // namespace unroll::examples
