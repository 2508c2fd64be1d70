// Tags, their schemes, files in columns, and spans counted as the scorer of CoNLL-2000 does.

#include <doctest/doctest.h>

#include <array>
#include <map>
#include <string>
#include <vector>

#include "temporary_folder.hpp"
#include "unroll/core/error.hpp"
#include "unroll/core/random.hpp"
#include "unroll/data/metrics/span_score.hpp"
#include "unroll/data/text/conll.hpp"
#include "unroll/data/text/tags.hpp"
#include "unroll/data/text/tokenize.hpp"

using namespace unroll;

namespace {

using Tags = std::vector<std::string>;

Tags tags(const std::string& text) { return tokenize_space(text); }

/// "0-2:X 2-3:Y": begins, ends, types.
std::string spans(const std::string& text) {
  std::string out;
  for (const auto& s : spans_of(tags(text)))
    out += (out.empty() ? "" : " ") + std::to_string(s.begin) + "-" + std::to_string(s.end) + ":" + s.type;
  return out;
}

std::string joined(const Tags& list) {
  std::string out;
  for (const auto& tag : list) out += (out.empty() ? "" : " ") + tag;
  return out;
}

/// What the scorer's own loop counts: one pass over both columns, a state for "right so far", and its two questions
/// about neighbouring tags. `modern` asks them as its later translations do, which know S; otherwise by the original's
/// table.
struct Counter {
  bool modern = true;
  std::map<std::string, std::array<Index, 3>> types = {};  // in the truth, in the guess, in both
  Index right_tags = 0;

  struct Tag {
    char letter;
    std::string type;
  };
  static Tag split(const std::string& text) { return {text[0], text.size() > 2 ? text.substr(2) : ""}; }

  static bool any(char q, char p, const char* pairs) {  // pairs as "BB IB"
    for (const char* at = pairs; *at; at += at[2] ? 3 : 2)
      if (at[0] == q && at[1] == p) return true;
    return false;
  }
  bool ends(const Tag& q, const Tag& p) const {
    const char* original = "BB BO IB IO EE EI EO";
    const char* now = "BB BO BS IB IO IS EB EI EE ES EO SB SI SE SS SO";
    return any(q.letter, p.letter, modern ? now : original) || (q.letter != 'O' && q.type != p.type);
  }
  bool starts(const Tag& q, const Tag& p) const {
    const char* original = "BB IB OB OI EE EI OE";
    const char* now = "OB BB IB EB SB OS BS IS ES SS OI EI SI OE EE SE";
    return any(q.letter, p.letter, modern ? now : original) || (p.letter != 'O' && q.type != p.type);
  }

  void sentence(const Tags& truth, const Tags& guess) {
    Tag last_truth{'O', ""}, last_guess{'O', ""};
    bool right = false;
    for (std::size_t t = 0; t <= truth.size(); ++t) {  // and the empty line at the end, which is O
      const Tag a = t < truth.size() ? split(truth[t]) : Tag{'O', ""};
      const Tag b = t < truth.size() ? split(guess[t]) : Tag{'O', ""};
      const bool end_a = ends(last_truth, a), end_b = ends(last_guess, b);
      const bool start_a = starts(last_truth, a), start_b = starts(last_guess, b);
      if (right && end_a && end_b && last_truth.type == last_guess.type) {
        right = false;
        ++types[last_truth.type][2];
      } else if (right && (end_a != end_b || a.type != b.type)) {
        right = false;
      }
      if (start_a && start_b && a.type == b.type) right = true;
      if (start_a) ++types[a.type][0];
      if (start_b) ++types[b.type][1];
      if (t < truth.size()) right_tags += a.letter == b.letter && a.type == b.type;
      last_truth = a, last_guess = b;
    }
  }

  void check(const SpanScore& score) const {
    std::array<Index, 3> all = {};
    REQUIRE(types.size() == score.types.size());
    for (const auto& [type, n] : types) {
      const SpanCounts& own = score.types.at(type);
      CHECK(std::array{own.expected, own.found, own.right} == n);
      for (std::size_t k = 0; k < 3; ++k) all[k] += n[k];
    }
    CHECK(std::array{score.overall.expected, score.overall.found, score.overall.right} == all);
    CHECK(score.right_tokens == right_tags);
  }
};

/// Every list of `length` of these tags.
std::vector<Tags> all_lists(const Tags& alphabet, int length) {
  std::vector<Tags> lists = {{}};
  for (int k = 0; k < length; ++k) {
    std::vector<Tags> longer;
    for (const auto& list : lists)
      for (const auto& tag : alphabet) (longer.push_back(list), longer.back().push_back(tag));
    lists = longer;
  }
  return lists;
}

const Tags iob = {"O", "B-X", "I-X", "B-Y", "I-Y"};
const Tags bioes = {"O", "B-X", "I-X", "E-X", "S-X", "B-Y", "I-Y", "E-Y", "S-Y"};

std::string file(const std::string& bytes) {
  static const TemporaryFolder folder;
  const std::string path = folder.file("f");
  put_file(path, bytes);
  return path;
}

template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const DataError& e) {
    const std::string text = e.what();
    return text.substr(text.find("/f:") == text.npos ? text.find("/f") + 1 : text.find("/f:") + 1);
  }
  return "";
}

}  // namespace

TEST_CASE("every transition of IOB1 and IOB2") {
  const std::array<std::array<const char*, 3>, 25> cases = {{
      {"O", "O", ""},
      {"O", "B-X", "1-2:X"},
      {"O", "I-X", "1-2:X"},
      {"O", "B-Y", "1-2:Y"},
      {"O", "I-Y", "1-2:Y"},
      {"B-X", "O", "0-1:X"},
      {"B-X", "B-X", "0-1:X 1-2:X"},
      {"B-X", "I-X", "0-2:X"},
      {"B-X", "B-Y", "0-1:X 1-2:Y"},
      {"B-X", "I-Y", "0-1:X 1-2:Y"},
      {"I-X", "O", "0-1:X"},
      {"I-X", "B-X", "0-1:X 1-2:X"},
      {"I-X", "I-X", "0-2:X"},
      {"I-X", "B-Y", "0-1:X 1-2:Y"},
      {"I-X", "I-Y", "0-1:X 1-2:Y"},
      {"B-Y", "O", "0-1:Y"},
      {"B-Y", "B-X", "0-1:Y 1-2:X"},
      {"B-Y", "I-X", "0-1:Y 1-2:X"},
      {"B-Y", "B-Y", "0-1:Y 1-2:Y"},
      {"B-Y", "I-Y", "0-2:Y"},
      {"I-Y", "O", "0-1:Y"},
      {"I-Y", "B-X", "0-1:Y 1-2:X"},
      {"I-Y", "I-X", "0-1:Y 1-2:X"},
      {"I-Y", "B-Y", "0-1:Y 1-2:Y"},
      {"I-Y", "I-Y", "0-2:Y"},
  }};
  for (const auto& row : cases) {
    const std::string both = std::string(row[0]) + " " + row[1];
    CAPTURE(both);
    CHECK(spans(both) == row[2]);
  }
}

TEST_CASE("every transition of BIOES") {
  // Whether a tag goes on with the span before it, for equal types: rows before, columns now.
  const std::string letters = "BIES";
  const std::array<const char*, 4> goes_on = {".xx.", ".xx.", "....", "...."};
  for (std::size_t q = 0; q < 4; ++q) {
    const std::string before(1, letters[q]);
    CHECK(spans(before + "-X O") == "0-1:X");
    CHECK(spans("O " + before + "-X") == "1-2:X");
    for (std::size_t p = 0; p < 4; ++p) {
      const std::string now(1, letters[p]);
      CAPTURE(before + now);
      CHECK(spans(before + "-X " + now + "-X") == (goes_on[q][p] == 'x' ? "0-2:X" : "0-1:X 1-2:X"));
      CHECK(spans(before + "-X " + now + "-Y") == "0-1:X 1-2:Y");
    }
  }
  CHECK(spans("O O") == "");
}

TEST_CASE("spans without types, hyphens in types, and no tags") {
  CHECK(spans("B I O I") == "0-2: 3-4:");
  CHECK(spans("B-A-B I-A-B I-A") == "0-2:A-B 2-3:A");
  CHECK(spans("") == "");
  CHECK_THROWS_WITH_AS(spans_of(Tags{"O", "X-Y"}),
                       "[spans_of] tag 1 is 'X-Y', expected O or one of B, I, E, S with '-' and a type", ValueError);
  for (const char* wrong : {"", "o", "O-X", "BX", "-X"}) CHECK_THROWS_AS(spans_of(Tags{wrong}), ValueError);
}

TEST_CASE("the same spans in every scheme") {
  const std::vector<TagSpan> list = {{0, 1, "X"}, {1, 3, "X"}, {3, 4, "Y"}, {5, 8, "X"}};
  CHECK(joined(tags_of(list, 9, TagScheme::iob1)) == "I-X B-X I-X I-Y O I-X I-X I-X O");
  CHECK(joined(tags_of(list, 9, TagScheme::iob2)) == "B-X B-X I-X B-Y O B-X I-X I-X O");
  CHECK(joined(tags_of(list, 9, TagScheme::bioes)) == "S-X B-X E-X S-Y O B-X I-X E-X O");
  CHECK(joined(tags_of(std::vector<TagSpan>{{1, 2, ""}, {0, 1, ""}}, 3, TagScheme::bioes)) == "S S O");
  const std::vector<TagSpan> overlap = {{0, 2, "X"}, {1, 3, "Y"}}, outside = {{2, 4, "X"}}, empty = {{2, 2, "X"}};
  CHECK_THROWS_WITH_AS(tags_of(overlap, 3, TagScheme::iob2), "[tags_of] spans 0 .. 1 and 1 .. 2 overlap", ValueError);
  CHECK_THROWS_WITH_AS(tags_of(outside, 3, TagScheme::iob2),
                       "[tags_of] a span from 2 to before 4, expected one token or more of 3", ValueError);
  CHECK_THROWS_AS(tags_of(empty, 3, TagScheme::iob2), ValueError);
  // Whatever the tags, conversion keeps their spans, there and back.
  for (const auto& some : all_lists(bioes, 4))
    for (const TagScheme scheme : {TagScheme::iob1, TagScheme::iob2, TagScheme::bioes}) {
      const Tags other = convert_tags(some, scheme);
      REQUIRE(spans_of(other) == spans_of(some));
      REQUIRE(!first_invalid_tag(other, scheme));
    }
}

TEST_CASE("schemes that tags may be in") {
  using enum TagScheme;
  const auto possible = [](const std::string& text) { return possible_schemes(std::vector<Tags>{tags(text)}); };
  CHECK(possible("O O") == std::vector{iob1, iob2, bioes});
  CHECK(possible("B-X I-X O") == std::vector{iob2});
  CHECK(possible("O I-X I-X B-X") == std::vector{iob1});
  CHECK(possible("S-X O B-X I-X E-X") == std::vector{bioes});
  CHECK(possible("I-X O B-X").empty());
  CHECK(possible("B-X E-X I-X").empty());
  CHECK(first_invalid_tag(tags("B-X I-Y"), iob2) == 1);
  CHECK(first_invalid_tag(tags("O B-X I-X O"), bioes) == 2);
  CHECK(first_invalid_tag(tags("I-X B-Y"), iob1) == 1);
}

TEST_CASE("counts equal the scorer's own loop: all pairs of three tags in IOB") {
  const auto lists = all_lists(iob, 3);
  for (const bool modern : {false, true}) {
    SpanScore score;
    Counter counter{modern};
    for (const auto& truth : lists)
      for (const auto& guess : lists) {
        score.add(truth, guess);
        counter.sentence(truth, guess);
      }
    counter.check(score);
    CHECK(score.tokens == 3 * 125 * 125);
  }
}

TEST_CASE("counts equal the scorer's own loop: BIOES") {
  const auto lists = all_lists(bioes, 2);
  SpanScore score;
  Counter counter;
  for (const auto& truth : lists)
    for (const auto& guess : lists) {
      score.add(truth, guess);
      counter.sentence(truth, guess);
    }
  Rng rng(6);
  for (int k = 0; k < 2000; ++k) {
    Tags truth, guess;
    for (Index t = rng.integer(9); t >= 0; --t) {
      truth.push_back(bioes[static_cast<std::size_t>(rng.integer(9))]);
      guess.push_back(rng.bernoulli(0.7) ? truth.back() : bioes[static_cast<std::size_t>(rng.integer(9))]);
    }
    score.add(truth, guess);
    counter.sentence(truth, guess);
  }
  counter.check(score);
  CHECK(score.overall.right > 1000);
}

TEST_CASE("valid tags count the same in all three schemes, as the original's table counts IOB2") {
  Rng rng(7);
  std::array<SpanScore, 3> scores;
  Counter counter{false};
  for (int k = 0; k < 500; ++k) {
    Tags truth, guess;
    for (Index t = rng.integer(12); t >= 0; --t) {
      truth.push_back(iob[static_cast<std::size_t>(rng.integer(5))]);
      guess.push_back(rng.bernoulli(0.8) ? truth.back() : iob[static_cast<std::size_t>(rng.integer(5))]);
    }
    for (const TagScheme s : {TagScheme::iob1, TagScheme::iob2, TagScheme::bioes})
      scores[static_cast<std::size_t>(s)].add(convert_tags(truth, s), convert_tags(guess, s));
    counter.sentence(convert_tags(truth, TagScheme::iob2), convert_tags(guess, TagScheme::iob2));
  }
  counter.check(scores[1]);
  for (const auto& score : scores) {
    CHECK(score.overall.right == scores[1].overall.right);
    CHECK(score.overall.found == scores[1].overall.found);
    CHECK(score.types.at("Y").right == scores[1].types.at("Y").right);
  }
}

TEST_CASE("precision, recall and F1 by hand, and the scorer's report") {
  SpanScore score;
  score.add(tags("B-PER I-PER O B-LOC O B-ORG"), tags("B-PER I-PER O B-ORG O O"));
  score.add(tags("B-PER O"), tags("B-PER I-PER"));
  score.add(tags("O B-LOC I-LOC"), tags("O B-LOC B-LOC"));
  CHECK(score.overall.expected == 5);
  CHECK(score.overall.found == 5);
  CHECK(score.overall.right == 1);
  CHECK(score.overall.f1() == doctest::Approx(0.2));
  CHECK(score.types.at("PER").precision() == 0.5);
  CHECK(score.types.at("LOC").recall() == 0);
  CHECK(score.types.at("LOC").f1() == 0);
  CHECK(score.accuracy() == doctest::Approx(7.0 / 11));
  CHECK(score.text() ==
        "processed 11 tokens with 5 phrases; found: 5 phrases; correct: 1.\n"
        "accuracy:  63.64%; precision:  20.00%; recall:  20.00%; FB1:  20.00\n"
        "              LOC: precision:   0.00%; recall:   0.00%; FB1:   0.00  2\n"
        "              ORG: precision:   0.00%; recall:   0.00%; FB1:   0.00  1\n"
        "              PER: precision:  50.00%; recall:  50.00%; FB1:  50.00  2\n");
  CHECK(SpanScore().text() == "processed 0 tokens with 0 phrases; found: 0 phrases; correct: 0.\n");
  CHECK(SpanScore().overall.f1() == 0);
  CHECK_THROWS_WITH_AS(score.add(tags("O O"), tags("O")), "[SpanScore] 1 guessed tags for 2 tokens", ValueError);
}

TEST_CASE("files in columns") {
  const auto f = read_conll(file("-DOCSTART- -X- O\n\nEU  NNP B-ORG\nrejects VBZ O\n\n\nPeter NNP B-PER\r\n"));
  CHECK(f.columns == 3);
  REQUIRE(f.sentences.size() == 2);
  CHECK(f.sentences[0].tokens() == Tags{"EU", "rejects"});
  CHECK(f.sentences[0].columns[1] == Tags{"NNP", "VBZ"});
  CHECK(f.sentences[0].tags() == Tags{"B-ORG", "O"});
  CHECK(f.sentences[1].line == 7);
  CHECK(f.at(f.sentences[0], 1).ends_with("/f:4: "));
  const auto tabs = read_conll(file("New York\tB-LOC\n#\tO\n"));
  CHECK(tabs.sentences[0].tokens() == Tags{"New York", "#"});
  const auto comments = read_conll(file("# id 1\na O\n\n# id 2\nb O\n"), {.comments = true});
  CHECK(comments.sentences.size() == 2);
  const auto fails = [](const std::string& bytes, bool notes = false) {
    return error_of([&] { read_conll(file(bytes), {.comments = notes}); });
  };
  CHECK(fails("a O\nb\n") == "f:2: one column, expected a token and a tag, parted by spaces");
  CHECK(fails("a\tb\tO\nb\tO\n") == "f:2: 2 columns, the first line has 3");
  CHECK(fails("a\tO\n\tO\n") == "f:2: column 1 is empty");
  CHECK(fails("a O\n# x y\n", true) == "f:2: a comment inside a sentence");
  CHECK(fails("\n \n") == "f: no sentence, only blank lines");
  CHECK(fails("") == "f: the file is empty");
  CHECK(fails("a O\n\xff O\n") == "f:2: byte 5 of the file is 0xff, which is not UTF-8 text");
}

TEST_CASE("a file's scheme, and another one") {
  auto f = read_conll(file("a I-X\nb B-X\n\nc I-Y\nd O\n"));
  CHECK(tag_scheme(f) == TagScheme::iob1);
  convert_tags(f, TagScheme::bioes);
  CHECK(f.sentences[0].tags() == Tags{"S-X", "S-X"});
  CHECK(tag_scheme(f) == TagScheme::bioes);
  convert_tags(f, TagScheme::iob2);
  CHECK(f.sentences[1].tags() == Tags{"B-Y", "O"});
  CHECK(tag_scheme(f) == TagScheme::iob2);
  CHECK(tag_scheme(read_conll(file("a O\n"))) == TagScheme::iob2);
  CHECK(std::string(name_of(TagScheme::bioes)) == "BIOES");
  const auto fails = [](const std::string& bytes) { return error_of([&] { tag_scheme(read_conll(file(bytes))); }); };
  CHECK(fails("a B-X\n\nb O\nc I-X\n") ==
        "f:4: tag 'I-X' breaks IOB2, and the lines up to here are not in another scheme either");
  CHECK(fails("a B-X\nb NN\n") == "f:2: tag 'NN', expected O or one of B, I, E, S with '-' and a type");
  CHECK(error_of([] {
          auto bad = read_conll(file("a O\n\nb X\n"));
          convert_tags(bad, TagScheme::iob1);
        }) == "f:3: tag 'X', expected O or one of B, I, E, S with '-' and a type");
}
