#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "forecast/task.hpp"
#include "music/midi.hpp"
#include "music/task.hpp"
#include "music/tunes.hpp"
#include "temporary_folder.hpp"
#include "unroll/core/error.hpp"

using namespace unroll;
using namespace unroll::examples;

TEST_CASE("a piece that is written as MIDI is read back as it was") {
  const TemporaryFolder folder;
  const std::string file = folder.file("piece.mid");
  Rng rng(3);
  PianoRoll wild(200);
  for (auto& step : wild)
    for (int pitch = 0; pitch < 128; ++pitch)
      if (rng.bernoulli(0.05)) step.push_back(pitch);
  for (const PianoRoll& piece :
       {make_tune(rng).notes, wild, PianoRoll{}, PianoRoll{{}, {60}, {}, {}}, PianoRoll{{0, 127}}})
    for (const Index steps : {1, 2, 4}) {
      write_midi(file, piece, {.steps_per_quarter = steps, .tempo = 97.5});
      CHECK(read_midi(file, steps) == piece);
    }
}

TEST_CASE("the bytes of a MIDI file are those of the standard") {
  const std::string bytes = midi_bytes({{60}, {60, 64}, {}}, {.steps_per_quarter = 2, .tempo = 120, .velocity = 80});
  const std::string expected(
      "MThd\0\0\0\x06\0\0\0\x01\x01\xe0"
      "MTrk\0\0\0\x21\0\xff\x51\x03\x07\xa1\x20\0\xc0\0\0\x90\x3c\x60"
      "\x81\x70\x90\x40\x60\x81\x70\x80\x3c\0\0\x80\x40\0\x81\x70\xff\x2f\0",
      14 + 8 + 33);
  CHECK(bytes == expected);
  CHECK_THROWS_AS(midi_bytes({{128}}), ValueError);
  CHECK_THROWS_AS(midi_bytes({}, {.steps_per_quarter = 7}), ValueError);
}

TEST_CASE("MIDI files of others: running status, several tracks, drums left out") {
  const TemporaryFolder folder;
  const std::string file = folder.file("other.mid");
  // 96 ticks a quarter note; a note of a quarter by running status, notes on with velocity 0 as their ends.
  const std::string header("MThd\0\0\0\x06\0\x01\0\x02\0\x60", 14);
  const std::string first("MTrk\0\0\0\x0f\0\x90\x3c\x40\x60\x3c\0\0\x3e\x40\x30\x3e\0\0\xff", 23);
  const std::string drums("MTrk\0\0\0\x0c\0\x99\x24\x40\x60\x89\x24\0\0\xff\x2f\0", 20);
  put_file(file, header + first.substr(0, 7) + '\x10' + first.substr(8) + std::string("\x2f\0", 2) + drums);
  CHECK_THROWS_AS(read_midi(file), DataError);  // the first track's length is one short
  put_file(file, header + first.substr(0, 7) + '\x11' + first.substr(8) + std::string("\x2f\0", 2) + drums);
  CHECK(read_midi(file) == PianoRoll{{60}, {60}, {62}});
  for (const auto& bytes : {std::string(), std::string("no music at all"), header, header + first}) {
    put_file(file, bytes);
    CHECK_THROWS_AS(read_midi(file), DataError);
  }
}

TEST_CASE("tunes by rule: known length, in one key, A returns") {
  Rng rng(5);
  for (int k = 0; k < 50; ++k) {
    const Tune tune = make_tune(rng);
    REQUIRE((tune.notes.size() == 96 || tune.notes.size() == 128));
    CHECK(tune.nats > 20);
    const auto quarter = static_cast<std::ptrdiff_t>(tune.notes.size() / 4);
    const PianoRoll a(tune.notes.begin(), tune.notes.begin() + quarter);
    CHECK((PianoRoll(tune.notes.begin() + quarter, tune.notes.begin() + 2 * quarter) == a ||
           PianoRoll(tune.notes.begin() + 2 * quarter, tune.notes.begin() + 3 * quarter) == a));
    const Style style = style_of(tune.notes);
    int classes = 0;
    for (std::size_t c = 0; c < 12; ++c) classes += style[c] > 0 ? 1 : 0;
    CHECK(classes <= 7);
    CHECK(similarity(style, style) == doctest::Approx(1));
    CHECK(similarity(transposed(transposed(style, 5), -5), style) == doctest::Approx(1));
    CHECK(similarity(transposed(style, 6), style) < 0.7);
  }
}

TEST_CASE("batches of music: what sounded one step before") {
  const std::vector<PianoRoll> pieces = {{{60, 64}, {}, {67}}};
  const RollBatch batch = batches_of(pieces, true)[0];
  CHECK(roll_of(batch.notes[0]) == pieces[0]);
  CHECK(roll_of(batch.before[0]) == PianoRoll{{}, {60, 64}, {}});
  CHECK(batch.styles[0] == doctest::Approx(1.0 / 3));
  CHECK(batch.styles[14] == 1);
  CHECK(batches_of(pieces, false)[0].styles == std::vector<float>(15));
  const auto segments = segments_of({PianoRoll(10), PianoRoll(3)}, 4);
  REQUIRE(segments.size() == 4);
  CHECK(segments[1].from == 3);
  CHECK(segments[2].to == 10);
}

TEST_CASE("chords and styles by words") {
  CHECK(parse_chord("67,60,64,60") == std::vector<int>{60, 64, 67});
  CHECK(parse_chord("").empty());
  for (const char* bad : {"60,", "128", "-1", "C", "60 64", ",60"}) CHECK_THROWS_AS(parse_chord(bad), DataError);
  const std::vector<Style> styles = {style_of({{60}}), style_of({{61}})};
  Rng rng(1);
  CHECK(parse_style("2", styles, rng) == styles[1]);
  CHECK(parse_style("random", styles, rng)[14] == doctest::Approx(1));
  CHECK(parse_style("0,0,0,0,0,0,0,1,0,0,0,0,0.5,1", styles, rng)[7] == 1);
  for (const char* bad : {"", "0", "3", "1.5", "1,2", "x", "1x"})
    CHECK_THROWS_AS(parse_style(bad, styles, rng), DataError);
}

TEST_CASE("seasons are found where there are some") {
  Rng rng(2);
  for (const Index season : {4, 7, 12, 30}) {
    Series series{.name = "s"};
    for (Index t = 0; t < 20 * season; ++t)
      series.values.push_back(static_cast<double>(t % season * (t % season) * 10 / season) + rng.normal());
    series.values[5] = NAN;
    CHECK(find_season(series, series.size()) == season);
  }
  Series noise{.name = "n"};
  for (int t = 0; t < 300; ++t) noise.values.push_back(rng.normal());
  CHECK(find_season(noise, 300) == 1);
  CHECK(find_season(noise, 2) == 1);
  CHECK(find_season(noise, -5) == 1);
}

TEST_CASE("least squares") {
  // y = 2 - 3 x exactly, and with a ridge less steep around the same constant
  const std::vector<double> x = {1, -1, 1, 0, 1, 1}, y = {5, 2, -1};
  const auto w = least_squares(x, y, 0);
  CHECK(w[0] == doctest::Approx(2));
  CHECK(w[1] == doctest::Approx(-3));
  CHECK(least_squares(x, y, 0.5)[1] == doctest::Approx(-2));
}

TEST_CASE("a series' plain guess: a season that repeats is guessed exactly, over missing values too") {
  Series series{.name = "s"};
  for (int t = 0; t < 240; ++t) series.values.push_back(t % 5 * (t % 5) + 0.5 * t);
  series.values[201] = series.values[202] = series.values[230] = NAN;
  const ForecastTask task(series, parts_of(series, 40, 5, 3), 5, 3);
  for (const Index t : {150, 202, 210, 230})
    for (Index j = 1; j <= 3; ++j)
      CHECK(task.plain(t, j) ==
            doctest::Approx(static_cast<double>((t + j) % 5 * ((t + j) % 5)) + 0.5 * static_cast<double>(t + j)));
  CHECK(std::isnan(task.target(200, 1, 240)));
  CHECK(std::isnan(task.target(238, 3, 240)));
  CHECK(task.inputs(0, 240).size() == static_cast<std::size_t>(240 * task.features()));
}
