// The loop over time at its edges: ragged layouts, inputs that are slices, layers within layers, and cells that hand
// on, swap or keep what they were given instead of making something new.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "unroll/nn/check/gradcheck.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/layout.hpp"

using namespace unroll;

namespace {

using Vector = std::vector<double>;

Vector normal_values(Index n, std::uint64_t seed) {
  Vector v(static_cast<std::size_t>(n));
  Rng rng(seed);
  for (double& x : v) x = rng.normal();
  return v;
}

void check_close(const Vector& a, const Vector& b, double tolerance = 1e-13) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  CHECK(worst <= tolerance);
}

/// Hands its input on: every output is a part of the input.
struct Pass {
  using scalar = double;
  using state = Variable<double>;
  Pass(Index, Index, Rng&) {}
  Index output_size() const { return 3; }
  state step(Variable<double> x, state) const { return x; }
  void each(auto&&) {}
};

/// Keeps its state: every output is the initial state itself.
struct Hold {
  Parameter<double> scale{Shape{}};
  using scalar = double;
  using state = Variable<double>;
  Hold(Index, Index, Rng&) { scale.mutable_values()[0] = 2; }
  Index output_size() const { return 3; }
  state step(Variable<double>, state s) const { return s; }
  Variable<double> output(state s) const { return s * scale; }
  void each(auto&& visit) { visit("scale", scale); }
};

/// Swaps the two members of its state, and puts out a slice of something larger.
struct Swap {
  Linear<double> up;
  using scalar = double;
  using state = LSTMState<double>;
  Swap(Index input_size, Index, Rng& rng) : up(input_size, 6, rng) {}
  Index output_size() const { return 3; }
  state step(Variable<double> x, const state& s) const { return {s.c, s.h + narrow(up(x), -1, 1, 3)}; }
  Variable<double> output(const state& s) const { return narrow(up(s.h), -1, 2, 3); }
  void each(auto&& visit) { visit("up", up); }
};

/// A shift register: the state (B, 2, I) holds the last two inputs; the output is the input of two steps ago.
struct Delay {
  using scalar = double;
  using state = Variable<double>;
  Delay(Index, Index, Rng&) {}
  Index output_size() const { return 3; }
  state initial_state(Index batch) const { return zeros<double>(Shape{batch, 2, 3}); }
  state step(Variable<double> x, state m) const {
    return concat({reshape(x, Shape{x.dim(0), 1, 3}), narrow(m, 1, 0, 1)}, 1);
  }
  Variable<double> output(state m) const { return reshape(narrow(m, 1, 1, 1), Shape{m.dim(0), 3}); }
  void each(auto&&) {}
};

/// Makes another number of tensors at every other step, so that steps do not lie at the same places.
struct Irregular {
  RNNCell<double> cell;
  mutable int calls = 0;
  using scalar = double;
  using state = Variable<double>;
  Irregular(Index input_size, Index hidden_size, Rng& rng) : cell(input_size, hidden_size, rng) {}
  Index output_size() const { return cell.output_size(); }
  state step(Variable<double> x, state h) const {
    if (x.dim(0) > 0 && ++calls % 2) h = tanh(concat({h, h * 0.5}, 1));
    return cell.step(cell.project(x), narrow(h, 1, 0, output_size()));
  }
  void each(auto&& visit) { visit("cell", cell); }
};

/// At every step a layer of its own over the same input, seen as a sequence of features.
struct Inner {
  Rnn<LSTMCell<double>> letters;
  RNNCell<double> word;
  using scalar = double;
  using state = Variable<double>;
  Inner(Index, Index hidden_size, Rng& rng) : letters(1, 2, rng), word(2, hidden_size, rng) {}
  Index output_size() const { return word.output_size(); }
  state step(Variable<double> x, state h) const {
    const auto letter = reshape(transpose(x), Shape{x.dim(1), x.dim(0), 1});
    return word.step(word.project(at(letters(letter), -1)), h);
  }
  void each(auto&& visit) { visit("letters", letters), visit("word", word); }
};

/// Lengths from long to short as a layout on the current tape.
const SequenceLayout* ragged(const std::vector<Index>& lengths) {
  Tape<double>& tape = *current_tape<double>;
  const Index steps = lengths.front(), batch = static_cast<Index>(lengths.size());
  Index *active = tape.allocate<Index>(steps), *first = tape.allocate<Index>(steps), rows = 0;
  for (Index t = 0; t < steps; ++t) {
    active[t] = std::ranges::count_if(lengths, [&](Index n) { return n > t; });
    first[t] = rows;
    rows += active[t];
  }
  return new (tape.allocate<SequenceLayout>(1)) SequenceLayout{steps, batch, rows, active, first};
}

template <class State>
std::vector<Variable<double>> members(const State& s) {
  std::vector<Variable<double>> list;
  detail::visit_state(s, [&](const char*, const auto& v) { list.push_back(v); });
  return list;
}

}  // namespace

TEST_CASE("a ragged layout equals its sequences one by one, both directions, both scopes") {
  Rng rng(1);
  const Index in = 3, hidden = 4;
  const LSTMCell<double> cell(in, hidden, rng);
  for (const std::vector<Index>& lengths :
       std::vector<std::vector<Index>>{{5, 3, 3, 1}, {4, 4}, {3}, {6, 1, 1, 1}, {4, 2, 0, 0}, {1, 0}})
    for (const bool reverse : {false, true}) {
      const Rnn<LSTMCell<double>> one(clone(cell), {.reverse = reverse});
      Index rows = 0;
      for (const Index n : lengths) rows += n;
      const Index batch = static_cast<Index>(lengths.size());
      const Vector x = normal_values(rows * in, 2), h0 = normal_values(batch * hidden, 3),
                   c0 = normal_values(batch * hidden, 4);
      Tape<double> tape;
      const auto look = [&] {
        const auto xv = input(x, Shape{rows, in});
        const LSTMState<double> s0{input(h0, Shape{batch, hidden}), input(c0, Shape{batch, hidden})};
        const SequenceLayout* layout = ragged(lengths);
        const auto r = run_over_time(cell, xv, *layout, s0, {.reverse = reverse, .all_states = true});
        CHECK(r.outputs.shape() == Shape{rows, hidden});
        CHECK(r.all_states.c.shape() == Shape{rows, hidden});
        CHECK(r.final_state.c.shape() == Shape{batch, hidden});
        for (Index b = 0; b < batch; ++b) {
          const auto row_at = [&](Index t) { return layout->first[t] + b; };
          const LSTMState<double> s{narrow(s0.h, 0, b, 1), narrow(s0.c, 0, b, 1)};
          const Index n = lengths[static_cast<std::size_t>(b)];
          Vector mine, got, got_c;
          for (Index t = 0; t < n; ++t) {
            const auto from = x.begin() + row_at(t) * in;
            mine.insert(mine.end(), from, from + in);
            for (const double v : narrow(r.outputs, 0, row_at(t), 1).to_vector()) got.push_back(v);
            for (const double v : narrow(r.all_states.c, 0, row_at(t), 1).to_vector()) got_c.push_back(v);
          }
          const auto alone = one.run(input(mine, Shape{n, 1, in}), s, {.all_states = true});
          check_close(got, alone.outputs.to_vector());
          check_close(got_c, alone.all_states.c.to_vector());
          check_close(narrow(r.final_state.h, 0, b, 1).to_vector(), alone.final_state.h.to_vector());
          check_close(narrow(r.final_state.c, 0, b, 1).to_vector(), alone.final_state.c.to_vector());
        }
      };
      {
        Recording<double> scope(tape);
        look();
      }
      {
        Evaluation<double> scope(tape);
        look();
      }
      CHECK(gradcheck(
          [&](auto xv, auto h, auto c) {
            const auto r = run_over_time(cell, xv, *ragged(lengths), {h, c}, {.reverse = reverse, .all_states = true});
            return std::vector{r.outputs, r.final_state.h, r.final_state.c, r.all_states.c};
          },
          cell, check_input("x", Shape{rows, in}, 5), check_input("h0", Shape{batch, hidden}, 6),
          check_input("c0", Shape{batch, hidden}, 7)));
    }
}

TEST_CASE("cells that hand on, keep, swap or shift: values and gradients, both scopes and directions") {
  Rng rng(2);
  const auto check = [&]<class C>(const C& cell, const std::vector<CheckInput>& state, auto&& make) {
    for (const bool reverse : {false, true}) {
      const Rnn<C> rnn(clone(cell), {.reverse = reverse});
      const auto x = check_input("x", Shape{5, 2, 3}, 3);
      CHECK(gradcheck([&](auto v, auto a, auto b) { return rnn.run(v, make(a, b), {.all_states = true}); }, rnn, x,
                      state[0], state[1]));
      Tape<double> tape;
      std::vector<Vector> recorded, evaluated;
      const auto run = [&](std::vector<Vector>& to) {
        const auto in = input(x.values, x.shape);
        const auto s = make(input(state[0].values, state[0].shape), input(state[1].values, state[1].shape));
        const auto r = rnn.run(in, s, {.all_states = true});
        to.push_back(r.outputs.to_vector());
        for (const auto& v : members(r.final_state)) to.push_back(v.to_vector());
        for (const auto& v : members(r.all_states)) to.push_back(v.to_vector());
      };
      {
        Recording<double> scope(tape);
        run(recorded);
      }
      {
        Evaluation<double> scope(tape);
        run(evaluated);
      }
      for (std::size_t i = 0; i < recorded.size(); ++i) check_close(recorded[i], evaluated[i]);
    }
  };
  const auto a = check_input("a", Shape{2, 3}, 4), b = check_input("b", Shape{2, 3}, 5);
  const auto first = [](auto u, auto) { return u; };
  check(Pass(3, 3, rng), {a, b}, first);
  check(Hold(3, 3, rng), {a, b}, first);
  check(Swap(3, 3, rng), {a, b}, [](auto u, auto v) { return LSTMState<double>{u, v}; });
  check(Delay(3, 3, rng), {check_input("m", Shape{2, 2, 3}, 6), b}, first);
  check(Inner(3, 3, rng), {a, b}, first);

  const Rnn<Delay> delay(3, 3, rng);
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto x = input(normal_values(600 * 2 * 3, 7), Shape{600, 2, 3});  // more than one block of an Evaluation
  const auto y = delay(x);
  check_close(narrow(y, 0, 1, 599).to_vector(), narrow(x, 0, 0, 599).to_vector(), 0);
}

TEST_CASE("steps that make different numbers of tensors") {
  Rng rng(3);
  // Five calls an evaluation would flip what is odd; six do not.
  const Rnn<Irregular> rnn(3, 4, rng);
  CHECK(gradcheck(rnn, check_input("x", Shape{6, 2, 3}, 3)));
  CHECK(gradcheck(rnn, check_input("x", Shape{6, 1, 3}, 3)));
}

TEST_CASE("inputs that are slices: of features, of time, of the batch; used elsewhere too") {
  Rng rng(4);
  const Rnn<LSTMCell<double>> rnn(3, 4, rng);
  const auto x = check_input("x", Shape{6, 4, 5}, 3);
  CHECK(gradcheck([&](auto v) { return rnn(narrow(v, 2, 1, 3)); }, rnn, x));
  CHECK(gradcheck([&](auto v) { return rnn(narrow(narrow(v, 2, 1, 3), 0, 2, 3)); }, rnn, x));
  CHECK(gradcheck([&](auto v) { return rnn(narrow(narrow(v, 1, 1, 2), 2, 0, 3)); }, rnn, x));
  CHECK(gradcheck(
      [&](auto v) {
        const auto in = narrow(v, 2, 1, 3);
        return std::array{rnn(in), rnn(flip(in)), in * in};
      },
      rnn, x));
  // One layer on top of itself: weights used twice, outputs as inputs.
  const Rnn<RNNCell<double>> square(3, 3, rng);
  CHECK(gradcheck([&](auto v) { return square(square(v)); }, square, check_input("x", Shape{3, 2, 3}, 3)));
  // Only the last output, only one in the middle, only the final state.
  CHECK(gradcheck([&](auto v) { return at(square(v), -1); }, square, check_input("x", Shape{4, 2, 3}, 3)));
  CHECK(gradcheck([&](auto v) { return at(square(v), 1); }, square, check_input("x", Shape{4, 2, 3}, 3)));
  CHECK(gradcheck([&](auto v) { return square.run(v).final_state; }, square, check_input("x", Shape{4, 2, 3}, 3)));
}

TEST_CASE("a step that throws leaves the tape as it was") {
  Rng rng(5);
  const Rnn<RNNCell<double>> rnn(3, 4, rng);
  Tape<double> tape;
  for (int i = 0; i < 2; ++i) {
    Recording<double> scope(tape);
    const auto x = full(Shape{3, 2, 3}, 0.5);
    CHECK_THROWS_AS(rnn.run(x, zeros<double>(Shape{2, 5})), ShapeError);
    const auto y = rnn(x);
    tape.backward(detail::weighted_sum({y}));
    CHECK(rnn.cell.weight_hh.has_grad());
    parameters(rnn)[1].storage->clear_grad();
  }
  Evaluation<double> scope(tape);
  const auto x = full(Shape{3, 2, 3}, 0.5);
  const auto before = tape.bytes_used();
  CHECK_THROWS_AS(rnn.run(x, zeros<double>(Shape{2, 5})), ShapeError);
  CHECK(tape.bytes_used() - before < 8192);
  CHECK(rnn(x).dim(0) == 3);
}
