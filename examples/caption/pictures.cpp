#include "caption/pictures.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace unroll::examples {

namespace {

constexpr std::array kinds = {"circle", "square", "triangle", "cross", "zero",  "one",   "two",
                              "three",  "four",   "five",     "six",   "seven", "eight", "nine"};
constexpr Index shapes = 4, things = 2 * (2 * shapes + 10);  // circles .. crosses are filled or hollow

/// Seven rows of five pixels, for 0 .. 9.
constexpr std::array<std::array<std::string_view, 7>, 10> digits = {{
    {" ### ", "#   #", "#  ##", "# # #", "##  #", "#   #", " ### "},
    {"  #  ", " ##  ", "  #  ", "  #  ", "  #  ", "  #  ", " ### "},
    {" ### ", "#   #", "    #", "   # ", "  #  ", " #   ", "#####"},
    {" ### ", "#   #", "    #", "  ## ", "    #", "#   #", " ### "},
    {"   # ", "  ## ", " # # ", "#  # ", "#####", "   # ", "   # "},
    {"#####", "#    ", "#### ", "    #", "    #", "#   #", " ### "},
    {"  ## ", " #   ", "#    ", "#### ", "#   #", "#   #", " ### "},
    {"#####", "    #", "   # ", "  #  ", " #   ", " #   ", " #   "},
    {" ### ", "#   #", "#   #", " ### ", "#   #", "#   #", " ### "},
    {" ### ", "#   #", "#   #", " ####", "    #", "   # ", " ##  "},
}};

struct Thing {
  Index kind;  ///< of `kinds`
  bool large, hollow;
};

/// Thing number 0 .. things-1.
Thing thing_of(Index number) {
  const bool large = number % 2 == 1;
  number /= 2;
  if (number < 2 * shapes) return {number / 2, large, number % 2 == 1};
  return {number - shapes, large, false};
}

std::vector<std::string> words_of(const Thing& thing) {
  std::vector<std::string> words = {"a", thing.large ? "large" : "small"};
  if (thing.kind < shapes) words.push_back(thing.hollow ? "hollow" : "filled");
  words.push_back(kinds[static_cast<std::size_t>(thing.kind)]);
  return words;
}

/// Whether a shape covers (u, v), both from 0 to 1 over its box; v goes down.
bool covers(const Thing& thing, double u, double v) {
  if (!(u >= 0 && u < 1 && v >= 0 && v < 1)) return false;
  const auto solid = [&thing](double u, double v, double edge) {
    const double x = std::abs(u - 0.5), y = std::abs(v - 0.5);
    switch (thing.kind) {
      case 0:
        return std::hypot(x, y) < 0.5 - edge;
      case 1:
        return std::max(x, y) < 0.5 - edge;
      case 2:
        return v < 1 - edge && x < (v - 2 * edge) / 2;
      default:
        return std::min(x, y) < 0.2 - edge / 2 && std::max(x, y) < 0.5 - edge;
    }
  };
  if (thing.kind < shapes) return solid(u, v, 0) && !(thing.hollow && solid(u, v, thing.kind == 3 ? 0.18 : 0.17));
  const auto& digit = digits[static_cast<std::size_t>(thing.kind - shapes)];
  return digit[static_cast<std::size_t>(7 * v)][static_cast<std::size_t>(5 * u)] == '#';
}

/// Half of a thing's height and width, in pixels.
struct Extent {
  double height, width;
};
Extent extent_of(const Thing& thing, Rng& rng) {
  const double size = thing.large ? rng.uniform(5.2, 5.8) : rng.uniform(3.3, 3.8);
  return {size, thing.kind < shapes ? size : 0.7 * size};
}

void draw(Picture& picture, const Thing& thing, const Extent& extent, double row, double column, Rng& rng) {
  const double bright = rng.uniform(0.6, 1.0);
  constexpr Index fine = 4;  // so many points a pixel in each direction
  const auto first = [](double at) { return std::max<Index>(static_cast<Index>(at), 0); };
  const auto end = [](double at) { return std::min(static_cast<Index>(at) + 1, picture_size); };
  for (Index r = first(row - extent.height); r < end(row + extent.height); ++r)
    for (Index c = first(column - extent.width); c < end(column + extent.width); ++c) {
      Index covered = 0;
      for (Index k = 0; k < fine * fine; ++k) {
        const double y = static_cast<double>(r) + (static_cast<double>(k / fine) + 0.5) / fine;
        const double x = static_cast<double>(c) + (static_cast<double>(k % fine) + 0.5) / fine;
        covered += covers(thing, (x - column) / (2 * extent.width) + 0.5, (y - row) / (2 * extent.height) + 0.5);
      }
      float& pixel = picture.pixels[static_cast<std::size_t>(r * picture_size + c)];
      pixel = std::max(pixel, static_cast<float>(bright * static_cast<double>(covered) / (fine * fine)));
    }
}

/// A fifth of the sentences, spread evenly over things and relations.
bool is_held_out(Index first, Index second, bool above) { return (first + 2 * second + (above ? 3 : 0)) % 5 == 0; }

}  // namespace

Picture draw_picture(bool held_out, Rng& rng) {
  Picture picture{std::vector<float>(picture_size * picture_size), {}};
  constexpr double size = picture_size;
  const Index first = rng.integer(things);
  const Thing a = thing_of(first);
  const Extent ea = extent_of(a, rng);
  picture.sentence = words_of(a);
  if (!held_out && rng.bernoulli(0.15)) {
    draw(picture, a, ea, rng.uniform(ea.height, size - ea.height), rng.uniform(ea.width, size - ea.width), rng);
  } else {
    Index second;
    bool above;
    do {
      second = rng.integer(things), above = rng.bernoulli(0.5);
    } while (is_held_out(first, second, above) != held_out);
    const Thing b = thing_of(second);
    const Extent eb = extent_of(b, rng);
    for (const char* word : {above ? "above" : "left", above ? "" : "of"})
      if (*word) picture.sentence.push_back(word);
    for (const std::string& word : words_of(b)) picture.sentence.push_back(word);
    // Along one axis they share the picture, with a gap; along the other each lies where it likes near the middle.
    const double la = above ? ea.height : ea.width, lb = above ? eb.height : eb.width;
    const double spare = size - 2 * (la + lb), before = spare * rng.uniform(0.0, 0.4),
                 gap = spare * rng.uniform(0.2, 0.6);
    const double pa = before + la, pb = before + 2 * la + gap + lb;
    const double qa = size / 2 + rng.uniform(-2.0, 2.0), qb = size / 2 + rng.uniform(-2.0, 2.0);
    draw(picture, a, ea, above ? pa : qa, above ? qa : pa, rng);
    draw(picture, b, eb, above ? pb : qb, above ? qb : pb, rng);
  }
  for (float& pixel : picture.pixels) pixel = std::clamp(pixel + 0.06f * static_cast<float>(rng.normal()), 0.0f, 1.0f);
  return picture;
}

Index sentence_count(bool held_out) {
  Index count = 0;
  for (Index a = 0; a < things; ++a)
    for (Index b = 0; b < things; ++b)
      for (const bool above : {false, true}) count += is_held_out(a, b, above) == held_out;
  return count;
}

std::string as_characters(const Picture& picture) {
  constexpr std::string_view ramp = " .:-=+*#%@";
  std::string text;
  for (Index r = 0; r < picture_size; ++r) {
    std::string line;
    for (Index c = 0; c < picture_size; ++c) {
      const float p = std::clamp(picture.pixels[static_cast<std::size_t>(r * picture_size + c)], 0.0f, 1.0f);
      line += std::string(2, ramp[static_cast<std::size_t>(p * 9.99f)]);  // characters are half as wide as high
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string sentence_text(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

}  // namespace unroll::examples
