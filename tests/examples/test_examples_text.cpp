// What the example programs share: text, the n-gram baseline, the progress line.

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "char_lm/ngram.hpp"
#include "char_lm/sampling.hpp"
#include "char_lm/streams.hpp"
#include "common/corpus.hpp"
#include "common/fingerprint.hpp"
#include "unroll/core/random.hpp"
#include "unroll/optim/run/progress.hpp"

using namespace unroll;
using namespace unroll::examples;

namespace {

/// A folder of its own that is gone afterwards.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "unroll-text-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator()(const std::string& name) const { return (path_ / name).string(); }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return (*this)(name);
  }

 private:
  std::filesystem::path path_;
};

std::vector<Index> random_text(Index length, Index symbols, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<Index> text;
  for (Index i = 0; i < length; ++i) text.push_back(rng.integer(1 + rng.integer(symbols)));
  return text;
}

}  // namespace

TEST_CASE("UTF-8 of every length comes back as it was") {
  const std::u32string text = U"a\u007f\u0080\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff\n";
  CHECK(decode_utf8(encode_utf8(text), "t") == text);
  CHECK(encode_utf8(U"\u00e9\u20ac\U0001f600") == "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  CHECK(decode_utf8("", "t").empty());
}

TEST_CASE("what is not UTF-8 is named by file, line and byte") {
  const auto fails = [](const std::string& bytes, const std::string& message) {
    CAPTURE(message);
    CHECK_THROWS_WITH_AS(decode_utf8(bytes, "t.txt"), message.c_str(), DataError);
  };
  const auto at = [](int line, int byte, const std::string& value) {
    return "t.txt:" + std::to_string(line) + ": byte " + std::to_string(byte) + " of the file is " + value +
           ", which is not UTF-8 text";
  };
  fails("ab\ncd\xff", at(2, 6, "0xff"));
  fails(std::string("ab\0c", 4), at(1, 3, "0x00"));
  fails("\n\n\x80", at(3, 3, "0x80"));          // continues nothing
  fails("\xc3", at(1, 1, "0xc3"));              // cut off
  fails("x\xe2\x82", at(1, 2, "0xe2"));         // cut off
  fails("\xe2\x82z", at(1, 1, "0xe2"));         // broken off
  fails("\xc0\xaf", at(1, 1, "0xc0"));          // overlong
  fails("\xe0\x80\xaf", at(1, 1, "0xe0"));      // overlong
  fails("\xf0\x80\x80\xaf", at(1, 1, "0xf0"));  // overlong
  fails("\xed\xa0\x80", at(1, 1, "0xed"));      // surrogate
  fails("\xf4\x90\x80\x80", at(1, 1, "0xf4"));  // above U+10FFFF
  fails("\xf5\x80\x80\x80", at(1, 1, "0xf5"));
}

TEST_CASE("files: joined, repaired, taken once") {
  const Folder folder;
  const auto a = folder.write("a.txt", "\xef\xbb\xbfone\r\ntwo");
  const auto b = folder.write("b.txt", "three");
  const auto same = folder.write("c.txt", "one\ntwo");
  const Corpus corpus = read_corpus({a, b, same, a});
  CHECK(corpus.text == U"one\ntwo\nthree");
  CHECK(corpus.files == std::vector<std::string>{a, b});
  CHECK(corpus.notes.empty());
}

TEST_CASE("folders: what is below, in order of paths, without what is hidden or no text") {
  const Folder folder;
  folder.write("b/z.txt", "z\n");
  folder.write("b/a.txt", "a\n");
  folder.write("a.txt", "first\n");
  folder.write(".git/config", "hidden\n");
  folder.write(".hidden", "hidden\n");
  std::filesystem::create_symlink("a.txt", folder("link"));
  CHECK(read_corpus({folder("")}).text == U"first\na\nz\n");
  const auto picture = folder.write("b/picture", std::string("\x89PNG\0", 5));
  folder.write("empty", "");
  const Corpus corpus = read_corpus({folder("")});
  CHECK(corpus.text == U"first\na\nz\n");
  REQUIRE(corpus.notes.size() == 1);
  CHECK(corpus.notes[0] ==
        folder("") + ": 2 left out, the first: " + picture + ":1: byte 1 of the file is 0x89, which is not UTF-8 text");
}

TEST_CASE("data that cannot be used says why") {
  const Folder folder;
  const auto fails = [](const std::string& path, const std::string& message) {
    CHECK_THROWS_WITH_AS(read_corpus({path}), (path + message).c_str(), DataError);
  };
  fails(folder("missing"), ": cannot be read: No such file or directory");
  fails(folder.write("empty", ""), ": the file is empty");
  fails(folder.write("mark", "\xef\xbb\xbf"), ": the file is empty");
  fails(folder.write("binary", std::string("a\n\0", 3)), ":2: byte 3 of the file is 0x00, which is not UTF-8 text");
  fails("/dev/null", ": is neither a file nor a folder");
  std::filesystem::create_directory(folder("nothing"));
  fails(folder("nothing"), ": no text file in this folder");
}

TEST_CASE("the vocabulary numbers characters in their order; others are unknown") {
  const examples::Vocabulary v(U"banana\u00e9");
  CHECK(v.size() == 5);
  CHECK(v.encode(U"abn\u00e9?") == std::vector<Index>{0, 1, 2, 3, 4});
  CHECK(v.unknown() == 4);
  CHECK(v.decode(v.encode(U"ban?")) == U"ban\ufffd");
  CHECK(v.symbol(-1) == U'\ufffd');
  CHECK(examples::Vocabulary(U"").size() == 1);
}

TEST_CASE("words of a sample that occur in the text") {
  const auto k = known_words(U"The cat, the d\u00f4g; ca the", U"the cat ate. The d\u00f4g ");
  CHECK(k.words == 5);  // "The", "cat", "the", "d\u00f4g", "ca"; the last one is cut off
  CHECK(k.known == 4);
  CHECK(known_words(U"", U"a b ").share() == 0);
}

TEST_CASE("n-gram probabilities add up to one in every context") {
  const Index symbols = 7;
  for (const Index length : {0, 1, 2, 5, 40, 3000}) {
    const auto text = random_text(length, symbols - 2, 5);  // two symbols are never met
    for (int order = 1; order <= 5; ++order) {
      const NgramModel model(text, symbols, order);
      for (std::uint64_t seed = 0; seed < 40; ++seed) {
        const auto context = random_text(static_cast<Index>(seed % 6), symbols, seed);
        double sum = 0;
        for (Index s = 0; s < symbols; ++s) {
          const double p = model.probability(context, s);
          CHECK(p > 0);
          sum += p;
        }
        CHECK(sum == doctest::Approx(1).epsilon(1e-12));
      }
    }
  }
}

TEST_CASE("n-gram probabilities by hand") {
  // "abab" and order 2: a occurs after b only, b after a and at the start. Bigrams ab (2), ba (1): too few
  // for an estimate, so all discounts are 1/2. In front of a stands {b}, in front of b {a}; the start stands
  // before nothing.
  const std::vector<Index> text = {0, 1, 0, 1};
  const NgramModel model(text, 3, 2);
  const double unigram = 0.5 / 2 + (0.5 + 0.5) / 2 * (1.0 / 3);
  CHECK(model.probability({}, 0) == doctest::Approx(unigram));
  CHECK(model.probability({}, 2) == doctest::Approx(1.0 / 6));
  const std::vector<Index> a = {0}, b = {1}, never = {2};
  CHECK(model.probability(a, 1) == doctest::Approx(1.5 / 2 + 0.5 / 2 * unigram));
  CHECK(model.probability(b, 0) == doctest::Approx(0.5 / 1 + 0.5 / 1 * unigram));
  CHECK(model.probability(b, 2) == doctest::Approx(0.5 / 6));
  CHECK(model.probability(never, 1) == doctest::Approx(unigram));
  const std::vector<Index> next = {1, 0};
  CHECK(model.cross_entropy(a, next) ==
        doctest::Approx(-(std::log(model.probability(a, 1)) + std::log(model.probability(b, 0))) / 2));
}

TEST_CASE("longer contexts pay where the text has an order, and cost little where it has none") {
  std::vector<Index> order;
  for (Index i = 0; i < 4000; ++i) order.push_back(i % 7 < 3 ? i % 7 : 3);  // 0 1 2 3 3 3 3 and again
  const auto loss = [](const std::vector<Index>& text, int n) {
    const auto half = std::span<const Index>(text).subspan(text.size() / 2);
    return NgramModel(std::span<const Index>(text).first(text.size() / 2), 5, n).cross_entropy({}, half);
  };
  CHECK(loss(order, 5) < 0.01);
  CHECK(loss(order, 3) > 0.1);
  Rng rng(3);
  std::vector<Index> noise;
  for (int i = 0; i < 20000; ++i) noise.push_back(rng.integer(4));
  CHECK(loss(noise, 1) == doctest::Approx(std::log(4)).epsilon(0.001));
  CHECK(loss(noise, 5) < 1.12 * std::log(4));
}

TEST_CASE("training streams: chunks follow each other, targets are one step ahead, the text is a ring") {
  std::vector<Index> text;
  for (Index i = 0; i < 20; ++i) text.push_back(i);
  TrainingStreams streams(text, 3, 2);  // pieces of 6, from 0, 6 and 12
  CHECK(streams.chunks() == 3);
  CHECK(streams.chunk(0, 0).inputs == std::vector<Index>{0, 6, 12, 1, 7, 13});
  CHECK(streams.chunk(0, 0).targets == std::vector<Index>{1, 7, 13, 2, 8, 14});
  CHECK(streams.chunk(1, 0).inputs == std::vector<Index>{2, 8, 14, 3, 9, 15});
  CHECK(streams.chunk(2, 19).inputs == std::vector<Index>{3, 9, 15, 4, 10, 16});
  CHECK(streams.chunk(0, 7).targets == std::vector<Index>{8, 14, 0, 9, 15, 1});
}

TEST_CASE("training streams of a short text: fewer streams, then fewer steps") {
  const std::vector<Index> text = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  const auto sizes = [&](Index length, Index batch, Index steps) {
    const TrainingStreams s(std::span<const Index>(text).first(static_cast<std::size_t>(length)), batch, steps);
    CHECK(s.chunks() >= 1);
    return std::pair(s.batch(), s.steps());
  };
  CHECK(sizes(10, 5, 2) == std::pair<Index, Index>{5, 2});
  CHECK(sizes(10, 6, 2) == std::pair<Index, Index>{5, 2});
  CHECK(sizes(10, 32, 64) == std::pair<Index, Index>{1, 9});
  CHECK(sizes(2, 32, 64) == std::pair<Index, Index>{2, 1});
}

TEST_CASE("validation streams: every symbol is a target once, after the one before it") {
  for (const Index length : {1, 2, 7, 16, 30})
    for (const Index batch : {1, 2, 5, 40})
      for (const Index steps : {1, 3, 100}) {
        std::vector<Index> text(static_cast<std::size_t>(length));
        for (Index i = 0; i < length; ++i) text[static_cast<std::size_t>(i)] = i;
        ValidationStreams streams(99, text, batch, steps);
        std::vector<int> met(text.size());
        for (Index k = 0; k < streams.chunks(); ++k) {
          const Chunk& chunk = streams.chunk(k);
          REQUIRE(chunk.targets.size() == static_cast<std::size_t>(chunk.steps * chunk.batch));
          for (std::size_t i = 0; i < chunk.targets.size(); ++i) {
            if (chunk.targets[i] == kNoTarget) continue;
            CHECK(chunk.inputs[i] == (chunk.targets[i] == 0 ? 99 : chunk.targets[i] - 1));
            ++met[static_cast<std::size_t>(chunk.targets[i])];
          }
        }
        CHECK(met == std::vector<int>(text.size(), 1));
      }
}

TEST_CASE("symbols are drawn as often as the temperature says, the forbidden one never") {
  Rng rng(4);
  const std::vector<float> logits = {std::log(1.f), std::log(2.f), std::log(100.f), std::log(1.f)};
  const auto shares = [&](double temperature) {
    std::vector<double> n(4);
    for (int i = 0; i < 40000; ++i) n[static_cast<std::size_t>(draw(logits, temperature, 2, rng))] += 1 / 40000.0;
    return n;
  };
  const auto one = shares(1), half = shares(0.5);
  CHECK(one[1] == doctest::Approx(0.5).epsilon(0.05));
  CHECK(half[1] == doctest::Approx(4.0 / 6).epsilon(0.05));
  CHECK(one[2] == 0);
  CHECK(shares(0)[1] == doctest::Approx(1));
  CHECK(shares(1e-9)[1] == doctest::Approx(1));
  const std::vector<float> single = {3.f};
  CHECK(draw(single, 1, -1, rng) == 0);
  const std::vector<float> first = {5.f, 1.f};
  CHECK(draw(first, 0, 0, rng) == 1);
}

TEST_CASE("a fingerprint tells data apart: values, their order, where lists end") {
  using Lists = std::vector<std::vector<std::string>>;
  const auto of = [](const auto&... data) { return Fingerprint().add(data...).value(); };
  const Lists words = {{"red", "fruit"}, {"is", "good"}};
  CHECK(of(words) == of(Lists(words)));
  CHECK(of(words) != of(Lists{{"red", "fruit"}, {"is", "goof"}}));
  CHECK(of(words) != of(Lists{{"red", "fruit", "is"}, {"good"}}));
  CHECK(of(words) != of(Lists{{"is", "good"}, {"red", "fruit"}}));
  CHECK(of(Lists{}) != of(Lists{{}}));
  CHECK(of(words, words) != of(words));
  CHECK(of(1.5f) == of(1.5));
  CHECK(of(0.0) != of(-0.0));
  CHECK(of(std::vector<bool>{true, false}) != of(std::vector<bool>{false, true}));
  struct Item {
    std::string name;
    double value;
  };
  std::vector<Item> items = {{"a", 1}, {"b", 2}};
  const auto before = Fingerprint().add_each(items, &Item::name, &Item::value).value();
  items[1].value = 3;
  CHECK(Fingerprint().add_each(items, &Item::name).value() != before);
  CHECK(Fingerprint().add_each(items, &Item::name, &Item::value).value() != before);
}

TEST_CASE("the progress line") {
  CHECK(Progress::line(25, 100, 5, "words", "loss 1.5") ==
        "[======>                 ]  25 %  loss 1.5  5 words/s  15 s left");
  CHECK(Progress::line(100, 100, 12345, "words", "x") ==
        "[========================] 100 %  x  12.3k words/s  0 s left");
  CHECK(Progress::line(0, 0, 0, "words", "x") == "[========================] 100 %  x  0 words/s  ? left");
  CHECK(duration_text(200) == "3 min 20 s");
  CHECK(duration_text(3900) == "1 h 05 min");
  CHECK(duration_text(std::nan("")) == "?");
}
