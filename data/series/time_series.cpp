#include "time_series.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "../../core/error.hpp"
#include "../text/text_detail.hpp"
#include "../text/text_file.hpp"

namespace unroll {

namespace {

using detail::parse, detail::trimmed;

std::vector<std::string_view> cut(std::string_view s, char at) {
  auto parts = detail::cut(s, at);
  for (auto& part : parts) part = trimmed(part);
  return parts;
}

std::string lower(std::string_view s) {
  std::string text(s);
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return text;
}

class TimeSeriesReader {
 public:
  explicit TimeSeriesReader(const std::string& path) : path_(path) {}

  TimeSeriesFile read() {
    const std::string bytes = read_bytes(path_);
    if (bytes.empty()) throw DataError(path_, ": the file is empty");
    std::string_view rest = bytes;
    if (rest.starts_with("\xef\xbb\xbf")) rest.remove_prefix(3);
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      ++line_;
      read_line(trimmed(rest.substr(0, end)));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    if (!in_data_) throw DataError(path_, ": no line `@data` in ", line_, " lines: is this a .ts file?");
    if (file_.series.empty()) throw DataError(at_line(path_, line_), "the file ends without a series after `@data`");
    return std::move(file_);
  }

 private:
  [[noreturn]] void fail(const auto&... what) const { throw DataError(at_line(path_, line_), what...); }

  void read_line(std::string_view line) {
    if (line.empty() || line[0] == '#') return;
    if (in_data_) return read_series(line);
    if (line[0] != '@') fail("got ", detail::quoted(line), ", expected a declaration `@...`: is this a .ts file?");
    std::vector<std::string_view> words;
    for (const auto word : cut(line.substr(1), ' '))
      if (!word.empty()) words.push_back(word);
    if (words.empty()) fail("a declaration without a name");
    const std::string what = lower(words[0]);
    if (what == "data") return start_data();
    if (words.size() < 2) fail("@", what, " without a value");
    if (what == "problemname") {
      file_.name = words[1];
    } else if (what == "timestamps") {
      if (truth(words[1])) fail("series with time stamps are not supported");
    } else if (what == "univariate") {
      univariate_ = truth(words[1]);
    } else if (what == "dimensions" || what == "dimension") {
      if (!parse(words[1], declared_dimensions_) || declared_dimensions_ < 1)
        fail("@dimensions is ", detail::quoted(words[1]), ", expected a whole number from 1");
    } else if (what == "classlabel") {
      file_.labels = truth(words[1]);
      file_.classes.assign(words.begin() + 2, words.end());
      if (file_.labels && file_.classes.empty()) fail("@classLabel true without a class");
    } else if (what == "targetlabel") {
      file_.targets = file_.labels = truth(words[1]);
    }  // @missing, @equalLength, @seriesLength and others' additions say nothing that the data does not
  }

  bool truth(std::string_view word) const {
    const std::string value = lower(word);
    if (value != "true" && value != "false") fail("got ", detail::quoted(word), ", expected true or false");
    return value == "true";
  }

  void start_data() {
    in_data_ = true;
    file_.dimensions = declared_dimensions_ > 0 ? declared_dimensions_ : univariate_ ? 1 : 0;
  }

  void read_series(std::string_view line) {
    auto parts = cut(line, ':');
    TimeSeries series;
    series.where = detail::text(path_, ":", line_);
    if (file_.labels) {
      series.label = parts.back();
      parts.pop_back();
      check_label(series.label);
    }
    const auto dimensions = static_cast<Index>(parts.size());
    if (dimensions == 0) fail("a label without a series");
    if (file_.dimensions == 0) file_.dimensions = dimensions;
    if (dimensions != file_.dimensions) fail(dimensions, " dimensions, expected ", file_.dimensions);
    for (std::size_t d = 0; d < parts.size(); ++d) {
      const auto values = parts[d].empty() ? std::vector<std::string_view>() : cut(parts[d], ',');
      if (d == 0) {
        series.steps = static_cast<Index>(values.size());
        series.values.resize(values.size() * parts.size());
      }
      if (static_cast<Index>(values.size()) != series.steps)
        fail("dimension ", d + 1, " has ", values.size(), " steps, the first has ", series.steps);
      for (std::size_t t = 0; t < values.size(); ++t) series.values[t * parts.size() + d] = number(values[t]);
    }
    file_.series.push_back(std::move(series));
  }

  void check_label(const std::string& label) const {
    double value = 0;
    if (file_.targets) {
      if (!parse(label, value)) fail("target ", detail::quoted(label), " is no number");
    } else if (std::find(file_.classes.begin(), file_.classes.end(), label) == file_.classes.end()) {
      fail("label ", detail::quoted(label), " is none of those that @classLabel lists");
    }
  }

  float number(std::string_view text) const {
    if (text == "?") return std::numeric_limits<float>::quiet_NaN();
    double value = 0;  // numbers too small for a float are zeros, not errors
    if (!parse(text, value)) fail("value ", detail::quoted(text), " is no number");
    if (std::isinf(static_cast<float>(value))) fail("value ", detail::quoted(text), " is too large");
    return static_cast<float>(value);
  }

  const std::string& path_;
  std::size_t line_ = 0;
  bool in_data_ = false, univariate_ = false;
  Index declared_dimensions_ = 0;
  TimeSeriesFile file_;
};

}  // namespace

TimeSeriesFile read_ts(const std::string& path) { return TimeSeriesReader(path).read(); }

}  // namespace unroll
