#include "confusion_matrix.hpp"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <utility>

#include "../../core/error.hpp"

namespace unroll {

namespace {

double share(Index part, Index whole) { return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0; }

/// Characters, not bytes: those that are not a character's second or later one.
std::size_t letters(const std::string& name) {
  return static_cast<std::size_t>(
      std::count_if(name.begin(), name.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0u) != 0x80; }));
}

std::string percent(Index part, Index whole) {
  if (whole == 0) return "        -";
  char text[24];
  std::snprintf(text, sizeof text, "%7.1f %%", 100 * share(part, whole));
  return text;
}

Index row_sum(const ConfusionMatrix& m, Index c) {
  Index sum = 0;
  for (Index k = 0; k < std::ssize(m.classes); ++k) sum += m.at(c, k);
  return sum;
}
Index column_sum(const ConfusionMatrix& m, Index c) {
  Index sum = 0;
  for (Index k = 0; k < std::ssize(m.classes); ++k) sum += m.at(k, c);
  return sum;
}

std::string right_aligned(const std::string& text, std::size_t width) {
  return std::string(width - std::min(width, letters(text)), ' ') + text;
}

}  // namespace

ConfusionMatrix::ConfusionMatrix(std::vector<std::string> names)
    : classes(std::move(names)), counts(classes.size() * classes.size()) {}

void ConfusionMatrix::add(Index truth, Index guess) {
  const Index n = std::ssize(classes);
  if (truth < 0 || truth >= n || guess < 0 || guess >= n)
    throw ValueError("[ConfusionMatrix] class ", truth, " taken for ", guess, ", expected 0 .. ", n - 1);
  ++counts[truth * n + guess];
}

Index ConfusionMatrix::at(Index truth, Index guess) const { return counts[truth * std::ssize(classes) + guess]; }

Index ConfusionMatrix::total() const { return std::accumulate(counts.begin(), counts.end(), Index{0}); }

double ConfusionMatrix::accuracy() const {
  Index right = 0;
  for (Index c = 0; c < std::ssize(classes); ++c) right += at(c, c);
  return share(right, total());
}
double ConfusionMatrix::recall(Index c) const { return share(at(c, c), row_sum(*this, c)); }
double ConfusionMatrix::precision(Index c) const { return share(at(c, c), column_sum(*this, c)); }
double ConfusionMatrix::f1(Index c) const { return share(2 * at(c, c), row_sum(*this, c) + column_sum(*this, c)); }
double ConfusionMatrix::macro_f1() const {
  double sum = 0;
  for (Index c = 0; c < std::ssize(classes); ++c) sum += f1(c);
  return classes.empty() ? 0 : sum / static_cast<double>(classes.size());
}

std::string ConfusionMatrix::text() const {
  const Index n = std::ssize(classes);
  std::size_t width = 8, digits = 4;
  for (const auto& name : classes) width = std::max(width, letters(name));
  for (const Index count : counts) digits = std::max(digits, std::to_string(count).size());
  std::string table = std::string(width, ' ') + "  recall  precision  taken for class";
  for (Index c = 0; c < n; ++c) table += " " + right_aligned(std::to_string(c + 1), digits);
  for (Index c = 0; c < n; ++c) {
    table += "\n" + right_aligned(classes[c], width) + percent(at(c, c), row_sum(*this, c)) +
             percent(at(c, c), column_sum(*this, c)) + "  " + right_aligned(std::to_string(c + 1), 14) + ":";
    for (Index k = 0; k < n; ++k) table += " " + right_aligned(at(c, k) > 0 ? std::to_string(at(c, k)) : ".", digits);
  }
  return table;
}

}  // namespace unroll
