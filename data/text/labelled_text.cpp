#include "labelled_text.hpp"

#include <algorithm>
#include <filesystem>

#include "../../core/error.hpp"
#include "text_file.hpp"
#include "utf8.hpp"

namespace unroll {

namespace fs = std::filesystem;

namespace {

bool blank(const std::u32string& line) { return line.find_first_not_of(U" \t") == line.npos; }

std::vector<LabelledText> read_table(const std::string& path) {
  std::vector<LabelledText> items;
  const auto lines = read_lines(path);
  for (std::size_t k = 0; k < lines.size(); ++k) {
    const std::u32string& line = lines[k];
    if (blank(line)) continue;
    const auto tab = line.find(U'\t');
    if (tab == line.npos) throw DataError(at_line(path, k + 1), "no tab in this line, expected `label TAB text`");
    LabelledText item{encode_utf8(line.substr(0, tab)), line.substr(tab + 1), detail::text(path, ":", k + 1)};
    if (item.label.empty()) throw DataError(item.where, ": nothing before the tab, expected a label");
    if (blank(item.text)) throw DataError(item.where, ": nothing after the tab, expected a text");
    items.push_back(std::move(item));
  }
  if (items.empty()) throw DataError(path, ": only blank lines, expected `label TAB text`");
  return items;
}

std::vector<LabelledText> read_folder(const std::string& path) {
  std::vector<fs::path> files;
  try {
    for (const auto& entry : fs::directory_iterator(path))
      if (entry.is_regular_file() && !entry.path().filename().string().starts_with('.')) files.push_back(entry.path());
  } catch (const fs::filesystem_error& e) {
    throw DataError(path, ": cannot be read: ", e.code().message());
  }
  std::sort(files.begin(), files.end());
  std::vector<LabelledText> items;
  for (std::size_t f = 0; f < files.size(); ++f) {
    const std::string file = files[f].string(), label = files[f].stem().string();
    for (std::size_t other = 0; other < f; ++other)
      if (files[other].stem() == files[f].stem())
        throw DataError(file, ": class '", label, "' is also that of ", files[other].string());
    const auto lines = read_lines(file);
    for (std::size_t k = 0; k < lines.size(); ++k)
      if (!blank(lines[k])) items.push_back({label, lines[k], detail::text(file, ":", k + 1)});
    if (items.empty() || items.back().label != label) throw DataError(file, ": only blank lines");
  }
  if (items.empty()) throw DataError(path, ": no file in this folder, expected one for each class");
  return items;
}

}  // namespace

std::vector<LabelledText> read_labelled_texts(const std::string& path) {
  return fs::is_directory(path) ? read_folder(path) : read_table(path);
}

}  // namespace unroll
