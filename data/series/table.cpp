#include "table.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "../../core/error.hpp"
#include "../text/text_detail.hpp"
#include "../text/text_file.hpp"
#include "../text/utf8.hpp"

namespace unroll {

namespace {

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + detail::quoted(name);
  return text;
}

/// Rows of cells, quotes taken off.
class CsvRows {
 public:
  CsvRows(const std::string& path, const CsvOptions& options)
      : path_(path), options_(options), bytes_(read_bytes(path)), rest_(bytes_) {
    decode_utf8(bytes_, path);
    if (rest_.starts_with("\xef\xbb\xbf")) rest_.remove_prefix(3);
    if (rest_.empty()) throw DataError(path, ": the file is empty");
  }

  /// The next row that is not blank; false at the end.
  bool next(std::vector<std::string>& cells) {
    while (!rest_.empty()) {
      start_ = line_;
      const bool comment = options_.comment != '\0' && rest_.front() == options_.comment;
      if (comment || detail::trimmed(rest_.substr(0, rest_.find('\n'))).empty()) {
        skip_line();
        continue;
      }
      read_row(cells);
      return true;
    }
    return false;
  }

  /// The line where the row starts.
  std::size_t line() const { return start_; }
  [[noreturn]] void fail(std::size_t line, const auto&... what) const {
    throw DataError(at_line(path_, line), what...);
  }

 private:
  void skip_line() {
    rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size() - 1) + 1);
    ++line_;
  }

  char take() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    line_ += c == '\n';
    return c;
  }

  void read_row(std::vector<std::string>& cells) {
    cells.assign(1, "");
    bool closed = false;  // the cell's quotes
    while (!rest_.empty()) {
      const char c = take();
      if (c == '\n') return;
      if (c == '\r' && (rest_.empty() || rest_.front() == '\n')) continue;
      if (c == options_.separator) {
        cells.emplace_back();
        closed = false;
      } else if (closed) {
        if (c != ' ') fail(line_, "text after a cell's closing quote");
      } else if (c == '"') {
        if (!detail::trimmed(cells.back()).empty())
          fail(line_, "a quote inside the cell ", detail::quoted(cells.back()));
        cells.back().clear();
        read_quoted(cells.back());
        closed = true;
      } else {
        cells.back() += c;
      }
    }
  }

  void read_quoted(std::string& cell) {
    const std::size_t line = line_;
    while (!rest_.empty()) {
      const char c = take();
      if (c != '"') {
        cell += c;
      } else if (!rest_.empty() && rest_.front() == '"') {
        cell += take();
      } else {
        return;
      }
    }
    fail(line, "a quote that does not end");
  }

  const std::string& path_;
  const CsvOptions& options_;
  std::string bytes_;
  std::string_view rest_;
  std::size_t line_ = 1, start_ = 1;
};

double number(const CsvRows& rows, const CsvOptions& o, std::string_view cell, const std::string& name) {
  cell = detail::trimmed(cell);
  if (cell.empty() || std::find(o.missing.begin(), o.missing.end(), cell) != o.missing.end())
    return std::numeric_limits<double>::quiet_NaN();
  double value = 0;
  if (!detail::parse(cell, value) || !std::isfinite(value))
    rows.fail(rows.line(), "column ", detail::quoted(name), " is ", detail::quoted(cell), ", expected a number");
  return value;
}

}  // namespace

std::vector<TsvRow> read_tsv(const std::string& path, Index columns) {
  if (columns < 0) throw ValueError("[read_tsv] ", columns, " columns");
  std::vector<TsvRow> rows;
  const auto lines = read_utf8_lines(path);
  for (std::size_t k = 0; k < lines.size(); ++k) {
    if (detail::trimmed(lines[k]).empty()) continue;
    const auto cells = detail::cut(lines[k], '\t');
    const Index expected = columns > 0 ? columns : rows.empty() ? std::ssize(cells) : std::ssize(rows.front().cells);
    if (std::ssize(cells) != expected)
      throw DataError(at_line(path, k + 1), cells.size(), " cells parted by tabs, expected ", expected);
    rows.push_back({{cells.begin(), cells.end()}, detail::text(path, ":", k + 1)});
  }
  if (rows.empty()) throw DataError(path, ": only blank lines");
  return rows;
}

const std::vector<double>& CsvTable::column(const std::string& name) const {
  const auto at = std::find(names.begin(), names.end(), name);
  if (at == names.end()) throw DataError(path, ": no column ", detail::quoted(name), ", there are ", listed(names));
  return columns[at - names.begin()];
}

CsvTable read_csv(const std::string& path, const CsvOptions& o) {
  CsvRows rows(path, o);
  std::vector<std::string> cells, header;
  bool row = rows.next(cells);
  if (!row) throw DataError(path, ": only blank lines");
  for (std::size_t c = 0; c < cells.size(); ++c)
    header.push_back(o.header ? std::string(detail::trimmed(cells[c])) : std::to_string(c + 1));
  CsvTable table{path, o.columns.empty() ? header : o.columns, {}, {}};
  std::vector<std::size_t> places;
  for (const auto& name : table.names) {
    const auto count = std::count(header.begin(), header.end(), name);
    if (count == 0) rows.fail(rows.line(), "no column ", detail::quoted(name), ", there are ", listed(header));
    if (count > 1) rows.fail(rows.line(), "column ", detail::quoted(name), " is there twice");
    places.push_back(static_cast<std::size_t>(std::find(header.begin(), header.end(), name) - header.begin()));
  }
  table.columns.resize(places.size());
  for (row = o.header ? rows.next(cells) : row; row; row = rows.next(cells)) {
    if (cells.size() != header.size())
      rows.fail(rows.line(), cells.size(), " cells, the first row has ", header.size());
    for (std::size_t c = 0; c < places.size(); ++c)
      table.columns[c].push_back(number(rows, o, cells[places[c]], table.names[c]));
    table.lines.push_back(rows.line());
  }
  if (table.lines.empty()) throw DataError(path, ": a header without rows");
  return table;
}

}  // namespace unroll
