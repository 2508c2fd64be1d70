// The protocol of who writes operations (core/op.hpp), and the table of core/reuse.hpp rule by rule.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "unroll/core/loop.hpp"
#include "unroll/core/op.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/linear.hpp"
#include "unroll/ops/map.hpp"
#include "unroll/ops/reduce.hpp"

using namespace unroll;
using detail::Node;
using detail::Op;
using detail::Reuse;
using V = std::vector<double>;

namespace {

Node<double>& node(const Variable<double>& x) { return detail::read(x, "test"); }
const Reuse& reuse(const Variable<double>& x) { return node(x).reuse; }
Variable<double> some(const Shape& shape) {
  V values(static_cast<std::size_t>(shape.size()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.1 * static_cast<double>(i + 1);
  return input(values, shape, requires_grad);
}

// h' = tanh(W x + U h), and a look at what a step was given and has made.
struct LookingCell {
  using scalar = double;
  using state = Variable<double>;
  Linear<double> ih, hh;
  mutable std::vector<Variable<double>> projected, sums, states;
  mutable std::vector<bool> given, in_place;
  bool reads_twice = false;

  explicit LookingCell(Rng& rng) : ih(2, 3, rng), hh(3, 3, rng) {}
  Index output_size() const { return 3; }
  auto project(Variable<double> x) const { return ih(x); }
  auto step(Variable<double> px, state h) const {
    projected.push_back(px);
    given.push_back(reuse(px).given);
    const double* place = node(px).value;
    if (reads_twice) h = h + 0.0 * sum(px);
    sums.push_back(hh.onto(px, h));
    in_place.push_back(node(sums.back()).value == place);
    states.push_back(map([](auto a) { return tanh(a); }, sums.back()));
    return states.back();
  }
  void each(auto&& visit) { visit("ih", ih), visit("hh", hh); }
};

}  // namespace

TEST_CASE("an operation: operands, result, backward") {
  Tape<double> tape;
  Recording step(tape);
  const auto x = some(Shape{2}), c = full(Shape{2}, 3.0);
  const auto scaled = [](const Variable<double>& v, const Variable<double>& by, int* runs) {
    Op<double> op("scaled");
    Node<double>*a = op.use(v), *b = op.use_constant(by);
    Node<double>* y = op.result(a->shape);
    for (Index i = 0; i < 2; ++i) y->value[i] = a->value[i] * b->value[i];
    return op.done(y, [=](const double* dy) {
      ++*runs;
      double* dx = a->touch_add();
      for (Index i = 0; i < 2; ++i) dx[i] += dy[i] * b->value[i];
    });
  };
  int used = 0, unused = 0, constant = 0;
  const auto y = scaled(x, x, &used), left_over = scaled(x, c, &unused), of_constant = scaled(c, x, &constant);
  CHECK(y.requires_grad());
  CHECK(left_over.requires_grad());
  CHECK_FALSE(of_constant.requires_grad());  // x gets no gradient through it
  tape.backward(sum(y) + sum(of_constant));
  CHECK(x.grad_to_vector() == x.to_vector());
  CHECK(used == 1);
  CHECK(unused == 0);  // no adjoint arrived
  CHECK(constant == 0);
}

TEST_CASE("an operation: operands that need not be given, messages, and scopes") {
  Op<double> outside("outside");
  CHECK_THROWS_AS(outside.use(Variable<double>()), EmptyVariableError);
  CHECK_THROWS_AS(Op<double>::without_operands("outside"), NoScopeError);
  Tape<double> tape;
  Variable<double> kept;
  {
    Evaluation scope(tape);
    Op<double> op("mine");
    kept = some(Shape{2, 3});
    CHECK(op.use_if_defined({}) == nullptr);
    CHECK(op.use_if_defined(kept) == &node(kept));
    CHECK_FALSE(op.requires_grad());
    CHECK(op.message("x ", kept.shape(), " is ", 3, " and ", std::string("four")) == "[mine] x (2,3) is 3 and four");
  }
  CHECK(node(kept).value[0] == 0.1);  // still readable
  CHECK_THROWS_AS(Op<double>("late").use(kept), NoScopeError);
  Recording scope(tape);
  CHECK_THROWS_WITH_AS(Op<double>("late").use(kept), doctest::Contains("[late]"), StaleVariableError);
}

TEST_CASE("used: counts the uses as an operand, and never comes back to 0 or 1") {
  Tape<double> tape;
  Recording step(tape);
  const auto x = some(Shape{2});
  CHECK(reuse(x).used == 0);
  Op<double> op("use");
  op.use(x);
  CHECK(reuse(x).used == 1);
  x.to_vector(), x.shape();  // to look is not to use
  CHECK(reuse(x).used == 1);
  for (int i = 0; i < 600; ++i) {
    op.use(x);
    CHECK(reuse(x).used > 1);
  }
}

TEST_CASE("spare: results of map and linear, and parts of them; nothing else") {
  Tape<double> tape;
  Recording step(tape);
  const auto x = some(Shape{2, 4});
  const auto y = linear(x, some(Shape{6, 4}));
  CHECK(reuse(y).spare);
  CHECK(reuse(chunk<2>(y)[0]).spare);
  CHECK(reuse(x * 2.0).spare);
  CHECK_FALSE(reuse(x).spare);
  CHECK_FALSE(reuse(sum(x, 0)).spare);
  CHECK_FALSE(reuse(narrow(x, 0, 0, 1)).spare);
}

TEST_CASE("mapped: operands of a map that have the result's shape, in a Recording") {
  Tape<double> tape;
  {
    Recording step(tape);
    const auto x = some(Shape{2, 3}), row = some(Shape{3}), other = some(Shape{2, 3});
    map([](auto a, auto b) { return a * b; }, x, row);
    CHECK(reuse(x).mapped);
    CHECK_FALSE(reuse(row).mapped);  // read again in every row
    sum(other);
    CHECK_FALSE(reuse(other).mapped);
  }
  Evaluation scope(tape);
  const auto x = some(Shape{2, 3});
  x * 2.0;
  CHECK_FALSE(reuse(x).mapped);
}

TEST_CASE("rule 2: adjoints of a slab take its values' place when each was read by one map alone") {
  for (const bool read_again : {false, true}) {
    CAPTURE(read_again);
    Tape<double> tape;
    Recording step(tape);
    const auto x = some(Shape{2, 3}), w = some(Shape{3, 3});
    std::vector<Variable<double>> sums, out;
    {
      Loop loop(tape, 4);
      for (Index t = 0; t < 2; ++t) {
        loop.step(2 * t, 2);
        sums.push_back(linear(x, w));
        out.push_back(tanh(sums.back()));
      }
    }
    const Node<double>& slab = *node(sums[0]).base;
    CHECK(slab.reuse.slab);
    CHECK(&slab == node(sums[1]).base);
    CHECK(reuse(sums[0]).gives_way());
    const V before = sums[0].to_vector();
    Variable<double> loss = sum(join<double>(out));
    if (read_again) loss = loss + sum(sums[1]);  // one of the parts is enough
    tape.backward(loss);
    CHECK((slab.grad == slab.value) == !read_again);
    if (read_again) {
      CHECK(sums[0].to_vector() == before);
    } else {
      CHECK_THROWS_AS(sums[0].to_vector(), StaleVariableError);
    }
  }
}

TEST_CASE("rule 1: linear_onto computes where its sum lies when the time loop has given it") {
  for (const bool reads_twice : {false, true}) {
    CAPTURE(reads_twice);
    Rng rng(1);
    Rnn<LookingCell> rnn(LookingCell{rng});
    rnn.cell.reads_twice = reads_twice;
    Tape<double> tape;
    Recording step(tape);
    rnn(some(Shape{2, 2, 2}));
    CHECK(rnn.cell.given == std::vector<bool>{true, true});
    CHECK(rnn.cell.in_place == std::vector<bool>(2, !reads_twice));
    CHECK(reuse(rnn.cell.sums[0]).spare);
    if (reads_twice) {
      CHECK(rnn.cell.projected[0].to_vector().size() == 6);
    } else {
      CHECK_THROWS_AS(rnn.cell.projected[0].to_vector(), StaleVariableError);
    }
    const auto x = some(Shape{2, 3}), sum_by_hand = x * 2.0;
    CHECK(node(linear_onto(sum_by_hand, x, some(Shape{3, 3}))).value != node(sum_by_hand).value);
  }
}

TEST_CASE("kept: a final state can be read after backward, in a slab that gave way") {
  Rng rng(1);
  Rnn<LookingCell> rnn(LookingCell{rng});
  Tape<double> tape;
  Recording step(tape);
  const auto result = rnn.run(some(Shape{3, 2, 2}));
  CHECK(reuse(result.final_state).kept);
  CHECK_FALSE(reuse(rnn.cell.states[0]).kept);
  const V before = result.final_state.to_vector();
  tape.backward(sum(result.final_state));
  CHECK(result.final_state.to_vector() == before);
  CHECK(result.final_state.grad_to_vector() == V(6, 1.0));
  CHECK_THROWS_AS(rnn.cell.sums[0].to_vector(), StaleVariableError);  // gave way
}

TEST_CASE("rule 3: what was overwritten refuses every use and every look") {
  Tape<double> tape;
  Recording step(tape);
  const auto x = some(Shape{2});
  node(x).reuse.overwrite();
  for (int i = 0; i < 3; ++i) {
    CHECK_THROWS_AS(x + 1.0, StaleVariableError);
    CHECK_THROWS_AS(x.to_vector(), StaleVariableError);
    CHECK(x.shape() == Shape{2});
  }
}

TEST_CASE("without a time loop nothing is given away") {
  Tape<double> tape;
  Recording step(tape);
  const auto x = some(Shape{2, 3});
  const auto a = linear(x, some(Shape{3, 3})), b = tanh(a);
  CHECK(reuse(a).gives_way());
  CHECK_FALSE(reuse(a).takes_result());
  const V before = a.to_vector();
  tape.backward(sum(b));
  CHECK(a.to_vector() == before);
}
