// Recomputation: what was forgotten and is computed again gives the same losses to the bit and the same gradients.

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "sanitizers.hpp"
#include "unroll/core/shards.hpp"
#include "unroll/nn/bptt/recompute.hpp"
#include "unroll/nn/cells/weight_drop.hpp"
#include "unroll/nn/check/gradcheck.hpp"
#include "unroll/nn/embedding.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/nn/sequence.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/ops/losses.hpp"
#include "unroll/ops/map.hpp"
#include "unroll/ops/reduce.hpp"

using namespace unroll;

namespace {

using Var = Variable<double>;
using Numbers = std::vector<double>;

template <class T = double>
std::vector<T> normal_numbers(Index n, std::uint64_t seed) {
  std::vector<T> x(static_cast<std::size_t>(n));
  Rng(seed).fill_normal(std::span<T>(x));
  return x;
}

struct Outcome {
  double loss = 0;
  std::vector<Numbers> gradients;
  Rng rng{0};
};

// Loss and gradients of what `f(leaves)` records; gradients of the parameters, then of the differentiable inputs.
template <class T, class M, class F>
Outcome outcome(const M& model, const std::vector<Shape>& shapes, const F& f, Tape<T>& tape) {
  tape.rng() = Rng(3);
  Outcome out;
  for (auto& p : parameters(model)) p.storage->clear_grad();
  const Recording<T> step(tape);
  std::vector<Variable<T>> x;
  for (const Shape& s : shapes) x.push_back(input(normal_numbers<T>(s.size(), 50 + x.size()), s, requires_grad));
  const Variable<T> loss = f(x);
  tape.backward(loss);
  out.loss = static_cast<double>(loss.item());
  for (auto& p : parameters(model)) {
    const Index n = p.storage->shape.size();
    out.gradients.push_back(p.storage->has_grad ? Numbers(p.storage->grad, p.storage->grad + n) : Numbers());
  }
  for (const auto& v : x) {
    const auto g = v.grad_to_vector();
    out.gradients.emplace_back(g.begin(), g.end());
  }
  out.rng = tape.rng();
  return out;
}
template <class M, class F>
Outcome outcome(const M& model, const std::vector<Shape>& shapes, const F& f) {
  Tape<double> tape;
  return outcome(model, shapes, f, tape);
}

// Largest difference, of the largest gradient of each tensor.
double worst(const Outcome& a, const Outcome& b) {
  REQUIRE(a.gradients.size() == b.gradients.size());
  double worst = 0;
  for (std::size_t k = 0; k < a.gradients.size(); ++k) {
    REQUIRE(a.gradients[k].size() == b.gradients[k].size());
    double largest = 0, off = 0;
    for (std::size_t i = 0; i < a.gradients[k].size(); ++i) {
      largest = std::max(largest, std::abs(a.gradients[k][i]));
      off = std::max(off, std::abs(a.gradients[k][i] - b.gradients[k][i]));
    }
    if (off > 0) worst = std::max(worst, off / largest);
    CHECK((largest > 0 || a.gradients[k].empty()));
  }
  return worst;
}

void same(const Outcome& plain, const Outcome& again, double tolerance = 1e-12) {
  CHECK(plain.loss == again.loss);
  CHECK(worst(plain, again) < tolerance);
  CHECK(plain.rng == again.rng);
}

// A cell of the test's own: a struct of arrays as state, dropout in the step, a weight used twice.
template <class T>
struct OwnState {
  std::array<Variable<T>, 2> h;
  void each(auto&& visit) { visit("h", h); }
};
template <class T>
struct OwnCell {
  using scalar = T;
  using state = OwnState<T>;
  Linear<T> ih, hh;
  OwnCell(Index in, Index hidden, Rng& rng) : ih(in, hidden, rng), hh(hidden, hidden, rng) {}
  Index output_size() const { return hh.output_size(); }
  state step(Variable<T> x, state s) const {
    const auto a = map([](auto a, auto b) { return tanh(a + b); }, ih(x), hh(s.h[0]));
    return {{dropout(a, 0.2), map([](auto m, auto h) { return 0.7 * m + h; }, s.h[1], hh(a))}};
  }
  void each(auto&& visit) { visit("ih", ih), visit("hh", hh); }
};

template <class C>
struct Tagger {
  using scalar = typename C::scalar;
  C cell;
  Linear<scalar> readout;
  Tagger(Index in, Index hidden, Rng& rng) : cell(in, hidden, rng), readout(cell.output_size(), 3, rng) {}
  void each(auto&& visit) { visit("cell", cell), visit("readout", readout); }
};

constexpr Index inputs = 3, hidden = 4;

// A loop over time as anybody would write it, against segments; inputs and initial state want gradients.
template <class C>
void check_cell_in_segments(Index steps, Index batch, Index segment, double tolerance) {
  CAPTURE(batch);
  using T = typename C::scalar;
  using State = typename C::state;
  Rng rng(1);
  const Tagger<C> model(inputs, hidden, rng);
  const std::vector<Index> labels = {2, 0, 1, 1, 0, 2, 2, 1, 0, 0, 1, 2, 0, 1, 2, 0, 2, 1, 1, 0};
  std::vector<Shape> shapes{Shape{steps, batch, inputs}};
  {
    Tape<T> tape;
    const Evaluation<T> scope(tape);
    const State zero = initial_state(model.cell, batch);
    detail::visit_state(zero, [&](const char*, const auto& v) { shapes.push_back(v.shape()); });
  }
  const auto start = [&](const std::vector<Variable<T>>& x) {
    std::size_t k = 1;
    return detail::map_state(initial_state(model.cell, batch), [&](const auto&) { return x[k++]; });
  };
  const auto at = [&](const Variable<T>& x, Index t, const State& s) {
    const State next = model.cell.step(project(model.cell, unroll::at(x, t)), s);
    return std::pair{softmax_cross_entropy(model.readout(output_of(model.cell, next)),
                                           std::span<const Index>(labels).first(static_cast<std::size_t>(batch)),
                                           {.reduction = Reduction::sum}),
                     next};
  };
  const auto with_end = [](Variable<T> loss, const State& last) {
    detail::visit_state(last, [&](const char*, const auto& v) { loss = loss + sum(v * v); });
    return loss;
  };
  Tape<T> tape;
  const Outcome plain = outcome(
      model, shapes,
      [&](const auto& x) {
        State s = start(x);
        Variable<T> loss;
        for (Index t = 0; t < steps; ++t) {
          const auto [more, next] = at(x[0], t, s);
          loss = loss.defined() ? loss + more : more;
          s = next;
        }
        return with_end(loss, s);
      },
      tape);
  const auto in_segments = [&](const auto& x) {
    const auto [loss, last] = recompute_over_time(
        steps, start(x), [&](Index t, const State& s) { return at(x[0], t, s); }, {.segment = segment});
    return with_end(loss, last);
  };
  same(plain, outcome(model, shapes, in_segments, tape), tolerance);
  same(plain, outcome(model, shapes, in_segments, tape), tolerance);  // and with memory that is there already
}

TEST_CASE_TEMPLATE("a loop over any cell", C, RNNCell<double>, LSTMCell<double>, GRUCell<double>, OwnCell<double>) {
  for (const Index batch : {1, 3, 20}) check_cell_in_segments<C>(23, batch, 0, 1e-12);
  for (const Index segment : {1, 7, 23, 100}) check_cell_in_segments<C>(23, 2, segment, 1e-12);
}

TEST_CASE("in float the losses are the same bits too") {
  check_cell_in_segments<LSTMCell<float>>(23, 3, 0, 1e-5);
  check_cell_in_segments<OwnCell<float>>(23, 1, 0, 1e-5);
}

TEST_CASE("segments of a stack with dropout, and weights that dropped out for the whole run") {
  Rng rng(2);
  const Stack<WeightDrop<Rnn<LSTMCell<double>>>> stack(inputs, hidden, rng, {.layers = 2, .dropout = 0.3});
  const auto run = [&](bool recompute) {
    return outcome(stack, {Shape{17, 2, inputs}}, [&](const auto& x) {
      std::vector<LSTMState<double>> zero;
      for (const auto& layer : stack.layers) zero.push_back(initial_state(layer.layer.cell, 2));
      const auto [loss, last] =
          recompute_over_time(17, zero,
                              [&](Index begin, Index end, const std::vector<LSTMState<double>>& s) {
                                const auto r = stack.run(narrow(x[0], 0, begin, end - begin), s);
                                return std::pair{sum(r.outputs * r.outputs), r.final_states};
                              },
                              {.recompute = recompute});
      return loss + sum(last[0].c);
    });
  };
  same(run(false), run(true));
}

// A layer that computes itself again, so that a wrapper's changes to its weights are outside of the function.
struct Forgetful {
  using scalar = double;
  using states = Var;
  Rnn<RNNCell<double>> rnn;
  bool again = true;
  Forgetful(Index in, Index width, Rng& rng) : rnn(in, width, rng) {}
  RnnResult<Var, Var> run(const Var& x, const Var& from) const {
    const auto f = [&](const Var& v, const Var& h) { return rnn.run(v, h); };
    return again ? recompute(f, x, from) : f(x, from);
  }
  Var initial_states(Index batch) const { return rnn.initial_states(batch); }
  Index output_size() const { return rnn.output_size(); }
  void each(auto&& visit) { rnn.each(visit); }
};

TEST_CASE("weights that are replaced around the function") {
  Rng rng(3);
  WeightDrop<Forgetful> layer(inputs, hidden, rng);
  const auto f = [&](const auto& x) { return sum(layer.run(x[0]).outputs * layer.run(x[0]).outputs); };
  const Outcome again = outcome(layer, {Shape{5, 2, inputs}}, f);
  layer.layer.again = false;
  same(outcome(layer, {Shape{5, 2, inputs}}, f), again);
}

// A cell whose step is computed again: inside a time loop, whose slabs hold what it was given and what it gives.
struct ForgetfulCell {
  using scalar = double;
  using state = LSTMState<double>;
  LSTMCell<double> cell;
  bool again = true;
  ForgetfulCell(Index in, Index width, Rng& rng) : cell(in, width, rng) {}
  Index output_size() const { return cell.output_size(); }
  state step(Var x, state s) const {
    const auto f = [this](const Var& v, const state& before) {
      const auto halves = chunk<2>(v, 1);
      state next = cell.step(project(cell, concat<double>({halves[1], halves[0]}, 1)), before);
      next.c = narrow(concat<double>({next.c, next.h}, 1), 1, 0, 4);  // rows with gaps
      return next;
    };
    return again ? recompute(f, x, s) : f(x, s);
  }
  void each(auto&& visit) { visit("cell", cell); }
};

TEST_CASE("steps of a layer's own loop") {
  Rng rng(3);
  Rnn<ForgetfulCell> rnn(2, 4, rng);
  const std::vector<Index> lengths = {2, 0, 5, 3};
  const auto f = [&](const auto& x) {
    const auto r = rnn.run(sequence(x[0] * x[0], lengths));
    return sum(r.outputs.rows * r.outputs.rows) + sum(r.final_state.c);
  };
  for (const bool reverse : {false, true}) {
    rnn.reverse = reverse;
    rnn.cell.again = true;
    const Outcome again = outcome(rnn, {Shape{5, 4, 2}}, f);
    rnn.cell.again = false;
    same(outcome(rnn, {Shape{5, 4, 2}}, f), again);
  }
}

TEST_CASE("ragged sequences, made outside and inside") {
  Rng rng(4);
  const Rnn<GRUCell<double>> rnn(inputs, hidden, rng);
  const std::vector<Index> lengths = {2, 0, 5, 3};
  const auto layer = [&](const Sequence<double>& s) { return rnn.run(s); };
  const auto both = [&](const Var& x) { return rnn(sequence(x, lengths)); };
  const auto run = [&](bool again) {
    return outcome(rnn, {Shape{5, 4, inputs}}, [&](const auto& x) {
      const Sequence<double> s = sequence(x[0], lengths);
      const auto r = again ? recompute(layer, s) : layer(s);
      const Sequence<double> y = again ? recompute(both, x[0]) : both(x[0]);
      CHECK(y.lengths() == lengths);
      return sum(pool(r.outputs, Pool::mean) * last(y)) + sum(r.final_state);
    });
  };
  same(run(false), run(true));
}

TEST_CASE("several results, some of them not used, and numbers beside them") {
  Rng rng(5);
  const Linear<double> a(3, 3, rng), b(3, 2, rng);
  int calls = 0;
  const auto f = [&](const Var& x) {
    ++calls;
    const Var y = a(x);
    return std::tuple{y, std::vector<Var>{b(y), Var(), y * y}, 7, x, stop_gradient(y)};
  };
  const auto run = [&](bool again) {
    return outcome(a, {Shape{2, 3}}, [&](const auto& x) {
      const auto [y, list, seven, same_x, constant] = again ? recompute(f, x[0]) : f(x[0]);
      CHECK(seven == 7);
      CHECK(!list[1].defined());
      CHECK(y.requires_grad());
      CHECK(!constant.requires_grad());
      return sum(list[2]) + sum(same_x * same_x * constant);
    });
  };
  const Outcome plain = run(false);
  calls = 0;
  same(plain, run(true));
  CHECK(calls == 2);
  CHECK(!b.weight.has_grad());

  calls = 0;
  Tape<double> tape;
  const Recording<double> step(tape);
  const Var x = input(Numbers{1, 2, 3}, Shape{1, 3}, requires_grad);
  recompute(f, x);
  tape.backward(sum(x));
  CHECK(calls == 1);  // nothing arrived
}

struct Words {
  using scalar = double;
  Embedding<double> table, frozen;
  Linear<double> hidden;
  Parameter<double> tied;
  void each(auto&& visit) { visit("table", table), visit("hidden", hidden), visit("tied", tied); }
};

TEST_CASE("captured Variables, frozen, tied and sparse parameters") {
  Rng rng(6);
  Words m{Embedding<double>(9, 4, rng), Embedding<double>(9, 4, rng), Linear<double>(4, 4, rng), {}};
  m.tied = m.hidden.weight.tie();
  m.frozen.weight.freeze();
  const std::vector<Index> ids = {1, 7, 1};
  const auto run = [&](bool again) {
    const Outcome o = outcome(m, {Shape{3, 4}, Shape{4, 4}}, [&](const auto& x) {
      const Var captured = x[0] * x[0], weight = use(m.tied);
      const auto f = [&m, &ids, captured, weight](const Var& w) {
        const Var e = m.table(Indices(ids)) + m.frozen(Indices(ids)) + captured;
        return linear(linear(m.hidden(e), weight), w) + narrow(captured, 1, 0, 4);
      };
      const Var y = again ? recompute(f, x[1]) : f(x[1]);
      return sum(y * y) + sum(narrow(captured, 1, 1, 2) * narrow(y, 1, 0, 2)) + sum(weight);
    });
    CHECK(!m.table.weight.storage().dense);
    CHECK(m.table.weight.storage().touched_rows.size() == 2);
    CHECK(!m.frozen.weight.has_grad());
    return o;
  };
  same(run(false), run(true));

  Tape<double> tape;
  const Recording<double> step(tape);
  CHECK(!recompute([&] { return m.frozen(Indices(ids)); }).requires_grad());
}

TEST_CASE("calls within calls") {
  Rng rng(7);
  const LSTMCell<double> cell(inputs, hidden, rng);
  using State = LSTMState<double>;
  const auto at = [&](const Var& x, const State& s) {
    const State next = cell.step(project(cell, dropout(x, 0.3)), s);
    return std::pair{sum(next.h * next.h), next};
  };
  const auto run = [&](bool again) {
    return outcome(cell, {Shape{12, 2, inputs}}, [&](const auto& xs) {
      const auto [loss, last] = recompute_over_time(
          12, initial_state(cell, 2),
          [x = xs[0], again, &at](Index begin, Index end, const State& s) {
            return recompute_over_time(
                end - begin, s, [x, begin, &at](Index t, const State& b) { return at(unroll::at(x, begin + t), b); },
                {.segment = 2, .recompute = again});
          },
          {.segment = 6, .recompute = again});
      return loss + sum(last.c);
    });
  };
  same(run(false), run(true));
}

TEST_CASE("gradcheck") {
  Rng rng(8);
  const Stack<Rnn<LSTMCell<double>>> stack(2, 3, rng, {.layers = 2, .dropout = 0.2});
  CHECK(gradcheck(
      [&](Var x, Var h, Var c) {
        return recompute_over_time(7, std::vector<LSTMState<double>>{{h, c}, {c, h}},
                                   [&stack, x](Index begin, Index end, const std::vector<LSTMState<double>>& s) {
                                     return stack.run(narrow(x, 0, begin, end - begin), s).final_states;
                                   });
      },
      stack, check_input("x", Shape{7, 2, 2}, 1), check_input("h0", Shape{2, 3}, 2),
      check_input("c0", Shape{2, 3}, 3)));
}

TEST_CASE("shards") {
  Rng rng(9);
  const Tagger<LSTMCell<double>> model(inputs, hidden, rng);
  const Numbers x = normal_numbers(2 * 11 * 2 * inputs, 1);
  const auto run = [&](bool again) {
    for (auto& p : parameters(model)) p.storage->clear_grad();
    Shards<double> shards(2, 5);
    Outcome o;
    o.loss = shards.step([&](Tape<double>&, int shard) {
      const auto part =
          std::span<const double>(x).subspan(static_cast<std::size_t>(shard) * x.size() / 2, x.size() / 2);
      return recompute_over_time(
                 11, initial_state(model.cell, 2),
                 [&, part](Index t, const LSTMState<double>& s) {
                   const auto at = part.subspan(static_cast<std::size_t>(t * 2 * inputs), 2 * inputs);
                   const auto next = model.cell.step(project(model.cell, input(at, Shape{2, inputs})), s);
                   return std::pair{sum(dropout(model.readout(next.h), 0.5) * full(Shape{2, 3}, 0.1)), next};
                 },
                 {.recompute = again})
          .first;
    });
    for (auto& p : parameters(model))
      o.gradients.emplace_back(p.storage->grad, p.storage->grad + p.storage->shape.size());
    return o;
  };
  same(run(false), run(true));
}

TEST_CASE("a loss in the state alone, no steps, and what cannot be") {
  Tape<double> tape;
  const auto twice = [](Index, const Var& h) { return h + h; };
  CHECK_THROWS_AS(recompute_over_time(3, Var(), twice), NoScopeError);
  CHECK_THROWS_WITH_AS(recompute([](const Var& x) { return x; }, Var()),
                       "[recompute] no scope is open on this thread; expected a Recording (to train) or an Evaluation "
                       "(values only): Recording step(tape);",
                       NoScopeError);
  const Recording<double> step(tape);
  const Var x = input(Numbers{1, 2}, Shape{2}, requires_grad);
  const Var y = recompute_over_time(5, x, twice);
  CHECK(y.to_vector() == Numbers{32, 64});
  const auto [loss, same_x] = recompute_over_time(0, x, [](Index, Index, const Var& h) {
    return std::pair{sum(h), h};
  });
  CHECK(loss.item() == 0);
  CHECK(same_x.to_vector() == Numbers{1, 2});
  CHECK_THROWS_WITH_AS(recompute_over_time(-1, x, twice),
                       "[recompute_over_time] -1 steps in segments of 0; expected 0 or more", ValueError);
  tape.backward(sum(y));
  CHECK(x.grad_to_vector() == Numbers{32, 32});
}

TEST_CASE("errors of the function, forward and in backward") {
  Tape<double> tape;
  int calls = 0, fails_at = 1;
  const auto f = [&](const Var& x) {
    const Var y = x * x;
    if (++calls == fails_at) throw std::runtime_error("the file is gone");
    return calls == -fails_at ? linear(y, y) : y;
  };
  {
    const Recording<double> step(tape);
    const Var x = input(Numbers{3}, Shape{1}, requires_grad);
    CHECK_THROWS_WITH_AS(recompute(f, x), "the file is gone", std::runtime_error);
    CHECK(current_tape<double> == &tape);
    const Var y = recompute(f, x);  // goes on
    tape.backward(sum(y));
    CHECK(x.grad_to_vector() == Numbers{6});
  }
  for (const bool own : {false, true}) {
    CAPTURE(own);
    calls = 0;
    fails_at = own ? -2 : 2;
    const Recording<double> step(tape);
    const Var x = input(Numbers{3}, Shape{1}, requires_grad);
    const Var y = recompute(f, x);
    if (own) {
      CHECK_THROWS_WITH_AS(tape.backward(y), doctest::Contains("recompute, running again in backward: [linear] weight"),
                           ShapeError);
    } else {
      CHECK_THROWS_WITH_AS(tape.backward(y), "the file is gone", std::runtime_error);
    }
    CHECK(current_tape<double> == &tape);
  }
  const Recording<double> step(tape);  // nothing of it is left
  const Var x = input(Numbers{3}, Shape{1}, requires_grad);
  tape.backward(recompute([](const Var& v) { return v * v; }, x));
  CHECK(x.grad_to_vector() == Numbers{6});
}

TEST_CASE("a function that changes is an error, not a wrong gradient") {
  Tape<double> tape;
  const auto run = [&](auto&& f) {
    const Recording<double> step(tape);
    const Var x = input(Numbers{3, 4}, Shape{2}, requires_grad);
    tape.backward(f(x));
  };
  const std::string start = "[recompute] run again in backward, the function gave ";
  CHECK_THROWS_WITH_AS(run([&](Var h) {
                         static Var held;  // stays where it is, as a variable of the enclosing function would
                         held = h;
                         for (int t = 0; t < 3; ++t) held = recompute([&] { return held * held; });
                         return sum(held);
                       }),
                       doctest::Contains((start + "other values for result 0 (2); expected the same: ").c_str()),
                       ValueError);
  Rng own(1);
  CHECK_THROWS_WITH_AS(
      run([&](Var h) { return sum(recompute([&](const Var& v) { return v * full(Shape{2}, own.uniform()); }, h)); }),
      doctest::Contains("other values"), ValueError);
  Index length = 1;
  CHECK_THROWS_WITH_AS(
      run([&](Var h) { return sum(recompute([&](const Var& v) { return narrow(v, 0, 0, length++); }, h)); }),
      doctest::Contains((start + "result 0 of shape (2) where it was (1)").c_str()), ValueError);
  length = 1;
  CHECK_THROWS_WITH_AS(
      run([&](Var h) {
        return sum(
            recompute([&](const Var& v) { return std::vector<Var>(static_cast<std::size_t>(length++), v * v); }, h)[0]);
      }),
      doctest::Contains((start + "2 Variables where there were 1").c_str()), ValueError);
  // What leaves the function other than as its result is gone when it ends.
  CHECK_THROWS_AS(run([&](Var h) {
                    Var inside;
                    recompute([&](const Var& v) { return inside = v * v; }, h);
                    return sum(inside);
                  }),
                  WrongTapeError);
}

// Returns a loss whose function refers to variables of its own, as one writes it without thinking.
[[maybe_unused, gnu::noinline]] Var loss_of_locals(const Var& x, const Linear<double>& model, bool by_value) {
  const Var doubled = x + x;
  const Index steps = 3;
  if (by_value) return sum(recompute([&model, doubled](const Var& v) { return model(v * doubled); }, x));
  return recompute_over_time(steps, x,
                             [&](Index, const Var& h) {
                               return std::pair{sum(h), model(h * doubled)};
                             })
      .first;
}

// Not under ThreadSanitizer, whose frames lie otherwise: what was captured is recognised by its place on the stack.
#ifndef UNROLL_TEST_TSAN
TEST_CASE("a function that refers to what is gone by then") {
  Rng rng(12);
  const Linear<double> model(2, 2, rng);
  Tape<double> tape;
  for (const bool by_value : {true, false}) {
    const Recording<double> step(tape);
    const Var loss = loss_of_locals(input(Numbers{3, 4}, Shape{1, 2}, requires_grad), model, by_value);
    if (by_value) {
      CHECK_NOTHROW(tape.backward(loss));
    } else {
      CHECK_THROWS_WITH_AS(
          tape.backward(loss),
          doctest::Contains("[recompute] the function to be run again in backward captured by reference "
                            "a variable of a function that has returned"),
          ValueError);
    }
  }
}
#endif

TEST_CASE("evaluations: the same values, the function runs once, its memory is given back") {
  Rng rng(10);
  const LSTMCell<double> cell(inputs, hidden, rng);
  Tape<double> tape;
  int calls = 0;
  const auto loss_of = [&](Index steps, bool again) {
    calls = 0;
    return recompute_over_time(steps, initial_state(cell, 2),
                               [&](Index t, const LSTMState<double>& s) {
                                 ++calls;
                                 const auto next = cell.step(
                                     project(cell, full(Shape{2, inputs}, 0.1 * static_cast<double>(t % 5))), s);
                                 return std::pair{sum(next.h), next};
                               },
                               {.recompute = again})
        .first;
  };
  const auto run = [&](Index steps, bool again, std::size_t* used) {
    const Evaluation<double> scope(tape);
    const double loss = loss_of(steps, again).item();
    CHECK(calls == steps);
    *used = tape.bytes_used();
    return loss;
  };
  std::size_t plain, small, large;
  CHECK(run(2500, false, &plain) == run(2500, true, &large));
  run(100, true, &small);
  CHECK(large < 6 * small);
  CHECK(large < plain / 10);
  const Recording<double> step(tape, {.training = false});
  const Evaluation<double> scope(tape);
  CHECK(loss_of(9, true).item() == loss_of(9, false).item());
}

TEST_CASE("memory goes with the square root of the number of steps") {
  Rng rng(11);
  const Rnn<LSTMCell<float>> rnn(8, 16, rng);
  struct Bytes {
    std::size_t used, reserved;
  };
  const auto bytes = [&](Index steps, bool again) {
    Tape<float> tape;
    Bytes b{};
    for (int k = 0; k < 2; ++k) {  // the second time in one block
      const Recording<float> step(tape);
      const auto [loss, last] = recompute_over_time(steps, initial_state(rnn.cell, 4),
                                                    [&](Index begin, Index end, const LSTMState<float>& s) {
                                                      const auto x = full(Shape{end - begin, 4, 8}, 0.1f);
                                                      const auto r = rnn.run(x, s);
                                                      return std::pair{sum(r.outputs), r.final_state};
                                                    },
                                                    {.recompute = again});
      tape.backward(loss);
      b = {tape.bytes_used(), tape.bytes_reserved()};
    }
    return b;
  };
  const Bytes small = bytes(400, true), large = bytes(6400, true), plain = bytes(6400, false);
  MESSAGE("T = 400: " << small.used << " bytes (" << small.reserved << " held), T = 6400: " << large.used << " ("
                      << large.reserved << "), without recomputation " << plain.used << " (" << plain.reserved << ")");
  CHECK(static_cast<double>(large.used) < 4.4 * static_cast<double>(small.used));
  CHECK(static_cast<double>(large.reserved) < 8 * static_cast<double>(small.reserved));
  CHECK(large.used < plain.used / 20);
  CHECK(large.reserved < plain.reserved / 20);
}

}  // namespace
