// Ragged batches: what each function on them does, its gradient, and its errors.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/check/gradcheck.hpp"
#include "unroll/nn/embedding.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/pyramid.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/ops/reduce.hpp"

using namespace unroll;

namespace {

using Vector = std::vector<double>;
using Lengths = std::vector<Index>;

/// Sequence b, step t has the features 100 b + 10 t + f + 1.
Vector numbers(Index steps, Index batch, Index features) {
  Vector x;
  for (Index t = 0; t < steps; ++t)
    for (Index b = 0; b < batch; ++b)
      for (Index f = 0; f < features; ++f) x.push_back(static_cast<double>(100 * b + 10 * t + f + 1));
  return x;
}
Sequence<double> ragged(const Lengths& lengths, Index features = 2) {
  const auto batch = static_cast<Index>(lengths.size());
  const Index steps = lengths.empty() ? 0 : *std::ranges::max_element(lengths);
  return sequence(input(numbers(steps, batch, features), Shape{steps, batch, features}), lengths);
}

const std::vector<Lengths> cases{{3, 1, 4}, {4, 4}, {0, 2, 0, 5}, {1}, {0}, {0, 0}, {5, 3, 1}, {2, 2, 3, 3}, {}};

template <class F>
void in_both_scopes(F&& f) {
  Tape<double> tape;
  {
    const Recording<double> scope(tape);
    f();
  }
  const Evaluation<double> scope(tape);
  f();
}

}  // namespace

TEST_CASE("layout: rows from long to short, step after step") {
  in_both_scopes([] {
    const auto x = ragged({1, 3, 0, 3, 2});
    const SequenceLayout& l = x.checked();
    CHECK(l.steps == 3);
    CHECK(l.batch == 5);
    CHECK(l.rows == 9);
    CHECK(Lengths(l.active, l.active + 3) == Lengths{4, 3, 2});
    CHECK(Lengths(l.first, l.first + 3) == Lengths{0, 4, 7});
    CHECK(Lengths(l.order, l.order + 5) == Lengths{1, 3, 4, 0, 2});  // those of one length as the caller has them
    CHECK(Lengths(l.place, l.place + 5) == Lengths{3, 0, 4, 1, 2});
    CHECK(Lengths(l.length, l.length + 5) == Lengths{3, 3, 2, 1, 0});
    CHECK(!l.ordered);
    CHECK(!l.dense());
    CHECK(x.lengths() == Lengths{1, 3, 0, 3, 2});
    CHECK(narrow(x.rows, 0, 4, 3).to_vector() == Vector{111, 112, 311, 312, 411, 412});
    CHECK(ragged({4, 4}).checked().dense());
    CHECK(!ragged({4, 3}).checked().dense());
    CHECK(ragged({4, 3}).checked().ordered);
  });
}

TEST_CASE("sequence, list of sequences, padded, last, reverse, pool") {
  for (const Lengths& lengths : cases)
    in_both_scopes([&] {
      const auto batch = static_cast<Index>(lengths.size());
      const auto x = ragged(lengths);
      std::vector<Vector> list;
      for (Index b = 0; b < batch; ++b) {
        list.emplace_back();
        for (Index t = 0; t < lengths[static_cast<std::size_t>(b)]; ++t)
          for (Index f = 0; f < 2; ++f) list.back().push_back(static_cast<double>(100 * b + 10 * t + f + 1));
      }
      const auto same = sequence(list, 2);
      CHECK(same.rows.to_vector() == x.rows.to_vector());
      CHECK(same.lengths() == lengths);

      const auto rectangle = padded(x).to_vector(), backwards = padded(reverse(x)).to_vector();
      const auto ends = last(x).to_vector(), sums = pool(x, Pool::sum).to_vector(),
                 means = pool(x, Pool::mean).to_vector(), tops = pool(x, Pool::max).to_vector();
      CHECK(padded(x).shape() == Shape{x.steps(), batch, 2});
      CHECK(last(x).shape() == Shape{batch, 2});
      for (Index b = 0; b < batch; ++b)
        for (Index f = 0; f < 2; ++f) {
          const Index n = lengths[static_cast<std::size_t>(b)];
          const auto at = [&](const Vector& v, Index t) {
            return v[static_cast<std::size_t>((t * batch + b) * 2 + f)];
          };
          double sum = 0;
          for (Index t = 0; t < x.steps(); ++t) {
            const double value = static_cast<double>(100 * b + 10 * t + f + 1);
            CHECK(at(rectangle, t) == (t < n ? value : 0));
            CHECK(at(backwards, t) == (t < n ? static_cast<double>(100 * b + 10 * (n - 1 - t) + f + 1) : 0));
            if (t < n) sum += value;
          }
          const double end = n == 0 ? 0 : static_cast<double>(100 * b + 10 * (n - 1) + f + 1);
          CHECK(at(ends, 0) == end);
          CHECK(at(tops, 0) == end);
          CHECK(at(sums, 0) == sum);
          CHECK(at(means, 0) == doctest::Approx(n == 0 ? 0 : sum / static_cast<double>(n)));
        }
    });
}

TEST_CASE("gradients of every function on sequences") {
  for (const Lengths& lengths : {Lengths{3, 1, 4}, Lengths{3, 3}, Lengths{0, 2, 5}}) {
    const auto batch = static_cast<Index>(lengths.size());
    const auto x = check_input("x", Shape{5, batch, 2}, 3);
    const auto check = [&](auto&& f) { CHECK(gradcheck([&](auto v) { return f(sequence(v, lengths)); }, x)); };
    check([](auto s) { return s; });
    check([](auto s) { return padded(s); });
    check([](auto s) { return last(s); });
    check([](auto s) { return reverse(s); });
    check([](auto s) { return std::array{pool(s, Pool::sum), pool(s, Pool::mean), pool(s, Pool::max)}; });
    check([](auto s) { return std::array{last(s), pool(reverse(s), Pool::mean), s.rows * s.rows}; });
    for (const JoinFrames how : {JoinFrames::concat, JoinFrames::mean, JoinFrames::max})
      for (const Index k : {1, 2, 3}) {
        check([&](auto s) { return join_frames(s, k, how); });
        check([&](auto s) { return expand_frames(join_frames(s, k, how), k, s); });
        check([&](auto s) { return std::array{join_frames(s, k, how).rows, s.rows * 2.0}; });
        check([&](auto s) { return join_frames(s.with(narrow(concat({s.rows, s.rows}, 1), 1, 1, 2)), k, how); });
      }
  }
}

TEST_CASE("join_frames: odd lengths lose nothing; expand_frames gives every frame its step") {
  in_both_scopes([] {
    const auto x = ragged({5, 1, 0, 4, 3}, 1);
    const auto wide = join_frames(x, 2);
    CHECK(wide.lengths() == Lengths{3, 1, 0, 2, 2});
    CHECK(padded(wide).to_vector() == Vector{1,  11, 101, 0, 0, 0, 301, 311, 401, 411,  //
                                            21, 31, 0,   0, 0, 0, 321, 331, 421, 0,    //
                                            41, 0,  0,   0, 0, 0, 0,   0,   0,   0});
    const auto mean = join_frames(x, 2, JoinFrames::mean), max = join_frames(x, 3, JoinFrames::max);
    CHECK(padded(mean).to_vector() == Vector{6, 101, 0, 306, 406, 26, 0, 0, 326, 421, 41, 0, 0, 0, 0});
    CHECK(max.lengths() == Lengths{2, 1, 0, 2, 1});
    CHECK(padded(max).to_vector() == Vector{21, 101, 0, 321, 421, 41, 0, 0, 331, 0});
    CHECK(join_frames(x, 1).rows.to_vector() == x.rows.to_vector());
    CHECK(join_frames(x, 9).lengths() == Lengths{1, 1, 0, 1, 1});

    const auto back = expand_frames(mean, 2, x);
    CHECK(back.lengths() == x.lengths());
    CHECK(padded(back).to_vector() ==
          Vector{6, 101, 0, 306, 406, 6, 0, 0, 306, 406, 26, 0, 0, 326, 421, 26, 0, 0, 326, 0, 41, 0, 0, 0, 0});
    // Rounding up twice is rounding up once: two halvings are one joining of four.
    const auto twice = join_frames(join_frames(x, 2, JoinFrames::max), 2, JoinFrames::max);
    CHECK(twice.lengths() == join_frames(x, 4).lengths());
    CHECK(padded(expand_frames(twice, 4, x)).dim(0) == 5);
    CHECK(join_frames(ragged({0, 0}), 2).lengths() == Lengths{0, 0});
  });
}

TEST_CASE("in_row_order, pack_ids: words and labels in the order of the rows; an embedding of them") {
  in_both_scopes([] {
    Tape<double>& tape = *current_tape<double>;
    const std::vector<Lengths> words{{3, 1}, {}, {2, 0, 3}};
    const PackedIds packed = pack_ids(tape, std::span<const Lengths>(words));
    CHECK(Lengths(packed.ids.begin(), packed.ids.end()) == Lengths{2, 3, 0, 1, 3});
    CHECK(packed.layout->rows == 5);
    Rng rng(1);
    const Embedding<double> table(4, 3, rng);
    const Sequence<double> x{table(packed.ids), packed.layout};
    CHECK(x.lengths() == Lengths{2, 0, 3});
    CHECK(last(x).to_vector().size() == 9);
    CHECK(narrow(last(x), 0, 2, 1).to_vector() == table(Lengths{3}).to_vector());
    const std::vector<Vector> weights{{1, 2}, {}, {3, 4, 5}};
    const auto row = in_row_order(tape, *packed.layout, std::span<const Vector>(weights));
    CHECK(Vector(row.begin(), row.end()) == Vector{3, 1, 4, 2, 5});
  });
}

TEST_CASE("softmax_cross_entropy over sequences: per token, per sequence, sums, ignored steps, class weights") {
  const Lengths lengths{3, 1, 0, 4};
  const std::vector<Lengths> targets{{0, 2, 1}, {2}, {}, {1, -1, 0, 2}};
  const Vector classes{0.5, 1, 3};
  const auto x = check_input("x", Shape{4, 4, 3}, 5);
  for (const bool weighted : {false, true})
    for (const bool ignore : {false, true})
      for (const Reduction reduction : {Reduction::mean, Reduction::sum})
        for (const LossPer per : {LossPer::token, LossPer::sequence}) {
          CAPTURE(weighted);
          CAPTURE(ignore);
          auto t = targets;
          if (!ignore) t[3][1] = 1;
          CrossEntropyOptions<double> options{.reduction = reduction};
          if (ignore) options.ignore_index = -1;
          if (weighted) options.class_weights = classes;
          in_both_scopes([&] {
            const auto logits = sequence(input(x.values, x.shape), lengths);
            double mean_of_means = 0, all = 0, count = 0, sequences = 0;
            for (Index b = 0; b < 4; ++b) {
              const auto& own = t[static_cast<std::size_t>(b)];
              const auto n = static_cast<Index>(own.size());
              const auto one = reshape(narrow(narrow(input(x.values, x.shape), 1, b, 1), 0, 0, n), Shape{n, 3});
              CrossEntropyOptions<double> plain = options;
              plain.reduction = Reduction::sum;
              double divisor = 0;
              for (const Index c : own)
                if (c >= 0) divisor += weighted ? classes[static_cast<std::size_t>(c)] : 1;
              const double loss = softmax_cross_entropy(one, std::span<const Index>(own), plain).item();
              all += loss, count += divisor;
              if (divisor > 0) mean_of_means += loss / divisor, ++sequences;
            }
            const double expected = per == LossPer::token
                                        ? (reduction == Reduction::sum ? all : all / count)
                                        : mean_of_means / (reduction == Reduction::sum ? 1 : sequences);
            CHECK(softmax_cross_entropy(logits, t, options, per).item() == doctest::Approx(expected).epsilon(1e-12));
          });
          CHECK(gradcheck([&](auto v) { return softmax_cross_entropy(sequence(v, lengths), t, options, per); }, x));
        }
  in_both_scopes([] {
    CHECK(softmax_cross_entropy(ragged({0, 0}, 3), std::vector<Lengths>{{}, {}}, {}, LossPer::sequence).item() == 0);
    const auto rows =
        softmax_cross_entropy(ragged({2, 1}, 3), std::vector<Lengths>{{0, 1}, {2}}, {.reduction = Reduction::none});
    CHECK(rows.shape() == Shape{3});
  });
}

TEST_CASE("reduce_loss: any loss per token and per sequence") {
  in_both_scopes([] {
    const auto x = sequence(std::vector<Vector>{{1, 2, 3, 4}, {}, {7, 9}}, 2);
    CHECK(reduce_loss(x).item() == doctest::Approx(26.0 / 6));
    CHECK(reduce_loss(x, Reduction::sum).item() == 26);
    CHECK(reduce_loss(x, Reduction::mean, LossPer::sequence).item() == doctest::Approx((2.5 + 8) / 2));
    CHECK(reduce_loss(x, Reduction::sum, LossPer::sequence).item() == doctest::Approx(2.5 + 8));
    CHECK(reduce_loss(ragged({0, 0}), Reduction::mean, LossPer::sequence).item() == 0);
    CHECK_THROWS_WITH_AS(reduce_loss(x, Reduction::none), "[reduce_loss] Reduction::none; expected mean or sum",
                         ValueError);
  });
  for (const Reduction reduction : {Reduction::mean, Reduction::sum})
    for (const LossPer per : {LossPer::token, LossPer::sequence})
      CHECK(gradcheck(
          [&](auto v) {
            return reduce_loss(sequence(v, Lengths{2, 0, 3}), reduction, per);
          },
          check_input("x", Shape{3, 3, 2}, 5)));
}

TEST_CASE("no sequences, no steps: every layer gives what is left") {
  Rng rng(5);
  using Lstm = Rnn<LSTMCell<double>>;
  const auto check = [&](const auto& layer) {
    in_both_scopes([&] {
      for (const Shape& shape : {Shape{3, 0, 2}, Shape{0, 3, 2}, Shape{0, 0, 2}}) {
        const auto x = zeros<double>(shape);
        CHECK(layer(x).dim(1) == shape[1]);
        CHECK(layer(x).dim(2) == layer.output_size());
        layer.run(x);
        CHECK(layer(sequence(x)).rows.shape() == Shape{0, layer.output_size()});
        CHECK(layer(sequence(x, Lengths(static_cast<std::size_t>(shape[1]), 0))).steps() == 0);
      }
    });
  };
  check(Lstm(2, 3, rng));
  check(Bidirectional<Lstm>(2, 3, rng));
  check(Stack<Bidirectional<Lstm>>(2, 3, rng, {.layers = 2, .link = Link::highway}));
  check(Pyramid<Lstm>(2, 3, rng));
  check(Reversed<Lstm>(2, 3, rng));
}

TEST_CASE("states of all steps are rows of the Sequence") {
  Rng rng(3);
  const Rnn<LSTMCell<double>> layer(2, 3, rng);
  in_both_scopes([&] {
    const auto x = ragged({2, 4, 0, 1});
    const auto r = layer.run(x, {.all_states = true});
    CHECK(r.all_states.h.to_vector() == r.outputs.rows.to_vector());
    CHECK(r.all_states.c.shape() == Shape{7, 3});
    CHECK(last(x.with(r.all_states.c)).to_vector() == r.final_state.c.to_vector());
    const auto dense = layer.run(input(numbers(3, 2, 2), Shape{3, 2, 2}), {.all_states = true});
    CHECK(dense.all_states.c.shape() == Shape{3, 2, 3});
  });
  CHECK(gradcheck(
      [&](auto v) {
        return layer.run(sequence(v, Lengths{2, 0, 4}), {.all_states = true}).all_states;
      },
      layer, check_input("x", Shape{4, 3, 2}, 4)));
}

TEST_CASE("layers around layers: both directions of a stack, of a pyramid, reversed; states in and out") {
  Rng rng(4);
  using Lstm = Rnn<LSTMCell<double>>;
  const Lengths lengths{3, 0, 5, 1};
  const auto x = check_input("x", Shape{5, 4, 2}, 6);
  const auto check = [&](const auto& layer) {
    CHECK(gradcheck([&](auto v) { return layer(sequence(v, lengths)); }, layer, x));
    CHECK(gradcheck([&](auto v) { return layer(v); }, layer, x));
    in_both_scopes([&] {
      const auto in = sequence(input(x.values, x.shape), lengths);
      CHECK(layer.run(in).outputs.rows.to_vector() == layer(in).rows.to_vector());
      CHECK(layer(in).rows.dim(1) == layer.output_size());
    });
  };
  check(Bidirectional<Stack<Lstm>>(2, 3, rng));
  check(Bidirectional<Pyramid<Lstm>>(2, 2, rng));
  check(Pyramid<Bidirectional<Lstm>>(2, 2, rng, {.levels = 1, .factor = 3}));
  check(Stack<Bidirectional<Lstm, SumDirections>>(2, 3, rng, {.layers = 2, .link = Link::residual}));
  check(Bidirectional<Lstm, MeanDirections>(2, 3, rng));
  const Reversed<Lstm> around(clone(Lstm(2, 3, rng)));
  const Lstm itself(clone(around.layer.cell), {.reverse = true});
  in_both_scopes([&] {
    const auto in = sequence(input(x.values, x.shape), lengths);
    const auto a = around.run(in, initial_state(itself.cell, 4), RnnCallOptions{.all_states = true});
    const auto b = itself.run(in, {.all_states = true});
    const auto close = [](const Variable<double>& u, const Variable<double>& v) {
      CHECK(
          std::ranges::equal(u.to_vector(), v.to_vector(), [](double p, double q) { return std::abs(p - q) < 1e-14; }));
    };
    close(around(in).rows, b.outputs.rows);
    close(a.outputs.rows, b.outputs.rows);
    close(a.final_state.c, b.final_state.c);
    close(a.all_states.c, b.all_states.c);
    const auto full = input(x.values, x.shape);
    close(around.run(full, initial_state(itself.cell, 4), RnnCallOptions{.all_states = true}).all_states.c,
          itself.run(full, {.all_states = true}).all_states.c);
  });
}

TEST_CASE("errors name what does not fit") {
  Tape<double> tape;
  const Evaluation<double> scope(tape);
  const auto x = zeros<double>(Shape{3, 2, 4});
  CHECK_THROWS_WITH_AS(sequence(zeros<double>(Shape{3, 2})),
                       "[sequence] x has shape (3,2); expected (T,B,F): steps, batch, features", ShapeError);
  CHECK_THROWS_WITH_AS(sequence(x, Lengths{1}), "[sequence] x (3,2,4) with 1 lengths; expected (T,B,F) with B lengths",
                       ShapeError);
  CHECK_THROWS_WITH_AS(sequence(x, Lengths{1, 4}), "[sequence] length 4 of sequence 1; x (3,2,4) has 3 steps",
                       ValueError);
  CHECK_THROWS_WITH_AS(sequence(x, Lengths{-1, 3}), "[sequence] length -1 of sequence 0; expected 0 or more",
                       ValueError);
  CHECK_THROWS_WITH_AS(sequence(std::vector<Vector>{{1, 2}, {3}}, 2),
                       "[sequence] sequence 1 has 1 numbers, no whole number of rows of 2 features", ShapeError);
  const auto s = ragged({2, 1});
  CHECK_THROWS_WITH_AS(s.with(zeros<double>(Shape{2, 2})), "[Sequence] rows (2,2) for 3 steps", ShapeError);
  CHECK_THROWS_WITH_AS(join_frames(s, 0), "[join_frames] k is 0; expected at least 1", ValueError);
  CHECK_THROWS_WITH_AS(expand_frames(s, 2, s),
                       "[expand_frames] the lengths of x are not those of the frames divided by 2, rounded up",
                       ShapeError);
  const std::vector<Lengths> few{{1, 1}}, wrong{{1}, {1}};
  CHECK_THROWS_WITH_AS(softmax_cross_entropy(s, few), "[sequence] 1 lists for a batch of 2", ShapeError);
  CHECK_THROWS_WITH_AS(softmax_cross_entropy(s, wrong), "[sequence] list 0 has 1 elements, its sequence 2 steps",
                       ShapeError);
  Rng rng(1);
  using Layer = Rnn<RNNCell<double>>;
  CHECK_THROWS_WITH_AS(Pyramid<Layer>(2, 2, rng, {.levels = -1}), "[Pyramid] levels + 1 is 0; expected at least 1",
                       ValueError);
  CHECK_THROWS_WITH_AS(Pyramid<Layer>(2, 2, rng, {.factor = 0}), "[Pyramid] factor is 0; expected at least 1",
                       ValueError);
  CHECK_THROWS_AS(Pyramid<Layer>(2, 2, rng, {.dropout = 2}), ValueError);
  const Pyramid<Layer> pyramid(2, 2, rng);
  CHECK_THROWS_WITH_AS(pyramid.run(s, {}), "[Pyramid] 0 initial states for 3 layers", ShapeError);
  const Layer layer(2, 3, rng);
  CHECK_THROWS_WITH_AS(layer.run(ragged({1, 2}), zeros<double>(Shape{3, 3})),
                       "[Rnn] a state of shape (3,3) for a batch of 2", ShapeError);
  CHECK_THROWS_AS(last(Sequence<double>{}), EmptyVariableError);
}
