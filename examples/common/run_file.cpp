#include "common/run_file.hpp"

#include <cmath>
#include <filesystem>
#include <limits>

#include "unroll/core/error.hpp"
#include "unroll/data/series/table.hpp"
#include "unroll/data/text/text_file.hpp"

namespace unroll::examples {

namespace {

using nlohmann::json;

bool is_csv(const std::string& path) { return path.ends_with(".csv"); }

std::vector<std::string> names_of(const RunFile& run, const json& line, const std::string& key, std::size_t count) {
  std::vector<std::string> names;
  if (!line.contains(key)) {
    for (std::size_t k = 1; k <= count; ++k) names.push_back(std::to_string(k));
    return names;
  }
  const json& list = line[key];
  if (!list.is_array() || list.size() != count)
    throw DataError(run.path + ": '" + key + "' is no list of " + std::to_string(count) + " names");
  for (const json& name : list) names.push_back(name.is_string() ? name.get<std::string>() : name.dump());
  return names;
}

double number_of(const RunFile& run, const json& value, const std::string& key) {
  if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (!value.is_number()) throw DataError(run.path + ": '" + key + "' holds something that is no number");
  return value.get<double>();
}

}  // namespace

RunFile read_run(const std::string& path) {
  RunFile run{path, std::filesystem::path(path).stem().string(), {}};
  if (is_csv(path)) {
    const CsvTable table = read_csv(path);
    for (std::size_t r = 0; r < table.lines.size(); ++r) {
      json line = json::object();
      for (std::size_t c = 0; c < table.names.size(); ++c)
        if (!std::isnan(table.columns[c][r])) line[table.names[c]] = table.columns[c][r];
      run.lines.push_back(std::move(line));
    }
    return run;
  }
  const auto lines = read_utf8_lines(path);
  for (std::size_t k = 0; k < lines.size(); ++k) {
    if (lines[k].find_first_not_of(" \t") == std::string::npos) continue;
    json line = json::parse(lines[k], nullptr, false);
    if (line.is_discarded() && k + 1 == lines.size() && !run.lines.empty()) break;
    if (!line.is_object()) throw DataError(at_line(path, k + 1) + "no JSON object; expected one a line");
    run.lines.push_back(std::move(line));
  }
  if (run.lines.empty()) throw DataError(path + ": holds no figures");
  return run;
}

const json& last_with(const RunFile& run, const std::vector<std::string>& keys) {
  for (auto line = run.lines.rbegin(); line != run.lines.rend(); ++line) {
    bool all = true;
    for (const std::string& key : keys) all = all && line->contains(key);
    if (all) return *line;
  }
  std::string list;
  for (const std::string& key : keys) list += (list.empty() ? "'" : "', '") + key;
  throw DataError(run.path + ": no line has " + list + "'");
}

std::vector<double> numbers_of(const RunFile& run, const json& line, const std::string& key) {
  if (!line.contains(key) || !line[key].is_array()) throw DataError(run.path + ": '" + key + "' is no list of numbers");
  std::vector<double> numbers;
  for (const json& value : line[key]) numbers.push_back(number_of(run, value, key));
  return numbers;
}

NamedMatrix read_matrix(const std::string& path, const std::string& key, const std::string& row_key,
                        const std::string& column_key) {
  NamedMatrix m;
  if (is_csv(path)) {
    const CsvTable table = read_csv(path);
    m.columns = table.names;
    m.values = table.values<double>();
    for (std::size_t r = 0; r < table.lines.size(); ++r)
      m.rows.push_back(table.lines.size() == table.names.size() ? table.names[r] : std::to_string(r + 1));
    return m;
  }
  const RunFile run = read_run(path);
  const json& line = last_with(run, {key});
  const json& rows = line[key];
  const auto refuse = [&] { return DataError(path + ": '" + key + "' is no table: expected lists of one length"); };
  if (!rows.is_array() || rows.empty()) throw refuse();
  for (const json& row : rows) {
    if (!row.is_array() || row.empty() || row.size() != rows[0].size()) throw refuse();
    for (const json& value : row) m.values.push_back(number_of(run, value, key));
  }
  m.rows = names_of(run, line, row_key, rows.size());
  m.columns = names_of(run, line, column_key, rows[0].size());
  return m;
}

}  // namespace unroll::examples
