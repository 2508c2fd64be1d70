// linear_onto: equal to a sum with linear(), computed in the sum's memory where nobody else needs that and nowhere
// else.

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "unroll/core/error.hpp"
#include "unroll/nn/bptt/recompute.hpp"
#include "unroll/nn/check/gradcheck.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/map.hpp"
#include "unroll/ops/reduce.hpp"

using namespace unroll;

namespace {

using Var = Variable<double>;

Var x_of(const Shape& shape, std::uint64_t seed, bool grad = true) {
  std::vector<double> v(static_cast<std::size_t>(shape.size()));
  Rng rng(seed);
  for (double& e : v) e = rng.normal();
  return grad ? input(v, shape, requires_grad) : input(v, shape);
}

/// Says that y was computed over what `handle` held.
void check_used_up(const Var& handle) {
  CHECK_THROWS_WITH_AS(handle.to_vector(), doctest::Contains("linear_onto"), StaleVariableError);
  CHECK_THROWS_WITH_AS(handle + handle, doctest::Contains("[add] got a tensor of a time step in whose memory"),
                       StaleVariableError);
}

struct Model {
  using scalar = double;
  Linear<double> a, b;
  explicit Model(std::uint64_t seed) : Model(Rng(seed)) {}
  explicit Model(Rng rng) : a(3, 4, rng), b(2, 4, rng) {}
  void each(auto&& visit) { visit("a", a), visit("b", b); }
};

/// h' = tanh(x + U h): no projection, so that the layer's input itself is what is added to.
struct BareCell {
  using scalar = double;
  using state = Var;
  Linear<double> hh;
  BareCell(Index, Index hidden_size, Rng& rng) : hh(hidden_size, hidden_size, rng) {}
  Index output_size() const { return hh.output_size(); }
  state step(Var x, state h) const { return tanh(hh.onto(x, h)); }
  void each(auto&& visit) { visit("hh", hh); }
};
struct PlainBareCell : BareCell {
  using BareCell::BareCell;
  state step(Var x, state h) const { return tanh(x + hh(h)); }
};

/// Uses its projected input before it gives it away.
struct EarlyCell : BareCell {
  Linear<double> ih;
  EarlyCell(Index input_size, Index hidden_size, Rng& rng)
      : BareCell(input_size, hidden_size, rng), ih(input_size, hidden_size, rng) {}
  Var project(Var x) const { return ih(x); }
  state step(Var px, state h) const {
    const Var gate = sigmoid(px);
    return gate * tanh(hh.onto(px, h));
  }
  void each(auto&& visit) { visit("hh", hh), visit("ih", ih); }
};
/// ... and after.
struct LateCell : EarlyCell {
  using EarlyCell::EarlyCell;
  state step(Var px, state h) const { return tanh(hh.onto(px, h)) + px; }
};

/// Keeps handles of two tensors of its first step: one that only a map reads, one that two operations read.
struct GateSpy : BareCell {
  Linear<double> ih;
  mutable Var once, twice;
  GateSpy(Index input_size, Index hidden_size, Rng& rng)
      : BareCell(input_size, hidden_size, rng), ih(input_size, hidden_size, rng) {}
  Var project(Var x) const { return ih(x); }
  state step(Var px, state h) const {
    const Var z = hh.onto(px, h), g = hh(h);
    if (!once.defined()) once = z, twice = g;
    return map([](auto a, auto b) { return tanh(a) * b; }, z, g) + tanh(g);
  }
  void each(auto&& visit) { visit("hh", hh), visit("ih", ih); }
};

/// Every other step is computed again in backward; all read their projected input by a map alone.
struct AlternatingCell : BareCell {
  Linear<double> ih;
  mutable int steps = 0;
  AlternatingCell(Index input_size, Index hidden_size, Rng& rng)
      : BareCell(input_size, hidden_size, rng), ih(input_size, hidden_size, rng) {}
  Var project(Var x) const { return ih(x); }
  state step(Var px, state h) const {
    const auto next = [this](const Var& a, const Var& b) {
      return map([](auto u, auto v) { return tanh(u + v); }, a, hh(b));
    };
    return steps++ % 2 == 0 ? recompute(next, px, h) : next(px, h);
  }
  void each(auto&& visit) { visit("hh", hh), visit("ih", ih); }
};

template <class Layer>
std::vector<std::vector<double>> outputs_and_gradients(const Layer& layer) {
  for (const auto& p : parameters(layer)) p.storage->clear_grad();
  Tape<double> tape;
  const Recording step(tape);
  const Var x = x_of({5, 3, 3}, 7);
  const auto y = layer(x);
  tape.backward(sum(y * y));
  std::vector<std::vector<double>> all{y.to_vector(), x.grad_to_vector()};
  for (const auto& p : parameters(layer)) all.emplace_back(p.storage->grad, p.storage->grad + p.storage->shape.size());
  return all;
}

}  // namespace

TEST_CASE("gradients") {
  const Model m(1);
  const auto onto = [&](Var x, Var h) { return m.b.onto(m.a(x), h); };
  CHECK(gradcheck(onto, m, check_input("x", Shape{3, 3}, 1), check_input("h", Shape{3, 2}, 2)));
}

TEST_CASE("outside a layer the sum stays as it is, whatever made it") {
  const Model m(2);
  Tape<double> tape;
  const Recording step(tape);
  const Var h = x_of({3, 2}, 2);
  Parameter<double> p(Shape{3, 4});
  for (const Var& sum : {m.a(x_of({3, 3}, 1)), tanh(x_of({3, 4}, 3)), x_of({3, 4}, 4), use(p)}) {
    const std::vector<double> before = sum.to_vector(), product = m.b(h).to_vector();
    const Var y = m.b.onto(sum, h), again = m.b.onto(sum, h);
    CHECK(sum.to_vector() == before);
    CHECK(y.to_vector() == again.to_vector());
    for (std::size_t i = 0; i < 12; ++i) CHECK(y.values()[i] == doctest::Approx(before[i] + product[i]).epsilon(1e-14));
  }
}

TEST_CASE("a sum that others use is left alone") {
  const Model m(3);
  const auto twice = [&](Var x, Var h) {
    const Var s = m.a(x);
    const Var before = s * s;
    return before + m.b.onto(s, h) + s;
  };
  CHECK(gradcheck(twice, m, check_input("x", Shape{3, 3}, 1), check_input("h", Shape{3, 2}, 2)));
  const auto of_a_view = [&](Var x, Var h) {
    const Var s = m.a(x);
    const Var left = narrow(s, -1, 0, 2);
    return m.b.onto(s, h) + concat<double>({left, left}, -1);
  };
  CHECK(gradcheck(of_a_view, m, check_input("x", Shape{3, 3}, 1), check_input("h", Shape{3, 2}, 2)));
  const auto cut_off = [&](Var x, Var h) {
    const Var s = m.a(x);
    const Var constant = stop_gradient(s);
    return m.b.onto(s, h) * constant;
  };
  CHECK(gradcheck([&](Var h) { return cut_off(x_of({3, 3}, 5, false), h); }, m.b, check_input("h", Shape{3, 2}, 2)));
  const auto reshaped = [&](Var x, Var h) {
    const Var s = reshape(m.a(x), Shape{3, 4});
    return m.b.onto(s, h);
  };
  CHECK(gradcheck(reshaped, m, check_input("x", Shape{3, 3}, 1), check_input("h", Shape{3, 2}, 2)));
}

TEST_CASE("in a layer the memory of the projected input is taken over") {
  struct Spy : BareCell {
    Linear<double> ih;
    mutable std::vector<const double*> given, got;
    mutable Var first;
    Spy(Index input_size, Index hidden_size, Rng& rng)
        : BareCell(input_size, hidden_size, rng), ih(input_size, hidden_size, rng) {}
    Var project(Var x) const { return ih(x); }
    state step(Var px, state h) const {
      given.push_back(px.values().data());
      const Var y = hh.onto(px, h);
      got.push_back(y.values().data());
      if (!first.defined()) first = px;
      return tanh(y);
    }
  };
  Rng rng(4);
  const Rnn<Spy> rnn(3, 3, rng);
  Tape<double> tape;
  {
    const Recording step(tape);
    rnn(x_of({4, 2, 3}, 1));
    CHECK(rnn.cell.given == rnn.cell.got);
    CHECK(rnn.cell.first.shape() == Shape{2, 3});
    check_used_up(rnn.cell.first);
  }
  rnn.cell.given.clear(), rnn.cell.got.clear();
  const Evaluation<double> look(tape);
  rnn(x_of({4, 2, 3}, 1));
  CHECK(rnn.cell.given.size() == 4);
}

TEST_CASE("columns of a wider product, rows apart") {
  Rng rng(5);
  Linear<double> wide(3, 6, rng), small(2, 3, rng);
  const auto f = [&](Var x, Var h) {
    const auto halves = chunk<2>(wide(x));
    return small.onto(halves[0], h) * sigmoid(small.onto(halves[1], h));
  };
  CHECK(gradcheck(f, wide, small, check_input("x", Shape{3, 3}, 1), check_input("h", Shape{3, 2}, 2)));
}

TEST_CASE("only one of the operands needs a gradient") {
  const Model m(6);
  const auto run = [&](bool sum_needs, bool h_needs) {
    for (const auto& p : parameters(m)) p.storage->clear_grad();
    Tape<double> tape;
    const Recording step(tape);
    const Var x = x_of({3, 4}, 1, sum_needs), h = x_of({3, 2}, 2, h_needs);
    tape.backward(sum(m.b.onto(tanh(x), h)));
    if (sum_needs) {
      for (std::size_t i = 0; i < 12; ++i) {
        const double t = std::tanh(x.values()[i]);
        CHECK(x.grad_to_vector()[i] == doctest::Approx(1 - t * t).epsilon(1e-14));
      }
    }
    CHECK(m.b.bias.grads()[0] == doctest::Approx(3));
  };
  run(true, true), run(true, false), run(false, true), run(false, false);
}

TEST_CASE("in layers over time: the same bits as a sum, also where the layer before needs its outputs") {
  Rng a(7), b(7);
  struct Bare : BareCell {
    using BareCell::BareCell;
  };
  struct Plain : PlainBareCell {
    using PlainBareCell::PlainBareCell;
  };
  const Stack<Rnn<Bare>> onto(3, 3, a, {.layers = 3});
  const Stack<Rnn<Plain>> plain(3, 3, b, {.layers = 3});
  const auto first = outputs_and_gradients(onto), second = outputs_and_gradients(plain);
  REQUIRE(first.size() == second.size());
  for (std::size_t k = 0; k < first.size(); ++k) {
    REQUIRE(first[k].size() == second[k].size());
    for (std::size_t i = 0; i < first[k].size(); ++i)
      CHECK(first[k][i] == doctest::Approx(second[k][i]).epsilon(1e-13));
  }
}

TEST_CASE("a cell that uses its input after giving it away hears of it, one that used it before is right") {
  Rng rng(9);
  const Rnn<EarlyCell> early(3, 3, rng);
  CHECK(gradcheck([&](Var x, Var h0) { return early.run(x, h0); }, early, check_input("x", Shape{4, 2, 3}, 1),
                  check_input("h0", Shape{2, 3}, 2)));
  const Rnn<LateCell> late(3, 3, rng);
  Tape<double> tape;
  const Recording step(tape);
  CHECK_THROWS_WITH_AS(late(x_of({4, 2, 3}, 1)), doctest::Contains("time step 0"), StaleVariableError);
}

TEST_CASE("an Evaluation inside a Recording leaves the Recording's sum alone") {
  const Model m(10);
  Tape<double> tape;
  const Recording step(tape);
  const Var s = m.a(x_of({3, 3}, 1)), h = x_of({3, 2}, 2);
  const std::vector<double> before = s.to_vector();
  {
    const Evaluation<double> look(tape);
    CHECK(m.b.onto(s, h).to_vector() != before);
  }
  CHECK(s.to_vector() == before);
  tape.backward(sum(s));
}

TEST_CASE("inside a recomputed function") {
  const Model m(11);
  CHECK(gradcheck(
      [&](Var x, Var h) {
        const Var s = m.a(x);
        return recompute([&m](Var sum, Var state) { return m.b.onto(tanh(m.b.onto(sum, state)), state); }, s, h);
      },
      m, check_input("x", Shape{3, 3}, 1), check_input("h", Shape{3, 2}, 2)));
}

TEST_CASE("shapes that do not fit") {
  const Model m(12);
  Tape<double> tape;
  const Recording step(tape);
  CHECK_THROWS_WITH_AS(m.b.onto(x_of({3, 3}, 1), x_of({3, 2}, 2)),
                       "[linear_onto] sum (3,3); expected (3,4), as input (3,2) and weight (4,2) make it", ShapeError);
  CHECK_THROWS_WITH_AS(m.b.onto(x_of({3, 4}, 1), x_of({3, 3}, 2)),
                       doctest::Contains("[linear_onto] input (3,3) has 3 features, weight (4,2) takes 2"), ShapeError);
}

TEST_CASE("adjoints take the place of values that only a map has read, and of no others") {
  Rng rng(13);
  const Rnn<GateSpy> rnn(3, 3, rng);
  CHECK(gradcheck([&](Var x, Var h0) { return rnn.run(x, h0); }, rnn, check_input("x", Shape{4, 2, 3}, 1),
                  check_input("h0", Shape{2, 3}, 2)));
  Tape<double> tape;
  const Recording step(tape);
  rnn.cell.once = rnn.cell.twice = {};
  const auto r = rnn.run(x_of({4, 2, 3}, 1));
  const std::vector<double> twice = rnn.cell.twice.to_vector(), final_state = r.final_state.to_vector();
  CHECK(rnn.cell.once.to_vector().size() == 6);
  tape.backward(sum(r.outputs));
  CHECK_THROWS_WITH_AS(rnn.cell.once.to_vector(), doctest::Contains("its own adjoint"), StaleVariableError);
  CHECK(rnn.cell.once.grad_to_vector().size() == 6);
  CHECK(rnn.cell.twice.to_vector() == twice);
  CHECK(r.final_state.to_vector() == final_state);
}

TEST_CASE("what a recomputed step will read again stays") {
  Rng rng(16);
  const Rnn<AlternatingCell> rnn(3, 3, rng);
  CHECK(gradcheck([&](Var x, Var h0) { return rnn.run(x, h0); }, rnn, check_input("x", Shape{4, 2, 3}, 1),
                  check_input("h0", Shape{2, 3}, 2)));
}

TEST_CASE("final states keep their values, also where they are used again") {
  Rng rng(14);
  const Rnn<LSTMCell<double>> first(3, 4, rng), second(3, 4, rng);
  const auto both = [&](Var x) {
    const auto a = first.run(x);
    return second.run(x, a.final_state);
  };
  CHECK(gradcheck([&](Var x) { return both(x); }, first, second, check_input("x", Shape{3, 2, 3}, 1)));
  Tape<double> tape;
  const Recording step(tape);
  const Var x = x_of({3, 2, 3}, 1);
  const auto a = first.run(x);
  const auto b = second.run(x, a.final_state);
  const std::vector<double> c = a.final_state.c.to_vector(), last = b.final_state.c.to_vector();
  tape.backward(sum(b.outputs) + sum(b.final_state.c));
  CHECK(a.final_state.c.to_vector() == c);
  CHECK(b.final_state.c.to_vector() == last);
}

TEST_CASE("memory of a step of training: what is saved, and little more") {
  constexpr Index steps = 64, batch = 16, width = 32;
  Rng rng(15);
  const Rnn<LSTMCell<double>> rnn(width, width, rng);
  Tape<double> tape;
  for (int i = 0; i < 3; ++i) {
    const Recording step(tape);
    tape.backward(sum(rnn(x_of({steps, batch, width}, 1, false))));
  }
  // x; four gates and their adjoints in one; h and its adjoint; c and its adjoint in one.
  const auto saved = static_cast<std::size_t>(steps * batch * width * (1 + 4 + 2 + 1)) * sizeof(double);
  CHECK(tape.bytes_reserved() < saved + saved / 5);
}
