// The conditional random field beside enumeration of all paths, at its edges, and over long sequences.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "unroll/nn/check/gradcheck.hpp"
#include "unroll/nn/structured/crf.hpp"
#include "unroll/ops/layout.hpp"

using namespace unroll;

namespace {

using Vector = std::vector<double>;
using Path = std::vector<Index>;
constexpr double infinity = std::numeric_limits<double>::infinity();

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

Vector normal_values(Index n, Rng& rng, double scale = 1) {
  Vector v(at(n));
  for (double& x : v) x = scale * rng.normal();
  return v;
}

Crf<double> random_crf(Index tags, Rng& rng, TagRules rules = {}) {
  Crf<double> crf(tags, rng, {.rules = std::move(rules)});
  for (auto* p : {&crf.start_transitions, &crf.end_transitions, &crf.transitions})
    for (double& v : p->mutable_values()) v = rng.normal();
  return crf;
}

/// The score of a path from the definition; -inf where it breaks a rule.
double score(const Crf<double>& crf, const Vector& x, const Path& y) {
  const Index k = crf.tags();
  if (y.empty()) return 0;
  if (!crf.rules().violation(y).empty()) return -infinity;
  double s = crf.start_transitions.values()[at(y.front())] + crf.end_transitions.values()[at(y.back())];
  for (std::size_t t = 0; t < y.size(); ++t) {
    s += x[t * at(k) + at(y[t])];
    if (t > 0) s += crf.transitions.values()[at(y[t - 1] * k + y[t])];
  }
  return s;
}

/// Calls f(path) for all K^L paths.
template <class F>
void for_each_path(Index tags, Index length, F&& f) {
  Path y(at(length), 0);
  for (;;) {
    f(std::as_const(y));
    std::size_t t = 0;
    while (t < y.size() && ++y[t] == tags) y[t++] = 0;
    if (t == y.size()) return;
  }
}

struct Enumerated {
  double log_z = -infinity;
  Vector marginals;  // (L,K)
  double best = -infinity;
  Path best_path;
};

Enumerated enumerate(const Crf<double>& crf, const Vector& x, Index length) {
  const Index k = crf.tags();
  Enumerated e;
  e.marginals.assign(at(length * k), 0.0);
  double z = 0;
  for_each_path(k, length, [&](const Path& y) {
    const double s = score(crf, x, y);
    if (s > e.best) e.best = s, e.best_path = y;
    z += std::exp(s);
    for (std::size_t t = 0; t < y.size(); ++t) e.marginals[t * at(k) + at(y[t])] += std::exp(s);
  });
  for (double& m : e.marginals) m /= z;
  e.log_z = std::log(z);
  return e;
}

/// A path that keeps to the rules, by trying; the lengths used here have one.
Path legal_path(const TagRules& rules, Index tags, Index length, Rng& rng) {
  for (;;) {
    Path y(at(length));
    for (Index& v : y) v = rng.integer(tags);
    if (rules.violation(y).empty()) return y;
  }
}

struct Batch {
  std::vector<Vector> x;
  std::vector<Path> gold;
  std::vector<Index> lengths;
};

Batch random_batch(const Crf<double>& crf, Rng& rng, Index sequences, Index longest) {
  Batch b;
  for (Index i = 0; i < sequences; ++i) {
    const Index length = rng.integer(longest + 1);
    b.lengths.push_back(length);
    b.x.push_back(normal_values(length * crf.tags(), rng, 1.5));
    b.gold.push_back(legal_path(crf.rules(), crf.tags(), length, rng));
  }
  return b;
}

/// Row of step t of the caller's sequence b.
std::size_t row(const SequenceLayout& l, Index b, Index t) { return at(l.first[t] + l.place[b]); }

const std::vector<std::string> iob_names{"O", "B-A", "I-A"};

}  // namespace

TEST_CASE("loss, marginals and best path equal the enumeration of all paths") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    const bool ruled = seed % 3 == 0;
    const Index k = ruled ? 3 : 1 + rng.integer(4);
    const auto crf = random_crf(k, rng, ruled ? tag_rules(iob_names, TagScheme::iob2) : TagRules());
    const Batch batch = random_batch(crf, rng, 1 + rng.integer(5), 5);
    Tape<double> tape;
    Evaluation<double> scope(tape);
    const auto x = sequence(batch.x, k);
    const auto losses = crf.negative_log_likelihood(x, batch.gold, {.reduction = CrfReduction::none}).to_vector();
    const auto paths = crf.viterbi(x);
    const auto marginals = crf.marginals(x);
    const auto values = marginals.rows.to_vector();
    REQUIRE(losses.size() == batch.x.size());
    double sum = 0;
    for (std::size_t b = 0; b < batch.x.size(); ++b) {
      CAPTURE(b);
      const Index length = batch.lengths[b];
      if (length == 0) {
        CHECK(losses[b] == 0);
        CHECK(paths.tags[b].empty());
        CHECK(paths.scores[b] == 0);
        continue;
      }
      const Enumerated e = enumerate(crf, batch.x[b], length);
      const double expected = e.log_z - score(crf, batch.x[b], batch.gold[b]);
      sum += expected;
      CHECK(losses[b] == doctest::Approx(expected).epsilon(1e-12));
      CHECK(paths.tags[b] == e.best_path);
      CHECK(paths.scores[b] == doctest::Approx(e.best).epsilon(1e-12));
      for (Index t = 0; t < length; ++t)
        for (Index i = 0; i < k; ++i)
          CHECK(std::abs(values[row(*x.layout, static_cast<Index>(b), t) * at(k) + at(i)] -
                         e.marginals[at(t * k + i)]) < 1e-13);
    }
    const auto loss = [&](CrfLossOptions o) { return crf.negative_log_likelihood(x, batch.gold, o).item(); };
    const auto steps = std::accumulate(batch.lengths.begin(), batch.lengths.end(), Index{0});
    const auto nonempty = std::count_if(batch.lengths.begin(), batch.lengths.end(), [](Index n) { return n > 0; });
    CHECK(loss({.reduction = CrfReduction::sum}) == doctest::Approx(sum));
    CHECK(loss({}) == doctest::Approx(steps ? sum / static_cast<double>(steps) : 0));
    CHECK(loss({.reduction = CrfReduction::mean}) ==
          doctest::Approx(nonempty ? sum / static_cast<double>(nonempty) : 0));
    CHECK(loss({.reduction = CrfReduction::mean, .denominator = 8}) == doctest::Approx(sum / 8));
  }
}

TEST_CASE("gradients of emissions and of all three parameters") {
  for (const bool ruled : {false, true}) {
    Rng rng(ruled ? 11 : 12);
    const auto crf = random_crf(3, rng, ruled ? tag_rules(iob_names, TagScheme::iob1) : TagRules());
    const std::vector<Index> lengths{2, 0, 5, 1, 3};
    std::vector<Path> gold;
    for (const Index n : lengths) gold.push_back(legal_path(crf.rules(), 3, n, rng));
    const auto x = check_input("x", Shape{5, 5, 3}, 21);
    for (const auto reduction : {CrfReduction::token_mean, CrfReduction::mean, CrfReduction::sum, CrfReduction::none}) {
      const auto report = gradcheck(
          [&](Variable<double> v) {
            return crf.negative_log_likelihood(sequence(v, lengths), gold, {.reduction = reduction});
          },
          crf, x);
      CHECK_MESSAGE(report.ok(), report.str());
    }
    // Emissions that are a slice of something wider, and used a second time.
    const auto wide = check_input("wide", Shape{11, 7}, 22);
    const auto report = gradcheck(
        [&](Variable<double> v) {
          const Sequence<double> e{narrow(v, 1, 2, 3), ragged_layout(*current_tape<double>, std::span(lengths))};
          return std::vector<Variable<double>>{crf.negative_log_likelihood(e, gold),
                                               crf.negative_log_likelihood(e, gold, {.reduction = CrfReduction::none}),
                                               v};
        },
        crf, wide);
    CHECK_MESSAGE(report.ok(), report.str());
  }
}

TEST_CASE("what the rules forbid gets no gradient, and frozen parameters none at all") {
  Rng rng(5);
  auto crf = random_crf(3, rng, tag_rules(iob_names, TagScheme::iob2));
  crf.end_transitions.freeze();
  Tape<double> tape;
  for (int pass = 1; pass <= 2; ++pass) {  // gradients of two recordings add up
    Recording<double> step(tape);
    Rng data(6);
    const auto x = sequence(input(normal_values(4 * 1 * 3, data), Shape{4, 1, 3}));
    tape.backward(crf.negative_log_likelihood(x, {{1, 2, 0, 1}}, {.reduction = CrfReduction::sum}));
  }
  CHECK(crf.transitions.grads()[0 * 3 + 2] == 0);  // O to I-A
  CHECK(crf.start_transitions.grads()[2] == 0);
  CHECK(crf.transitions.grads()[1 * 3 + 2] != 0);
  CHECK_FALSE(crf.end_transitions.has_grad());
  const auto first = crf.transitions.grads();
  const Vector twice(first.begin(), first.end());
  crf.transitions.clear_grad();
  Recording<double> step(tape);
  Rng data(6);
  const auto x = sequence(input(normal_values(4 * 1 * 3, data), Shape{4, 1, 3}));
  tape.backward(crf.negative_log_likelihood(x, {{1, 2, 0, 1}}, {.reduction = CrfReduction::sum}));
  for (std::size_t i = 0; i < twice.size(); ++i)
    CHECK(twice[i] == doctest::Approx(2 * crf.transitions.grads()[i]).epsilon(1e-12));
}

TEST_CASE_TEMPLATE("5,000 steps stay finite and exact", T, float, double) {
  const Index steps = 5000, k = 5;
  Rng rng(3);
  Crf<T> crf(k, rng);
  for (auto* p : {&crf.start_transitions, &crf.end_transitions, &crf.transitions})
    for (T& v : p->mutable_values()) v = static_cast<T>(rng.normal());
  std::vector<T> values(at(steps * k));
  for (T& v : values) v = static_cast<T>(4 * rng.normal());
  Path gold(at(steps));
  for (Index& y : gold) y = rng.integer(k);
  Tape<T> tape;
  Recording<T> scope(tape);
  const auto v = input(values, Shape{steps, 1, k}, requires_grad);
  const auto loss = crf.negative_log_likelihood(sequence(v), {gold}, {.reduction = CrfReduction::sum});
  REQUIRE(std::isfinite(loss.item()));
  CHECK(loss.item() > 0);
  tape.backward(loss);
  const auto g = v.grad_to_vector();
  const auto marginals = crf.marginals(sequence(v)).rows.to_vector();
  const double tolerance = std::is_same_v<T, float> ? 1e-6 : 1e-12;
  double worst = 0, pairs = 0;
  for (Index t = 0; t < steps; ++t) {
    double row_sum = 0, probability = 0;
    for (Index i = 0; i < k; ++i) {
      const double m = static_cast<double>(marginals[at(t * k + i)]);
      row_sum += static_cast<double>(g[at(t * k + i)]), probability += m;
      worst = std::max(worst, std::abs(static_cast<double>(g[at(t * k + i)]) - m + (gold[at(t)] == i ? 1 : 0)));
    }
    worst = std::max({worst, std::abs(row_sum), std::abs(probability - 1)});
  }
  CHECK(worst < tolerance);
  for (const T d : crf.transitions.grads()) pairs += static_cast<double>(d);
  CHECK(std::abs(pairs) < (std::is_same_v<T, float> ? 1e-2 : 1e-9));
  // Cutting the chain into pieces by transitions of zero: the loss is then the sum of the steps' own.
  for (auto* p : {&crf.start_transitions, &crf.end_transitions, &crf.transitions})
    for (T& x : p->mutable_values()) x = 0;
  double expected = 0;
  for (Index t = 0; t < steps; ++t) {
    double z = 0;
    for (Index i = 0; i < k; ++i)
      z += std::exp(static_cast<double>(values[at(t * k + i)] - values[at(t * k + gold[at(t)])]));
    expected += std::log(z);
  }
  Evaluation<T> inner(tape);
  const auto independent = crf.negative_log_likelihood(sequence(input(values, Shape{steps, 1, k})), {gold},
                                                       {.reduction = CrfReduction::sum});
  CHECK(static_cast<double>(independent.item()) ==
        doctest::Approx(expected).epsilon(std::is_same_v<T, float> ? 1e-6 : 1e-13));
}

TEST_CASE("scores so far apart that a sum of exponentials underflows") {
  // The only good way on is a transition e^-2000 times the best of its column, from a tag e^-900 times the best.
  Rng rng(1);
  Crf<double> crf(2, rng);
  const Vector start{0, -900}, end{0, 0}, transitions{-infinity, -2000, 0, 0};
  std::ranges::copy(start, crf.start_transitions.mutable_values().begin());
  std::ranges::copy(end, crf.end_transitions.mutable_values().begin());
  std::ranges::copy(transitions, crf.transitions.mutable_values().begin());
  Tape<double> tape;
  Recording<double> scope(tape);
  const auto v = input(Vector{0, 0, 0, 0, 0, 1200}, Shape{3, 1, 2}, requires_grad);
  const auto loss = crf.negative_log_likelihood(sequence(v), {{1, 0, 1}}, {.reduction = CrfReduction::sum});
  // Paths: 0 1 1: -2000 + 1200; 1 0 1: -900 - 2000 + 1200; 1 1 0: -900; 1 1 1: -900 + 1200; 0 1 0: -2000.
  CHECK(loss.item() == doctest::Approx(2000).epsilon(1e-14));
  tape.backward(loss);
  const auto g = v.grad_to_vector();
  const Vector expected{0, 0, -1, 1, 0, 0};
  for (std::size_t i = 0; i < g.size(); ++i) CHECK(std::abs(g[i] - expected[i]) < 1e-14);
  const Vector pairs{0, -1, -1, 2};  // what 1 1 1 has beyond 1 0 1
  for (std::size_t i = 0; i < pairs.size(); ++i) CHECK(std::abs(crf.transitions.grads()[i] - pairs[i]) < 1e-14);
  const auto paths = crf.viterbi(sequence(v));
  CHECK(paths.tags[0] == Path{1, 1, 1});
  CHECK(paths.scores[0] == 300);
  // Now the way through the deep gap is the only one.
  std::ranges::copy(Vector{-infinity, -2000, 0, -infinity}, crf.transitions.mutable_values().begin());
  const auto m = crf.marginals(sequence(v)).rows.to_vector();
  // 0 1 0 against 1 0 1: -2000 against -900 - 2000 + 1200.
  CHECK(m[0] == doctest::Approx(std::exp(-300)).epsilon(1e-12));
  CHECK(m[1] == 1);
}

TEST_CASE("of equal paths the one whose last tags are smallest") {
  Rng rng(1);
  Crf<double> crf(3, rng);
  for (auto* p : {&crf.start_transitions, &crf.end_transitions, &crf.transitions})
    for (double& x : p->mutable_values()) x = 0;
  Tape<double> tape;
  Evaluation<double> scope(tape);
  CHECK(crf.viterbi(sequence(std::vector<Vector>{{0, 1, 1, 1, 0, 1, 1, 1, 1}}, 3)).tags[0] == Path{1, 0, 0});
}

TEST_CASE("ragged equals one by one, whatever the order") {
  Rng rng(31);
  auto crf = random_crf(4, rng);
  const Batch batch = random_batch(crf, rng, 9, 6);
  Tape<double> tape;
  std::vector<Vector> together, apart(3);
  double sum = 0;
  {
    Recording<double> scope(tape);
    const auto loss = crf.negative_log_likelihood(sequence(batch.x, 4), batch.gold, {.reduction = CrfReduction::sum});
    sum = loss.item();
    tape.backward(loss);
  }
  const auto take = [&] {
    std::vector<Vector> g;
    for (auto* p : {&crf.start_transitions, &crf.end_transitions, &crf.transitions}) {
      g.emplace_back(p->grads().begin(), p->grads().end());
      p->clear_grad();
    }
    return g;
  };
  together = take();
  for (std::size_t b = 0; b < batch.x.size(); ++b) {
    Recording<double> scope(tape);
    const auto loss = crf.negative_log_likelihood(sequence(std::vector<Vector>{batch.x[b]}, 4), {batch.gold[b]},
                                                  {.reduction = CrfReduction::sum});
    sum -= loss.item();
    tape.backward(loss);
  }
  apart = take();
  CHECK(std::abs(sum) < 1e-12);
  for (std::size_t p = 0; p < 3; ++p)
    for (std::size_t i = 0; i < apart[p].size(); ++i) CHECK(std::abs(together[p][i] - apart[p][i]) < 1e-12);
}

TEST_CASE("schemes: what follows what") {
  const std::vector<std::string> bio{"O", "B-A", "I-A", "B-B", "I-B"};
  const auto iob2 = tag_rules(bio, TagScheme::iob2), iob1 = tag_rules(bio, TagScheme::iob1);
  const auto bioes = tag_rules({"O", "B-A", "I-A", "E-A", "S-A", "B-B", "I-B", "E-B", "S-B"}, TagScheme::bioes);
  const auto ok = [](const TagRules& r, const Path& y) { return r.violation(y).empty(); };
  CHECK(ok(iob2, {1, 2, 2, 3, 4, 0, 1}));
  CHECK(ok(iob2, {1, 1, 3, 3}));
  CHECK_FALSE(ok(iob2, {2}));
  CHECK_FALSE(ok(iob2, {0, 2}));
  CHECK_FALSE(ok(iob2, {1, 4}));
  CHECK(ok(iob1, {2, 2, 1, 2, 4, 0, 4, 3}));
  CHECK_FALSE(ok(iob1, {1}));
  CHECK_FALSE(ok(iob1, {0, 1}));
  CHECK_FALSE(ok(iob1, {2, 3}));
  CHECK(ok(bioes, {1, 2, 3, 4, 5, 7, 0, 8}));
  for (const Path& bad : {Path{1}, Path{1, 2}, Path{2}, Path{3}, Path{0, 3}, Path{1, 0}, Path{1, 7}, Path{1, 4},
                          Path{1, 5, 7}, Path{1, 3, 2, 3}, Path{4, 3}})
    CHECK_FALSE(ok(bioes, bad));
  CHECK(ok(bioes, {}));
  CHECK(ok(tag_rules({"I", "O", "B"}, TagScheme::iob2), {2, 0, 1, 2}));
  CHECK_FALSE(ok(tag_rules({"I", "O", "B"}, TagScheme::iob2), {1, 0}));
  CHECK(iob2.violation(Path{1, 0, 4}) == "step 2: I-B (4) may not follow O (0)");
  CHECK(iob2.violation(Path{2}) == "step 0: I-A (2) may not be the first");
  CHECK(bioes.violation(Path{0, 1}) == "step 1: B-A (1) may not be the last");
  TagRules rules(2);
  rules.forbid(1, 0);
  CHECK(rules.violation(Path{0, 1, 0}) == "step 2: tag 0 may not follow tag 1");
  CHECK(TagRules().violation(Path{7, 9}).empty());
  CHECK_THROWS_WITH_AS(tag_rules({"O", "X-A"}, TagScheme::iob2),
                       "[tag_rules] tag 1 is 'X-A'; expected O, or one of BI with a type behind it, such as B-LOC",
                       ValueError);
  for (const char* name : {"", "E-A", "B-", "BA", "b-A", "OO"})
    CHECK_THROWS_AS(tag_rules({name}, TagScheme::iob1), ValueError);
  CHECK_THROWS_AS(tag_rules({}, TagScheme::iob1), ValueError);
  CHECK_THROWS_WITH_AS(TagRules(0), "[TagRules] tags is 0; expected at least 1", ValueError);
}

TEST_CASE("best paths keep to the rules, however strong the emissions against it") {
  const std::vector<std::string> names{"O", "B-A", "I-A", "E-A", "S-A", "B-B", "I-B", "E-B", "S-B"};
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    const auto crf = random_crf(9, rng, tag_rules(names, TagScheme::bioes));
    std::vector<Vector> x;
    for (Index b = 0; b < 4; ++b) x.push_back(normal_values(rng.integer(12) * 9, rng, 1e5));
    Tape<double> tape;
    Evaluation<double> scope(tape);
    const auto s = sequence(x, 9);
    for (const Path& y : crf.viterbi(s).tags) CHECK(crf.rules().violation(y) == "");
    const auto m = crf.marginals(s);
    const auto p = m.rows.to_vector();
    for (std::size_t r = 0; r * 9 < p.size(); ++r)
      CHECK(std::accumulate(p.begin() + static_cast<long>(r * 9), p.begin() + static_cast<long>(r * 9 + 9), 0.0) ==
            doctest::Approx(1).epsilon(1e-13));
    for (std::size_t b = 0; b < x.size(); ++b)
      if (!x[b].empty())
        for (const Index k : {2, 3, 6, 7}) CHECK(p[row(*s.layout, static_cast<Index>(b), 0) * 9 + at(k)] == 0);
  }
}

TEST_CASE("emissions of -inf, of NaN, and none") {
  Rng rng(2);
  auto crf = random_crf(2, rng);
  Tape<double> tape;
  Recording<double> scope(tape);
  // Sequence 0: the gold tag is ruled out at step 1. 1: every tag is, at step 0. 2: an ordinary one.
  const auto v =
      input(Vector{0, 1, -infinity, -infinity, 1, 1, -infinity, 2, 0, 0, 2, 1}, Shape{2, 3, 2}, requires_grad);
  const std::vector<Path> gold{{0, 0}, {1, 1}, {0, 1}};
  const auto loss = crf.negative_log_likelihood(sequence(v), gold, {.reduction = CrfReduction::none});
  const auto l = loss.to_vector();
  CHECK(l[0] == infinity);
  CHECK(l[1] == infinity);
  CHECK(std::isfinite(l[2]));
  tape.backward(crf.negative_log_likelihood(sequence(v), gold, {.reduction = CrfReduction::sum}));
  const auto g = v.grad_to_vector();
  for (const double d : g) CHECK(std::isfinite(d));
  CHECK(g[6] == -1);  // step 1 of sequence 0: all of the probability is on the other tag
  CHECK(g[7] == 1);
  for (const Index i : {2, 3, 8, 9}) CHECK(g[at(i)] == 0);
  for (const double d : crf.transitions.grads()) CHECK(std::isfinite(d));
  CHECK_THROWS_WITH_AS(crf.viterbi(sequence(v)), "[Crf] sequence 1: no path of length 2 is allowed", ValueError);
  CHECK_THROWS_WITH_AS(crf.marginals(sequence(v)), "[Crf] sequence 1: no path of length 2 is allowed", ValueError);
  const auto nan = input(Vector{0, 1, std::nan(""), 0, 1, 1}, Shape{3, 1, 2});
  CHECK(std::isnan(crf.negative_log_likelihood(sequence(nan), {{0, 0, 0}}).item()));
  auto broken = random_crf(2, rng);
  for (double& x : broken.transitions.mutable_values()) x = std::nan("");
  CHECK(std::isnan(broken.negative_log_likelihood(sequence(narrow(v, 1, 2, 1)), {{0, 1}}).item()));
  // No sequences, and only empty ones.
  const auto none = sequence(std::vector<Vector>{}, 2), empty = sequence(std::vector<Vector>(3), 2);
  CHECK(crf.negative_log_likelihood(none, std::vector<Path>{}).item() == 0);
  CHECK(crf.viterbi(none).tags.empty());
  CHECK(crf.negative_log_likelihood(empty, std::vector<Path>(3), {.reduction = CrfReduction::mean}).item() == 0);
  CHECK(crf.viterbi(empty).tags == std::vector<Path>(3));
  CHECK(crf.marginals(empty).rows.shape() == Shape{0, 2});
}

TEST_CASE("rules that leave no path of a length") {
  TagRules rules(2);
  rules.forbid(0, 0), rules.forbid(0, 1), rules.forbid(1, 0), rules.forbid(1, 1);
  Rng rng(4);
  const auto crf = random_crf(2, rng, rules);
  Tape<double> tape;
  Evaluation<double> scope(tape);
  CHECK_THROWS_WITH_AS(crf.viterbi(sequence(std::vector<Vector>{{1, 2}, {1, 2, 3, 4}}, 2)),
                       "[Crf] sequence 1: no path of length 2 is allowed", ValueError);
  CHECK(crf.viterbi(sequence(std::vector<Vector>{{1, 2}}, 2)).tags[0].size() == 1);
}

TEST_CASE("the messages") {
  Rng rng(1);
  const auto crf = random_crf(3, rng, tag_rules(iob_names, TagScheme::iob2));
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto x = sequence(std::vector<Vector>{Vector(6), Vector(9)}, 3);
  const auto nll = [&](std::vector<Path> gold, CrfLossOptions o = {}) {
    return crf.negative_log_likelihood(x, gold, o);
  };
  CHECK_NOTHROW(nll({{0, 1}, {1, 2, 0}}));
  CHECK_THROWS_WITH_AS(nll({{0, 1}, {1, 0, 2}}), "[Crf] sequence 1: step 2: I-A (2) may not follow O (0)", ValueError);
  CHECK_THROWS_WITH_AS(nll({{0, 3}, {1, 2, 0}}), "[Crf] sequence 0: step 1: tag 3; expected 0 .. 2", ValueError);
  CHECK_THROWS_WITH_AS(nll({{0, -1}, {1, 2, 0}}), "[Crf] sequence 0: step 1: tag -1; expected 0 .. 2", ValueError);
  CHECK_THROWS_AS(nll({{0}, {1, 2, 0}}), ShapeError);
  CHECK_THROWS_AS(nll({{0, 1}}), ShapeError);
  CHECK_THROWS_WITH_AS(nll({{0, 1}, {1, 2, 0}}, {.reduction = CrfReduction::sum, .denominator = 2}),
                       "[Crf] a denominator is given and the reduction is not mean; expected Reduction::mean",
                       ValueError);
  CHECK_THROWS_WITH_AS(nll({{0, 1}, {1, 2, 0}}, {.denominator = 0}),
                       "[Crf] denominator 0.000000, expected a positive number", ValueError);
  const auto wide = sequence(std::vector<Vector>{Vector(8)}, 4);
  CHECK_THROWS_WITH_AS(crf.viterbi(wide), "[Crf] emissions (2,4) for 3 tags; expected (N,3)", ShapeError);
  CHECK_THROWS_AS(crf.marginals(wide), ShapeError);
  CHECK_THROWS_AS(crf.negative_log_likelihood(wide, {{0, 0}}), ShapeError);
  CHECK_THROWS_WITH_AS(Crf<float>(0, rng), "[Crf] tags is 0; expected at least 1", ValueError);
  CHECK_THROWS_WITH_AS(Crf<float>(2, rng, {.rules = TagRules(3)}), "[Crf] rules for 3 tags, expected 2", ValueError);
}

TEST_CASE("as a module") {
  Rng rng(1);
  const Crf<float> crf(3, rng, {.rules = tag_rules(iob_names, TagScheme::iob2)});
  CHECK(crf.tags() == 3);
  CHECK(parameter_count(crf) == 15);
  CHECK(parameters(crf)[2].name == "transitions");
  for (const auto& p : parameters(crf))
    for (Index i = 0; i < p.storage->shape.size(); ++i) CHECK(std::abs(p.storage->value[i]) <= 0.1f);
  const auto copy = clone(crf);
  CHECK(copy.rules().names == iob_names);
  CHECK(copy.transitions.share() != crf.transitions.share());
}
