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
/// drawn as they are (no "enhanced" text). No shell takes part, and a name of a file is never taken for a command.
/// Throws DataError as check_plot, and with gnuplot's own words when it refuses.
void draw(const std::string& file, const std::string& commands, int width = 800, int height = 600);

/// A text as a string in gnuplot's language, whatever is in it: what is not printable becomes a space, what is not
/// UTF-8 a question mark.
std::string gnuplot_string(const std::string& text);

/// A table of numbers as coloured squares with the numbers in them: `values` (rows, columns) row-major. Colour goes
/// with the share of the row's sum.
void draw_matrix(const std::string& file, const std::string& title, const std::vector<std::string>& rows,
                 const std::vector<std::string>& columns, std::span<const Index> values,
                 const std::string& row_title = "", const std::string& column_title = "");

/// Numbers as coloured squares: `values` (rows, columns) row-major, colours from 0 to the largest, which `meaning` says
/// in words. What is not finite stays white.
void draw_heat(const std::string& file, const std::string& title, const std::vector<std::string>& rows,
               const std::vector<std::string>& columns, std::span<const double> values, const std::string& row_title,
               const std::string& column_title, const std::string& meaning);

/// A line through points.
struct Curve {
  std::string name;
  std::vector<std::pair<double, double>> points;
  int colour = -1;  ///< curves of one number have one colour; -1: the next one
  bool dashed = false;
};
/// Curves over one pair of axes; points that are not finite and curves without points are left out, and so are points
/// that a logarithmic axis cannot show.
void draw_curves(const std::string& file, const std::string& title, const std::string& x_title,
                 const std::string& y_title, std::span<const Curve> curves, bool log_y = false);

/// Points (x, y) beside the line on which both are equal.
void draw_points(const std::string& file, const std::string& title, const std::string& x_title,
                 const std::string& y_title, std::span<const double> x, std::span<const double> y);

}  // namespace unroll::examples
