// The CTC loss and its decoders beside enumeration of all paths, at their edges, and over long sequences.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "unroll/nn/check/gradcheck.hpp"
#include "unroll/nn/structured/ctc.hpp"
#include "unroll/nn/structured/ctc_decode.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/softmax.hpp"

using namespace unroll;

namespace {

using Vector = std::vector<double>;
using Labels = std::vector<Index>;
constexpr double infinity = std::numeric_limits<double>::infinity();

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

Vector normal_values(Index n, Rng& rng, double scale = 1) {
  Vector v(at(n));
  for (double& x : v) x = scale * rng.normal();
  return v;
}

Labels random_labels(Index count, Index classes, Index blank, Rng& rng) {
  Labels l(at(count));
  for (Index& c : l) do
      c = rng.integer(classes);
    while (c == blank);
  return l;
}

/// What a path of classes stands for.
Labels collapse(const Labels& path, Index blank) {
  Labels out;
  for (std::size_t t = 0; t < path.size(); ++t)
    if (path[t] != blank && (t == 0 || path[t] != path[t - 1])) out.push_back(path[t]);
  return out;
}

/// p(l | x) of every labelling by going through all C^T paths; and P(a_t = c, B(a) = l) of each.
struct Enumerated {
  std::map<Labels, double> p;
  std::map<Labels, Vector> joint;
  Vector softmax;
};
Enumerated enumerate(const Vector& x, Index steps, Index classes, Index blank) {
  Enumerated e;
  e.softmax = x;
  for (Index t = 0; t < steps; ++t) {
    double sum = 0;
    for (Index c = 0; c < classes; ++c) sum += std::exp(x[at(t * classes + c)]);
    for (Index c = 0; c < classes; ++c) e.softmax[at(t * classes + c)] = std::exp(x[at(t * classes + c)]) / sum;
  }
  Labels path(at(steps), 0);
  for (;;) {
    double p = 1;
    for (std::size_t t = 0; t < path.size(); ++t) p *= e.softmax[t * at(classes) + at(path[t])];
    const Labels l = collapse(path, blank);
    e.p[l] += p;
    Vector& joint = e.joint[l];
    joint.resize(x.size(), 0.0);
    for (std::size_t t = 0; t < path.size(); ++t) joint[t * at(classes) + at(path[t])] += p;
    std::size_t t = 0;
    while (t < path.size() && ++path[t] == classes) path[t++] = 0;
    if (t == path.size()) return e;
  }
}

}  // namespace

TEST_CASE("loss and gradient equal the enumeration of all paths") {
  for (std::uint64_t seed = 1; seed <= 80; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    const Index classes = 1 + rng.integer(4), blank = rng.integer(classes), batch = 1 + rng.integer(4);
    std::vector<Index> lengths;
    std::vector<Labels> targets;
    for (Index b = 0; b < batch; ++b) {
      lengths.push_back(rng.integer(6));
      targets.push_back(random_labels(classes == 1 ? 0 : rng.integer(4), classes, blank, rng));
    }
    Tape<double> tape;
    Recording<double> scope(tape);
    const Index longest = 5;
    const Vector values = normal_values(longest * batch * classes, rng, 1.5);
    const auto v = input(values, Shape{longest, batch, classes}, requires_grad);
    const auto x = sequence(v, lengths);
    const auto losses = ctc_loss(x, targets, {.blank = blank, .reduction = Reduction::none}).to_vector();
    const auto sum = ctc_loss(x, targets, {.blank = blank, .reduction = Reduction::sum, .zero_infinity = true});
    tape.backward(sum);
    const auto g = v.grad_to_vector();
    double expected_sum = 0, expected_mean = 0;
    bool infinite = false;
    for (Index b = 0; b < batch; ++b) {
      CAPTURE(b);
      Vector own;
      for (Index t = 0; t < lengths[at(b)]; ++t)
        for (Index c = 0; c < classes; ++c) own.push_back(values[at((t * batch + b) * classes + c)]);
      Enumerated e = enumerate(own, lengths[at(b)], classes, blank);
      const Labels& target = targets[at(b)];
      const bool possible = e.p.count(target) > 0;
      const double expected = possible ? -std::log(e.p[target]) : infinity;
      if (possible) {
        CHECK(std::abs(losses[at(b)] - expected) < 1e-12);
        expected_sum += expected;
        expected_mean += expected / static_cast<double>(std::max<std::size_t>(1, target.size()));
      } else {
        CHECK(losses[at(b)] == infinity);
        infinite = true;
      }
      for (Index t = 0; t < longest; ++t)
        for (Index c = 0; c < classes; ++c) {
          const double d = g[at((t * batch + b) * classes + c)];
          const std::size_t i = at(t * classes + c);
          if (t >= lengths[at(b)] || !possible) {
            CHECK(d == 0);
          } else {
            CHECK(std::abs(d - (e.softmax[i] - e.joint[target][i] / e.p[target])) < 1e-13);
          }
        }
    }
    CHECK(sum.item() == doctest::Approx(expected_sum).epsilon(1e-12));
    CHECK(ctc_loss(x, targets, {.blank = blank, .zero_infinity = true}).item() ==
          doctest::Approx(expected_mean / static_cast<double>(batch)).epsilon(1e-12));
    CHECK(ctc_loss(x, targets, {.blank = blank, .zero_infinity = true, .denominator = 16}).item() ==
          doctest::Approx(expected_mean / 16).epsilon(1e-12));
    if (infinite) CHECK(ctc_loss(x, targets, {.blank = blank}).item() == infinity);
    // Log-probabilities in place of logits, and without a backward.
    Evaluation<double> inner(tape);
    const auto again =
        ctc_loss(sequence(log_softmax(v), lengths), targets, {.blank = blank, .reduction = Reduction::none});
    for (Index b = 0; b < batch; ++b)
      if (std::isfinite(losses[at(b)])) CHECK(std::abs(again.to_vector()[at(b)] - losses[at(b)]) < 1e-12);
  }
}

TEST_CASE("gradients by differences: every reduction, slices, a second use") {
  const std::vector<Index> lengths{3, 0, 6, 1, 4};
  const std::vector<Labels> targets{{1, 1}, {}, {2, 0, 0, 1}, {}, {0}};
  for (const auto reduction : {Reduction::mean, Reduction::sum, Reduction::none}) {
    const auto report = gradcheck(
        [&](Variable<double> v) {
          return ctc_loss(sequence(v, lengths), targets, {.blank = 3, .reduction = reduction});
        },
        check_input("x", Shape{6, 5, 4}, 3));
    CHECK_MESSAGE(report.ok(), report.str());
  }
  const auto report = gradcheck(
      [&](Variable<double> v) {
        const Sequence<double> x{narrow(v, 1, 2, 4), ragged_layout(*current_tape<double>, std::span(lengths))};
        return std::vector<Variable<double>>{ctc_loss(x, targets, {.blank = 3}),
                                             ctc_loss(x, targets, {.blank = 3, .reduction = Reduction::none}), v};
      },
      check_input("wide", Shape{14, 7}, 4));
  CHECK_MESSAGE(report.ok(), report.str());
}

TEST_CASE_TEMPLATE("5,000 steps stay finite, rows of the gradient add up to nothing", T, float, double) {
  const Index steps = 5000, classes = 6;
  for (const Index count : {0, 1, 400, 2400}) {
    CAPTURE(count);
    Rng rng(7);
    Tape<T> tape;
    Recording<T> scope(tape);
    std::vector<T> values(at(steps * classes));
    for (T& x : values) x = static_cast<T>(5 * rng.normal());
    const auto v = input(values, Shape{steps, 1, classes}, requires_grad);
    Labels target = random_labels(count, classes, 0, rng);
    const auto loss = ctc_loss(sequence(v), {target}, {.reduction = Reduction::sum});
    REQUIRE(std::isfinite(loss.item()));
    CHECK(loss.item() > 0);
    tape.backward(loss);
    const auto g = v.grad_to_vector();
    const double tolerance = std::is_same_v<T, float> ? 1e-6 : 1e-12;
    double worst = 0, largest = 0;
    for (Index t = 0; t < steps; ++t) {
      double sum = 0;
      for (Index c = 0; c < classes; ++c) {
        const auto d = static_cast<double>(g[at(t * classes + c)]);
        sum += d, largest = std::max(largest, std::abs(d));
      }
      worst = std::max(worst, std::abs(sum));
    }
    CHECK(worst < tolerance);
    CHECK(largest <= 1 + tolerance);
    CHECK(largest > 0.1);
    if (count == 0) {  // the one path of blanks
      double expected = 0;
      for (Index t = 0; t < steps; ++t) {
        double z = 0;
        for (Index c = 0; c < classes; ++c)
          z +=
              std::exp(static_cast<double>(values[at(t * classes + c)]) - static_cast<double>(values[at(t * classes)]));
        expected += std::log(z);
      }
      CHECK(static_cast<double>(loss.item()) ==
            doctest::Approx(expected).epsilon(std::is_same_v<T, float> ? 1e-6 : 1e-13));
    }
  }
  // A target that fills the steps exactly has one path.
  Rng rng(8);
  Tape<T> tape;
  Evaluation<T> scope(tape);
  std::vector<T> values(at(steps * 3));
  for (T& x : values) x = static_cast<T>(5 * rng.normal());
  Labels target(at(steps));
  double expected = 0;
  for (Index t = 0; t < steps; ++t) {
    target[at(t)] = 1 + t % 2;
    double z = 0;
    for (Index c = 0; c < 3; ++c)
      z +=
          std::exp(static_cast<double>(values[at(t * 3 + c)]) - static_cast<double>(values[at(t * 3 + target[at(t)])]));
    expected += std::log(z);
  }
  const auto x = sequence(input(values, Shape{steps, 1, 3}));
  CHECK(static_cast<double>(ctc_loss(x, {target}, {.reduction = Reduction::sum}).item()) ==
        doctest::Approx(expected).epsilon(std::is_same_v<T, float> ? 1e-6 : 1e-13));
  target.back() = target[at(steps - 2)];
  CHECK(ctc_loss(x, {target}).item() == std::numeric_limits<T>::infinity());
}

TEST_CASE("alignments so unlikely that a sum of exponentials underflows") {
  // Each step is sure of another class than the target wants: p is far below the smallest double.
  const Index steps = 40;
  Vector values;
  for (Index t = 0; t < steps; ++t)
    for (const double x : {0.0, 900.0, -500.0}) values.push_back(x);
  Tape<double> tape;
  Recording<double> scope(tape);
  const auto v = input(values, Shape{steps, 1, 3}, requires_grad);
  const auto loss = ctc_loss(sequence(v), {{2, 1, 2}}, {.reduction = Reduction::sum});
  // Best: 2 once, 1 in between, 2 once: two steps at 1400 below; there is one such path.
  CHECK(loss.item() == doctest::Approx(2800).epsilon(1e-14));
  tape.backward(loss);
  const auto g = v.grad_to_vector();
  for (Index t = 0; t < steps; ++t) {
    const bool ends = t == 0 || t == steps - 1;
    CHECK(std::abs(g[at(3 * t + 1)] - (ends ? 1 : 0)) < 1e-14);
    CHECK(std::abs(g[at(3 * t + 2)] - (ends ? -1 : 0)) < 1e-14);
  }
}

TEST_CASE("the only way through comes from a state e^-2000 times the most likely one") {
  // Sure of 1, then blank, then 1, then 2, wanted 1 2: the first label has to wait for the third step.
  const Vector values{0, 2000, 0, 5000, 0, 0, 0, 5000, 0, 0, 0, 5000};
  Tape<double> tape;
  Recording<double> scope(tape);
  const auto v = input(values, Shape{4, 1, 3}, requires_grad);
  const auto loss = ctc_loss(sequence(v), {{1, 2}}, {.reduction = Reduction::sum});
  CHECK(loss.item() == doctest::Approx(2000).epsilon(1e-14));
  tape.backward(loss);
  const Vector expected{-1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  const auto g = v.grad_to_vector();
  for (std::size_t i = 0; i < g.size(); ++i) CHECK(std::abs(g[i] - expected[i]) < 1e-14);
}

TEST_CASE("ragged equals one by one") {
  Rng rng(3);
  const Index classes = 5;
  std::vector<Vector> x;
  std::vector<Labels> targets;
  for (const Index n : {4, 0, 9, 9, 1, 6, 7}) {
    x.push_back(normal_values(n * classes, rng));
    targets.push_back(random_labels(n / 3, classes, 0, rng));
  }
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto together = ctc_loss(sequence(x, classes), targets, {.reduction = Reduction::none}).to_vector();
  const auto greedy = ctc_decode_greedy(sequence(x, classes));
  const auto beam = ctc_decode_beam(sequence(x, classes), {.width = 4, .n_best = 2});
  for (std::size_t b = 0; b < x.size(); ++b) {
    const auto one = sequence(std::vector<Vector>{x[b]}, classes);
    CHECK(together[b] == ctc_loss(one, {targets[b]}, {.reduction = Reduction::none}).to_vector()[0]);
    CHECK(greedy[b].symbols == ctc_decode_greedy(one)[0].symbols);
    CHECK(greedy[b].log_prob == ctc_decode_greedy(one)[0].log_prob);
    const auto alone = ctc_decode_beam(one, {.width = 4, .n_best = 2})[0];
    REQUIRE(alone.size() == beam[b].size());
    for (std::size_t i = 0; i < alone.size(); ++i) CHECK(alone[i].symbols == beam[b][i].symbols);
  }
}

TEST_CASE("logits of -inf and NaN, an adjoint that is there already, nothing at all") {
  Tape<double> tape;
  Recording<double> scope(tape);
  // Sequence 0: label 1 impossible everywhere. 1: an ordinary one. 2: a step with nothing possible.
  const auto v =
      input(Vector{0, -infinity, 1, 2, -infinity, -infinity, 1, -infinity, 0, 1, 1, 0}, Shape{2, 3, 2}, requires_grad);
  const std::vector<Labels> targets{{1}, {1}, {1}};
  const auto l = ctc_loss(sequence(v), targets, {.reduction = Reduction::none}).to_vector();
  CHECK(l[0] == infinity);
  CHECK(std::isfinite(l[1]));
  CHECK(l[2] == infinity);
  tape.backward(ctc_loss(sequence(v), targets, {.reduction = Reduction::sum}));
  const auto g = v.grad_to_vector();
  for (const Index i : {0, 1, 4, 5, 6, 7, 10, 11}) CHECK(g[at(i)] == 0);
  CHECK(g[2] != 0);
  const auto nan = input(Vector{0, 1, std::nan(""), 0}, Shape{2, 1, 2}, requires_grad);
  CHECK(std::isnan(ctc_loss(sequence(nan), {{1}}, {.zero_infinity = true}).item()));
  CHECK_THROWS_WITH_AS(ctc_decode_greedy(sequence(nan)),
                       "[ctc_decode_greedy] sequence 0, step 1: NaN or infinity among the logits", ValueError);
  CHECK_THROWS_AS(ctc_decode_beam(sequence(nan)), ValueError);
  const auto impossible = sequence(input(Vector{0, 0, -infinity, -infinity}, Shape{2, 1, 2}));
  CHECK(ctc_decode_beam(impossible)[0].empty());
  CHECK(ctc_decode_greedy(impossible)[0].log_prob == -infinity);
  const auto none = sequence(std::vector<Vector>{}, 2), empty = sequence(std::vector<Vector>(2), 2);
  CHECK(ctc_loss(none, std::vector<Labels>{}).item() == 0);
  CHECK(ctc_loss(empty, std::vector<Labels>(2)).item() == 0);
  CHECK(ctc_loss(empty, {{}, {1}}, {.reduction = Reduction::none}).to_vector() == Vector{0, infinity});
  CHECK(ctc_decode_beam(none).empty());
  CHECK(ctc_decode_beam(empty)[1][0].symbols.empty());
  CHECK(ctc_decode_beam(empty)[1][0].log_prob == 0);
  CHECK(ctc_decode_greedy(empty)[1].symbols.empty());
}

TEST_CASE("prefix beam search with room for all prefixes equals the enumeration of all labellings") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    const Index classes = 1 + rng.integer(4), blank = rng.integer(classes), steps = rng.integer(6);
    const Vector x = normal_values(steps * classes, rng, 2);
    const auto all = enumerate(x, steps, classes, blank).p;
    Tape<double> tape;
    Evaluation<double> scope(tape);
    const auto s = sequence(std::vector<Vector>{x}, classes);
    const auto n_best = ctc_decode_beam(s, {.blank = blank, .width = 2000, .n_best = 2000})[0];
    REQUIRE(n_best.size() == all.size());
    for (std::size_t i = 0; i < n_best.size(); ++i) {
      if (i > 0) CHECK(n_best[i].log_prob <= n_best[i - 1].log_prob);
      const auto found = all.find(n_best[i].symbols);
      REQUIRE(found != all.end());
      CHECK(std::abs(n_best[i].log_prob - std::log(found->second)) < 1e-12);
    }
    // What is found with a narrow beam is a lower bound of its own probability, and the loss knows that.
    const auto narrow_beam = ctc_decode_beam(s, {.blank = blank, .width = 3, .n_best = 3})[0];
    CHECK(narrow_beam.size() <= 3);
    for (const auto& h : narrow_beam) CHECK(h.log_prob <= std::log(all.at(h.symbols)) + 1e-12);
  }
}

TEST_CASE("greedy: the best path, repetitions joined, blanks dropped") {
  // Classes by step: 1 1 0 1 2 2 0 0 2
  const Labels path{1, 1, 0, 1, 2, 2, 0, 0, 2};
  Vector x;
  for (const Index c : path)
    for (Index k = 0; k < 3; ++k) x.push_back(k == c ? 2.0 : 1.0);
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto s = sequence(std::vector<Vector>{x}, 3);
  const auto h = ctc_decode_greedy(s)[0];
  CHECK(h.symbols == Labels{1, 1, 2, 2});
  CHECK(h.log_prob == doctest::Approx(-9 * std::log(1 + 2 * std::exp(-1.0))).epsilon(1e-14));
  CHECK(ctc_decode_greedy(s, 2)[0].symbols == Labels{1, 0, 1, 0});
  // Equal logits: the lowest class.
  CHECK(ctc_decode_greedy(sequence(std::vector<Vector>{{1, 1, 1}}, 3), 2)[0].symbols == Labels{0});
}

TEST_CASE("the best labels are not always those of the best path") {
  // Graves: the blank path is the best one, but all paths of the label together are more likely.
  const Vector x{std::log(0.6), std::log(0.4), std::log(0.6), std::log(0.4)};
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto s = sequence(std::vector<Vector>{x}, 2);
  CHECK(ctc_decode_greedy(s)[0].symbols.empty());
  const auto best = ctc_decode_beam(s)[0];
  REQUIRE(best.size() == 1);
  CHECK(best[0].symbols == Labels{1});
  CHECK(best[0].log_prob == doctest::Approx(std::log(0.64)).epsilon(1e-14));
  CHECK(-ctc_loss(s, {{1}}).item() == doctest::Approx(best[0].log_prob).epsilon(1e-14));
}

TEST_CASE("a long beam search: prefixes that are dropped and come back") {
  Rng rng(12);
  const Index steps = 300, classes = 5;
  std::vector<Vector> x{normal_values(steps * classes, rng, 0.7)};
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto s = sequence(x, classes);
  double previous = -infinity;
  for (const Index width : {1, 4, 64}) {
    const auto n_best = ctc_decode_beam(s, {.width = width, .n_best = width})[0];
    REQUIRE(static_cast<Index>(n_best.size()) == width);
    for (std::size_t i = 0; i < n_best.size(); ++i) {
      CHECK(n_best[i].log_prob <= -ctc_loss(s, {n_best[i].symbols}, {.reduction = Reduction::sum}).item() + 1e-9);
      for (std::size_t j = 0; j < i; ++j) CHECK(n_best[i].symbols != n_best[j].symbols);
    }
    CHECK(n_best[0].log_prob >= previous);
    previous = n_best[0].log_prob;
  }
}

TEST_CASE("the messages") {
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto x = sequence(std::vector<Vector>{Vector(6), Vector(9)}, 3);
  CHECK_NOTHROW(ctc_loss(x, {{1}, {2, 1}}));
  CHECK_THROWS_WITH_AS(ctc_loss(x, {{1}}), "[ctc_loss] 1 targets for a batch of 2", ShapeError);
  CHECK_THROWS_WITH_AS(ctc_loss(x, {{1}, {2, 0}}),
                       "[ctc_loss] target 1: label 0 at position 1; expected 0 .. 2 without the blank 0", ValueError);
  CHECK_THROWS_AS(ctc_loss(x, {{3}, {}}), ValueError);
  CHECK_THROWS_AS(ctc_loss(x, {{-1}, {}}), ValueError);
  CHECK_THROWS_WITH_AS(ctc_loss(x, {{1}, {1}}, {.blank = 3}), "[ctc_loss] blank 3; expected 0 .. 2", ValueError);
  CHECK_THROWS_WITH_AS(ctc_loss(x, {{1}, {1}}, {.reduction = Reduction::sum, .denominator = 3}),
                       "[ctc_loss] a denominator is given and the reduction is not mean; expected Reduction::mean",
                       ValueError);
  CHECK_THROWS_WITH_AS(ctc_loss(x, {{1}, {1}}, {.denominator = -1}),
                       "[ctc_loss] denominator -1.000000, expected a positive number", ValueError);
  CHECK_THROWS_WITH_AS(ctc_decode_greedy(x, -1), "[ctc_decode_greedy] blank -1; expected 0 .. 2", ValueError);
  CHECK_THROWS_WITH_AS(ctc_decode_beam(x, {.width = 2, .n_best = 3}),
                       "[ctc_decode_beam] n_best 3, width 2; expected 1 <= n_best <= width", ValueError);
  CHECK_THROWS_AS(ctc_decode_beam(x, {.n_best = 0}), ValueError);
  const Sequence<double> flat{input(Vector(5), Shape{5}), x.layout};
  CHECK_THROWS_WITH_AS(ctc_loss(flat, {{1}, {1}}), "[ctc_loss] logits (5); expected (N,C)", ShapeError);
}
