// What correct does to texts: errors and edits, candidates, scripts, passages.

#include <doctest/doctest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "correct/correction_task.hpp"
#include "correct/lexicon.hpp"
#include "correct/text_errors.hpp"
#include "correct/transducer.hpp"
#include "unroll/core/error.hpp"
#include "unroll/data/text/utf8.hpp"

using namespace unroll;
using namespace unroll::examples;

TEST_CASE("edits: the fewest changes, their kinds, precision and recall") {
  const auto words = [](const char* text) { return split_sentence(text); };
  CHECK(words("I don't know, he said.") == Sentence{"I", "don't", "know", ",", "he", "said", "."});
  const Sentence right = words("he was in a house with red walls by the sea."),
                 wrong = words("she were in in an hosue with red walls by sea.");
  const auto edits = edits_of(wrong, right);
  REQUIRE(edits.size() == 6);
  CHECK(edits[0] == Edit{0, 1, {"he"}});
  CHECK(edits.back() == Edit{10, 10, {"the"}});
  std::array<int, 6> kinds{};
  for (const Edit& edit : edits) ++kinds[static_cast<std::size_t>(kind_of(wrong, edit))];
  CHECK(kinds == std::array<int, 6>{1, 1, 1, 1, 1, 1});
  EditScore score;
  score.add(wrong, words("he was in in an house with red walls by sea."), right);
  CHECK(score.made == 3);
  CHECK(score.right == 3);
  CHECK(score.needed == 6);
  CHECK(score.precision() == 1);
  CHECK(score.recall() == 0.5);
  CHECK(score.f05() == doctest::Approx(1.25 * 0.5 / 0.75));
  score.add(right, words("he was on a house with red walls by the sea."), right);
  CHECK(score.precision() == 0.75);
  CHECK(edits_of({}, {}).empty());
}

TEST_CASE("noise: as often as it says, on what it says, and a script undoes it") {
  Rng rng(1);
  Sentence sentence;
  for (int i = 0; i < 3000; ++i) sentence.insert(sentence.end(), {"he", "was", "a", "Gardener", ","});
  const Lexicon lexicon({sentence, {"he", "she"}}, 1, 100, 100);
  EditScore score;
  const NoiseModel noise;
  for (std::size_t from = 0; from < sentence.size(); from += 50) {
    const Sentence right(sentence.begin() + static_cast<std::ptrdiff_t>(from),
                         sentence.begin() + static_cast<std::ptrdiff_t>(from) + 50);
    const Sentence wrong = make_errors(right, noise, rng);
    score.add(wrong, right, right);
    const Choices choices = lexicon.choices_of(wrong);
    const Script script = script_of(choices, right, lexicon.inserted());
    CHECK(script.symbols.size() == script.at.size());
    CHECK(follow(choices, script.symbols, lexicon.inserted()) == right);
  }
  const auto share = [&](ErrorKind kind) {
    return static_cast<double>(score.needed_of[static_cast<std::size_t>(kind)]);
  };
  CHECK(share(ErrorKind::typing) / 3000 == doctest::Approx(noise.typing).epsilon(0.3));
  CHECK(share(ErrorKind::article) / 3000 == doctest::Approx(noise.article).epsilon(0.15));
  CHECK(share(ErrorKind::was) / 3000 == doctest::Approx(noise.was).epsilon(0.15));
  CHECK(share(ErrorKind::he) / 3000 == doctest::Approx(noise.he).epsilon(0.15));
  CHECK(share(ErrorKind::dropped) / 12000 == doctest::Approx(noise.dropped).epsilon(0.4));
  CHECK(share(ErrorKind::doubled) / 12000 == doctest::Approx(noise.doubled).epsilon(0.4));
  CHECK(make_errors(sentence, noise.times(0), rng) == sentence);
  // What cannot be said is copied, and what is left over stays.
  const Choices odd = lexicon.choices_of({"he", "wsa", "strange"});
  CHECK(follow(odd, script_of(odd, {"he", "was", "unheard"}, lexicon.inserted()).symbols, lexicon.inserted()) ==
        Sentence{"he", "was", "strange"});
  CHECK(follow(odd, std::vector<Index>{kCopySymbol}, lexicon.inserted()) == Sentence{"he", "wsa", "strange"});
}

TEST_CASE("before a typing error: every word that the noise makes wrong is found again, with its chance") {
  Rng rng(3);
  const NoiseModel noise{.typing = 1, .article = 0, .was = 0, .he = 0, .dropped = 0, .doubled = 0};
  for (const char* word : {"letter", "Queue", "zebra", "abcd"}) {
    const auto small = [](std::string s) {
      for (char& c : s) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
      return s;
    };
    std::map<std::string, int> met;
    const int tries = 4000;
    for (int i = 0; i < tries; ++i) ++met[small(make_errors({word}, noise, rng)[0])];
    for (const auto& [wrong, count] : met) {
      double expected = 0;
      before_typing(decode_utf8(wrong, "word"), U"abcdefghijklmnopqrstuvwxyz", [&](const auto& right, double chance) {
        if (encode_utf8(right) == small(word)) expected += chance;
      });
      CAPTURE(wrong);
      // An error that would change nothing is made anew, so that the others are a little likelier.
      CHECK(expected > 0);
      if (count > 100) CHECK(count / (tries * expected) == doctest::Approx(1.1).epsilon(0.35));
    }
  }
}

TEST_CASE("lexicon: candidates in the case of the word, the likeliest first; parts know what others hold") {
  std::vector<Sentence> sentences;
  for (int i = 0; i < 20; ++i)
    sentences.push_back(split_sentence(i < 2 ? "Only Quentin here." : "the garden was here."));
  sentences[5].push_back("warden"), sentences[12].push_back("Verona");
  const Lexicon lexicon(sentences, 1, 100, 3);
  const auto words = [&](const std::string& written, int part = Lexicon::kOther) {
    const Choices choices = lexicon.choices_of({written}, part);
    Sentence all;
    for (const Candidate& c : choices.at(0)) all.push_back(c.word);
    return all;
  };
  CHECK(words("garden") == Sentence{"garden"});
  CHECK(words("was") == Sentence{"was", "were"});
  CHECK(words("gardn") == Sentence{"gardn", "garden"});
  CHECK(words("Gardenn") == Sentence{"Gardenn", "Garden"});
  CHECK(words("GARDeEN") == Sentence{"GARDeEN", "GARDEN"});
  CHECK(words("arden") == Sentence{"arden", "garden", "warden"});
  CHECK(words("arden", 2) == Sentence{"arden", "garden"});  // the only warden is in this part
  CHECK(words("verna") == Sentence{"verna", "Verona"});
  CHECK(words("xyzzy") == Sentence{"xyzzy"});
  const Choices choices = lexicon.choices_of({"Quentin", "Quentin", "teh"}, 0);
  CHECK(choices[0][0].features[1] == 1);  // met in part 0 only
  CHECK(choices[0][0].id == Lexicon::kUnknown);
  CHECK(choices[0][0].features[4] == 0);
  CHECK(choices[1][0].features[4] == 1);
  CHECK(choices[1][0].features[5] == 1);
  CHECK(lexicon.choices_of({"Quentin"})[0][0].features[1] == 0);
  CHECK(lexicon.inserted().size() == 3);
  const Lexicon again = Lexicon::from_json(nlohmann::json::parse(lexicon.to_json().dump()), "model");
  for (const char* word : {"gardn", "verna", "arden", "Only", "was", "xyzzy"}) {
    const auto a = lexicon.choices_of({word})[0], b = again.choices_of({word})[0];
    REQUIRE(a.size() == b.size());
    for (std::size_t k = 0; k < a.size(); ++k) {
      CHECK(a[k].word == b[k].word);
      CHECK(a[k].id == b[k].id);
      CHECK(a[k].features == b[k].features);
    }
  }
  CHECK_THROWS_WITH_AS(Lexicon::from_json(nlohmann::json::object(), "model"),
                       "model: its settings have no proper list of words", DataError);
}

TEST_CASE("passages: whole sentences up to a length; a list of words mends what is one letter away") {
  const auto passages = passages_of("KING:\nCome here.\nGo there now, friend!\n\nNo end", 6);
  CHECK(passages ==
        std::vector<Sentence>{
            {"KING", ":"}, {"Come", "here", "."}, {"Go", "there", "now", ",", "friend", "!"}, {"No", "end"}});
  CHECK(passages_of("a b c d e", 2).size() == 3);
  CHECK(passages_of("", 5).empty());
  const WordList list({split_sentence("the garden and the kitchen")});
  CHECK(list.mend(split_sentence("teh the gardne adn kithen xyzzy")) ==
        split_sentence("the the garden and kitchen xyzzy"));
  CHECK(list.mend(split_sentence("the the garden")) == split_sentence("the garden"));
}
