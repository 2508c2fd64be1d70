// What the speech example hears of a sound, and how it parts recordings.

#include <doctest/doctest.h>

#ifdef UNROLL_HAVE_FFTW

#include <algorithm>
#include <cmath>
#include <numbers>

#include "speech/task.hpp"
#include "unroll/core/error.hpp"

using namespace unroll;
using namespace unroll::examples;

namespace {

std::vector<float> tone(double hertz, Index rate, double seconds) {
  std::vector<float> samples;
  for (Index n = 0; n < std::lround(seconds * static_cast<double>(rate)); ++n)
    samples.push_back(static_cast<float>(
        std::sin(2 * std::numbers::pi * hertz * static_cast<double>(n) / static_cast<double>(rate))));
  return samples;
}

Index loudest_band(const std::vector<float>& y, Index bands) {
  return std::max_element(y.begin(), y.begin() + bands) - y.begin();
}

/// The band whose middle is nearest to a frequency, of 20 between 0 and 4000 Hz.
Index band_of(double hertz) {
  const auto mel = [](double f) { return 2595 * std::log10(1 + f / 700); };
  return std::lround(mel(hertz) / (mel(4000) / 21)) - 1;
}

const LogMelOptions options{.bands = 20, .low = 0, .high = 4000};

}  // namespace

TEST_CASE("A tone is loudest in its band, whatever the rate") {
  for (const Index rate : {8000, 16000, 22050})
    for (const double hertz : {300.0, 1000.0, 2500.0}) {
      const auto y = LogMel(rate, options)(tone(hertz, rate, 0.1));
      CHECK(loudest_band(y, 20) == band_of(hertz));
    }
}

TEST_CASE("A shorter vocal tract moves the tone up, a faster voice makes fewer frames") {
  const LogMel mel(8000, options);
  const auto x = tone(1000, 8000, 1.0);
  CHECK(loudest_band(mel(x, {.tract = 1.5}), 20) == band_of(1500));
  CHECK(mel.frames(8000) == 98);  // 1 + (1000 - 25) / 10 ms
  CHECK(std::ssize(mel(x)) == 98 * 20);
  CHECK(mel.frames(8000, 2) == 49);
  CHECK(std::ssize(mel(x, {.tempo = 2})) == 49 * 20);
  CHECK(mel.frames(0) == 1);
  for (const float e : mel({})) CHECK(std::isfinite(e));
}

TEST_CASE("A tilted spectrum is louder at the top and weaker at the bottom, a bowed one at both ends") {
  const LogMel mel(8000, {.bands = 21, .low = 0, .high = 4000, .dynamic_range = 200});
  Rng rng(1);
  std::vector<float> noise(4000);
  for (float& x : noise) x = static_cast<float>(rng.normal());
  const auto y = mel(noise), tilted = mel(noise, {.tilt = 8}), bowed = mel(noise, {.bow = 8});
  const double decibel = std::log(10.0) / 10, outermost = 20.0 / 21;
  const auto lifted = [&](const std::vector<float>& z, std::size_t band) {
    return static_cast<double>(z[band] - y[band]) / decibel;
  };
  CHECK(lifted(tilted, 0) == doctest::Approx(-8 * outermost).epsilon(1e-3));
  CHECK(lifted(tilted, 10) == doctest::Approx(0).epsilon(1e-3));
  CHECK(lifted(tilted, 20) == doctest::Approx(8 * outermost).epsilon(1e-3));
  CHECK(lifted(bowed, 0) == doctest::Approx(8 * (2 * outermost * outermost - 1)).epsilon(1e-3));
  CHECK(lifted(bowed, 10) == doctest::Approx(-8).epsilon(1e-3));
}

TEST_CASE("Weak beginnings and ends are cut off, loud ones never") {
  auto word = tone(1000, 8000, 0.5);
  for (std::size_t n = 0; n < 800; ++n) word[n] *= 0.001f, word[3999 - n] *= 0.001f;  // 60 dB weaker
  Rng rng(1);
  auto all = word, none = word, loud = tone(1000, 8000, 0.5), brief = tone(1000, 8000, 0.05);
  cut_ends(all, 8000, {.cut = 1}, rng);
  CHECK(std::ssize(all) == 2400);
  CHECK(std::equal(all.begin(), all.end(), word.begin() + 800));
  cut_ends(none, 8000, {.cut = 0}, rng);
  CHECK(none == word);
  cut_ends(loud, 8000, {.cut = 1}, rng);
  CHECK(std::ssize(loud) == 4000);
  cut_ends(brief, 8000, {.cut = 1}, rng);
  CHECK(std::ssize(brief) == 400);
  std::vector<float> nothing;
  cut_ends(nothing, 8000, {.cut = 1}, rng);
  CHECK(nothing.empty());
}

TEST_CASE("Nothing is quieter than the dynamic range allows") {
  const LogMel mel(8000, {.bands = 20, .low = 0, .high = 4000, .dynamic_range = 20});
  const auto y = mel(tone(1000, 8000, 0.1));
  const auto [low, high] = std::minmax_element(y.begin(), y.end());
  CHECK(*high - *low == doctest::Approx(2 * std::log(10.0)).epsilon(1e-4));
}

TEST_CASE("Normalized bands have mean 0, all together deviation 1") {
  std::vector<float> y = {1, 10, 3, 30, 5, 20};
  normalize_bands(y, 2);
  CHECK(y[0] + y[2] + y[4] == doctest::Approx(0));
  double squares = 0;
  for (const float e : y) squares += static_cast<double>(e * e);
  CHECK(squares / 6 == doctest::Approx(1));
  std::vector<float> silence = {2, 2, 2};
  normalize_bands(silence, 1);
  CHECK(silence == std::vector<float>{0, 0, 0});
}

TEST_CASE("Rates and options that leave nothing to hear are refused") {
  CHECK_THROWS_AS(LogMel(8000, {.low = 4000}), ValueError);
  CHECK_THROWS_AS(LogMel(100, {}), ValueError);
  CHECK_THROWS_AS(LogMel(8000, {.bands = 0}), ValueError);
}

TEST_CASE("Speakers held out are in no other part; words in a row are one speaker's") {
  Rng rng(1);
  const auto words = make_words(4, 2, rng);
  CHECK(words.size() == 80);
  const auto folds = part_recordings(words, {.hold_out = {}, .folds = true, .first = 0}, rng);
  CHECK(folds.size() == 4);
  for (const Parting& p : folds) {
    CHECK(p.test.items.size() == 20);
    for (const Utterance* u : p.test.items) CHECK(u->speaker == p.name);
    for (const Utterance* u : p.train.items) CHECK(u->speaker != p.name);
    for (Index k = 0; k < 20; ++k)
      for (const Utterance* u : p.train.said(k, 3, rng))
        CHECK(u->speaker == p.train.items[static_cast<std::size_t>(k)]->speaker);
  }
  const auto first = part_recordings(words, {.hold_out = {}, .folds = false, .first = 1}, rng);
  CHECK(first.at(0).test.items.size() == 40);
  for (const Utterance* u : first[0].test.items) CHECK(u->number == 0);
}

TEST_CASE("Letters of words in a row, and back") {
  Utterance three, six;
  three.word = "3", six.word = "6";
  Part part;
  part.add(three), part.add(six);
  const Words words(part);
  CHECK(words.words == std::vector<std::string>{"3", "6"});
  CHECK(words.number_of(six) == 1);
  CHECK(words.text(words.spelled({&six, &three})) == "six three");
  Utterance seven;
  seven.word = "7", seven.file = "seven.wav";
  CHECK_THROWS_WITH_AS(words.number_of(seven), "seven.wav: the word '7' does not occur in training", DataError);
  CHECK_THROWS_AS(words.spelled({&seven}), DataError);
}

#endif
