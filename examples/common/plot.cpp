#include "common/plot.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cmath>
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

/// What gnuplot says, on either stream, when it is started with `argument`; its status in `status`, -1 when there is no
/// such program.
std::string said_by_gnuplot(const std::string& argument, int& status) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw DataError(std::string("no program can be started: ") + std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
  std::string words[] = {"gnuplot", "-d", argument};
  char* arguments[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
  pid_t child = 0;
  const int failed = posix_spawnp(&child, "gnuplot", &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string said;
  char part[256];
  for (ssize_t n; failed == 0 && ((n = read(ends[0], part, sizeof part)) > 0 || (n < 0 && errno == EINTR));)
    if (n > 0) said.append(part, static_cast<std::size_t>(n));
  close(ends[0]);
  status = -1;
  if (failed == 0)
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
  return said;
}

/// Length of the UTF-8 character at `at`, 0 when there is none.
std::size_t utf8_length(const std::string& s, std::size_t at) {
  const auto byte = [&](std::size_t k) { return static_cast<unsigned char>(s[k]); };
  const unsigned char first = byte(at);
  const std::size_t n = first < 0x80                    ? 1
                        : first >= 0xc2 && first < 0xe0 ? 2
                        : first >= 0xe0 && first < 0xf0 ? 3
                        : first >= 0xf0 && first < 0xf5 ? 4
                                                        : 0;
  if (n == 0 || at + n > s.size()) return 0;
  for (std::size_t k = 1; k < n; ++k)
    if ((byte(at + k) & 0xc0) != 0x80) return 0;
  if (n == 3 && ((first == 0xe0 && byte(at + 1) < 0xa0) || (first == 0xed && byte(at + 1) >= 0xa0))) return 0;
  if (n == 4 && ((first == 0xf0 && byte(at + 1) < 0x90) || (first == 0xf4 && byte(at + 1) >= 0x90))) return 0;
  return n;
}

std::string tics(const char* axis, const std::vector<std::string>& names) {
  std::string list;
  for (std::size_t k = 0; k < names.size(); ++k) {
    // A label is a format for its own position, and ends after 50 bytes, in the middle of a character too.
    std::string name;
    for (std::size_t at = 0; at < names[k].size();) {
      const std::size_t length = std::max<std::size_t>(utf8_length(names[k], at), 1);
      const std::string c = names[k][at] == '%' ? "%%" : names[k].substr(at, length);
      if (name.size() + c.size() > 44) {
        name += "...";
        break;
      }
      name += c;
      at += length;
    }
    list += (k > 0 ? ", " : "") + gnuplot_string(name) + " " + std::to_string(k);
  }
  return text("set %stics (%s)\n", axis, list.c_str());
}

/// Pixels that the names beside an axis take.
int room_for(const std::vector<std::string>& names) {
  std::size_t n = 0;
  for (const std::string& name : names) n = std::max(n, std::min<std::size_t>(name.size(), 47));
  return 7 * static_cast<int>(n);
}

/// Names that are longer than two characters do not fit under squares.
const char* slanted(const std::vector<std::string>& names) {
  return room_for(names) > 14 ? "set xtics rotate by 60 right\n" : "";
}

/// A logarithmic y axis that has labels within a decade too.
std::string log_axis(double lowest, double highest) {
  std::string list;
  if (highest / lowest < 300)
    for (double decade = std::pow(10, std::floor(std::log10(lowest))); decade <= highest * 2; decade *= 10)
      for (const double step : {1, 2, 3, 5}) list += (list.empty() ? "" : ", ") + text("%.3g", decade * step);
  return text("set logscale y\nset yrange [%.6g:%.6g]\n", lowest * 0.9, highest * 1.1) +
         (list.empty() ? "set format y '%g'\n" : "set ytics (" + list + ")\n");
}

}  // namespace

void check_plot(const std::string& file) {
  if (file.empty()) return;
  if (!file.ends_with(".svg") && !file.ends_with(".png"))
    throw DataError(file + ": a picture's name must end in .svg or .png");
  int status = 0;
  said_by_gnuplot("--version", status);
  if (status != 0) throw DataError(file + ": gnuplot draws pictures and is not installed (Debian: gnuplot-nox)");
  errno = 0;
  if (!std::ofstream(file, std::ios::app))
    throw DataError(file + ": cannot be written: " + std::strerror(errno ? errno : EIO));
}

std::string gnuplot_string(const std::string& words) {
  // All that could mean something to gnuplot as an octal number: in double quotes those are the bare character. (In
  // single quotes a doubled quote at the beginning is read as an empty string.)
  std::string quoted = "\"";
  bool after_number = false;  // gnuplot reads as many octal digits as there are
  for (std::size_t k = 0; k < words.size();) {
    const std::size_t length = utf8_length(words, k);
    const auto c = static_cast<unsigned char>(words[k]);
    const bool number = length == 1 && c >= 32 && c < 127 && c != ' ' &&
                        (std::isalnum(c) == 0 || (after_number && c >= '0' && c <= '7'));
    if (length == 0) {
      quoted += '?';
    } else if (c < 32 || c == 127 || (c == 0xc2 && static_cast<unsigned char>(words[k + 1]) < 0xa0)) {
      quoted += ' ';  // control characters, a line's end among them
    } else if (number) {
      quoted += text("\\%03o", c);
    } else {
      quoted += words.substr(k, length);
    }
    after_number = number;
    k += std::max<std::size_t>(length, 1);
  }
  return quoted + "\"";
}

void draw(const std::string& file, const std::string& commands, int width, int height) {
  check_plot(file);
  const bool svg = file.ends_with(".svg");
  const std::string head = text("set encoding utf8\nset terminal %s noenhanced size %d,%d%s\nset output %s\n",
                                svg ? "svg" : "pngcairo", width, height, svg ? " background 'white'" : "",
                                // A name that begins with "|" would be a command.
                                gnuplot_string(file.starts_with("/") ? file : "./" + file).c_str());
  const ScratchFile script(head + commands + "\n");
  int status = 0;
  std::string words = said_by_gnuplot(script.path(), status);
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
           text("%sset xrange [-0.5:%g]\nset yrange [%g:-0.5]\nset cbrange [0:1]\n"
                "set cblabel 'share of the row'\nset size ratio %g\nset tics scale 0\n"
                "set palette defined (0 '#ffffff', 0.5 '#6baed6', 1 '#08306b')\n"
                "plot $cells using 1:2:3 with image notitle, \\\n"
                "  $cells using 1:2:(stringcolumn(4)):($3 > 0.5 ? 0xffffff : 0x000000) with labels font ',9' "
                "textcolor rgb variable notitle\n",
                slanted(columns), static_cast<double>(columns.size()) - 0.5, static_cast<double>(rows.size()) - 0.5,
                static_cast<double>(rows.size()) / static_cast<double>(columns.size())),
       260 + 34 * std::max(cells, 8) + room_for(rows), 180 + 34 * std::max(cells, 8) + room_for(columns));
}

void draw_heat(const std::string& file, const std::string& title, const std::vector<std::string>& rows,
               const std::vector<std::string>& columns, std::span<const double> values, const std::string& row_title,
               const std::string& column_title, const std::string& meaning) {
  std::string data;
  double highest = 0;
  for (std::size_t k = 0; k < values.size(); ++k) {
    if (!std::isfinite(values[k])) continue;
    data += text("%zu %zu %.6g\n", k % columns.size(), k / columns.size(), values[k]);
    highest = std::max(highest, values[k]);
  }
  if (data.empty()) throw DataError(file + ": nothing to draw, no number is finite");
  // Squares as large as fit, and names beside every so many of them.
  const double side = std::clamp(560.0 / static_cast<double>(std::max(rows.size(), columns.size())), 3.0, 32.0);
  const auto some = [&](const std::vector<std::string>& names) {
    const auto every = static_cast<std::size_t>(std::ceil(13 / side));
    std::vector<std::string> kept = names;
    for (std::size_t k = 0; k < kept.size(); ++k)
      if (k % every != 0) kept[k].clear();
    return kept;
  };
  draw(file,
       "$cells << END\n" + data + "END\nset title " + gnuplot_string(title) + "\nset xlabel " +
           gnuplot_string(column_title) + "\nset ylabel " + gnuplot_string(row_title) + "\n" +
           tics("x", some(columns)) + tics("y", some(rows)) + "set cblabel " + gnuplot_string(meaning) + "\n" +
           text("%sset xrange [-0.5:%g]\nset yrange [%g:-0.5]\nset cbrange [0:%g]\n%s"
                "set size ratio -1\nset tics scale 0\n"
                "set palette defined (0 '#ffffff', 0.5 '#6baed6', 1 '#08306b')\n"
                "plot $cells using 1:2:3 with image notitle\n",
                slanted(columns), static_cast<double>(columns.size()) - 0.5, static_cast<double>(rows.size()) - 0.5,
                highest > 0 ? highest : 1.0,
                side * static_cast<double>(rows.size()) < 160 ? text("set cbtics (0, %.3g)\n", highest).c_str() : ""),
       static_cast<int>(220 + side * static_cast<double>(columns.size())) + room_for(rows),
       static_cast<int>(150 + side * static_cast<double>(rows.size())) + room_for(columns));
}

void draw_curves(const std::string& file, const std::string& title, const std::string& x_title,
                 const std::string& y_title, std::span<const Curve> curves, bool log_y) {
  std::string data, plots;
  double lowest = HUGE_VAL, highest = -HUGE_VAL;
  int k = 0;
  for (const Curve& curve : curves) {
    std::string points;
    for (const auto& [x, y] : curve.points)
      if (std::isfinite(x) && std::isfinite(y) && (!log_y || y > 0))
        points += text("%.9g %.9g\n", x, y), lowest = std::min(lowest, y), highest = std::max(highest, y);
    if (points.empty()) continue;
    ++k;
    data += text("$curve%d << END\n", k) + points + "END\n";
    plots += text("%s$curve%d using 1:2 with %s linewidth 2 linetype %d title %s", k > 1 ? ", " : "plot ", k,
                  curve.dashed               ? "lines dashtype 2"
                  : curve.points.size() > 60 ? "lines"
                                             : "linespoints pointtype 7 pointsize 0.4",
                  curve.colour < 0 ? k : curve.colour + 1, gnuplot_string(curve.name).c_str());
  }
  if (k == 0) throw DataError(file + ": nothing to draw, no curve has a point");
  draw(file, data + "set title " + gnuplot_string(title) + "\nset xlabel " + gnuplot_string(x_title) + "\nset ylabel " +
                 gnuplot_string(y_title) + "\nset grid\nset key above\n" + (log_y ? log_axis(lowest, highest) : "") +
                 plots + "\n");
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
