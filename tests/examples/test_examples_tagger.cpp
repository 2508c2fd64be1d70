// What the tagger and the assistant share: words as features, made sentences, files of predictions, utterances.

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "assistant/domain.hpp"
#include "common/word_encoder.hpp"
#include "tagger/name_frames.hpp"
#include "temporary_folder.hpp"
#include "unroll/core/error.hpp"
#include "unroll/data/text/tags.hpp"
#include "unroll/data/text/text_file.hpp"
#include "unroll/nn/lstm.hpp"

using namespace unroll;
using namespace unroll::examples;

TEST_CASE("features of a word: lower case, shapes, first and last characters") {
  CHECK(features_of_word("McX27") == std::vector<std::string>{"w mcx00", "s XxX00", "r XxX0", "p m", "q 0", "p mc",
                                                              "q 00", "p mcx", "q x00", "p mcx0", "q cx00"});
  CHECK(features_of_word("Élan")[0] == "w élan");
  CHECK(features_of_word("aaaaaaa")[1] == "s xxxx");  // runs of more than four count as four
  CHECK(features_of_word("-").size() == 5);
}

TEST_CASE("word forms know what training shows") {
  const Lists train = {{"the", "cat"}, {"the", "dog"}};
  WordForms words(train, 2);
  const auto numbers = words.numbers(std::vector<std::string>{"the", "zebra", "the"});
  CHECK(numbers == std::vector<Index>{0, 1, 0});
  CHECK(words.form(0).features.size() == 9);    // all of "the"
  CHECK(words.form(1).characters.size() == 5);  // z, b, r are unknown ones
  CHECK(words.form(1).characters[0] == words.characters().unknown());
  CHECK(words.form(1).characters[1] == words.characters().id("e"));
  WordForms again(tokens_of(words.characters()), tokens_of(words.features()));
  again.numbers(std::vector<std::string>{"the"});
  CHECK(again.form(0).features == words.form(0).features);
  CHECK(again.form(0).characters == words.form(0).characters);
}

TEST_CASE("a word's vector depends on nothing but the word, whatever stands beside it") {
  const Lists train = {{"the", "cat", "sat"}, {"the", "dog"}};
  WordForms words(train, 1);
  Rng rng(1);
  const WordEncoder<LSTMCell<>> encoder(words, {.embed = 3, .char_embed = 2, .char_hidden = 2}, rng);
  const auto numbers = word_numbers({{"dog", "zebra"}, {"the", "cat", "dog"}}, words);
  Tape<float> tape;
  const Evaluation scope(tape);
  const auto x = encoder(words, numbers);
  CHECK(x.rows.shape() == Shape{5, encoder.output_size()});
  const auto y = encoder(words, std::vector<std::vector<Index>>{{numbers[0][0]}});
  // Rows of the first step, long sentences first: "the", "dog"; of the last one: "dog".
  for (Index k = 0; k < encoder.output_size(); ++k) {
    const auto i = static_cast<std::size_t>(k), width = static_cast<std::size_t>(encoder.output_size());
    CHECK(x.rows.values()[width + i] == doctest::Approx(y.rows.values()[i]));
    CHECK(x.rows.values()[4 * width + i] == doctest::Approx(y.rows.values()[i]));
  }
}

TEST_CASE("held-out sentences have other frames and other names") {
  Rng rng(1);
  const auto train = make_name_sentences(4000, false, rng), test = make_name_sentences(500, true, rng);
  const auto names_and_frames = [](const TaggedSentences& all, std::set<std::string>& names) {
    std::set<std::string> frames;
    for (std::size_t k = 0; k < all.words.size(); ++k) {
      std::string frame;
      for (std::size_t t = 0; t < all.words[k].size(); ++t) {
        const auto& tag = all.tags[k][t];
        if (tag != "O" && all.words[k][t] != "Bank" && all.words[k][t] != "Motors" && all.words[k][t] != "University")
          names.insert(all.words[k][t]);
        if (!tag.starts_with("I")) frame += (tag == "O" ? all.words[k][t] : tag) + " ";
      }
      frames.insert(frame);
    }
    return frames;
  };
  std::set<std::string> known, others, both;
  const auto frames = names_and_frames(train, known);
  for (const auto& frame : names_and_frames(test, others)) CHECK_MESSAGE(!frames.contains(frame), frame);
  CHECK(!frames.contains("B-person worked at B-organisation in B-place "));
  std::set_intersection(known.begin(), known.end(), others.begin(), others.end(), std::inserter(both, both.end()));
  CHECK_MESSAGE(both.empty(), *both.begin());
  CHECK(others.contains("Sumesh"));
  CHECK(others.contains("Cisco"));
  CHECK(others.contains("Bengaluru"));
  for (const auto* part : {&train, &test})
    for (const auto& tags : part->tags) CHECK(!first_invalid_tag(tags, TagScheme::iob2));
}

TEST_CASE("shuffled sentences keep their names whole") {
  Rng rng(1);
  const auto plain = make_name_sentences(50, false, rng);
  const auto mixed = shuffled_words(plain, rng);
  std::size_t moved = 0;
  for (std::size_t k = 0; k < plain.words.size(); ++k) {
    CHECK(spans_of(plain.tags[k]).size() == spans_of(mixed.tags[k]).size());
    auto a = plain.words[k], b = mixed.words[k];
    moved += a != b;
    std::sort(a.begin(), a.end()), std::sort(b.begin(), b.end());
    CHECK(a == b);
  }
  CHECK(moved > 40);
}

TEST_CASE("predictions: written, read and judged") {
  const TemporaryFolder folder;
  const TaggedSentences truth{{{"Ann", "Lee", "met"}, {"Bob"}}, {{"B-P", "I-P", "O"}, {"B-P"}}};
  const Lists guess = {{"B-P", "I-P", "O"}, {"O"}};
  write_predictions(folder.file("out"), truth, guess);
  CHECK(read_bytes(folder.file("out")) == "Ann B-P B-P\nLee I-P I-P\nmet O O\n\nBob B-P O\n\n");
  CHECK(score_file(folder.file("out")).overall.f1() == doctest::Approx(2.0 / 3));
  auto spaced = truth;
  spaced.words[0][0] = "Ann Mary";
  write_predictions(folder.file("out"), spaced, guess);
  CHECK(score_file(folder.file("out")).overall.f1() == doctest::Approx(2.0 / 3));
  CHECK(with_tags(truth.words[0], guess[0]) == "Ann/B-P Lee/I-P met");
  CHECK(tag_names(truth) == std::vector<std::string>{"O", "B-P", "I-P"});
}

TEST_CASE("utterances: scores and the baseline, by hand") {
  const Utterances train{{{{"go", "home"}, {"go", "oslo"}, {"hello", "you"}}, {{"O", "O"}, {"O", "B-to"}, {"O", "O"}}},
                         {"move", "move", "greet"}};
  const Utterances test{{{{"hello", "oslo"}, {"go", "rome"}}, {{"O", "B-to"}, {"O", "B-to"}}}, {"greet", "move"}};
  const auto guess = guess_by_words(train, test.sentences.words);
  CHECK(guess.sentences.tags == Lists{{"O", "B-to"}, {"O", "O"}});
  // "greet": p(class) 1/3, hello (1 + 1) / (2 + 5), oslo 1 / 7; "move": 2/3, 1 / 9, (1 + 1) / 9: 0.0136 to 0.0165.
  CHECK(guess.intents == std::vector<std::string>{"move", "move"});
  const auto score = score_of(test, guess);
  CHECK(score.slot_f1 == doctest::Approx(100 * 2.0 / 3));
  CHECK(score.intent_accuracy == doctest::Approx(50));
  CHECK(score.sentence_accuracy == doctest::Approx(0));
  CHECK(score_of(test, test).sentence_accuracy == doctest::Approx(100));
}

TEST_CASE("what the assistant says") {
  CHECK(reply("book_flight", {"fly", "to", "new", "york", "today"}, {"O", "O", "B-to", "I-to", "B-day"}) ==
        "Looking for flights to new york today.");
  CHECK(reply("book_flight", {"fly", "me"}, {"O", "O"}) == "Where do you want to fly to?");
  CHECK(reply("set_timer", {"time", "tea"}, {"O", "B-timer"}) == "For how long?");
  CHECK(reply("something else", {"a"}, {"O"}).empty());
  Rng rng(1);
  std::set<std::string> cities;
  for (const bool held_out : {false, true}) {
    const auto made = make_utterances(500, held_out, rng);
    CHECK(intent_names(made).size() == 6);
    for (std::size_t k = 0; k < 500; ++k) {
      CHECK(!reply(made.intents[k], made.sentences.words[k], made.sentences.tags[k]).empty());
      for (const auto& span : spans_of(made.sentences.tags[k]))
        if (span.type == "city") {
          const auto& word = made.sentences.words[k][static_cast<std::size_t>(span.begin)];
          if (held_out && word != "new") CHECK_MESSAGE(!cities.contains(word), word);
          if (!held_out) cities.insert(word);
        }
    }
  }
}
