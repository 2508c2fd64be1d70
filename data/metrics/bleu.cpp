#include "bleu.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "../../core/error.hpp"
#include "../text/characters_detail.hpp"
#include "../text/tokenize.hpp"

namespace unroll {

namespace {

constexpr std::size_t orders = 4;
// How often each n-gram occurs, of one sentence and all orders. The tokens' texts stand elsewhere.
using NGrams = std::map<std::vector<std::string_view>, Index>;

NGrams n_grams(const std::vector<std::string>& tokens) {
  NGrams counts;
  for (std::size_t n = 1; n <= orders; ++n)
    for (std::size_t i = 0; i + n <= tokens.size(); ++i)
      ++counts[{tokens.begin() + i, tokens.begin() + static_cast<std::ptrdiff_t>(i + n)}];
  return counts;
}

void replace_all(std::string& text, std::string_view what, std::string_view by) {
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
}

bool digit(char c) { return detail::is_digit(static_cast<unsigned char>(c)); }
bool point(char c) { return c == '.' || c == ','; }
bool mark(char c) {
  return (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') || c == '/' || (c >= ':' && c <= '@') ||
         (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

/// One pass over a text that takes a pair of neighbours where `match` says so, from left to right without overlap, and
/// writes `first` before, `middle` between and `last` after the two.
template <class Match>
std::string spaced_pairs(std::string_view text, Match match, const char* first, const char* middle, const char* last) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i + 1 < text.size() && match(text[i], text[i + 1])) {
      ((((out += first) += text[i]) += middle) += text[i + 1]) += last;
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// Counts of one guess, added to what the corpus has so far.
void add_sentence(Bleu& bleu, const std::vector<std::string>& guess,
                  const std::vector<std::vector<std::string>>& refs) {
  NGrams most;
  Index closest = -1;
  const Index length = std::ssize(guess);
  for (const auto& ref : refs) {
    for (const auto& [words, count] : n_grams(ref)) {
      Index& own = most[words];
      own = std::max(own, count);
    }
    const Index now = std::ssize(ref), far = std::abs(now - length), best = std::abs(closest - length);
    if (closest < 0 || far < best || (far == best && now < closest)) closest = now;
  }
  for (const auto& [words, count] : n_grams(guess)) {
    const auto n = words.size() - 1;
    bleu.totals[n] += count;
    if (const auto at = most.find(words); at != most.end()) bleu.matches[n] += std::min(count, at->second);
  }
  bleu.guess_length += length;
  bleu.reference_length += closest;
}

void finish(Bleu& b, bool effective_order) {
  const auto guess = static_cast<double>(b.guess_length), reference = static_cast<double>(b.reference_length);
  b.brevity_penalty = b.guess_length >= b.reference_length ? 1
                      : b.guess_length > 0                 ? std::exp(1 - reference / guess)
                                                           : 0;
  if (std::all_of(b.matches.begin(), b.matches.end(), [](Index m) { return m == 0; })) return;
  double smooth = 1, logs = 0;
  std::size_t there = 0;
  for (; there < orders && b.totals[there] > 0; ++there) {
    const auto total = static_cast<double>(b.totals[there]);
    if (b.matches[there] == 0) smooth *= 2;
    b.precisions[there] = 100 * (b.matches[there] > 0 ? static_cast<double>(b.matches[there]) : 1 / smooth) / total;
    logs += std::log(b.precisions[there]);
  }
  if (there == orders || effective_order) b.score = b.brevity_penalty * std::exp(logs / static_cast<double>(there));
}

}  // namespace

std::vector<std::string> tokenize_13a(std::string_view line) {
  std::string text(line);
  replace_all(text, "<skipped>", "");
  replace_all(text, "-\n", "");
  replace_all(text, "\n", " ");
  replace_all(text, "&quot;", "\"");
  replace_all(text, "&amp;", "&");
  replace_all(text, "&lt;", "<");
  replace_all(text, "&gt;", ">");
  std::string parted = " ";
  for (const char c : text) mark(c) ? ((parted += ' ') += c) += ' ' : parted += c;
  parted += ' ';
  // Bytes of characters beyond ASCII are no digits and no points, so bytes will do.
  parted = spaced_pairs(
      parted, [](char a, char b) { return !digit(a) && point(b); }, "", " ", " ");
  parted = spaced_pairs(
      parted, [](char a, char b) { return point(a) && !digit(b); }, " ", " ", "");
  parted = spaced_pairs(
      parted, [](char a, char b) { return digit(a) && b == '-'; }, "", " ", " ");
  return tokenize_space(parted);
}

Bleu corpus_bleu(std::span<const std::string> guesses, std::span<const std::vector<std::string>> references,
                 const BleuOptions& o) {
  if (guesses.size() != references.size())
    throw ValueError("[corpus_bleu] ", guesses.size(), " guesses, references for ", references.size());
  const auto tokens = [&](std::string_view text) {
    text = text.substr(0, text.find_last_not_of(" \t\n\v\f\r") + 1);  // or a hyphen before a last "\n" would go
    return o.tokenize ? tokenize_13a(text) : tokenize_space(text);
  };
  Bleu bleu;
  for (std::size_t k = 0; k < guesses.size(); ++k) {
    if (references[k].empty()) throw ValueError("[corpus_bleu] guess ", k, " has no reference");
    std::vector<std::vector<std::string>> refs;
    for (const auto& text : references[k]) refs.push_back(tokens(text));
    add_sentence(bleu, tokens(guesses[k]), refs);
  }
  finish(bleu, o.effective_order);
  return bleu;
}

Bleu corpus_bleu(std::span<const std::string> guesses, std::span<const std::string> references, const BleuOptions& o) {
  std::vector<std::vector<std::string>> lists;
  for (const auto& text : references) lists.push_back({text});
  return corpus_bleu(guesses, lists, o);
}

std::string Bleu::text() const {
  char line[200];
  std::snprintf(line, sizeof line,
                "BLEU = %.2f %.1f/%.1f/%.1f/%.1f (BP = %.3f ratio = %.3f hyp_len = %lld ref_len = %lld)", score,
                precisions[0], precisions[1], precisions[2], precisions[3], brevity_penalty,
                reference_length > 0 ? static_cast<double>(guess_length) / static_cast<double>(reference_length) : 0,
                static_cast<long long>(guess_length), static_cast<long long>(reference_length));
  return line;
}

}  // namespace unroll
