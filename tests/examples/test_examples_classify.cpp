// What the classify program shares with others: encoded items, baselines, pictures.

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "classify/judge.hpp"
#include "classify/labelled_items.hpp"
#include "common/plot.hpp"
#include "temporary_folder.hpp"

using namespace unroll;
using namespace unroll::examples;

namespace {

LabelledItems texts(std::initializer_list<std::pair<const char*, const char*>> list) {
  LabelledItems items;
  for (const auto& [label, text] : list) items.items.push_back({label, decode_utf8(text, "t"), 0, {}, "t:1"});
  return items;
}

}  // namespace

TEST_CASE("a task encodes by what training shows") {
  const auto train = texts({{"b", "xyx"}, {"a", "z"}}), test = texts({{"a", "zq"}});
  const LabelledTask task(train, {}, test, classes_of(train.items), false);
  CHECK(task.classes == std::vector<std::string>{"a", "b"});
  CHECK(task.train[0].ids == std::vector<Index>{0, 1, 0});
  CHECK(task.train[0].label == 1);
  CHECK(task.train[0].steps == 3);
  CHECK(task.test[0].ids == std::vector<Index>{2, task.vocabulary.unknown()});
  CHECK(batches_of(task.train, 1)[1][0] == &task.train[1]);
  CHECK(batch_of(task.train, std::vector<Index>{1, 0})[0] == &task.train[1]);
}

TEST_CASE("series are scaled by training's mean and deviation, what is missing is the mean") {
  LabelledItems train{2, {{"a", {}, 2, {1, 5, 3, 5}, "s:1"}, {"b", {}, 1, {NAN, 5}, "s:2"}}};
  const LabelledTask task(train, {}, train, {"a", "b"}, false);
  CHECK(task.train[0].values == std::vector<float>{-1, 0, 1, 0});
  CHECK(task.train[1].values == std::vector<float>{0, 0});
}

TEST_CASE("an encoding comes back from its settings") {
  const LabelledItems series{2, {{"a", {}, 2, {1, 5, 3, 5}, "s:1"}, {"b", {}, 1, {NAN, 5}, "s:2"}}};
  const auto ratings = texts({{"10", "gut, \u00e4rger"}, {"20.5", "schlecht"}});
  for (const Encoding& encoding : {Encoding(series, {"a", "b"}, false), Encoding(ratings, {}, true)}) {
    const LabelledItems& items = encoding.rates() ? ratings : series;
    const Encoding again(nlohmann::json::parse(encoding.settings().dump()), "f");
    const auto before = encoding.encode(items), after = again.encode(items);
    for (std::size_t i = 0; i < before.size(); ++i) {
      CHECK(after[i].ids == before[i].ids);
      CHECK(after[i].values == before[i].values);
      CHECK(after[i].label == before[i].label);
      CHECK(after[i].rating == before[i].rating);
    }
  }
  auto settings = Encoding(series, {"a", "b"}, false).settings();
  settings["mean"] = {1.0};
  CHECK_THROWS_AS(Encoding(settings, "f"), DataError);
  settings.erase("mean");
  CHECK_THROWS_AS(Encoding(settings, "f"), DataError);
}

TEST_CASE("ratings are scaled, errors are in their own unit") {
  const auto train = texts({{"10", "good good"}, {"20", "bad"}, {"30", "bad bad"}});
  const LabelledTask task(train, {}, train, {}, true);
  CHECK(task.rating_mean == doctest::Approx(20));
  CHECK(task.train[1].rating == 0);
  CHECK(error_of(task, task.test, std::vector<double>(3, 0)) == doctest::Approx(std::sqrt(200.0 / 3)));
  const auto ridge = ridge_ratings(task);
  CHECK(ridge[0] < ridge[1]);
  CHECK(ridge[1] < ridge[2]);
}

TEST_CASE("naive Bayes of pairs by hand") {
  // p("xy" | a) is high, and "a" has two items of three.
  const auto train = texts({{"a", "xy"}, {"a", "xy"}, {"b", "yx"}});
  const auto test = texts({{"a", "xy"}, {"b", "yx"}, {"a", "q"}, {"b", "q"}});
  const LabelledTask task(train, {}, test, classes_of(train.items), false);
  CHECK(naive_bayes_accuracy(task) == doctest::Approx(0.75));  // of what was never seen the larger class is it
}

TEST_CASE("made judgements: both labels, other things when held out, ratings within two") {
  Rng rng(1), again(1);
  const auto list = make_judgements(200, false, false, rng);
  CHECK(classes_of(list.items) == std::vector<std::string>{"negative", "positive"});
  CHECK(make_judgements(200, false, false, again).items[7].text == list.items[7].text);
  for (const auto& item : make_judgements(200, true, false, rng).items)
    for (const char32_t* thing : {U" soup", U" film", U" room"}) CHECK(item.text.find(thing) == item.text.npos);
  std::set<std::string> ratings;
  for (const auto& item : make_judgements(200, true, true, rng).items) {
    CHECK(std::fabs(std::stod(item.label)) <= 2);
    ratings.insert(item.label);
  }
  CHECK(ratings.size() > 10);
}

TEST_CASE("pictures: what is wrong is said before anything is drawn") {
  const TemporaryFolder folder;
  CHECK_NOTHROW(check_plot(""));
  CHECK_THROWS_WITH_AS(check_plot("a.gif"), "a.gif: a picture's name must end in .svg or .png", DataError);
  CHECK(gnuplot_string("it's\nso") == "\"it\\047s so\"");
  if (std::system("command -v gnuplot >/dev/null 2>&1") != 0) return;
  CHECK_THROWS_WITH_AS(check_plot(folder.file("no/a.svg")), doctest::Contains("cannot be written"), DataError);
  const std::string svg = folder.file("it's.svg");
  CHECK_THROWS_WITH_AS(draw(svg, "plot nonsense"), doctest::Contains("gnuplot could not draw it"), DataError);
  const std::vector<Curve> curves{{"loss_1", {{0, 1}, {1, 0.5}}}, {"nothing", {}}};
  draw_curves(svg, "a_b {c}", "x", "y", curves, true);
  const std::string picture = file_bytes(svg);
  CHECK(picture.find("a_b {c}") != picture.npos);
  CHECK(picture.find("loss_1") != picture.npos);
  CHECK(picture.find("nothing") == picture.npos);
  draw_matrix(folder.file("m.png"), "m", {"a", "b"}, {"a", "b"}, std::vector<Index>{3, 0, 1, 2});
  CHECK(file_bytes(folder.file("m.png")).substr(1, 3) == "PNG");
  CHECK_THROWS_WITH_AS(draw_curves(svg, "", "", "", {}), doctest::Contains("no curve has a point"), DataError);
}
