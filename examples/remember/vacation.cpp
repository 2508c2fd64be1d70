#include <algorithm>
#include <array>

#include "common/chance.hpp"
#include "remember/stories.hpp"
#include "unroll/core/error.hpp"
#include "unroll/data/text/tokenize.hpp"

namespace unroll::examples {

namespace {

using Words = std::vector<std::string>;

const Words women = {"Isha", "Meera", "Asha", "Anna", "Julia", "Laila", "Mina", "Clara", "Emma", "Nora"};
const Words men = {"Rohan", "Arjun", "Sumesh", "Paul", "Martin", "Omar", "Ben", "David", "Jonas", "Leo"};

/// What happens in 1, 2, ... words; * is anybody's name.
const std::array<Words, 6> clauses = {{
    {"again", "alone", "abroad", "anyway"},
    {"it rained", "prices rose", "buses ran", "fog fell"},
    {"* called twice", "the train stopped", "the sea glittered", "* stayed home", "nobody slept well"},
    {"the hotel was full", "* sent a postcard", "a dog barked outside", "the museum had closed", "* missed the ferry"},
    {"the food was too salty", "* lost the only map", "* danced all night long", "it rained for a week"},
    {"* and * wrote every day", "the bus left without a warning", "at night the streets were empty"},
}};

}  // namespace

std::vector<Story> make_vacations(Index count, Index gap, Rng& rng) {
  if (gap < 4) throw ValueError("[make_vacations] a gap of " + std::to_string(gap) + " words, expected 4 or more");
  std::vector<Story> stories;
  for (Index i = 0; i < count; ++i) {
    const bool she = rng.bernoulli(0.5);
    Words words = {one_of(she ? women : men, rng), "went", "for", "a", "vacation"};
    for (Index left = gap - 4; left > 0;) {
      const Index length = 1 + rng.integer(std::min<Index>(left, std::ssize(clauses)));
      for (std::string& word : tokenize_space(one_of(clauses[static_cast<std::size_t>(length) - 1], rng)))
        words.push_back(word == "*" ? one_of(rng.bernoulli(0.5) ? women : men, rng) : std::move(word));
      left -= length;
    }
    stories.push_back({std::move(words), she ? "she" : "he"});
  }
  return stories;
}

}  // namespace unroll::examples
