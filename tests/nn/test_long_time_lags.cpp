// The classical long-time-lag problems: that the generators make what they say, and that small ones are learned. In
// full size: slow_*.cpp.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <regex>
#include <set>
#include <string>

#include "long_time_lags.hpp"
#include "unroll/core/error.hpp"
#include "unroll/nn/gru.hpp"

using namespace unroll;
using namespace unroll::examples;
using namespace unroll::test;

namespace {

unsigned bit(Index symbol) { return 1u << symbol; }

}  // namespace

TEST_CASE("Reber strings follow the grammar, and what may follow is what does follow") {
  // The grammar as an expression: R is what may come in state 3, after a P, or after TS*XX; L in state 4, after TS*X.
  // L = S | X R, R = T* V (V | P L); unrolled, R = T* V (P X T* V)* (V | P S).
  const std::string right = "T*V(PXT*V)*(V|PS)", reber = "B(TS*X(S|X" + right + ")|P" + right + ")E";
  const std::regex plain(reber), embedded("B(T" + reber + "T|P" + reber + "P)E");
  Rng rng(1);
  std::map<std::string, unsigned> follows, legal;
  double length = 0;
  for (int i = 0; i < 20000; ++i) {
    const ReberString s = embedded_reber_string(rng);
    REQUIRE(s.legal.size() + 1 == s.symbols.size());
    const std::string text = s.str();
    if (i < 2000) {
      REQUIRE(std::regex_match(text, embedded));
      REQUIRE(std::regex_match(reber_string(rng).str(), plain));
    }
    length += static_cast<double>(text.size()) / 20000;
    for (std::size_t t = 0; t < s.legal.size() && t < 7; ++t) {
      follows[text.substr(0, t + 1)] |= bit(s.symbols[t + 1]);
      legal[text.substr(0, t + 1)] = s.legal[t];
    }
    CHECK(s.legal[s.legal.size() - 2] == bit(s.symbols[1]));  // the one that needs a long memory
  }
  CHECK(follows == legal);
  CHECK(length == doctest::Approx(12).epsilon(0.02));
  Rng again(1), same(1);
  const ReberString s = embedded_reber_string(again);
  CHECK(s.str() == embedded_reber_string(same).str());
  CHECK(s.inputs().size() == s.targets().size());
  CHECK(s.inputs()[1] == s.targets()[0]);
}

TEST_CASE("legal symbols come first or not") {
  const float nan = std::nanf("");
  const std::vector<float> v = {0, 3, 2, 1, -1, -2, -3};
  CHECK(legal_first(v, bit(1)));
  CHECK(legal_first(v, bit(1) | bit(2)));
  CHECK_FALSE(legal_first(v, bit(2)));
  CHECK_FALSE(legal_first(v, bit(1) | bit(3)));
  CHECK_FALSE(legal_first(std::vector<float>{1, 1, 0, 0, 0, 0, 0}, bit(0)));  // a tie is no decision
  CHECK_FALSE(legal_first(std::vector<float>{1, nan, 0, 0, 0, 0, 0}, bit(0)));
}

TEST_CASE("the adding problem: two marks where they belong, and what they add up to") {
  Rng rng(1);
  const AddingBatch batch = adding_problem(500, 100, rng);
  std::set<std::size_t> lengths;
  double mean = 0;
  for (std::size_t b = 0; b < 500; ++b) {
    const auto& x = batch.sequences[b];
    const std::size_t n = x.size() / 2;
    lengths.insert(n);
    std::vector<std::size_t> marks;
    double sum = 0;
    for (std::size_t t = 0; t < n; ++t) {
      REQUIRE(std::abs(x[2 * t]) <= 1);
      if (x[2 * t + 1] == 1) marks.push_back(t), sum += static_cast<double>(x[2 * t]);
      if (x[2 * t + 1] == -1) REQUIRE((t == 0 || t == n - 1));
    }
    REQUIRE(marks.size() == 2);
    CHECK(marks[0] < 10);
    CHECK(marks[1] < 49);
    if (marks[0] == 0) CHECK(x[0] == 0);
    CHECK(static_cast<double>(batch.targets[b]) == doctest::Approx(0.5 + sum / 4).epsilon(1e-6));
    mean += static_cast<double>(batch.targets[b]) / 500;
  }
  CHECK(*lengths.begin() == 100);
  CHECK(*lengths.rbegin() == 110);
  CHECK(mean == doctest::Approx(0.5).epsilon(0.05));
  CHECK_NOTHROW(adding_problem(100, 4, rng));
  CHECK_THROWS_WITH_AS(adding_problem(1, 3, rng), "[adding_problem] 3 steps; expected 4 or more", ValueError);
}

TEST_CASE("the copying task: letters, a gap, the sign to go, the letters again") {
  Rng rng(1);
  const CopyingBatch batch = copying_task(3, 5, rng);
  for (std::size_t b = 0; b < 3; ++b) {
    const auto &in = batch.inputs[b], &out = batch.targets[b];
    REQUIRE(in.size() == 25);
    REQUIRE(out.size() == 25);
    CHECK(std::equal(in.begin(), in.begin() + 10, out.end() - 10));
    CHECK(*std::max_element(in.begin(), in.begin() + 10) < CopyingBatch::letters);
    CHECK(std::count(in.begin(), in.end(), CopyingBatch::blank) == 14);
    CHECK(in[14] == CopyingBatch::go);
    CHECK(std::count(out.begin(), out.begin() + 15, CopyingBatch::blank) == 15);
  }
  CHECK(batch.inputs[0] != batch.inputs[1]);
  CHECK_THROWS_WITH_AS(copying_task(1, 0, rng), "[copying_task] a gap of 0; expected 1 or more", ValueError);
}

TEST_CASE("small ones are learned") {
  int learned = 0;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const ReberResult r = learn_reber(seed, 15'000, 1000);
    CHECK(r.weights == 302);
    learned += r.sequences > 0;
  }
  CHECK(learned >= 1);  // chance to guess the memory alone: 2^-1000
  const LagTraining adding{.updates = 400, .lr = 0.02, .keep = 3, .write = -1};
  CHECK(learn_adding<LSTMCell<float>>(1, 20, 500, adding) > 0.9);  // chance: 0.14
  CHECK(learn_adding<GRUCell<float>>(1, 20, 500, adding) > 0.9);
  const LagTraining copying{.hidden = 64, .updates = 1000, .keep = 2, .clip = 0.2};
  CHECK(learn_copying<GRUCell<float>>(1, 2, 200, copying) > 0.4);  // chance: 0.125
}
