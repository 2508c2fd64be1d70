#include "custom_cell/brackets.hpp"

#include <string>

#include "common/program.hpp"

namespace unroll::examples {

BracketLines::BracketLines(Index count, Rng& rng) {
  for (Index i = 0; i < count; ++i) {
    auto& line = brackets.emplace_back(static_cast<std::size_t>(8 + rng.integer(17)));
    for (Index& b : line) b = rng.integer(2);
    alone.push_back(lonely_brackets(line));
  }
}

double BracketLines::size_of(std::span<const Index> lines) const {
  std::size_t size = 0;
  for (const Index line : lines) size += brackets[static_cast<std::size_t>(line)].size();
  return static_cast<double>(size);
}

std::vector<Index> lonely_brackets(const std::vector<Index>& brackets) {
  std::vector<Index> alone(brackets.size(), 1);
  std::vector<std::size_t> open;
  for (std::size_t t = 0; t < brackets.size(); ++t) {
    if (brackets[t] == 0) {
      open.push_back(t);
    } else if (!open.empty()) {
      alone[t] = alone[open.back()] = 0;
      open.pop_back();
    }
  }
  return alone;
}

double show_marks(const BracketLines& lines, const std::vector<std::vector<Index>>& guesses) {
  double right = 0;
  for (std::size_t i = 0; i < guesses.size(); ++i) {
    right += guesses[i] == lines.alone[i];
    if (i > 0) continue;
    std::string text, marks;
    for (const Index b : lines.brackets[i]) text += b == 0 ? '(' : ')';
    for (const Index guess : guesses[i]) marks += guess == 0 ? '.' : '^';
    print("%s\n%s", text.c_str(), marks.c_str());
  }
  right /= static_cast<double>(guesses.size());
  print("unseen lines without a mistake: %.1f %%", 100 * right);
  return right;
}

}  // namespace unroll::examples
