#include "conll.hpp"

#include <array>
#include <string_view>

#include "../../core/error.hpp"
#include "text_detail.hpp"
#include "text_file.hpp"

namespace unroll {

namespace {

std::vector<std::string_view> columns_of(std::string_view line, bool tabs) {
  if (tabs) return detail::cut(line, '\t');
  std::vector<std::string_view> columns;
  for (const auto part : detail::cut(line, ' '))
    if (!part.empty()) columns.push_back(part);
  return columns;
}

/// Throws, with file and line, when a tag is none.
void check_tags(const ConllFile& file, const ConllSentence& sentence) {
  for (std::size_t t = 0; t < sentence.tags().size(); ++t) try {
      spans_of({&sentence.tags()[t], 1});
    } catch (const ValueError&) {
      throw DataError(file.at(sentence, static_cast<Index>(t)), "tag ", detail::quoted(sentence.tags()[t]),
                      ", expected O or one of B, I, E, S with '-' and a type");
    }
}

}  // namespace

std::string ConllFile::at(const ConllSentence& sentence, Index token) const {
  return at_line(path, static_cast<std::size_t>(sentence.line + token));
}

ConllFile read_conll(const std::string& path, const ConllOptions& o) {
  ConllFile file{path, 0, {}};
  const auto lines = read_utf8_lines(path);
  bool tabs = false, open = false;
  for (std::size_t k = 0; k < lines.size(); ++k) {
    const std::string& line = lines[k];
    if (detail::trimmed(line).empty() || line.starts_with("-DOCSTART-")) {
      open = false;
      continue;
    }
    if (o.comments && line.starts_with("# ")) {
      if (open) throw DataError(at_line(path, k + 1), "a comment inside a sentence");
      continue;
    }
    if (file.columns == 0) tabs = line.find('\t') != line.npos;
    const auto parts = columns_of(line, tabs);
    if (parts.size() < 2)
      throw DataError(at_line(path, k + 1), "one column, expected a token and a tag, parted by ",
                      tabs ? "a tab" : "spaces");
    if (file.columns == 0) file.columns = std::ssize(parts);
    if (std::ssize(parts) != file.columns)
      throw DataError(at_line(path, k + 1), parts.size(), " columns, the first line has ", file.columns);
    if (!open) {
      file.sentences.push_back({std::vector<std::vector<std::string>>(parts.size()), static_cast<Index>(k + 1)});
      open = true;
    }
    for (std::size_t c = 0; c < parts.size(); ++c) {
      if (parts[c].empty()) throw DataError(at_line(path, k + 1), "column ", c + 1, " is empty");
      file.sentences.back().columns[c].emplace_back(parts[c]);
    }
  }
  if (file.sentences.empty()) throw DataError(path, ": no sentence, only blank lines");
  return file;
}

TagScheme tag_scheme(const ConllFile& file) {
  constexpr std::array order = {TagScheme::iob2, TagScheme::bioes, TagScheme::iob1};
  struct Break {
    std::size_t sentence;
    Index token;
  };
  std::array<Break, 3> breaks = {};
  for (const auto& sentence : file.sentences) check_tags(file, sentence);
  std::size_t furthest = 0;
  for (std::size_t k = 0; k < order.size(); ++k) {
    std::size_t s = 0;
    for (; s < file.sentences.size(); ++s) {
      const auto invalid = first_invalid_tag(file.sentences[s].tags(), order[k]);
      if (!invalid) continue;
      breaks[k] = {s, *invalid};
      break;
    }
    if (s == file.sentences.size()) return order[k];
    const Break &best = breaks[furthest], &now = breaks[k];
    if (now.sentence > best.sentence || (now.sentence == best.sentence && now.token > best.token)) furthest = k;
  }
  const ConllSentence& sentence = file.sentences[breaks[furthest].sentence];
  const Index token = breaks[furthest].token;
  throw DataError(file.at(sentence, token), "tag ", detail::quoted(sentence.tags()[token]), " breaks ",
                  name_of(order[furthest]), ", and the lines up to here are not in another scheme either");
}

void convert_tags(ConllFile& file, TagScheme to) {
  for (auto& sentence : file.sentences) {
    check_tags(file, sentence);
    sentence.columns.back() = convert_tags(sentence.tags(), to);
  }
}

}  // namespace unroll
