#include "evolve/task.hpp"

#include <bit>
#include <cmath>

#include "unroll/core/error.hpp"
#include "unroll/data/batches/split.hpp"
#include "unroll/data/text/text_file.hpp"
#include "unroll/data/text/tokenize.hpp"
#include "unroll/data/text/vocabulary.hpp"

namespace unroll::examples {

namespace {
std::size_t at(Index i) { return static_cast<std::size_t>(i); }
}  // namespace

SymbolSource::SymbolSource() : alphabet_(reber_alphabet) {}

SymbolSource::SymbolSource(const std::string& path, Rng& rng) {
  std::vector<std::vector<std::string>> lines;
  TokenCounts counts;
  for (const std::string& line : read_utf8_lines(path)) {
    if (line.empty()) continue;
    lines.push_back(tokenize_characters(line));
    count_tokens(counts, lines.back());
  }
  if (lines.size() < 10)
    throw DataError(path + ": too little data: " + std::to_string(lines.size()) + " lines, expected at least 10");
  const Vocabulary symbols(counts, {.specials = {"<end>"}, .unknown = ""});
  alphabet_ = symbols.size();
  const Split split = split_items(std::ssize(lines), rng, {.test = 0.1});
  for (const auto& [part, list] : {std::pair(&split.train, &lines_), std::pair(&split.test, &held_out_)})
    for (const Index i : *part) {
      list->push_back(symbols.encode(lines[at(i)]));
      list->back().push_back(0);
    }
}

void SymbolSource::add(SymbolStrings& strings, const std::vector<Index>& line) const {
  strings.inputs.emplace_back(line.begin(), line.end() - 1);
  strings.targets.emplace_back(line.begin() + 1, line.end());
  strings.weights.emplace_back(line.size() - 1, 1.f);
}

SymbolStrings SymbolSource::draw(Index count, Rng& rng) const {
  SymbolStrings strings;
  for (Index i = 0; i < count; ++i) {
    if (!grammar()) {
      add(strings, lines_[at(rng.integer(std::ssize(lines_)))]);
      continue;
    }
    const ReberString s = embedded_reber_string(rng);
    add(strings, s.symbols);
    strings.legal.push_back(s.legal);
    strings.weights.back()[s.symbols.size() - 3] = 4;
  }
  return strings;
}

SymbolStrings SymbolSource::exam(Index count, Rng& rng) const {
  if (grammar()) return draw(count, rng);
  SymbolStrings strings;
  for (const auto& line : held_out_) add(strings, line);
  return strings;
}

double counted_loss(const SymbolStrings& train, const SymbolStrings& exam, Index alphabet, int context) {
  std::vector<double> counts(at(alphabet * alphabet), 1.0);
  const auto row = [&](const SymbolStrings& s, std::size_t i, std::size_t t) {
    return context > 0 ? at(s.inputs[i][t] * alphabet) : 0;
  };
  const auto each = [&](const SymbolStrings& s, auto&& f) {
    for (std::size_t i = 0; i < s.inputs.size(); ++i)
      for (std::size_t t = 0; t < s.inputs[i].size(); ++t) f(row(s, i, t), at(s.targets[i][t]));
  };
  each(train, [&](std::size_t from, std::size_t symbol) { ++counts[from + symbol]; });
  double nats = 0, symbols = 0;
  each(exam, [&](std::size_t from, std::size_t symbol) {
    double sum = 0;
    for (std::size_t s = 0; s < at(alphabet); ++s) sum += counts[from + s];
    nats -= std::log(counts[from + symbol] / sum), ++symbols;
  });
  return nats / symbols;
}

double least_loss(const SymbolStrings& exam) {
  double nats = 0, symbols = 0;
  for (const auto& string : exam.legal)
    for (const unsigned legal : string) nats += std::log(std::popcount(legal)), ++symbols;
  return symbols > 0 ? nats / symbols : std::nan("");
}

}  // namespace unroll::examples
