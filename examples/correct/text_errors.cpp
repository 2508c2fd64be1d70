#include "correct/text_errors.hpp"

#include <algorithm>
#include <map>

#include "common/letters.hpp"
#include "common/program.hpp"
#include "common/subwords.hpp"
#include "unroll/data/text/utf8.hpp"

namespace unroll::examples {
namespace {

std::u32string points_of(const std::string& word) { return decode_utf8(word, "word"); }

// Letters on the keyboard, and those beside them.
const std::map<char32_t, std::u32string> neighbour_keys = {
    {U'q', U"wa"},   {U'w', U"qes"},  {U'e', U"wrd"},  {U'r', U"etf"},  {U't', U"ryg"},  {U'y', U"tuh"},
    {U'u', U"yij"},  {U'i', U"uok"},  {U'o', U"ipl"},  {U'p', U"ol"},   {U'a', U"qsz"},  {U's', U"awdx"},
    {U'd', U"sefc"}, {U'f', U"drgv"}, {U'g', U"fthb"}, {U'h', U"gyjn"}, {U'j', U"hukm"}, {U'k', U"jil"},
    {U'l', U"kop"},  {U'z', U"asx"},  {U'x', U"zsdc"}, {U'c', U"xdfv"}, {U'v', U"cfgb"}, {U'b', U"vghn"},
    {U'n', U"bhjm"}, {U'm', U"njk"}};

char32_t neighbour_key(char32_t letter, Rng& rng) {
  const auto found = neighbour_keys.find(lower(letter));
  if (found == neighbour_keys.end()) return letter;
  const char32_t key = found->second[static_cast<std::size_t>(rng.integer(std::ssize(found->second)))];
  return lower(letter) == letter ? key : upper(key);
}

std::string mistyped(const std::string& word, Rng& rng) {
  const std::u32string right = points_of(word);
  for (int tries = 0; tries < 10; ++tries) {
    std::u32string wrong = right;
    const auto at = static_cast<std::size_t>(rng.integer(std::ssize(right)));
    if (!is_letter(right[at])) continue;
    switch (rng.integer(4)) {
      case 0:
        if (at + 1 < right.size() && is_letter(right[at + 1])) std::swap(wrong[at], wrong[at + 1]);
        break;
      case 1:
        wrong.erase(at, 1);
        break;
      case 2:
        wrong.insert(at, 1, lower(right[at]));
        break;
      default:
        wrong[at] = neighbour_key(right[at], rng);
    }
    if (wrong != right) return encode_utf8(wrong);
  }
  return word;
}

// The other one of a pair of words, in the same case; empty for a word of no pair.
std::string other_of(const std::string& word, const std::string& one, const std::string& two) {
  const auto with_capital = [](std::string s) {
    s[0] = static_cast<char>(upper(static_cast<char32_t>(s[0])));
    return s;
  };
  if (word == one) return two;
  if (word == two) return one;
  if (word == with_capital(one)) return with_capital(two);
  if (word == with_capital(two)) return with_capital(one);
  return "";
}

struct Swap {
  ErrorKind kind;
  const char *one, *two;
};
constexpr Swap swaps[] = {
    {ErrorKind::article, "a", "an"}, {ErrorKind::was, "was", "were"}, {ErrorKind::he, "he", "she"}};
constexpr std::size_t shortest_mistyped = 4;

// Whether one may be the other with an error: one of a pair, or at least half of the letters are the same.
bool alike(const std::string& a, const std::string& b) {
  for (const Swap& swap : swaps)
    if (other_of(a, swap.one, swap.two) == b) return true;
  std::array<int, 256> counts{};
  for (const char c : a) ++counts[static_cast<unsigned char>(c)];
  std::size_t common = 0;
  for (const char c : b) common += counts[static_cast<unsigned char>(c)]-- > 0;
  return 2 * common >= std::max(a.size(), b.size());
}

}  // namespace

Sentence split_sentence(std::string_view text) {
  Sentence words;
  bool open = false;  // the last word goes on
  for (const auto& token : split_tokens(text)) {
    if (open) {
      words.back() += token;
    } else {
      words.push_back(token);
    }
    const auto points = points_of(token);
    open = points.size() > 1 && is_letter(points[points.size() - 2]) && !is_letter(points.back()) &&
           !is_digit(points.back());
  }
  return words;
}

NoiseModel NoiseModel::times(double factor) const {
  const auto f = [&](double rate) { return std::min(rate * factor, std::max(rate, 0.5)); };
  return {f(typing), f(article), f(was), f(he), f(dropped), f(doubled)};
}

Sentence make_errors(const Sentence& sentence, const NoiseModel& noise, Rng& rng) {
  Sentence wrong;
  for (const auto& word : sentence) {
    const std::u32string points = points_of(word);
    if (!has_letter(points)) {
      wrong.push_back(word);
      continue;
    }
    if (rng.bernoulli(noise.dropped)) continue;
    const double rates[] = {noise.article, noise.was, noise.he};
    std::string written = word;
    for (std::size_t k = 0; k < std::size(swaps); ++k)
      if (const auto other = other_of(word, swaps[k].one, swaps[k].two); !other.empty() && rng.bernoulli(rates[k]))
        written = other;
    if (points.size() >= shortest_mistyped && written == word && rng.bernoulli(noise.typing))
      written = mistyped(word, rng);
    wrong.push_back(written);
    if (rng.bernoulli(noise.doubled)) wrong.push_back(written);
  }
  return wrong;
}

void before_typing(const std::u32string& wrong, const std::u32string& letters,
                   const std::function<void(const std::u32string&, double)>& each) {
  const auto say = [&](const std::u32string& right, double chance) {
    if (right.size() >= shortest_mistyped && right != wrong)
      each(right, chance / (4 * static_cast<double>(right.size())));
  };
  std::u32string right;
  for (std::size_t at = 0; at <= wrong.size(); ++at) {
    if (at + 1 < wrong.size()) {
      right = wrong;
      std::swap(right[at], right[at + 1]);
      say(right, 1);
      if (wrong[at] == wrong[at + 1]) say((right = wrong).erase(at, 1), 1);
    }
    for (const char32_t c : letters) say((right = wrong).insert(at, 1, c), 1);
    for (const auto& [c, neighbours] : neighbour_keys)
      if (at < wrong.size() && neighbours.find(wrong[at]) != std::u32string::npos) {
        (right = wrong)[at] = c;
        say(right, 1 / static_cast<double>(neighbours.size()));
      }
  }
}

std::string other_of_pair(const std::string& word) {
  for (const Swap& swap : swaps)
    if (auto other = other_of(word, swap.one, swap.two); !other.empty()) return other;
  return "";
}

std::vector<Edit> edits_of(const Sentence& before, const Sentence& after) {
  const std::size_t n = before.size(), m = after.size(), width = m + 1;
  // cost[i][j]: of changes that make the rest of `after` from j on of the rest of `before` from i on. A word that is
  // put in or taken out costs 2, another one in its place 2 if they are alike, else 3.
  std::vector<std::size_t> cost((n + 1) * width);
  const auto change = [&](std::size_t i, std::size_t j) -> std::size_t {
    return before[i] == after[j] ? 0 : alike(before[i], after[j]) ? 2 : 3;
  };
  for (std::size_t i = n + 1; i-- > 0;)
    for (std::size_t j = m + 1; j-- > 0;) {
      auto& best = cost[i * width + j];
      if (i == n || j == m) {
        best = 2 * (n - i + m - j);
        continue;
      }
      best = std::min(cost[(i + 1) * width + j], cost[i * width + j + 1]) + 2;
      best = std::min(best, cost[(i + 1) * width + j + 1] + change(i, j));
    }
  std::vector<Edit> edits;
  for (std::size_t i = 0, j = 0; i < n || j < m;) {
    const std::size_t here = cost[i * width + j];
    const auto from = static_cast<Index>(i);
    if (i < n && j < m && here == cost[(i + 1) * width + j + 1] + change(i, j)) {
      if (before[i] != after[j]) edits.push_back({from, from + 1, {after[j]}});
      ++i, ++j;
    } else if (i < n && here == cost[(i + 1) * width + j] + 2) {
      edits.push_back({from, from + 1, {}});
      ++i;
    } else {
      if (edits.empty() || edits.back().from != from || edits.back().to != from) edits.push_back({from, from, {}});
      edits.back().words.push_back(after[j++]);
    }
  }
  return edits;
}

std::string_view name_of(ErrorKind kind) {
  constexpr std::string_view names[] = {"typing", "a/an", "was/were", "he/she", "dropped", "doubled"};
  return names[static_cast<std::size_t>(kind)];
}

ErrorKind kind_of(const Sentence& before, const Edit& edit) {
  if (edit.from == edit.to) return ErrorKind::dropped;
  if (edit.words.empty()) return ErrorKind::doubled;
  for (const Swap& swap : swaps)
    if (other_of(before[static_cast<std::size_t>(edit.from)], swap.one, swap.two) == edit.words[0]) return swap.kind;
  return ErrorKind::typing;
}

void EditScore::add(const Sentence& wrong, const Sentence& mended, const Sentence& truth) {
  const auto mine = edits_of(wrong, mended), gold = edits_of(wrong, truth);
  made += std::ssize(mine), needed += std::ssize(gold);
  for (const Edit& edit : gold) {
    const bool found = std::binary_search(mine.begin(), mine.end(), edit);
    const auto kind = static_cast<std::size_t>(kind_of(wrong, edit));
    right += found, ++needed_of[kind], right_of[kind] += found;
  }
  words += std::ssize(truth), ++sentences, right_sentences += mended == truth;
}

double EditScore::f05() const {
  const double p = precision(), r = recall();
  return p + r > 0 ? 1.25 * p * r / (0.25 * p + r) : 0;
}

double EditScore::errors_left() const {
  return words > 0 ? 100 * static_cast<double>(needed - right + made - right) / static_cast<double>(words) : 0;
}

EditScore score_of(std::span<const Sentence> wrong, std::span<const Sentence> mended, std::span<const Sentence> truth) {
  EditScore score;
  for (std::size_t i = 0; i < truth.size(); ++i) score.add(wrong[i], mended[i], truth[i]);
  return score;
}

MetricsLine print_scores(const EditScore& before, const EditScore& list, const EditScore& after,
                         const EditScore& best) {
  print("%d words held out, %d errors      precision  recall    F0.5  errors left in 100 words",
        static_cast<int>(after.words), static_cast<int>(after.needed));
  const auto row = [](const char* name, const EditScore& s) {
    const std::string precision = s.made > 0 ? text("%.3f", s.precision()) : "-";
    print("%-36s %6s  %6.3f  %6.3f  %6.2f", name, precision.c_str(), s.recall(), s.f05(), s.errors_left());
  };
  row("as it came", before), row("mended by a list of known words", list), row("mended by the model", after);
  for (std::size_t k = 0; k < after.needed_of.size(); ++k)
    print("  %-10s repaired %5d of %5d, %5d within its reach", std::string(name_of(static_cast<ErrorKind>(k))).c_str(),
          static_cast<int>(after.right_of[k]), static_cast<int>(after.needed_of[k]),
          static_cast<int>(best.right_of[k]));
  return {{"precision", after.precision()},
          {"recall", after.recall()},
          {"f05", after.f05()},
          {"errors_before", before.errors_left()},
          {"errors_after", after.errors_left()},
          {"within_reach", best.recall()},
          {"list_precision", list.precision()},
          {"list_recall", list.recall()},
          {"list_f05", list.f05()}};
}

}  // namespace unroll::examples
