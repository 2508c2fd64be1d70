// Readers of labelled texts and of .ts series, and splits.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "temporary_folder.hpp"
#include "unroll/core/error.hpp"
#include "unroll/data/batches/split.hpp"
#include "unroll/data/series/time_series.hpp"
#include "unroll/data/text/labelled_text.hpp"
#include "unroll/data/text/text_file.hpp"
#include "unroll/data/text/utf8.hpp"

using namespace unroll;

namespace {

TemporaryFolder& folder() {
  static TemporaryFolder f;
  return f;
}

std::string file(const std::string& name, const std::string& bytes) {
  const std::string path = folder().file(name);
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  put_file(path, bytes);
  return path;
}

/// What reading says about a file of these bytes, without the folder's name.
template <class Read>
std::string error_of(Read&& read, const std::string& path) {
  try {
    read(path);
  } catch (const DataError& e) {
    std::string message = e.what();
    const std::string start = folder().file("");
    for (auto at = message.find(start); at != message.npos; at = message.find(start)) message.erase(at, start.size());
    return message;
  }
  return "";
}

const std::string ts_head =
    "# a comment\n@problemName Vowels\n@timeStamps false\n@univariate false\n@dimensions 2\n"
    "@equalLength false\n@classLabel true a b\n@data\n";

}  // namespace

TEST_CASE("lines: with either end, without a byte order mark, the last one with or without an end") {
  CHECK(read_lines(file("l",
                        "\xef\xbb\xbf"
                        "a\r\n\nb\xc3\xa9")) == std::vector<std::u32string>{U"a", U"", U"b\u00e9"});
  CHECK(read_lines(file("l", "a\nb\n")).size() == 2);
  CHECK(error_of(read_lines, file("l", "")) == "l: the file is empty");
  CHECK(error_of(read_lines, file("l", "\xef\xbb\xbf")) == "l: the file is empty");
  CHECK(error_of(read_lines, file("l", "ab\nc\xff")) == "l:2: byte 5 of the file is 0xff, which is not UTF-8 text");
  CHECK(error_of(read_lines, folder().file("missing")) == "missing: cannot be read: No such file or directory");
  CHECK(error_of(read_bytes, folder().file("")) == ": is a folder, expected a file");
}

TEST_CASE("labelled texts from lines") {
  const std::string path = file("t.tsv", "good\tI like it\r\n\nbad\tno\tthanks\n \t \n");
  const auto items = read_labelled_texts(path);
  REQUIRE(items.size() == 2);
  CHECK(items[0].label == "good");
  CHECK(items[0].text == U"I like it");
  CHECK(items[1].label == "bad");
  CHECK(items[1].text == U"no\tthanks");
  CHECK(items[1].where == path + ":3");
  const auto fails = [](const std::string& bytes) { return error_of(read_labelled_texts, file("t", bytes)); };
  CHECK(fails("a\tb\nno tab\n") == "t:2: no tab in this line, expected `label TAB text`");
  CHECK(fails("a\tb\n\tc\n") == "t:2: nothing before the tab, expected a label");
  CHECK(fails("a\t \n") == "t:1: nothing after the tab, expected a text");
  CHECK(fails("\n\n") == "t: only blank lines, expected `label TAB text`");
  CHECK(fails("") == "t: the file is empty");
}

TEST_CASE("labelled texts from a folder") {
  file("names/B.txt", "Bo\n\nBj\xc3\xb6rn\n");
  file("names/A.txt", "Al");
  file("names/.hidden", "x");
  std::filesystem::create_directories(folder().file("names/sub"));
  const auto items = read_labelled_texts(folder().file("names"));
  REQUIRE(items.size() == 3);
  CHECK(items[0].label == "A");
  CHECK(items[2].label == "B");
  CHECK(items[2].text == U"Bj\u00f6rn");
  CHECK(items[2].where == folder().file("names/B.txt:3"));
  file("names/C.txt", "\n\n");
  CHECK(error_of(read_labelled_texts, folder().file("names")) == "names/C.txt: only blank lines");
  file("names/C.txt", "");
  CHECK(error_of(read_labelled_texts, folder().file("names")) == "names/C.txt: the file is empty");
  file("names/C.txt", "c");
  file("names/C.dat", "c");
  CHECK(error_of(read_labelled_texts, folder().file("names")) == "names/C.txt: class 'C' is also that of names/C.dat");
  std::filesystem::create_directories(folder().file("none"));
  CHECK(error_of(read_labelled_texts, folder().file("none")) ==
        "none: no file in this folder, expected one for each class");
}

TEST_CASE("series of a .ts file: ragged, missing values, signs and exponents") {
  const std::string path = file("v.ts", ts_head + "1,2,3:4,5,6:a\r\n\n# between\n ? , -1.5e1 : +7,1e-60 : b\n:: a\n");
  const TimeSeriesFile f = read_ts(path);
  CHECK(f.name == "Vowels");
  CHECK(f.dimensions == 2);
  CHECK(f.labels);
  CHECK(!f.targets);
  CHECK(f.classes == std::vector<std::string>{"a", "b"});
  REQUIRE(f.series.size() == 3);
  CHECK(f.series[0].values == std::vector<float>{1, 4, 2, 5, 3, 6});
  CHECK(f.series[0].steps == 3);
  CHECK(f.series[0].label == "a");
  CHECK(f.series[1].where == path + ":12");
  CHECK(std::isnan(f.series[1].values[0]));
  CHECK(f.series[1].values[1] == 7);
  CHECK(f.series[1].values[2] == -15);
  CHECK(f.series[1].values[3] == 0);
  CHECK(f.series[2].steps == 0);
  CHECK(f.series[2].label == "a");
}

TEST_CASE("series of a .ts file: univariate, targets, no labels, declarations in any case") {
  const auto one = read_ts(file("u.ts", "@PROBLEMNAME x\n@UniVariate TRUE\n@classlabel false\n@DATA\n1,2\n3\n"));
  CHECK(one.dimensions == 1);
  CHECK(!one.labels);
  CHECK(one.series[1].values == std::vector<float>{3});
  const auto target = read_ts(file("u.ts", "@problemName x\n@targetLabel true\n@data\n1,2:3,4:-0.5\n"));
  CHECK(target.targets);
  CHECK(target.dimensions == 2);
  CHECK(target.series[0].label == "-0.5");
}

TEST_CASE("what is wrong with a .ts file is named by file and line") {
  const auto fails = [](const std::string& bytes) { return error_of(read_ts, file("x.ts", bytes)); };
  CHECK(fails("") == "x.ts: the file is empty");
  CHECK(fails("1,2:a\n") == "x.ts:1: got '1,2:a', expected a declaration `@...`: is this a .ts file?");
  CHECK(fails("@problemName x\n") == "x.ts: no line `@data` in 1 lines: is this a .ts file?");
  CHECK(fails("@problemName\n") == "x.ts:1: @problemname without a value");
  CHECK(fails("@ \n") == "x.ts:1: a declaration without a name");
  CHECK(fails("@timeStamps true\n") == "x.ts:1: series with time stamps are not supported");
  CHECK(fails("@univariate maybe\n") == "x.ts:1: got 'maybe', expected true or false");
  CHECK(fails("@dimensions 0\n") == "x.ts:1: @dimensions is '0', expected a whole number from 1");
  CHECK(fails("@classLabel true\n") == "x.ts:1: @classLabel true without a class");
  CHECK(fails(ts_head) == "x.ts:8: the file ends without a series after `@data`");
  CHECK(fails(ts_head + "1:2:c\n") == "x.ts:9: label 'c' is none of those that @classLabel lists");
  CHECK(fails(ts_head + "1:2:3:a\n") == "x.ts:9: 3 dimensions, expected 2");
  CHECK(fails(ts_head + "a\n") == "x.ts:9: a label without a series");
  CHECK(fails(ts_head + "1,2:3:a\n") == "x.ts:9: dimension 2 has 1 steps, the first has 2");
  CHECK(fails(ts_head + "1:2:a\n1:2x:a\n") == "x.ts:10: value '2x' is no number");
  CHECK(fails(ts_head + "1,:2,3:a\n") == "x.ts:9: value '' is no number");
  CHECK(fails(ts_head + "1:1e40:a\n") == "x.ts:9: value '1e40' is too large");
  CHECK(fails(ts_head + "1:inf:a\n") == "x.ts:9: value 'inf' is too large");
  CHECK(fails("@targetLabel true\n@data\n1:x\n") == "x.ts:3: target 'x' is no number");
}

TEST_CASE("a split has its shares, every item once, and is the same for the same seed") {
  Rng rng(3), again(3);
  const Split split = split_items(1003, rng, {.dev = 0.2, .test = 0.1});
  CHECK(split.test.size() == 100);
  CHECK(split.dev.size() == 201);
  std::vector<Index> all = split.train;
  all.insert(all.end(), split.dev.begin(), split.dev.end());
  all.insert(all.end(), split.test.begin(), split.test.end());
  CHECK(!std::is_sorted(all.begin(), all.end()));
  std::sort(all.begin(), all.end());
  std::vector<Index> expected(1003);
  std::iota(expected.begin(), expected.end(), 0);
  CHECK(all == expected);
  CHECK(split_items(1003, again, {.dev = 0.2, .test = 0.1}).test == split.test);
  CHECK(split_items(1003, again, {.dev = 0.2, .test = 0.1}).test != split.test);
  CHECK(split_items(0, rng).train.empty());
  CHECK(split_items(5, rng, {.dev = 0, .test = 1}).train.empty());
}

TEST_CASE("a split by groups never parts equal items") {
  Rng rng(5);
  std::vector<std::string> words;
  for (int i = 0; i < 900; ++i) words.push_back("w" + std::to_string(rng.integer(300)));
  const auto groups = group_equal(words);
  const Split split = split_items(900, rng, {.dev = 0.1, .test = 0.1, .groups = groups});
  std::vector<int> part(900);
  for (const Index i : split.dev) part[static_cast<std::size_t>(i)] = 1;
  for (const Index i : split.test) part[static_cast<std::size_t>(i)] = 2;
  std::vector<int> part_of_group(300, -1);
  for (std::size_t i = 0; i < 900; ++i) {
    int& p = part_of_group[static_cast<std::size_t>(groups[i])];
    if (p < 0) p = part[i];
    CHECK(p == part[i]);
  }
  CHECK(split.test.size() >= 90);
  CHECK(split.test.size() < 110);
  CHECK(split.dev.size() >= 90);
  CHECK(split.dev.size() < 110);
}

TEST_CASE("groups, and the first of each") {
  CHECK(group_equal(std::vector<std::string>{"b", "a", "b", "c", "a"}) == std::vector<Index>{0, 1, 0, 2, 1});
  CHECK(first_of_groups(std::vector<Index>{7, 1, 7, 2, 1}) == std::vector<Index>{0, 1, 3});
}

TEST_CASE("what cannot be split says why") {
  Rng rng(1);
  CHECK_THROWS_WITH_AS(split_items(-1, rng), "[split_items] -1 items", ValueError);
  CHECK_THROWS_WITH_AS(split_items(9, rng, {.dev = 0.6, .test = 0.5}),
                       doctest::Contains("expected shares from 0 that add up to at most 1"), ValueError);
  CHECK_THROWS_WITH_AS(split_items(9, rng, {.dev = -0.1}), doctest::Contains("dev -0.1"), ValueError);
  const std::vector<Index> groups{1, 2};
  CHECK_THROWS_WITH_AS(split_items(9, rng, {.groups = groups}), "[split_items] 2 groups for 9 items", ValueError);
}
