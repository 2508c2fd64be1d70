#include "common/plot.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "common/program.hpp"
#include "unroll/core/error.hpp"

namespace unroll::examples {

namespace {

/// A file of its own that is gone afterwards.
class ScratchFile {
 public:
  explicit ScratchFile(const std::string& content) {
    path_ = (std::filesystem::temp_directory_path() / "unroll-plot-XXXXXX").string();
    const int descriptor = mkstemp(path_.data());
    if (descriptor < 0) throw DataError(path_ + ": cannot be written: " + std::strerror(errno));
    close(descriptor);
    std::ofstream out(path_, std::ios::binary);
    if (!(out << content).flush()) throw DataError(path_ + ": cannot be written: is the disk full?");
  }
  ~ScratchFile() { std::remove(path_.c_str()); }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// What a shell command says, on either stream; its status in `status`.
std::string said_by(const std::string& command, int& status) {
  std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (!pipe) throw DataError(std::string("no program can be started: ") + std::strerror(errno));
  std::string words;
  char part[256];
  while (std::fgets(part, sizeof part, pipe)) words += part;
  status = pclose(pipe);
  return words;
}

std::string tics(const char* axis, const std::vector<std::string>& names) {
  std::string list;
  for (std::size_t k = 0; k < names.size(); ++k)
    list += (k > 0 ? ", " : "") + gnuplot_string(names[k]) + " " + std::to_string(k);
  return text("set %stics (%s)\n", axis, list.c_str());
}

}  // namespace

void check_plot(const std::string& file) {
  if (file.empty()) return;
  if (!file.ends_with(".svg") && !file.ends_with(".png"))
    throw DataError(file + ": a picture's name must end in .svg or .png");
  int status = 0;
  said_by("command -v gnuplot", status);
  if (status != 0) throw DataError(file + ": gnuplot draws pictures and is not installed (Debian: gnuplot-nox)");
  errno = 0;
  if (!std::ofstream(file, std::ios::app))
    throw DataError(file + ": cannot be written: " + std::strerror(errno ? errno : EIO));
}

std::string gnuplot_string(const std::string& words) {
  std::string quoted = "'";
  for (const char c : words) {
    if (c == '\'') quoted += '\'';
    quoted += c == '\n' ? ' ' : c;
  }
  return quoted + "'";
}

void draw(const std::string& file, const std::string& commands, int width, int height) {
  check_plot(file);
  const bool svg = file.ends_with(".svg");
  const std::string head =
      text("set encoding utf8\nset terminal %s noenhanced size %d,%d%s\nset output %s\n", svg ? "svg" : "pngcairo",
           width, height, svg ? " background 'white'" : "", gnuplot_string(file).c_str());
  const ScratchFile script(head + commands + "\n");
  int status = 0;
  std::string words = said_by("gnuplot '" + script.path() + "'", status);
  std::replace(words.begin(), words.end(), '\n', ' ');
  if (status != 0) throw DataError(file + ": gnuplot could not draw it: " + words);
}

void draw_matrix(const std::string& file, const std::string& title, const std::vector<std::string>& rows,
                 const std::vector<std::string>& columns, std::span<const Index> values, const std::string& row_title,
                 const std::string& column_title) {
  std::string data;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const auto row = values.subspan(r * columns.size(), columns.size());
    Index sum = 0;
    for (const Index v : row) sum += v;
    for (std::size_t c = 0; c < row.size(); ++c)
      data += text("%zu %zu %.6g %s\n", c, r, sum > 0 ? static_cast<double>(row[c]) / static_cast<double>(sum) : 0.0,
                   row[c] > 0 ? std::to_string(row[c]).c_str() : "\"\"");
  }
  const auto cells = static_cast<int>(std::max(rows.size(), columns.size()));
  draw(file,
       "$cells << END\n" + data + "END\nset title " + gnuplot_string(title) + "\nset xlabel " +
           gnuplot_string(column_title) + "\nset ylabel " + gnuplot_string(row_title) + "\n" + tics("x", columns) +
           tics("y", rows) +
           text("set xtics rotate by 60 right\nset xrange [-0.5:%g]\nset yrange [%g:-0.5]\nset cbrange [0:1]\n"
                "set cblabel 'share of the row'\nset size ratio %g\nset tics scale 0\n"
                "set palette defined (0 '#ffffff', 0.5 '#6baed6', 1 '#08306b')\n"
                "plot $cells using 1:2:3 with image notitle, \\\n"
                "  $cells using 1:2:(stringcolumn(4)):($3 > 0.5 ? 0xffffff : 0x000000) with labels font ',9' "
                "textcolor rgb variable notitle\n",
                static_cast<double>(columns.size()) - 0.5, static_cast<double>(rows.size()) - 0.5,
                static_cast<double>(rows.size()) / static_cast<double>(columns.size())),
       320 + 34 * std::max(cells, 8), 240 + 34 * std::max(cells, 8));
}

void draw_curves(const std::string& file, const std::string& title, const std::string& x_title,
                 const std::string& y_title, std::span<const Curve> curves, bool log_y) {
  std::string data, plots;
  int k = 0;
  for (const Curve& curve : curves) {
    if (curve.points.empty()) continue;
    ++k;
    data += text("$curve%d << END\n", k);
    for (const auto& [x, y] : curve.points) data += text("%.9g %.9g\n", x, y);
    data += "END\n";
    plots += text("%s$curve%d using 1:2 with linespoints pointtype 7 pointsize 0.4 linewidth 2 title %s",
                  k > 1 ? ", " : "plot ", k, gnuplot_string(curve.name).c_str());
  }
  if (k == 0) throw DataError(file + ": nothing to draw, no curve has a point");
  draw(file, data + "set title " + gnuplot_string(title) + "\nset xlabel " + gnuplot_string(x_title) + "\nset ylabel " +
                 gnuplot_string(y_title) + "\nset grid\n" + (log_y ? "set logscale y\n" : "") + plots + "\n");
}

void draw_points(const std::string& file, const std::string& title, const std::string& x_title,
                 const std::string& y_title, std::span<const double> x, std::span<const double> y) {
  std::string data = "$points << END\n";
  for (std::size_t i = 0; i < x.size(); ++i) data += text("%.9g %.9g\n", x[i], y[i]);
  draw(file,
       data + "END\nset title " + gnuplot_string(title) + "\nset xlabel " + gnuplot_string(x_title) + "\nset ylabel " +
           gnuplot_string(y_title) +
           "\nset grid\nset size square\nplot x linecolor 'gray' notitle, "
           "$points using 1:2 with points pointtype 7 pointsize 0.5 notitle\n",
       640, 640);
}

}  // namespace unroll::examples
