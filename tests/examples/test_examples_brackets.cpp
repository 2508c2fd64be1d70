// Brackets without a partner, by hand.

#include <doctest/doctest.h>

#include "custom_cell/brackets.hpp"

using namespace unroll;
using namespace unroll::examples;

TEST_CASE("brackets without a partner") {
  CHECK(lonely_brackets({}).empty());
  CHECK(lonely_brackets({0, 1}) == std::vector<Index>{0, 0});
  CHECK(lonely_brackets({1, 0}) == std::vector<Index>{1, 1});
  CHECK(lonely_brackets({0, 1, 1, 0, 0, 1}) == std::vector<Index>{0, 0, 1, 1, 0, 0});
  CHECK(lonely_brackets({0, 0, 1}) == std::vector<Index>{1, 0, 0});  // the inner one has the partner
}

TEST_CASE("made lines: 8 to 24 brackets, the same for the same seed") {
  Rng rng(1), again(1);
  const BracketLines lines(200, rng), same(200, again);
  CHECK(lines.brackets == same.brackets);
  for (std::size_t i = 0; i < 200; ++i) {
    CHECK(lines.brackets[i].size() >= 8);
    CHECK(lines.brackets[i].size() <= 24);
    CHECK(lines.alone[i] == lonely_brackets(lines.brackets[i]));
  }
  CHECK(lines.size_of(std::vector<Index>{0, 3}) ==
        static_cast<double>(lines.brackets[0].size() + lines.brackets[3].size()));
}
