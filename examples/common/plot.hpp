#pragma once
/// \file
/// Pictures, drawn by gnuplot.

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "unroll/core/shape.hpp"

namespace unroll::examples {

/// Checks, before hours of work, that a picture can be drawn into `file` later: throws DataError unless its name ends
/// in .svg or .png, gnuplot is installed, and the file can be written. An empty name is fine.
void check_plot(const std::string& file);

/// Runs gnuplot on `commands` (its own language), with `file` as the output, `width` x `height` pixels. Names are
/// drawn as they are (no "enhanced" text). Throws DataError as check_plot, and with gnuplot's own words when it
/// refuses.
void draw(const std::string& file, const std::string& commands, int width = 800, int height = 600);

/// A text as a string in gnuplot's language.
std::string gnuplot_string(const std::string& text);

/// A table of numbers as coloured squares with the numbers in them: `values` (rows, columns) row-major. Colour goes
/// with the share of the row's sum.
void draw_matrix(const std::string& file, const std::string& title, const std::vector<std::string>& rows,
                 const std::vector<std::string>& columns, std::span<const Index> values,
                 const std::string& row_title = "", const std::string& column_title = "");

/// A line through points.
struct Curve {
  std::string name;
  std::vector<std::pair<double, double>> points;
};
/// Curves over one pair of axes; those without points are left out.
void draw_curves(const std::string& file, const std::string& title, const std::string& x_title,
                 const std::string& y_title, std::span<const Curve> curves, bool log_y = false);

/// Points (x, y) beside the line on which both are equal.
void draw_points(const std::string& file, const std::string& title, const std::string& x_title,
                 const std::string& y_title, std::span<const double> x, std::span<const double> y);

}  // namespace unroll::examples
