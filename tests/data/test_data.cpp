// Tables, piano rolls, sounds, whole texts, and splits without duplicates.

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "mutated_file.hpp"
#include "temporary_folder.hpp"
#include "unroll/core/error.hpp"
#include "unroll/data/batches/split.hpp"
#include "unroll/data/series/piano_roll.hpp"
#include "unroll/data/series/table.hpp"
#include "unroll/data/series/wav.hpp"
#include "unroll/data/text/text_file.hpp"

using namespace unroll;

namespace {

const std::string& path() {
  static const TemporaryFolder folder;
  static const std::string file = folder.file("f");
  return file;
}

std::string file(const std::string& bytes) {
  put_file(path(), bytes);
  return path();
}

/// What reading a file of these bytes says, the file called f.
template <class Read>
std::string error_of(Read&& read, const std::string& bytes) {
  try {
    read(file(bytes));
  } catch (const Error& e) {
    std::string text = e.what();
    for (auto at = text.find(path()); at != text.npos; at = text.find(path())) text.replace(at, path().size(), "f");
    return text;
  }
  return "";
}

std::string number(std::uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
  return text;
}

/// A wav file of 16-bit samples, (T, C) row-major.
std::string wav(const std::vector<int>& samples, std::uint32_t channels, std::uint32_t rate) {
  std::string data;
  for (const int s : samples) data += number(static_cast<std::uint32_t>(s), 2);
  const auto size = static_cast<std::uint32_t>(data.size());
  return "RIFF" + number(36 + size, 4) + "WAVEfmt " + number(16, 4) + number(1, 2) + number(channels, 2) +
         number(rate, 4) + number(rate * channels * 2, 4) + number(channels * 2, 2) + number(16, 2) + "data" +
         number(size, 4) + data;
}

}  // namespace

TEST_CASE("whole texts: line ends and byte order marks") {
  CHECK(read_text(file("\xef\xbb\xbf"
                       "a\r\nb\rc\n")) == U"a\nb\rc\n");
  CHECK(read_utf8_lines(file("\xc3\xa9\r\n\nb")) == std::vector<std::string>{"\xc3\xa9", "", "b"});
  CHECK(error_of(read_text, "") == "f: the file is empty");
  CHECK(error_of(read_text, "a\n\xe9") == "f:2: byte 3 of the file is 0xe9, which is not UTF-8 text");
}

TEST_CASE("tables of texts") {
  const auto rows = read_tsv(file("a b\tc\r\n\n\xc3\xa9\t\n"));
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].cells == std::vector<std::string>{"a b", "c"});
  CHECK(rows[1].cells == std::vector<std::string>{"\xc3\xa9", ""});
  CHECK(rows[1].where == path() + ":3");
  const auto read = [](const std::string& p) { read_tsv(p); };
  CHECK(error_of(read, "a\tb\n\na\n") == "f:3: 1 cells parted by tabs, expected 2");
  CHECK(error_of([](const std::string& p) { read_tsv(p, 3); }, "a\tb\n") == "f:1: 2 cells parted by tabs, expected 3");
  CHECK(error_of(read, "\n \n") == "f: only blank lines");
  CHECK(error_of(read, "") == "f: the file is empty");
  CHECK_THROWS_AS(read_tsv("f", -1), ValueError);
}

TEST_CASE("tables of numbers: names, quotes, what is missing, any line end") {
  const auto t =
      read_csv(file("\xef\xbb\xbf"
                    "x, \"y, \"\"z\"\"\"\r\n1,2\r\n\r\n -1.5e1 ,\n+3,\"4\"\nNA,?\n"));
  CHECK(t.names == std::vector<std::string>{"x", "y, \"z\""});
  CHECK(t.rows() == 4);
  CHECK(t.lines == std::vector<Index>{2, 4, 5, 6});
  CHECK(t.columns[0][1] == -15);
  CHECK(std::isnan(t.columns[1][1]));
  CHECK(t.columns[0][2] == 3);
  CHECK(t.columns[1][2] == 4);
  CHECK(std::isnan(t.columns[0][3]));
  CHECK(t.column("x")[0] == 1);
  CHECK(t.values()[1] == 2);
  CHECK(t.values<double>().size() == 8);
  CHECK(error_of([&](const std::string&) { t.column("z"); }, "") == "f: no column 'z', there are 'x', 'y, \"z\"'");
}

TEST_CASE("tables of numbers: some columns, other separators, no header, comments") {
  const auto some = read_csv(file("date,a,b\n1958-03,1,2\n\"19\n58\",3,4\nx,5,6"), {.columns = {"b", "a"}});
  CHECK(some.columns[0] == std::vector<double>{2, 4, 6});
  CHECK(some.columns[1] == std::vector<double>{1, 3, 5});
  CHECK(some.lines == std::vector<Index>{2, 3, 5});
  const auto none =
      read_csv(file("# made by hand\n1;2\n#x\n3;4\n"), {.separator = ';', .header = false, .comment = '#'});
  CHECK(none.names == std::vector<std::string>{"1", "2"});
  CHECK(none.columns[1] == std::vector<double>{2, 4});
  CHECK(std::isnan(read_csv(file("a\n-99\n"), {.missing = {"-99"}}).columns[0][0]));
}

TEST_CASE("what is wrong with a table of numbers is named by file and line") {
  const auto fails = [](const std::string& bytes, const CsvOptions& o = {}) {
    return error_of([&](const std::string& p) { read_csv(p, o); }, bytes);
  };
  CHECK(fails("") == "f: the file is empty");
  CHECK(fails("\n\n") == "f: only blank lines");
  CHECK(fails("a,b\n") == "f: a header without rows");
  CHECK(fails("a,b\n1,2\n1\n") == "f:3: 1 cells, the first row has 2");
  CHECK(fails("a,b\n1,2x\n") == "f:2: column 'b' is '2x', expected a number");
  CHECK(fails("a,b\n1,inf\n") == "f:2: column 'b' is 'inf', expected a number");
  CHECK(fails("a,b\n1,1e999\n") == "f:2: column 'b' is '1e999', expected a number");
  CHECK(fails("a,b\n1,+-2\n") == "f:2: column 'b' is '+-2', expected a number");
  CHECK(fails("a,b\n1,\"2\n3\n") == "f:2: a quote that does not end");
  CHECK(fails("a,b\n1,2\"3\"\n") == "f:2: a quote inside the cell '2'");
  CHECK(fails("a,b\n1,\"2\"3\n") == "f:2: text after a cell's closing quote");
  CHECK(fails("a,a\n1,2\n") == "f:1: column 'a' is there twice");
  CHECK(fails("a,b\n1,2\n", {.columns = {"c"}}) == "f:1: no column 'c', there are 'a', 'b'");
  CHECK(fails("a\n\xff\n") == "f:2: byte 3 of the file is 0xff, which is not UTF-8 text");
}

TEST_CASE("piano rolls") {
  const auto rolls = read_piano_rolls(file(" {\"train\": [[[64, 60.0, 64], []], []],\n \"valid\": [[[0,127]]]} \n"));
  CHECK(rolls.parts.size() == 2);
  CHECK(rolls.parts[1].first == "valid");
  CHECK(rolls.part("train") == std::vector<PianoRoll>{{{60, 64}, {}}, {}});
  CHECK(rolls.part("valid") == std::vector<PianoRoll>{{{0, 127}}});
  CHECK_THROWS_WITH_AS(rolls.part("test"), doctest::Contains("no part 'test', there are 'train', 'valid'"), DataError);
  const PianoRoll piece = {{60, 62}, {}, {61}};
  CHECK(roll_values(piece, 60, 3) == std::vector<float>{1, 0, 1, 0, 0, 0, 0, 1, 0});
  CHECK(roll_values<double>(piece).size() == 3 * 128);
  CHECK(roll_of(roll_values(piece, 60, 3), 60, 3) == piece);
  CHECK(roll_of(roll_values<double>(piece)) == piece);
  CHECK_THROWS_WITH_AS(roll_values(piece, 60, 2), "[roll_values] pitch 62 at step 0, expected 60 .. 61", ValueError);
  CHECK_THROWS_AS(roll_values(piece, 60, 100), ValueError);
  CHECK_THROWS_AS(roll_of(std::vector<float>(5), 0, 2), ValueError);
}

TEST_CASE("what is wrong with piano rolls is named by file and line") {
  const auto fails = [](const std::string& bytes) { return error_of(read_piano_rolls, bytes); };
  CHECK(fails("") == "f: the file is empty");
  CHECK(fails("{}") == "f:1: an object without a part such as \"train\"");
  CHECK(fails("\n\n[1]") == "f:3: got a list, expected an object of parts");
  CHECK(fails("{\"a\":\n{}}") == "f:2: got an object, expected a list of pieces");
  CHECK(fails("{\"a\":[\n7\n]}") == "f:2: got a number, expected a piece (a list of steps)");
  CHECK(fails("{\"a\":[[\n\"x\"]]}") == "f:2: got the text 'x', expected a step (a list of pitches)");
  CHECK(fails("{\"a\":[[[60],[\n61,\n128\n]]]}") == "f:3: pitch 128, expected a whole number from 0 to 127");
  CHECK(fails("{\"a\":[[[60,\n-1]]]}") == "f:2: pitch -1, expected a whole number from 0 to 127");
  CHECK(fails("{\"a\":[[[60.5]]]}") == "f:1: pitch 60.5, expected a whole number from 0 to 127");
  CHECK(fails("{\"a\":[[[[1]]]]}") == "f:1: got a list, expected a pitch from 0 to 127");
  CHECK(fails("{\"a\":[[[null]]]}") == "f:1: got null, expected a pitch from 0 to 127");
  CHECK(fails("{\"a\":[],\n\"a\":[]}") == "f:2: part 'a' is there twice");
  CHECK(fails("{\"a\":[[[60],\n\n").starts_with("f:2: is no valid JSON: "));
  CHECK(fails("{\"a\":[]}\nx").starts_with("f:2: is no valid JSON: "));
  CHECK(fails(std::string("{\"a\":[]}\n\0", 10)) == "f:2: is no valid JSON: a zero byte");
}

TEST_CASE("sounds") {
  const auto read = [](const std::string& p) { read_wav(p); };
  const std::string stereo = wav({0, 16384, -32768, 32767, 100, -100}, 2, 8000);
  if (error_of(read, stereo).find("has no libsndfile") != std::string::npos) {
    MESSAGE("this build has no libsndfile: sounds are not tested");
    return;
  }
  const Sound sound = read_wav(file(stereo));
  CHECK(sound.rate == 8000);
  CHECK(sound.channels == 2);
  CHECK(sound.steps() == 3);
  CHECK(sound.samples[1] == 0.5f);
  CHECK(sound.samples[2] == -1.0f);
  CHECK(sound.samples[4] == 100.0f / 32768);
  CHECK(sound.mono() == std::vector<float>{0.25f, -1.0f / 65536, 0});
  std::vector<int> ramp(200000);
  for (std::size_t i = 0; i < ramp.size(); ++i) ramp[i] = static_cast<int>(i % 1000);
  const Sound longer = read_wav(file(wav(ramp, 1, 16000)));
  REQUIRE(longer.steps() == 200000);
  CHECK(longer.samples[199999] == 999.0f / 32768);
  CHECK(longer.mono() == longer.samples);
  CHECK(read_wav(file(wav({}, 1, 16000))).steps() == 0);
  CHECK(read_wav(file(stereo.substr(0, stereo.size() - 4))).steps() == 2);  // what is there of a file that was cut
  CHECK(error_of(read, "no sound at all").starts_with("[wav] f: cannot be read as sound: "));
  CHECK(error_of(read, "").starts_with("[wav] f: cannot be read as sound: "));
  CHECK_THROWS_WITH_AS(read_wav(path() + "-missing"), doctest::Contains("-missing: cannot be read as sound: "),
                       FileError);
  CHECK_THROWS_WITH_AS(read_wav("/"), "[wav] /: is no file", FileError);
}

TEST_CASE("damaged files of every kind: an error that names the file, or a load") {
  const std::vector<std::string> csv = {"a,b\n1,2\n\"3\",NA\n"},
                                 rolls = {"{\"train\":[[[60,64],[]],[[1]]],\"valid\":[]}"},
                                 sounds = {wav({1, 2, 3, 4, 5, 6, 7, 8}, 2, 8000)};
  Rng rng(8);
  const auto try_all = [&](const std::vector<std::string>& originals, auto&& read) {
    int errors = 0;
    for (int i = 0; i < 300; ++i) {
      CAPTURE(i);
      try {
        read(file(mutated(originals[0], rng)));
      } catch (const Error& e) {
        ++errors;
        CHECK(std::string_view(e.what()).find(path()) != std::string_view::npos);
      }
    }
    CHECK(errors > 20);
  };
  try_all(csv, [](const std::string& p) {
    for (const CsvTable table = read_csv(p); const auto& column : table.columns)
      CHECK(std::ssize(column) == table.rows());
  });
  try_all(rolls, [](const std::string& p) {
    for (const auto& [name, pieces] : read_piano_rolls(p).parts)
      for (const auto& piece : pieces) CHECK(roll_of(roll_values(piece)) == piece);
  });
  try_all(sounds, [](const std::string& p) {
    const auto samples = read_wav(p).samples.size();
    CHECK(samples < 1000);
  });
}

TEST_CASE("a split by keys never parts equal ones, whatever the keys") {
  Rng rng(5);
  std::vector<std::vector<Index>> sentences;
  for (int i = 0; i < 400; ++i) sentences.push_back({rng.integer(10), rng.integer(10)});
  const Split split = split_distinct(sentences, rng, {.dev = 0.1, .test = 0.2});
  CHECK(split.train.size() + split.dev.size() + split.test.size() == 400);
  CHECK(split.test.size() >= 80);
  const auto keys = [&](const std::vector<Index>& part) {
    std::set<std::vector<Index>> all;
    for (const Index i : part) all.insert(sentences[static_cast<std::size_t>(i)]);
    return all;
  };
  const auto train = keys(split.train), dev = keys(split.dev), test = keys(split.test);
  CHECK(train.size() + dev.size() + test.size() == std::set(sentences.begin(), sentences.end()).size());
}
