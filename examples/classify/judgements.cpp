// The grammar behind make_judgements().

#include <algorithm>
#include <array>
#include <cmath>

#include "classify/labelled_items.hpp"
#include "common/program.hpp"

namespace unroll::examples {

namespace {

using Words = std::span<const char* const>;

constexpr std::array things = {"soup",    "film",   "hotel",  "waiter", "book",   "music",   "room",  "coffee",
                               "service", "garden", "lesson", "bread",  "singer", "journey", "price", "ending"};
constexpr std::array held_out_things = {"salad", "play",  "hostel",  "driver", "poem",   "concert", "cabin", "wine",
                                        "staff", "beach", "lecture", "cake",   "dancer", "flight",  "menu",  "plot"};
// Each list from mild to strong, half and half.
constexpr std::array good = {"good", "nice", "pleasant", "fine", "superb", "wonderful", "excellent", "brilliant"};
constexpr std::array bad = {"bad", "dull", "weak", "boring", "awful", "terrible", "horrible", "dreadful"};
constexpr std::array good_verbs = {"like", "enjoy", "love", "adore"};
constexpr std::array bad_verbs = {"dislike", "mind", "hate", "loathe"};
constexpr std::array more = {"very", "really", "truly", "so"};

struct Clause {
  std::string words;
  double rating;
};

std::string past(const std::string& verb) { return verb.back() == 'e' ? verb + "d" : verb + "ed"; }

class Grammar {
 public:
  Grammar(Words list, Rng& rng) : list_(list), rng_(rng) {}

  Clause sentence() {
    const Clause a = clause(), b = clause();
    switch (rng_.integer(5)) {
      case 0:
        return {a.words + ", but " + b.words, mixed(b, a)};
      case 1:
        return {"although " + a.words + ", " + b.words, mixed(b, a)};
      case 2:
        return {a.words + ", although " + b.words, mixed(a, b)};
      default:
        return a;
    }
  }

 private:
  static double mixed(const Clause& main, const Clause& other) { return 0.8 * main.rating + 0.2 * other.rating; }
  const char* one_of(Words words) {
    return words[static_cast<std::size_t>(rng_.integer(static_cast<Index>(words.size())))];
  }
  /// A word of the list's mild or strong half, with its rating.
  Clause one_of(Words mild_to_strong, double sign) {
    const auto half = mild_to_strong.size() / 2;
    const bool strong = rng_.bernoulli(0.5);
    return {one_of(mild_to_strong.subspan(strong ? half : 0, half)), sign * (strong ? 1.5 : 1)};
  }

  Clause clause() {
    const bool is_good = rng_.bernoulli(0.5), negated = rng_.bernoulli(0.5);
    const std::string thing = std::string("the ") + one_of(list_);
    const double sign = is_good ? 1 : -1;
    if (rng_.bernoulli(0.3)) {
      const Clause verb = one_of(is_good ? Words(good_verbs) : Words(bad_verbs), sign);
      if (negated) return {"I did not " + verb.words + " " + thing, -0.5 * verb.rating};
      return {"I " + past(verb.words) + " " + thing, verb.rating};
    }
    Clause quality = one_of(is_good ? Words(good) : Words(bad), sign);
    if (rng_.bernoulli(0.3)) quality = {std::string(one_of(more)) + " " + quality.words, quality.rating + 0.5 * sign};
    if (!negated) return {thing + " was " + quality.words, quality.rating};
    const std::array<std::string, 5> ways = {thing + " was not " + quality.words, thing + " was never " + quality.words,
                                             thing + " was anything but " + quality.words,
                                             "nobody would call " + thing + " " + quality.words,
                                             "I would not say that " + thing + " was " + quality.words};
    return {ways[static_cast<std::size_t>(rng_.integer(std::ssize(ways)))], -0.5 * quality.rating};
  }

  Words list_;
  Rng& rng_;
};

}  // namespace

LabelledItems make_judgements(Index count, bool held_out, bool rated, Rng& rng) {
  Grammar grammar(held_out ? Words(held_out_things) : Words(things), rng);
  LabelledItems list;
  for (Index k = 1; k <= count; ++k) {
    const Clause made = grammar.sentence();
    list.items.push_back({rated             ? text("%.2f", made.rating)
                          : made.rating > 0 ? "positive"
                                            : "negative",
                          decode_utf8(made.words, "grammar"),
                          0,
                          {},
                          text("sentence:%d", static_cast<int>(k))});
  }
  return list;
}

}  // namespace unroll::examples
