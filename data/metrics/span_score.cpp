#include "span_score.hpp"

#include <algorithm>
#include <cstdio>
#include <iterator>

#include "../../core/error.hpp"
#include "../text/tags.hpp"

namespace unroll {

void SpanScore::add(std::span<const std::string> truth, std::span<const std::string> guess) {
  if (truth.size() != guess.size())
    throw ValueError("[SpanScore] ", guess.size(), " guessed tags for ", truth.size(), " tokens");
  const auto expected = spans_of(truth), found = spans_of(guess);  // in order, as they begin
  std::vector<TagSpan> right;
  std::set_intersection(expected.begin(), expected.end(), found.begin(), found.end(), std::back_inserter(right));
  const auto count = [&](const std::vector<TagSpan>& spans, Index SpanCounts::*which) {
    for (const auto& span : spans) ++(overall.*which), ++(types[span.type].*which);
  };
  count(expected, &SpanCounts::expected);
  count(found, &SpanCounts::found);
  count(right, &SpanCounts::right);
  tokens += std::ssize(truth);
  for (std::size_t t = 0; t < truth.size(); ++t) right_tokens += truth[t] == guess[t];
}

std::string SpanScore::text() const {
  const auto figures = [](const SpanCounts& c) {
    char line[100];
    std::snprintf(line, sizeof line, "precision: %6.2f%%; recall: %6.2f%%; FB1: %6.2f", 100 * c.precision(),
                  100 * c.recall(), 100 * c.f1());
    return std::string(line);
  };
  std::string text = detail::text("processed ", tokens, " tokens with ", overall.expected,
                                  " phrases; found: ", overall.found, " phrases; correct: ", overall.right, ".\n");
  if (tokens > 0) {
    char line[40];
    std::snprintf(line, sizeof line, "accuracy: %6.2f%%; ", 100 * accuracy());
    text += line + figures(overall) + "\n";
  }
  for (const auto& [type, counts] : types)
    text += detail::text(std::string(type.size() < 17 ? 17 - type.size() : 0, ' '), type, ": ", figures(counts), "  ",
                         counts.found, "\n");
  return text;
}

}  // namespace unroll
