// Metrics against values computed by hand and the examples of their sources.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "unroll/core/error.hpp"
#include "unroll/core/random.hpp"
#include "unroll/data/metrics/bleu.hpp"
#include "unroll/data/metrics/confusion_matrix.hpp"
#include "unroll/data/metrics/edit_distance.hpp"
#include "unroll/data/metrics/metrics.hpp"

using namespace unroll;

namespace {

using Texts = std::vector<std::string>;
using doctest::Approx;

std::string tokens(const std::string& text) {
  std::string out;
  for (const auto& token : tokenize_13a(text)) out += (out.empty() ? "" : " ") + token;
  return out;
}

}  // namespace

TEST_CASE("accuracy leaves out what is ignored") {
  CHECK(accuracy(std::vector<Index>{1, 2, -100, 3}, std::vector<Index>{1, 0, 5, 3}) == Approx(2.0 / 3));
  CHECK(accuracy(std::vector<Index>{0, 1}, std::vector<Index>{0, 0}, 0) == 0);
  CHECK(accuracy({}, {}) == 0);
  CHECK_THROWS_WITH_AS(accuracy(std::vector<Index>{1}, {}), "[accuracy] 1 and 0 items, expected as many of both",
                       ValueError);
}

TEST_CASE("perplexity and bits") {
  CHECK(perplexity(std::log(27.0)) == Approx(27));
  CHECK(bits(std::log(8.0)) == Approx(3));
}

TEST_CASE("a running mean is the mean, and its deviation, whatever the pieces") {
  RunningMean m;
  CHECK(m.mean() == 0);
  CHECK(m.deviation() == 0);
  m.add(2, 3), m.add(6), m.add(100, 0);
  CHECK(m.mean() == Approx(3));
  CHECK(m.weight() == 4);
  CHECK(m.deviation() == Approx(std::sqrt(3.0)));
  m.reset();
  for (const double x : {1e9 + 1, 1e9 + 2, 1e9 + 3}) m.add(x);
  CHECK(m.mean() == Approx(1e9 + 2));
  CHECK(m.deviation() == Approx(std::sqrt(2.0 / 3)));
  CHECK_THROWS_AS(m.add(1, -1), ValueError);
  CHECK_THROWS_AS(m.add(1, std::numeric_limits<double>::infinity()), ValueError);
  CHECK_THROWS_AS(m.add(1, std::nan("")), ValueError);
}

TEST_CASE("correlations") {
  const std::vector<double> a{1, 2, 3, 4}, down{8, 6, 4, 2}, exp{2, 4, 90, 1e9}, tied{1, 1, 2, 2}, flat(4, 1.0),
      b{1, 3, 2, 4};
  CHECK(pearson(a, a) == Approx(1));
  CHECK(pearson(a, down) == Approx(-1));
  CHECK(pearson(a, b) == Approx(0.8));
  CHECK(pearson(a, exp) < 0.9);
  CHECK(pearson(a, flat) == 0);
  CHECK(pearson({}, {}) == 0);
  CHECK(spearman(a, exp) == Approx(1));
  CHECK(spearman(a, down) == Approx(-1));
  CHECK(spearman(a, b) == Approx(0.8));  // 1 - 6 * 2 / (4 * 15)
  CHECK(spearman(a, tied) == Approx(4 / std::sqrt(20.0)));
  CHECK(spearman(a, flat) == 0);
  CHECK_THROWS_AS(spearman(a, {}), ValueError);
  const std::vector<double> nan(4, std::nan(""));
  CHECK(std::isfinite(spearman(a, nan)));  // and it ends
}

TEST_CASE("adjusted Rand index") {
  using Groups = std::vector<Index>;
  CHECK(adjusted_rand_index(Groups{0, 0, 1, 1}, Groups{7, 7, -3, -3}) == 1);
  // n_ij = {2, 0; 1, 1}: index 1, pairs 2 and 3 of 6, expected 1, most 2.5
  CHECK(adjusted_rand_index(Groups{0, 0, 1, 1}, Groups{0, 0, 0, 1}) == Approx(0));
  // n_ij = {2, 1, 0; 0, 1, 2}: index 2, pairs 6 and 3 of 15, expected 1.2, most 4.5
  CHECK(adjusted_rand_index(Groups{0, 0, 0, 1, 1, 1}, Groups{0, 0, 1, 1, 2, 2}) == Approx(0.8 / 3.3));
  CHECK(adjusted_rand_index(Groups{0, 0, 1, 1}, Groups{0, 1, 0, 1}) == Approx(-0.5));
  CHECK(adjusted_rand_index(Groups{0, 0, 0}, Groups{1, 1, 1}) == 1);
  CHECK(adjusted_rand_index(Groups{0, 1, 2}, Groups{2, 1, 0}) == 1);
  CHECK(adjusted_rand_index(Groups{0, 1, 2}, Groups{0, 0, 0}) == 0);
  CHECK(adjusted_rand_index(Groups{4}, Groups{2}) == 1);
  CHECK(adjusted_rand_index({}, {}) == 1);
  CHECK_THROWS_AS(adjusted_rand_index(Groups{1}, {}), ValueError);
  Rng rng(2);
  Groups a, b;
  for (int i = 0; i < 5000; ++i) a.push_back(rng.integer(9)), b.push_back(rng.integer(4));
  CHECK(std::fabs(adjusted_rand_index(a, b)) < 0.01);
}

TEST_CASE("edits: the fewest, and of which kind") {
  const auto edits = [](const std::string& a, const std::string& b) { return edits_between(a, b); };
  CHECK(edits("kitten", "sitting") == Edits{2, 1, 0});
  CHECK(edits("sitting", "kitten") == Edits{2, 0, 1});
  CHECK(edits("", "ab") == Edits{0, 2, 0});
  CHECK(edits("ab", "") == Edits{0, 0, 2});
  CHECK(edits("", "") == Edits{});
  CHECK(edits("abc", "abc") == Edits{});
  CHECK(edits("ab", "ba") == Edits{2, 0, 0});  // not an insertion and a deletion
  CHECK(edits("intention", "execution").total() == 5);
  CHECK(edit_distance(std::vector<Index>{1, 2, 3}, std::vector<Index>{1, 3}) == 1);
}

TEST_CASE("edit distance is a metric, and reversal does not change it") {
  Rng rng(3);
  const auto text = [&] {
    std::string s;
    for (Index n = rng.integer(8); n > 0; --n) s += static_cast<char>('a' + rng.integer(3));
    return s;
  };
  for (int i = 0; i < 300; ++i) {
    const std::string a = text(), b = text(), c = text();
    CHECK(edit_distance(a, b) == edit_distance(b, a));
    CHECK((edit_distance(a, b) == 0) == (a == b));
    CHECK(edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c));
    CHECK(edit_distance(std::string(a.rbegin(), a.rend()), std::string(b.rbegin(), b.rend())) == edit_distance(a, b));
    const Edits e = edits_between(a, b);
    CHECK(std::ssize(a) - e.deletions + e.insertions == std::ssize(b));
  }
}

TEST_CASE("error rates") {
  ErrorRate words;
  words.add_words("the cat sat on the mat", "the cat  sat mat");
  words.add_words("yes", "yes");
  CHECK(words.edits == Edits{0, 0, 2});
  CHECK(words.rate() == Approx(2.0 / 7));
  CHECK(words.sequence_rate() == 0.5);
  ErrorRate characters;
  characters.add_characters("\u00e9t\u00e9", "ete");
  CHECK(characters.rate() == Approx(2.0 / 3));
  ErrorRate classes;
  classes.add(std::vector<Index>{1, 2}, std::vector<Index>{3, 1, 2, 2, 4});
  CHECK(classes.rate() == 1.5);
  CHECK(ErrorRate().rate() == 0);
  ErrorRate none;
  none.add_words("", "a b");
  CHECK(none.rate() == 2);
}

TEST_CASE("BLEU's tokens: 13a") {
  CHECK(tokens("Hello, world!") == "Hello , world !");
  CHECK(tokens("It costs $3.50, or 1,000 (about).") == "It costs $ 3.50 , or 1,000 ( about ) .");
  CHECK(tokens("don't well-known 5-3 e.g. U.S.") == "don't well-known 5 - 3 e . g . U . S .");
  CHECK(tokens("a..b ... 1.") == "a . . b . . . 1 .");
  CHECK(tokens("&quot;x&quot; &amp;lt; y-\nz a\nb <skipped>c") == "\" x \" < yz a b c");
  CHECK(tokens("[a]{b}_c^d~e\\f@g:h;i=j/k") == "[ a ] { b } _ c ^ d ~ e \\ f @ g : h ; i = j / k");
  CHECK(tokens("\u00ab\u00e9t\u00e9\u00bb,\u00a0\u4f60\u3002") == "\u00ab\u00e9t\u00e9\u00bb , \u4f60\u3002");
  CHECK(tokens(".5 ,a") == ". 5 , a");
  CHECK(tokens("") == "");
  CHECK_THROWS_AS(tokenize_13a("\xff"), ValueError);
}

TEST_CASE("BLEU: the example of sacreBLEU's own documents") {
  const Texts guesses = {"The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."};
  const std::vector<Texts> references = {{"The dog bit the man.", "The dog had bit the man."},
                                         {"It was not unexpected.", "No one was surprised."},
                                         {"The man bit him first.", "The man had bitten the dog."}};
  const Bleu bleu = corpus_bleu(guesses, references);
  CHECK(std::fabs(bleu.score - 48.530827) < 5e-7);
  CHECK(bleu.matches == std::array<Index, 4>{14, 7, 5, 3});
  CHECK(bleu.totals == std::array<Index, 4>{17, 14, 11, 8});
  CHECK(bleu.text() == "BLEU = 48.53 82.4/50.0/45.5/37.5 (BP = 0.943 ratio = 0.944 hyp_len = 17 ref_len = 18)");
  CHECK(std::fabs(corpus_bleu(guesses, references, {.tokenize = false}).score - 49.1919566) < 5e-7);
  CHECK(corpus_bleu(Texts{"", "", ""}, references).score == 0);
  CHECK(corpus_bleu(Texts{"", "", ""}, references).brevity_penalty == 0);
}

TEST_CASE("BLEU by hand: counts, clipping, brevity, smoothing") {
  const auto bleu = [](const std::string& guess, const std::string& reference, const BleuOptions& o = {}) {
    return corpus_bleu(Texts{guess}, Texts{reference}, o);
  };
  CHECK(bleu("this is a test", "this is a test").score == Approx(100));
  // Each order without a match halves once more: 60, 100 / (2*4), 100 / (4*3), 100 / (8*2).
  CHECK(bleu("a b c d e", "a x c y e").score == Approx(std::pow(39062.5, 0.25)));
  CHECK(bleu("a b c d e", "a x c y e").precisions[3] == Approx(6.25));
  CHECK(bleu("the the the the", "the cat the mat").matches == std::array<Index, 4>{2, 0, 0, 0});
  CHECK(bleu("a b c d", "a b c d e f").score == Approx(100 * std::exp(-0.5)));
  CHECK(bleu("a b c d e f", "a b c d").brevity_penalty == 1);
  CHECK(bleu("x y z w", "a b c d").score == 0);
  CHECK(bleu("a b c", "a b c").score == 0);  // no 4-gram
  CHECK(bleu("a b c", "a b c", {.effective_order = true}).score == Approx(100));
  CHECK(bleu("Foo-\n", "Foo-").matches[0] == 1);
  CHECK(corpus_bleu(Texts{}, Texts{}).score == 0);
  // Two references, 4 and 6 tokens, as close to 5: the shorter counts.
  const std::vector<Texts> two = {{"a b c d", "a b c d e f"}};
  CHECK(corpus_bleu(Texts{"a b c d e"}, two).reference_length == 4);
  CHECK(corpus_bleu(Texts{"a b c d e"}, two).score == Approx(100));
  CHECK_THROWS_WITH_AS(corpus_bleu(Texts{"a"}, Texts{}), "[corpus_bleu] 1 guesses, references for 0", ValueError);
  CHECK_THROWS_WITH_AS(corpus_bleu(Texts{"a"}, std::vector<Texts>{{}}), "[corpus_bleu] guess 0 has no reference",
                       ValueError);
}

TEST_CASE("confusion matrix") {
  ConfusionMatrix m({"\xc3\xa9t\xc3\xa9", "b"});
  m.add(0, 0), m.add(0, 1), m.add(1, 1), m.add(1, 1);
  CHECK(m.at(0, 1) == 1);
  CHECK(m.total() == 4);
  CHECK(m.accuracy() == 0.75);
  CHECK(m.recall(0) == 0.5);
  CHECK(m.precision(0) == 1);
  CHECK(m.f1(0) == Approx(2.0 / 3));
  CHECK(m.f1(1) == Approx(0.8));
  CHECK(m.macro_f1() == Approx((2.0 / 3 + 0.8) / 2));
  CHECK(m.text() ==
        "          recall  precision  taken for class    1    2\n"
        "     \xc3\xa9t\xc3\xa9   50.0 %  100.0 %               1:    1    1\n"
        "       b  100.0 %   66.7 %               2:    .    2");
  CHECK(ConfusionMatrix({"a"}).accuracy() == 0);
  CHECK(ConfusionMatrix({"a"}).text().find("        -        -") != std::string::npos);
  CHECK_THROWS_WITH_AS(m.add(2, 0), "[ConfusionMatrix] class 2 taken for 0, expected 0 .. 1", ValueError);
  CHECK_THROWS_AS(m.add(0, -1), ValueError);
}
