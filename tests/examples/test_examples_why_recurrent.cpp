// The sentences of the program `why_recurrent`, and how its networks are judged.

#include <doctest/doctest.h>

#include <cmath>

#include "unroll/core/error.hpp"
#include "why_recurrent/name_report.hpp"
#include "why_recurrent/name_sentences.hpp"

using namespace unroll;
using namespace unroll::examples;

TEST_CASE("made sentences: their length, harry's place, and nothing beside him that tells") {
  Rng rng(1);
  for (const Index length : {4, 7, 16})
    for (Index at = -1; at < length; ++at) {
      const NameSentence s = make_name_sentence({.length = length, .harry_at = at}, rng);
      CHECK(s.length() == length);
      CHECK(s.names.size() == s.words.size());
      Index harrys = 0;
      for (const std::string& word : s.words) harrys += word == "harry";
      CHECK(harrys == (at < 0 ? 0 : 1));
      if (at < 0) continue;
      const auto k = static_cast<std::size_t>(at);
      CHECK(s.words[k] == "harry");
      CHECK(s.names[k]);
      CHECK_FALSE((k + 1 < s.names.size() && s.names[k + 1]));
    }
  CHECK_THROWS_AS(make_name_sentence({.length = 3}, rng), ValueError);
  CHECK_THROWS_AS(make_name_sentence({.length = 5, .harry_at = 5}, rng), ValueError);
}

TEST_CASE("the made task: harry is first in training and later where it counts") {
  Rng rng(2);
  const NameTask task = make_name_task(600, 60, 8, 12, 200, rng);
  const Index harry = task.words.id("harry");
  Index trained = 0, moved = 0;
  for (const NameItem& item : task.train) {
    CHECK(std::ssize(item.words) <= 8);
    for (std::size_t t = 0; t < item.words.size(); ++t)
      if (item.words[t] == harry) {
        CHECK(t == 0);
        ++trained;
      }
  }
  for (const NameItem& item : task.moved) {
    CHECK(item.words[0] != harry);
    for (const Index word : item.words) moved += word == harry;
  }
  CHECK(trained == 100);
  CHECK(moved == 60);
  CHECK(task.names.contains(harry));
  CHECK(task.places.contains({harry, 0}));
  CHECK_FALSE(task.places.contains({harry, 3}));
  for (const NameItem& item : task.longer) CHECK((std::ssize(item.words) > 8 && std::ssize(item.words) <= 12));
}

TEST_CASE("examine: a network that knows the answer, and one that never says name") {
  Rng rng(3);
  const NameTask task = make_name_task(300, 40, 8, 12, 200, rng);
  const auto knows = [](std::span<const NameItem> items) {
    std::vector<std::vector<bool>> guesses;
    for (const NameItem& item : items) guesses.push_back(item.names);
    return guesses;
  };
  const auto never = [](std::span<const NameItem> items) {
    std::vector<std::vector<bool>> guesses;
    for (const NameItem& item : items) guesses.emplace_back(item.names.size());
    return guesses;
  };
  const NameFigures right = examine("a", task, knows), wrong = examine("b", task, never);
  CHECK(right.known.f1() == 1);
  CHECK(right.new_place.recall() == 1);
  CHECK(right.longer.accuracy() == 1);
  CHECK(wrong.known.f1() == 0);
  CHECK(wrong.new_place.recall() == 0);
  CHECK(wrong.same_place.recall() == 0);
  CHECK(wrong.new_place.words >= 40);
  CHECK(std::isnan(NameCounts().f1()));
  CHECK(window_parameters(10000, 10, 100) == 10'001'110);
}
