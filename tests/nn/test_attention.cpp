// Attention: segment operations, dense and ragged attention, pooling, tied output weights.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "op_check.hpp"
#include "unroll/nn/attention.hpp"
#include "unroll/nn/check/gradcheck.hpp"
#include "unroll/nn/tied_linear.hpp"
#include "unroll/ops/attention.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/reduce.hpp"
#include "unroll/ops/softmax.hpp"

using namespace unroll;
using test::check_op;
using test::normal;

namespace {

constexpr double no = -std::numeric_limits<double>::infinity();
using Ids = std::vector<Index>;

Tape<double>& tape_now() { return *current_tape<double>; }

}  // namespace

TEST_CASE("segment_softmax is a softmax of each segment by itself") {
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const Segments& s = *make_segments(tape, Ids{1, 0, 1, 3, 1, 0}, 4);
  const auto y = segment_softmax(input(std::vector<double>{1, 2, 800, 5, 801, no}, Shape{6}), s).to_vector();
  CHECK(y[1] == 1);
  CHECK(y[5] == 0);
  CHECK(y[3] == 1);
  CHECK(y[0] == 0);
  CHECK(y[2] == doctest::Approx(1 / (1 + std::exp(1.0))).epsilon(1e-13));
  CHECK(y[2] + y[4] == doctest::Approx(1));
  // Nothing possible, and NaN, stay in their segments.
  const auto z = segment_softmax(input(std::vector<double>{std::nan(""), no, 1, 2, 3, no}, Shape{6}), s).to_vector();
  CHECK(std::isnan(z[4]));
  CHECK(z[1] == 0);
  CHECK(z[5] == 0);
  CHECK(z[3] == 1);
}

TEST_CASE("gradients of the segment operations, also with rows in several segments and empty segments") {
  const Ids segment = {1, 0, 1, 3, 1, 0}, row = {2, 0, 0, 1, 1, 2};
  const auto plain = [=] { return make_segments(tape_now(), segment, 4); };
  const auto mapped = [=] { return make_segments(tape_now(), segment, 4, row, 3); };
  CHECK(check_op([=](auto v) { return segment_softmax(v[0], *plain()); }, {normal(Shape{6}, 1)}));
  CHECK(check_op([=](auto v) { return segment_weighted_sum(v[0], v[1], *plain()); },
                 {normal(Shape{6}, 1), normal(Shape{6, 5}, 2)}));
  CHECK(check_op([=](auto v) { return segment_weighted_sum(v[0], v[1], *mapped()); },
                 {normal(Shape{6}, 1), normal(Shape{3, 5}, 2)}));
  CHECK(check_op([=](auto v) { return segment_dot(v[0], v[1], *plain(), 0.7); },
                 {normal(Shape{4, 5}, 1), normal(Shape{6, 5}, 2)}));
  CHECK(check_op([=](auto v) { return segment_dot(v[0], v[1], *mapped()); },
                 {normal(Shape{4, 5}, 1), normal(Shape{3, 5}, 2)}));
  CHECK(check_op([=](auto v) { return segment_add(v[0], v[1], *plain()); },
                 {normal(Shape{4, 5}, 1), normal(Shape{6, 5}, 2)}));
  CHECK(check_op([=](auto v) { return segment_add(v[0], v[1], *mapped()); },
                 {normal(Shape{4, 5}, 1), normal(Shape{3, 5}, 2)}));
  // Slices, one operand used twice, and operands that need no gradient.
  const auto constant = [](const Shape& shape) { return input(normal(shape, 9).values, shape); };
  const auto square = [=] { return make_segments(tape_now(), Ids{2, 0, 2, 1}, 3, Ids{0, 1, 2, 2}, 3); };
  CHECK(check_op(
      [=](auto v) {
        const auto [a, x] = chunk<2>(v[0]);
        return segment_weighted_sum(segment_softmax(segment_dot(a, x, *square()), *square()), x, *square());
      },
      {normal(Shape{3, 8}, 3)}));
  CHECK(check_op([=](auto v) { return segment_dot(v[0], v[0], *square()); }, {normal(Shape{3, 4}, 3)}));
  CHECK(check_op([=](auto v) { return segment_add(v[0], v[0], *square()); }, {normal(Shape{3, 4}, 3)}));
  CHECK(check_op(
      [=](auto v) {
        const auto [a, x] = chunk<2>(v[0]);
        return segment_add(a, x, *square());
      },
      {normal(Shape{3, 8}, 3)}));
  CHECK(check_op(
      [=](auto v) {
        return segment_add(v[0], constant(Shape{3, 4}), *square());
      },
      {normal(Shape{3, 4}, 4)}));
  CHECK(check_op(
      [=](auto v) {
        return segment_dot(constant(Shape{3, 4}), v[0], *square());
      },
      {normal(Shape{3, 4}, 4)}));
  CHECK(check_op(
      [=](auto v) {
        return segment_weighted_sum(v[0], constant(Shape{3, 4}), *square());
      },
      {normal(Shape{4}, 3)}));
}

TEST_CASE("segments that do not fit are errors") {
  Tape<double> tape;
  Evaluation<double> scope(tape);
  CHECK_THROWS_WITH_AS(make_segments(tape, Ids{0, 2}, 2), "[make_segments] segment 2 at position 1; expected 0 .. 1",
                       ValueError);
  CHECK_THROWS_WITH_AS(make_segments(tape, Ids{0, 1}, 2, Ids{0, 5}, 5),
                       "[make_segments] row 5 at position 1; expected 0 .. 4", ValueError);
  CHECK_THROWS_WITH_AS(make_segments(tape, Ids{0, 1}, 2, Ids{0}, 5), "[make_segments] 1 rows for 2 segments",
                       ShapeError);
  const Segments& s = *make_segments(tape, Ids{0, 1, 1}, 2);
  const auto x = zeros<double>(Shape{3, 4});
  CHECK_THROWS_WITH_AS(segment_softmax(zeros<double>(Shape{2}), s),
                       "[segment_softmax] x (2); expected (3), one number a member", ShapeError);
  CHECK_THROWS_WITH_AS(segment_weighted_sum(zeros<double>(Shape{3}), zeros<double>(Shape{2, 4}), s),
                       "[segment_weighted_sum] x (2,4); expected (3,F)", ShapeError);
  CHECK_THROWS_WITH_AS(segment_dot(zeros<double>(Shape{3, 4}), x, s), "[segment_dot] a (3,4); expected (2,F)",
                       ShapeError);
  CHECK_THROWS_WITH_AS(segment_dot(zeros<double>(Shape{2, 5}), x, s),
                       "[segment_dot] a (2,5) has 5 features, x (3,4) has 4", ShapeError);
  CHECK_THROWS_WITH_AS(segment_add(zeros<double>(Shape{2, 5}), x, s),
                       "[segment_add] a (2,5) has 5 features, x (3,4) has 4", ShapeError);
}

TEST_CASE("scaled dot-product attention: the formula, masks, causality, gradients") {
  Tape<double> tape;
  const std::vector<std::uint8_t> mask = {1, 0, 1, 0, 0, 0};  // query 1 may look at nothing
  {
    Evaluation<double> scope(tape);
    const auto q = input(normal(Shape{2, 2, 4}, 1).values, Shape{2, 2, 4});
    const auto k = input(normal(Shape{2, 3, 4}, 2).values, Shape{2, 3, 4});
    const auto v = input(normal(Shape{2, 3, 5}, 3).values, Shape{2, 3, 5});
    const auto [y, w] = scaled_dot_product_attention(q, k, v);
    CHECK(y.shape() == Shape{2, 2, 5});
    const auto qs = q.to_vector(), ks = k.to_vector(), ws = w.to_vector();
    for (std::size_t s = 0; s < 2; ++s)
      for (std::size_t m = 0; m < 2; ++m) {
        double total = 0;
        std::vector<double> e(3, 0.0);
        for (std::size_t n = 0; n < 3; ++n) {
          for (std::size_t d = 0; d < 4; ++d) e[n] += qs[(s * 2 + m) * 4 + d] * ks[(s * 3 + n) * 4 + d];
          total += e[n] = std::exp(e[n] / 2);
        }
        for (std::size_t n = 0; n < 3; ++n)
          CHECK(ws[(s * 2 + m) * 3 + n] == doctest::Approx(e[n] / total).epsilon(1e-12));
      }
    const auto masked = scaled_dot_product_attention(q, k, v, {.allowed = mask});
    const auto mw = masked.weights.to_vector();
    for (const std::size_t s : {0u, 6u}) {
      CHECK(mw[s + 1] == 0);
      CHECK(mw[s + 0] + mw[s + 2] == doctest::Approx(1));
      CHECK(mw[s + 3] + mw[s + 4] + mw[s + 5] == 0);
    }
    const auto causal = scaled_dot_product_attention(k, k, v, {.causal = true}).weights.to_vector();
    CHECK(causal[9 + 0] == 1);
    CHECK(causal[9 + 5] == 0);
    CHECK(causal[9 + 6] > 0);
    CHECK_THROWS_AS(scaled_dot_product_attention(q, v, v), ShapeError);
    CHECK_THROWS_AS(scaled_dot_product_attention(q, k, v, {.allowed = std::span(mask).first(5)}), ShapeError);
  }
  for (const bool causal : {false, true})
    for (const bool masked : {false, true})
      CHECK(check_op(
          [&](auto x) {
            return scaled_dot_product_attention(
                       x[0], x[1], x[2],
                       {.allowed = masked ? std::span(mask) : std::span<const std::uint8_t>(), .causal = causal})
                .output;
          },
          {normal(Shape{2, 2, 4}, 1), normal(Shape{2, 3, 4}, 2), normal(Shape{2, 3, 5}, 3)}));
  CHECK(
      check_op([](auto x) { return scaled_dot_product_attention(x[0], x[0], x[0]).output; }, {normal(Shape{3, 4}, 1)}));
}

namespace {

struct Kinds {
  AdditiveAttention<double> additive;
  DotAttention<double> dot, scaled;
  GeneralAttention<double> general;
  explicit Kinds(Rng& rng) : additive(4, 4, 5, rng), scaled({.scaled = true}), general(4, 4, rng) {}
  void each_kind(auto&& f) const { f(additive), f(dot), f(scaled), f(general); }
};

}  // namespace

TEST_CASE("attention over a ragged batch is attention over each sequence by itself") {
  Rng rng(1);
  const Kinds kinds(rng);
  const Ids lengths = {2, 0, 5, 1};
  const auto values = normal(Shape{5, 4, 4}, 2).values, queries = normal(Shape{4, 4}, 3).values;
  kinds.each_kind([&](const auto& attention) {
    Tape<double> tape;
    Evaluation<double> scope(tape);
    const auto x = input(values, Shape{5, 4, 4});
    const auto q = input(queries, Shape{4, 4});
    const auto memory = attention.memory(sequence(x, lengths));
    const auto [context, weights, segments] = attention(q, memory);
    CHECK(context.shape() == Shape{4, 4});
    CHECK(weights.size() == 8);
    // Queries in any order, several on one sequence.
    const Ids sources = {2, 0, 2, 1};
    const auto others = attention(q, memory, sources);
    const auto all = context.to_vector(), mixed = others.context.to_vector();
    const auto one = [&](Index b, Index row) {
      const Index length = lengths[static_cast<std::size_t>(b)];
      const auto own = reshape(contiguous(narrow(narrow(x, 1, b, 1), 0, 0, length)), {length, 1, 4});
      return attention(narrow(q, 0, row, 1), attention.memory(own)).context.to_vector();
    };
    for (Index b = 0; b < 4; ++b) {
      const auto own = one(b, b), other = one(sources[static_cast<std::size_t>(b)], b);
      for (Index c = 0; c < 4; ++c) {
        const auto i = static_cast<std::size_t>(b * 4 + c);
        CHECK(all[i] == doctest::Approx(own[static_cast<std::size_t>(c)]).epsilon(1e-12));
        CHECK(mixed[i] == doctest::Approx(other[static_cast<std::size_t>(c)]).epsilon(1e-12));
      }
    }
    for (std::size_t c = 0; c < 4; ++c) CHECK(all[4 + c] == 0);  // nothing to look at
  });
}

TEST_CASE("scores are those of the papers") {
  Rng rng(1);
  const Kinds kinds(rng);
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto x = input(normal(Shape{3, 1, 4}, 2).values, Shape{3, 1, 4});
  const auto q = input(normal(Shape{1, 4}, 3).values, Shape{1, 4});
  const auto rows = reshape(x, Shape{3, 4});
  const auto agree = [&](const Attended<double>& a, const Variable<double>& scores) {
    const auto expected = softmax(reshape(scores, Shape{3})).to_vector(), got = a.weights.to_vector();
    for (std::size_t i = 0; i < 3; ++i) CHECK(got[i] == doctest::Approx(expected[i]).epsilon(1e-12));
    const auto context = matmul(reshape(a.weights, Shape{1, 3}), rows).to_vector(), c = a.context.to_vector();
    for (std::size_t i = 0; i < 4; ++i) CHECK(c[i] == doctest::Approx(context[i]).epsilon(1e-12));
  };
  agree(kinds.dot(q, kinds.dot.memory(x)), matmul(rows, q, {.transpose_b = true}));
  agree(kinds.scaled(q, kinds.scaled.memory(x)), matmul(rows, q, {.transpose_b = true}) * 0.5);
  agree(kinds.general(q, kinds.general.memory(x)),
        matmul(linear(rows, use(kinds.general.key.weight)), q, {.transpose_b = true}));
  const auto& a = kinds.additive;
  const auto asked = reshape(linear(q, use(a.query.weight)), Shape{5});
  agree(a(q, a.memory(x)),
        linear(tanh(linear(rows, use(a.memory_layer.weight), use(a.memory_layer.bias)) + asked), use(a.score.weight)));
}

TEST_CASE("gradients of attention: parameters, queries, memory; ragged; queries of any sequence") {
  Rng rng(1);
  const Kinds kinds(rng);
  const Ids lengths = {2, 0, 3}, sources = {2, 0, 2, 1, 0};
  kinds.each_kind([&](const auto& attention) {
    CHECK(gradcheck([&](auto x, auto q) { return attention(q, attention.memory(sequence(x, lengths))).context; },
                    attention, check_input("x", Shape{3, 3, 4}, 2), check_input("q", Shape{3, 4}, 3)));
    CHECK(
        gradcheck([&](auto x, auto q) { return attention(q, attention.memory(sequence(x, lengths)), sources).context; },
                  attention, check_input("x", Shape{3, 3, 4}, 2), check_input("q", Shape{5, 4}, 3)));
  });
}

TEST_CASE("attention pooling: one by one, gradients") {
  Rng rng(2);
  const AttentionPool<double> pool(3, 4, rng);
  CHECK(pool.output_size() == 3);
  const Ids lengths = {2, 4, 0, 1};
  CHECK(gradcheck([&](auto x) { return pool(sequence(x, lengths)); }, pool, check_input("x", Shape{4, 4, 3}, 2)));
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto x = input(normal(Shape{4, 4, 3}, 5).values, Shape{4, 4, 3});
  const auto all = pool(sequence(x, lengths)).to_vector();
  const auto own = pool(reshape(contiguous(narrow(narrow(x, 1, 0, 1), 0, 0, 2)), {2, 1, 3})).to_vector();
  for (std::size_t c = 0; c < 3; ++c) {
    CHECK(all[c] == doctest::Approx(own[c]).epsilon(1e-12));
    CHECK(all[6 + c] == 0);
    CHECK(all[9 + c] == doctest::Approx(x.to_vector()[9 + c]).epsilon(1e-12));  // a single step is its own mean
  }
}

TEST_CASE("attention that does not fit its memory says so") {
  Rng rng(1);
  const Kinds kinds(rng);
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto x = zeros<double>(Shape{3, 2, 4});
  const auto memory = kinds.dot.memory(x);
  CHECK_THROWS_WITH_AS(kinds.dot(zeros<double>(Shape{3, 4}), memory),
                       "[DotAttention] 3 queries, 0 sources and 2 sequences; expected one source a query, or none and "
                       "one query a sequence",
                       ShapeError);
  CHECK_THROWS_WITH_AS(kinds.dot(zeros<double>(Shape{1, 4}), memory, Ids{2}),
                       "[DotAttention] source 2 at position 0; expected 0 .. 1", ValueError);
  CHECK_THROWS_WITH_AS(kinds.dot(zeros<double>(Shape{2, 5}), memory),
                       "[DotAttention] queries (2,5), keys (6,4); expected the same number of features", ShapeError);
  CHECK(kinds.additive(zeros<double>(Shape{0, 4}), kinds.additive.memory(x)).context.shape() == Shape{0, 4});
}

namespace {

struct TiedModel {
  Embedding<double> words;
  TiedLinear<double> out;
  using scalar = double;
  explicit TiedModel(Rng& rng) : words(5, 3, rng), out(words) {}
  void each(auto&& visit) { visit("words", words), visit("out", out); }
};

}  // namespace

TEST_CASE("output weights tied to the embedding are one tensor with both gradients") {
  Rng rng(1);
  const TiedModel model(rng);
  CHECK(parameters(model).size() == 2);
  CHECK(parameter_count(model) == 5 * 3 + 5);
  CHECK(parameters(model)[0].name == "words.weight");
  CHECK(parameters(model)[1].name == "out.bias");
  const Ids ids = {4, 0, 4, 2};
  CHECK(gradcheck([&](auto x) { return model.out(tanh(model.words(Indices(ids)) + x)); }, model,
                  check_input("x", Shape{4, 3}, 3)));
  const TiedModel copy = clone(model);
  CHECK(copy.out.weight.share() == copy.words.weight.share());
  CHECK(copy.out.weight.share() != model.out.weight.share());
}
