// What translate does to texts: words and spaces, byte pair encoding, dates.

#include <doctest/doctest.h>

#include "common/letters.hpp"
#include "common/subwords.hpp"
#include "translate/parallel_text.hpp"
#include "unroll/core/error.hpp"

using namespace unroll;
using namespace unroll::examples;

using Texts = std::vector<std::string>;

TEST_CASE("letters: capitals and small ones of several scripts are each other's") {
  for (const auto& [small, capital] : {std::pair(U'a', U'A'),
                                       {U'é', U'É'},
                                       {U'œ', U'Œ'},
                                       {U'ž', U'Ž'},
                                       {U'ł', U'Ł'},
                                       {U'ÿ', U'Ÿ'},
                                       {U'ω', U'Ω'},
                                       {U'я', U'Я'},
                                       {U'ё', U'Ё'}}) {
    CHECK(lower(capital) == small);
    CHECK(upper(small) == capital);
    CHECK(lower(small) == small);
    CHECK(upper(capital) == capital);
    CHECK(is_letter(small));
  }
  for (const char32_t c : {U'1', U'×', U'÷', U'ß', U'-', U' '}) CHECK(lower(c) == c);
  for (const char32_t c : {U'×', U'¿', U'«', U'’', U'—', U'€', U'。', U'\u202f', U'\ufffd'}) CHECK(!is_letter(c));
}

TEST_CASE("tokens: words, apostrophes, digits and marks; joined they are the text with single spaces") {
  CHECK(split_tokens("Qu'est-ce que l'avion ?") == Texts{"Qu'", "est", "-", "ce", "que", "l'", "avion", "\u2581?"});
  CHECK(split_tokens("the twenty-first of May 1994-05-21.") ==
        Texts{"the", "twenty", "-", "first", "of", "May", "1", "9", "9", "4", "-", "0", "5", "-", "2", "1", "."});
  for (const char* text : {"Qu'est-ce que l'avion ?", "1994-05-21", "a - b", "(yes) [no], \"x y\".", "don't 'go' now",
                           "l' avion", "3.14, 1,000", "C'est l’été : 20 %", "word2vec 2 3", "", "a.b", "x", "日本語。"})
    CHECK(join_tokens(split_tokens(text)) == text);
  CHECK(join_tokens(split_tokens("  a \u202f b\u00a0!\n")) == "a b !");
  CHECK_THROWS_AS(split_tokens("\xff"), ValueError);
}

TEST_CASE("byte pair encoding: frequent pairs first, texts come back, unknown characters too are marked") {
  const Texts texts = {"Low lower lowest.", "The newest one is low.", "Newer and wider, the widest.", "Tom saw Tom."};
  const Subwords none(texts, 0), some(texts, 12), all(texts, 1000, 1);
  for (const Subwords* s : {&none, &some, &all})
    for (const auto& text : texts) CHECK(s->decode(s->encode(text)) == text);
  CHECK(none.encode("low").size() == 3);
  CHECK(all.encode("lowest").size() == 1);
  CHECK(some.encode("lowest").size() < 6);
  // The beginning is small, but for a word that is a name elsewhere.
  CHECK(all.encode("Low") == all.encode("low"));
  CHECK(all.vocabulary().token(all.encode("Tom")[0]) == "Tom");
  CHECK(all.decode(all.encode("newest widest")) == "Newest widest");
  CHECK(all.decode(all.encode("low ξ")) == "Low \uFFFD");
  const Subwords again = Subwords::from_json(nlohmann::json::parse(some.to_json().dump()), "model");
  for (const auto& text : {"Tom is newer.", "unseen words, lowly", "Low"})
    CHECK(again.encode(text) == some.encode(text));
  CHECK_THROWS_AS(Subwords::from_json(nlohmann::json::object(), "model"), DataError);
  Rng rng(1);
  CHECK(all.encode("lowest newest", 0, rng) == all.encode("lowest newest"));
  std::size_t longest = 0;
  for (int i = 0; i < 20; ++i) {
    const auto pieces = all.encode("lowest newest", 0.3, rng);
    longest = std::max(longest, pieces.size());
    CHECK(all.decode(pieces) == "Lowest newest");
  }
  CHECK(longest > 2);
}

TEST_CASE("dates: every one once, their words say what they are") {
  Rng rng(1);
  const PairTask task = date_task(300, 50, 50, rng);
  CHECK(task.train.size() == 300);
  CHECK(task.dev.size() == 50);
  CHECK(task.test.size() == 50);
  std::set<std::string> dates;
  for (const auto* part : {&task.train, &task.dev, &task.test})
    for (const auto& pair : *part) {
      CHECK(dates.insert(pair.target).second);
      CHECK(pair.target.size() == 10);
      if (pair.target.substr(5, 2) == "05") CHECK(pair.source.find("May") != std::string::npos);
      if (pair.target.substr(8) == "21") CHECK(pair.source.find("twenty-first") != std::string::npos);
      if (pair.target.starts_with("1994")) CHECK(pair.source.find("nineteen ninety-four") != std::string::npos);
    }
  const auto nearest = nearest_translations(task.train, std::span(task.train).first(20));
  for (std::size_t i = 0; i < 20; ++i) CHECK(nearest[i] == task.train[i].target);
  CHECK(score_translations(std::span(task.train).first(20), nearest).quality() == doctest::Approx(100));
}
