// The stories of the program `remember`.

#include <doctest/doctest.h>

#include <set>

#include "remember/report.hpp"
#include "remember/stories.hpp"
#include "unroll/core/error.hpp"

using namespace unroll;
using namespace unroll::examples;

TEST_CASE("vacations: as many words between as asked for, and nothing of the answer among them") {
  Rng rng(1);
  for (const Index gap : {4, 5, 6, 9, 23, 60}) {
    for (const Story& story : make_vacations(50, gap, rng)) {
      CHECK(story.gap() == gap);
      CHECK((story.answer == "she" || story.answer == "he"));
      CHECK(story.words[1] == "went");
    }
  }
  // Names in the middle go with either answer; the first name with one.
  std::set<std::pair<std::string, std::string>> first, later;
  for (const Story& story : make_vacations(3000, 30, rng)) {
    first.emplace(story.words[0], story.answer);
    for (std::size_t i = 1; i < story.words.size(); ++i) later.emplace(story.words[i], story.answer);
  }
  CHECK(first.size() == 20);
  CHECK(later.contains({"Isha", "she"}));
  CHECK(later.contains({"Isha", "he"}));
  CHECK_FALSE(first.contains({"Isha", "he"}));
  CHECK_THROWS_WITH_AS(make_vacations(1, 3, rng), "[make_vacations] a gap of 3 words, expected 4 or more", ValueError);
}

TEST_CASE("stories: a group for each gap, or six of many gaps; tests go to the nearest") {
  const auto story = [](std::size_t words, const char* answer) {
    return Story{std::vector<std::string>(words, "x"), answer};
  };
  StoryTask few({story(3, "a"), story(5, "b"), story(5, "a")});
  REQUIRE(few.groups.size() == 2);
  CHECK(few.groups[0].name() == "2");
  CHECK(few.groups[1].train.size() == 2);
  CHECK(few.largest() == 2);
  few.add_test({story(1, "a"), story(9, "b")});
  CHECK(few.groups[0].test.size() == 1);
  CHECK(few.groups[1].test.at(0).answer == 1);
  CHECK(guessing(few) == 0.5);
  CHECK_THROWS_AS(few.add_test({story(3, "c")}), DataError);

  std::vector<Story> many;
  for (std::size_t n = 1; n <= 60; ++n) many.push_back(story(n, n % 2 ? "a" : "b"));
  const StoryTask task(many);
  REQUIRE(task.groups.size() == 6);
  CHECK(task.groups[5].name() == "50-59");
  for (const StoryGroup& group : task.groups) CHECK(group.train.size() == 10);

  const StoryTask loaded(task.settings(), "file");
  CHECK(loaded.groups.size() == 6);
  CHECK(loaded.words.id("x") == task.words.id("x"));
  CHECK_THROWS_AS(StoryTask(nlohmann::json::object(), "file"), DataError);
  CHECK_THROWS_AS(StoryTask({story(3, "a"), story(4, "a")}), DataError);
}

TEST_CASE("the second picture's name") {
  CHECK(gradient_plot("a.b/out.svg") == "a.b/out-gradient.svg");
  CHECK(gradient_plot("") == "");
}
