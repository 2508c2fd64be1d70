// Tokens and their numbers: tokenizers, vocabularies, their files.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "temporary_folder.hpp"
#include "unroll/core/error.hpp"
#include "unroll/data/text/tokenize.hpp"
#include "unroll/data/text/vocabulary.hpp"

using namespace unroll;

namespace {

using Tokens = std::vector<std::string>;

TokenCounts counts_of(const Tokens& tokens) {
  TokenCounts counts;
  count_tokens(counts, tokens);
  return counts;
}

const std::string line_1 = "unroll-vocabulary 1 size 2 specials 1 unknown 0\n";

}  // namespace

TEST_CASE("characters are code points, and together the text") {
  CHECK(tokenize_characters("a\xc3\xa9\n\xf0\x9f\x98\x80") == Tokens{"a", "\xc3\xa9", "\n", "\xf0\x9f\x98\x80"});
  CHECK(tokenize_characters("").empty());
  CHECK_THROWS_WITH_AS(tokenize_characters("a\n\xff"),
                       "[tokenize_characters] text:2: byte 3 of the file is 0xff, which is not UTF-8 text", ValueError);
}

TEST_CASE("words by the rule") {
  CHECK(tokenize_words("Hello, world!") == Tokens{"Hello", ",", "world", "!"});
  CHECK(tokenize_words("  don't  'quote' rock'n'roll' ") == Tokens{"don't", "'", "quote", "'", "rock'n'roll", "'"});
  CHECK(tokenize_words("l\u2019homme \u00ab\u00a0\u00e9t\u00e9\u00a0\u00bb") ==
        Tokens{"l\u2019homme", "\u00ab", "\u00e9t\u00e9", "\u00bb"});
  CHECK(tokenize_words("3.14, 1,000.5. a.b .5 5.") ==
        Tokens{"3.14", ",", "1,000.5", ".", "a", ".", "b", ".", "5", "5", "."});
  CHECK(tokenize_words("well-known x_1 m\u00b2 2\u00d73 \u20ac5 a\u2014b") ==
        Tokens{"well", "-", "known", "x_1", "m\u00b2", "2", "\u00d7", "3", "\u20ac", "5", "a", "\u2014", "b"});
  CHECK(tokenize_words("\u043f\u0440\u0438\u0432\u0435\u0442\u3002\u4f60\u597d\uff0c\uff11") ==
        Tokens{"\u043f\u0440\u0438\u0432\u0435\u0442", "\u3002", "\u4f60\u597d", "\uff0c", "\uff11"});
  CHECK(tokenize_words("a'") == Tokens{"a", "'"});
  CHECK(tokenize_words(" \n\t\u3000").empty());
}

TEST_CASE("what white space parts, and bytes") {
  CHECK(tokenize_space(" don't, \t stop\u00a0now\n") == Tokens{"don't,", "stop", "now"});
  CHECK(tokenize_space("").empty());
  const std::string all("\x00\x7f\xff", 3);
  CHECK(tokenize_bytes(all) == std::vector<Index>{0, 127, 255});
  CHECK(bytes_of(tokenize_bytes(all)) == all);
  CHECK_THROWS_WITH_AS(bytes_of(std::vector<Index>{256}), "[bytes_of] id 256, expected a byte, 0 .. 255", ValueError);
}

TEST_CASE("numbers go by frequency, ties by bytes, specials first") {
  const auto counts = counts_of({"b", "c", "c", "a", "\u00e9", "z", "z", "<unk>"});
  const Vocabulary v(counts, {.specials = {"<pad>", "<unk>"}});
  CHECK(v.decode(std::vector<Index>{0, 1, 2, 3, 4, 5, 6}) == Tokens{"<pad>", "<unk>", "c", "z", "a", "b", "\u00e9"});
  CHECK(v.size() == 7);
  CHECK(v.specials() == 2);
  CHECK(v.unknown() == 1);
  CHECK(v.id("q") == 1);
  CHECK(v.id("z") == 3);
  CHECK(v.contains("a"));
  CHECK(!v.contains("q"));
  CHECK(v.count(0) == 0);
  CHECK(v.count(1) == 1);
  CHECK(v.count(3) == 2);
  CHECK(v.encode(Tokens{"a", "q", "c"}) == std::vector<Index>{4, 1, 2});
  CHECK(v.encode_all(std::vector<Tokens>{{"a"}, {}}) == std::vector<std::vector<Index>>{{4}, {}});
}

TEST_CASE("rare tokens are left out, and the rarest of too many") {
  const auto counts = counts_of({"a", "b", "b", "c", "c", "c", "d", "d"});
  CHECK(Vocabulary(counts, {.min_count = 2}).size() == 4);
  const Vocabulary v(counts, {.max_size = 3});
  CHECK(v.decode(std::vector<Index>{0, 1, 2}) == Tokens{"<unk>", "c", "b"});
  CHECK(v.size() == 3);
  CHECK(Vocabulary(counts, {.max_size = 1}).size() == 1);
  CHECK(Vocabulary(counts, {.min_count = 0}).size() == 5);
  CHECK(Vocabulary(TokenCounts()).size() == 1);
}

TEST_CASE("tokens in a given order, and none for the unknown") {
  const Vocabulary v(Tokens{"x", "?", "a"}, "?");
  CHECK(v.id("a") == 2);
  CHECK(v.id("b") == 1);
  CHECK(v.specials() == 0);
  const Vocabulary strict(Tokens{"x"});
  CHECK(strict.unknown() == -1);
  CHECK_THROWS_WITH_AS(strict.id("b"), "[Vocabulary] token 'b' is none of the 1, and there is no unknown token",
                       ValueError);
  CHECK_THROWS_WITH_AS(Vocabulary().id("b"), doctest::Contains("none of the 0"), ValueError);
}

TEST_CASE("what makes no vocabulary says why") {
  const TokenCounts counts = counts_of({"a"});
  CHECK_THROWS_WITH_AS(Vocabulary(counts, {.specials = {"a", "a"}, .unknown = ""}),
                       "[Vocabulary] special token 'a' is there twice", ValueError);
  CHECK_THROWS_WITH_AS(Vocabulary(counts, {.specials = {"<pad>"}}),
                       "[Vocabulary] unknown token '<unk>' is not among the special ones", ValueError);
  CHECK_THROWS_WITH_AS(Vocabulary(counts, {.min_count = -1}), "[Vocabulary] min_count -1, expected 0 or more",
                       ValueError);
  CHECK_THROWS_WITH_AS(Vocabulary(counts, {.specials = {"<pad>", "<unk>"}, .max_size = 1}),
                       doctest::Contains("max_size 1 with 2 special tokens"), ValueError);
  CHECK_THROWS_WITH_AS(Vocabulary(Tokens{"a", ""}), "[Vocabulary] an empty token", ValueError);
  CHECK_THROWS_WITH_AS(Vocabulary(Tokens{"a", "b", "a"}), "[Vocabulary] token 'a' is there twice", ValueError);
  CHECK_THROWS_WITH_AS(Vocabulary(Tokens{"a"}, "b"), "[Vocabulary] unknown token 'b' is not among the tokens",
                       ValueError);
  CHECK_THROWS_WITH_AS(Vocabulary(Tokens{"a", "\xff"}), doctest::Contains("token 1 is not UTF-8"), ValueError);
  CHECK_THROWS_WITH_AS(Vocabulary(counts).token(2), "[Vocabulary] id 2, expected 0 .. 1", ValueError);
  CHECK_THROWS_AS(Vocabulary(counts).count(-1), ValueError);
}

TEST_CASE("a vocabulary in a file") {
  const TemporaryFolder folder;
  const std::string path = folder.file("words");
  const Vocabulary v(counts_of({"a", "a", "b\tc\\", "\n", "\r", "\u00e9 \u4f60"}), {.specials = {"<pad>", "<unk>"}});
  v.save(path);
  CHECK(file_bytes(path) ==
        "unroll-vocabulary 1 size 7 specials 2 unknown "
        "1\n<pad>\t0\n<unk>\t0\na\t2\n\\n\t1\n\\r\t1\nb\\tc\\\\\t1\n\u00e9 \u4f60\t1\n");
  CHECK(Vocabulary::load(path) == v);
  CHECK(Vocabulary::load(path).id("b\tc\\") == v.id("b\tc\\"));
  const Vocabulary none(Tokens{"x"});
  none.save(path);
  CHECK(Vocabulary::load(path) == none);
  Vocabulary().save(path);
  CHECK(Vocabulary::load(path).size() == 0);
  CHECK_THROWS_AS(v.save(folder.file("no/such/folder")), FileError);
}

TEST_CASE("what is wrong with a vocabulary's file is named by file and line") {
  const TemporaryFolder folder;
  const std::string path = folder.file("v");
  const auto fails = [&](const std::string& bytes) -> std::string {
    put_file(path, bytes);
    try {
      Vocabulary::load(path);
    } catch (const DataError& e) {
      const std::string_view text = e.what();
      CHECK(text.starts_with(path));
      return std::string(text.substr(path.size() - 1));
    }
    return "";
  };
  CHECK(fails(line_1 + "<unk>\t0\na\t1\n") == "");
  CHECK(fails("") == "v: the file is empty");
  CHECK(fails("a\t1\n") == "v:1: got 'a\t1', expected `unroll-vocabulary 1 size N specials S unknown U`");
  CHECK(fails("unroll-vocabulary 2 size 2 specials 1 unknown 0\n") == "v:1: version '2', expected 1");
  CHECK(fails("unroll-vocabulary 1 size x specials 1 unknown 0\n") ==
        "v:1: size is 'x', expected a whole number from 0");
  CHECK(fails("unroll-vocabulary 1 size 99999999999999999999 specials 1 unknown 0\n") ==
        "v:1: size is '99999999999999999999', expected a whole number from 0");
  CHECK(fails("unroll-vocabulary 1 size 1 specials 2 unknown 0\n") == "v:1: 2 special tokens of 1");
  CHECK(fails("unroll-vocabulary 1 size 1 specials 1 unknown 1\n") == "v:1: unknown token 1 of 1");
  CHECK(fails("unroll-vocabulary 1 size 9000000000000000000 specials 1 unknown 0\na\t1\n") ==
        "v:2: the file ends after 1 tokens, line 1 tells of 9000000000000000000");
  CHECK(fails(line_1 + "<unk>\t0\n") == "v:2: the file ends after 1 tokens, line 1 tells of 2");
  CHECK(fails(line_1 + "a\t0\nb\t0\nc\t0\n") == "v:4: another token after the 2 that line 1 tells of");
  CHECK(fails(line_1 + "a\t0\nb\t0") == "v:3: the last line does not end: is the file cut?");
  CHECK(fails(line_1 + "a\t0\na\t0\n") == "v:3: token 'a' is also that of line 2");
  CHECK(fails(line_1 + "a\t0\nb 0\n") == "v:3: 0 tabs, expected `token TAB count` with one between them");
  CHECK(fails(line_1 + "a\t0\n\t0\n") == "v:3: an empty token");
  CHECK(fails(line_1 + "a\t0\nb\t-1\n") == "v:3: count is '-1', expected a whole number from 0");
  CHECK(fails(line_1 + "a\t0\nb\t01\n") == "v:3: count is '01', expected a whole number from 0");
  CHECK(fails(line_1 + "a\t0\nb\\x\t1\n") == "v:3: token 'b\\x' has an escape other than \\\\, \\t, \\n and \\r");
  CHECK(fails(line_1 + "a\t0\nb\\\t1\n").starts_with("v:3: token 'b\\' has an escape"));
  CHECK(fails(line_1 + "a\t0\nb\r\t1\n").starts_with("v:3: a carriage return"));
  CHECK(fails(line_1 + "a\t0\nb\t1\r\n") == "v:3: count is '1\r', expected a whole number from 0");
  CHECK(fails(line_1 + "a\t0\n\xc3\t1\n") == "v:3: byte 53 of the file is 0xc3, which is not UTF-8 text");
}
