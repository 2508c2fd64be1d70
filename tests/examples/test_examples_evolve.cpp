// The strings of the program `evolve`, and what those get who only count.

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>

#include "evolve/task.hpp"
#include "temporary_folder.hpp"
#include "unroll/core/error.hpp"

using namespace unroll;
using namespace unroll::examples;

TEST_CASE("strings of the grammar: the last symbol but one counts four times") {
  Rng rng(1);
  const SymbolSource source;
  const SymbolStrings strings = source.draw(20, rng);
  CHECK(strings.size() == 20);
  for (std::size_t i = 0; i < 20; ++i) {
    const std::size_t n = strings.inputs[i].size();
    REQUIRE(strings.weights[i].size() == n);
    REQUIRE(strings.legal[i].size() == n);
    CHECK(strings.weights[i][n - 2] == 4);
    CHECK(strings.weights[i][n - 1] == 1);
    CHECK(strings.targets[i][n - 2] == strings.targets[i][0]);  // T or P, as at the beginning
  }
}

TEST_CASE("losses by counting") {
  SymbolStrings strings;
  for (int k = 0; k < 1000; ++k) strings.inputs.push_back({0, 1, 0}), strings.targets.push_back({1, 0, 1});
  CHECK(counted_loss(strings, strings, 2, 1) == doctest::Approx(0).epsilon(0.01));
  CHECK(counted_loss(strings, strings, 2, 0) == doctest::Approx(std::log(3) - 2. / 3 * std::log(2)).epsilon(1e-3));
  CHECK(std::isnan(least_loss(strings)));
  strings.legal = {{0b11, 0b1, 0b1}};
  CHECK(least_loss(strings) == doctest::Approx(std::log(2) / 3));
}

TEST_CASE("lines of a file: an end after each, a tenth held out") {
  const TemporaryFolder folder;
  std::ofstream(folder.file("lines")) << "ab\nab\nab\nab\nab\n\nab\nab\nab\nab\nab\n";
  Rng rng(1);
  const SymbolSource source(folder.file("lines"), rng);
  CHECK(source.alphabet() == 3);
  CHECK_FALSE(source.grammar());
  const SymbolStrings exam = source.exam(100, rng);
  REQUIRE(exam.size() == 1);
  CHECK(exam.inputs[0] == std::vector<Index>{1, 2});
  CHECK(exam.targets[0] == std::vector<Index>{2, 0});
  std::ofstream(folder.file("few")) << "ab\n";
  CHECK_THROWS_AS(SymbolSource(folder.file("few"), rng), DataError);
}
