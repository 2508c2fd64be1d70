// Scopes, handles and their misuse; memory and recursion of long recordings.

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "unroll/core/loop.hpp"
#include "unroll/core/op.hpp"
#include "unroll/ops/gather.hpp"
#include "unroll/ops/layout.hpp"

using namespace unroll;

namespace {

// y = c x
template <class T>
Variable<T> scaled(const Variable<T>& v, T c) {
  detail::Op<T> op("scaled");
  auto* x = op.use(v);
  auto* y = op.result(x->shape);
  const Index n = x->shape.size();
  for (Index i = 0; i < n; ++i) y->value[i] = c * x->value[i];
  return op.done(y, [=](const T* dy) {
    const auto dx = x->touch();
    for (Index i = 0; i < n; ++i) dx.data[i] = c * dy[i] + (dx.fresh ? T(0) : dx.data[i]);
  });
}

// An operation that takes memory, then finds fault with its operand.
Variable<float> failing(const Variable<float>& v) {
  detail::Op<float> op("failing");
  op.result(op.use(v)->shape);
  chunk<2>(v);
  throw ValueError("[failing] always");
}

const std::vector<float> two{1, 2};

// What a thread throws, as text; empty when nothing.
template <class E, class F>
std::string thrown_in_thread(F f) {
  std::string message;
  std::thread([&] {
    try {
      f();
    } catch (const E& e) {
      message = e.what();
    } catch (const std::exception& e) {
      message = std::string("another type: ") + e.what();
    }
  }).join();
  return message;
}

bool holds(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("an operation needs an open scope, and the error names both kinds") {
  Tape<float> tape;
  CHECK_THROWS_WITH_AS(input(two, Shape{2}),
                       "[input] no scope is open on this thread; expected a Recording (to train) or an Evaluation "
                       "(values only): Recording step(tape);",
                       NoScopeError);
  CHECK_THROWS_AS(zeros<float>(Shape{2}), NoScopeError);
  CHECK_THROWS_AS(use(Parameter<float>(Shape{2})), NoScopeError);
  Variable<float> x;
  {
    Recording step(tape);
    x = input(two, Shape{2}, requires_grad);
  }
  CHECK_THROWS_AS(scaled(x, 2.f), NoScopeError);
  CHECK_THROWS_AS(tape.backward(x), NoScopeError);
  // A scope for another scalar does not count.
  Tape<double> other;
  Recording step(other);
  CHECK_THROWS_AS(scaled(x, 2.f), NoScopeError);
}

TEST_CASE("a Variable that was never set") {
  Tape<float> tape;
  Recording step(tape);
  const Variable<float> x;
  CHECK_FALSE(x.defined());
  CHECK_THROWS_WITH_AS(scaled(x, 1.f),
                       "[scaled] got a Variable that was never set; expected one made by input() or an operation",
                       EmptyVariableError);
  CHECK_THROWS_AS(x.shape(), EmptyVariableError);
  CHECK_THROWS_AS(tape.backward(x), EmptyVariableError);
}

TEST_CASE("values are readable after their scope, until the tape's next scope begins") {
  Tape<float> tape;
  Variable<float> x, y;
  {
    Recording step(tape);
    x = input(two, Shape{2}, requires_grad);
    y = scaled(x, 3.f);
    auto rows = reshape(y, {2, 1});
    tape.backward(at(reshape(rows, {2}), 1));
  }
  CHECK(y.to_vector() == std::vector<float>{3, 6});
  CHECK(x.grad_to_vector() == std::vector<float>{0, 3});
  CHECK(y.shape() == Shape{2});
  SUBCASE("a Recording") {
    Recording step(tape);
    CHECK_THROWS_AS(y.to_vector(), StaleVariableError);
    CHECK_THROWS_WITH_AS(scaled(y, 1.f),
                         "[scaled] got a Variable whose scope was rewound: it is older than the tape's current scope; "
                         "carry values from one scope to the next by a detached copy, not by the Variable",
                         StaleVariableError);
  }
  SUBCASE("an Evaluation") {
    Evaluation step(tape);
    CHECK_THROWS_AS(y.shape(), StaleVariableError);
    CHECK_THROWS_AS(scaled(y, 1.f), StaleVariableError);
  }
  SUBCASE("a scope of another tape leaves it alone") {
    Tape<float> other;
    Recording step(other);
    CHECK(y.to_vector() == std::vector<float>{3, 6});
    CHECK_THROWS_AS(scaled(y, 1.f), WrongTapeError);
  }
}

TEST_CASE("a Variable of another tape") {
  Tape<float> outer, inner;
  Recording first(outer);
  const auto x = input(two, Shape{2}, requires_grad);
  {
    Recording second(inner);
    CHECK_THROWS_WITH_AS(scaled(x, 1.f),
                         "[scaled] got a Variable of another tape than the one recording now; expected all "
                         "operands on one tape",
                         WrongTapeError);
    CHECK_THROWS_AS(inner.backward(x), WrongTapeError);
    const auto y = scaled(input(std::vector<float>{1}, Shape{}, requires_grad), 1.f);
    CHECK_THROWS_AS(outer.backward(y), WrongTapeError);
    CHECK(x.to_vector() == two);
  }
  CHECK(scaled(x, 2.f).to_vector() == std::vector<float>{2, 4});
}

TEST_CASE("a Variable whose tape was destroyed") {
  Variable<float> x;
  {
    Tape<float> tape;
    Recording step(tape);
    x = input(two, Shape{2});
  }
  CHECK_THROWS_WITH_AS(
      x.to_vector(), "[to_vector] got a Variable whose tape was destroyed; expected the tape to outlive its Variables",
      DeadTapeError);
  Tape<float> another;  // may well lie where the dead one lay
  Recording step(another);
  CHECK_THROWS_AS(scaled(x, 1.f), DeadTapeError);
}

TEST_CASE("threads: one tape each") {
  Tape<float> tape;
  Recording step(tape);
  const auto x = input(two, Shape{2}, requires_grad);
  CHECK(holds(thrown_in_thread<WrongThreadError>([&] {
                Tape<float> own;
                Recording inner(own);
                scaled(x, 1.f);
              }),
              "[scaled] got a Variable of a tape that has a scope open on another thread; expected one tape "
              "a thread"));
  CHECK(holds(thrown_in_thread<WrongThreadError>([&] { x.to_vector(); }), "on another thread"));
  CHECK(holds(thrown_in_thread<NoScopeError>([&] { scaled(x, 1.f); }), "[scaled] no scope is open"));
  CHECK(thrown_in_thread<TapeInUseError>([&] { Recording inner(tape); }) ==
        "[Recording] the tape has a scope open on another thread; expected one tape a thread");
  CHECK(thrown_in_thread<TapeInUseError>([&] { Evaluation inner(tape); }) ==
        "[Evaluation] the tape has a scope open on another thread; expected one tape a thread");
  CHECK(scaled(x, 2.f).to_vector() == std::vector<float>{2, 4});
}

TEST_CASE("a tape whose scope has ended may be used by another thread") {
  Tape<float> tape;
  Variable<float> x;
  {
    Recording step(tape);
    x = input(two, Shape{2});
  }
  CHECK(thrown_in_thread<Error>([&] {
          if (x.to_vector() != two) throw ValueError("other values");
          Recording step(tape);
          scaled(input(two, Shape{2}), 1.f);
        }) == "");
}

TEST_CASE("a Recording does not nest in a scope of its tape") {
  Tape<float> tape;
  const char* message =
      "[Recording] the tape has a scope open already; expected the earlier Recording or Evaluation to end "
      "first, or a "
      "tape of its own";
  {
    Recording step(tape);
    const auto x = input(two, Shape{2});
    CHECK_THROWS_WITH_AS(Recording<float>{tape}, message, TapeInUseError);
    CHECK(scaled(x, 1.f).to_vector() == two);
  }
  {
    Evaluation outer(tape);
    CHECK_THROWS_WITH_AS(Recording<float>{tape}, message, TapeInUseError);
  }
  Recording again(tape);
  CHECK(tape.recording());
}

TEST_CASE("backward: what it refuses") {
  Tape<float> tape;
  Recording step(tape);
  const auto x = input(two, Shape{2}, requires_grad);
  const auto c = input(std::vector<float>{1}, Shape{});
  CHECK_THROWS_WITH_AS(tape.backward(scaled(x, 2.f)),
                       "[backward] the loss has shape (2); expected one element: reduce it with sum() or mean()",
                       NonScalarError);
  CHECK_THROWS_WITH_AS(
      tape.backward(scaled(c, 2.f)),
      "[backward] no parameter and no differentiable input led to the loss; expected an operation on one",
      NotRecordedError);
  CHECK_THROWS_AS(tape.backward(stop_gradient(at(x, 0))), NotRecordedError);
  {
    Evaluation inner(tape);
    CHECK_THROWS_WITH_AS(
        tape.backward(at(x, 0)),
        "[backward] the innermost scope is an Evaluation, which keeps values only; expected a Recording",
        NotRecordedError);
    CHECK_FALSE(scaled(x, 2.f).requires_grad());
    CHECK_FALSE(at(x, 0).requires_grad());
  }
  const auto loss = at(scaled(x, 2.f), 1);
  tape.backward(loss);
  CHECK(x.grad_to_vector() == std::vector<float>{0, 2});
  CHECK_THROWS_WITH_AS(tape.backward(loss),
                       "[backward] called a second time in one Recording; expected one call: add the losses up, or "
                       "record again",
                       BackwardTwiceError);
  CHECK(x.grad_to_vector() == std::vector<float>{0, 2});
}

TEST_CASE("Evaluations nest in a Recording, read what is around them and give their memory back") {
  Tape<float> tape;
  Recording step(tape);
  CHECK(tape.training());
  const auto x = input(std::vector<float>(100, 1), Shape{100}, requires_grad);
  const auto y = scaled(x, 2.f);
  Variable<float> inner_value;
  std::size_t used = 0, reserved = 0;
  for (int i = 0; i < 100000; ++i) {
    {
      Evaluation inner(tape);
      CHECK_FALSE(tape.training());
      inner_value = scaled(y, 2.f);
      if (i % 1000 == 0) {
        Evaluation innermost(tape, {.training = true});
        CHECK(tape.training());
        CHECK(scaled(inner_value, 1.f).to_vector()[99] == 4);
        CHECK(scaled(x, 1.f).to_vector()[99] == 1);
      }
    }
    if (i == 10) used = tape.bytes_used(), reserved = tape.bytes_reserved();
  }
  CHECK(tape.bytes_used() == used);
  CHECK(tape.bytes_reserved() == reserved);
  CHECK_THROWS_AS(inner_value.to_vector(), StaleVariableError);
  CHECK_THROWS_AS(scaled(inner_value, 1.f), StaleVariableError);
  CHECK(tape.training());
  tape.backward(at(y, 7));
  CHECK(x.grad_to_vector()[7] == 2);
}

TEST_CASE("an endless loop of outermost Evaluations is flat in memory") {
  Tape<float> tape;
  std::size_t reserved = 0;
  for (int i = 0; i < 100000; ++i) {
    Evaluation step(tape);
    scaled(input(two, Shape{2}), 2.f);
    if (i == 10) reserved = tape.bytes_reserved();
  }
  CHECK(tape.bytes_reserved() == reserved);
}

TEST_CASE("a million chained operations, forward and backward") {
  Tape<float> tape;
  Recording step(tape);
  const auto x = input(std::vector<float>{1}, Shape{1}, requires_grad);
  auto y = x;
  for (int i = 0; i < 1000000; ++i) y = scaled(y, i % 2 ? 2.f : 0.5f);
  CHECK(y.item() == 1);
  tape.backward(y);
  CHECK(x.grad_to_vector()[0] == 1);
}

TEST_CASE("a million views of views, and parts cut from parts") {
  Tape<float> tape;
  Recording step(tape);
  const auto x = input(two, Shape{2}, requires_grad);
  auto y = x;
  for (int i = 0; i < 1000000; ++i) y = reshape(y, i % 2 ? Shape{2} : Shape{1, 2});
  const auto long_one = input(std::vector<float>(20000, 1), Shape{20000}, requires_grad);
  auto rest = long_one;
  Variable<float> loss = at(y, 1);
  while (rest.size() > 1) rest = split(rest, {1, rest.size() - 1})[1];
  const auto both = stack({loss, at(rest, 0)});
  detail::Op<float> op("sum");
  auto* node = op.use(both);
  auto* sum = op.result(Shape{});
  sum->value[0] = node->value[0] + node->value[1];
  tape.backward(op.done(sum, [=](const float*) {
    float* d = node->touch_add();
    d[0] += 1, d[1] += 1;
  }));
  CHECK(x.grad_to_vector() == std::vector<float>{0, 1});
  CHECK(long_one.grad_to_vector()[19999] == 1);
  CHECK(long_one.grad_to_vector()[19998] == 0);
}

TEST_CASE("gradients of a parameter add up over recordings until they are cleared") {
  Tape<float> tape;
  Parameter<float> p(Shape{2});
  const auto train = [&](bool clear_before_backward) {
    Recording step(tape);
    const auto x = use(p);
    const auto loss = at(scaled(x, 3.f), 1);
    CHECK(&detail::read(use(p), "same") == &detail::read(x, "same"));
    if (clear_before_backward) p.clear_grad();
    tape.backward(loss);
  };
  train(false);
  CHECK(std::vector<float>(p.grads().begin(), p.grads().end()) == std::vector<float>{0, 3});
  train(false);
  train(false);
  CHECK(std::vector<float>(p.grads().begin(), p.grads().end()) == std::vector<float>{0, 9});
  train(true);  // the order that PyTorch's users know: forward, zero_grad, backward
  CHECK(std::vector<float>(p.grads().begin(), p.grads().end()) == std::vector<float>{0, 3});
  p.clear_grad();
  CHECK_FALSE(p.has_grad());
  CHECK(std::vector<float>(p.grads().begin(), p.grads().end()) == std::vector<float>{0, 0});
  p.freeze();
  {
    Recording step(tape);
    CHECK_FALSE(use(p).requires_grad());
    CHECK_THROWS_AS(tape.backward(at(use(p), 0)), NotRecordedError);
  }
}

TEST_CASE("the loss may be a parameter, or an element of one") {
  Tape<double> tape;
  Parameter<double> p(Shape{}), q(Shape{3});
  for (int i = 1; i <= 2; ++i) {
    {
      Recording step(tape);
      tape.backward(use(p));
    }
    CHECK(p.grads()[0] == i);
    {
      Recording step(tape);
      tape.backward(at(use(q), 2));
    }
    CHECK(q.grads()[2] == i);
    CHECK(q.grads()[0] == 0);
  }
}

TEST_CASE("a parameter that dies before its tape's scope leaves its values readable") {
  Tape<float> tape;
  Recording step(tape);
  Variable<float> x;
  {
    Parameter<float> p(Shape{2});
    p.mutable_values()[1] = 5;
    x = use(p);
  }
  CHECK(x.to_vector() == std::vector<float>{0, 5});
  tape.backward(at(scaled(x, 2.f), 1));
  CHECK(x.grad_to_vector() == std::vector<float>{0, 2});
}

TEST_CASE("after an operation has thrown the recording goes on") {
  Tape<float> tape;
  Recording step(tape);
  const auto x = input(two, Shape{2}, requires_grad);
  const auto y = scaled(x, 2.f);
  CHECK_THROWS_AS(failing(y), ValueError);
  {
    Loop<float> loop(tape, 4);
    loop.step(0, 2);
    CHECK_THROWS_AS(failing(y), ValueError);
    CHECK_THROWS_AS(loop.step(3, 2), ValueError);
  }
  try {
    Evaluation inner(tape);
    Loop<float> loop(tape, 2);
    failing(y);
  } catch (const ValueError&) {
  }
  CHECK(tape.recording());
  const auto parts = chunk<2>(y);  // y was cut by the failing operation already
  tape.backward(parts[1]);
  CHECK(x.grad_to_vector() == std::vector<float>{0, 2});
}

TEST_CASE("what a step of a loop makes beside the rows of its batch costs its own size, not that times all rows") {
  const std::vector<float> wide(20000, 0.5f), narrow(8, 0.5f);
  for (const Index active : {1, 2, 4}) {
    CAPTURE(active);
    Tape<float> tape;
    const Recording step(tape);
    const auto w = input(wide, Shape{100, 200}, requires_grad);  // as the memory an attention looks at
    const auto h = input(narrow, Shape{active, 8 / active}, requires_grad);
    Loop<float> loop(tape, 1000);
    std::vector<Variable<float>> rows;
    for (Index t = 0; t < 3; ++t) {
      loop.step(t * active, active);
      scaled(w, 2.f);
      rows.push_back(scaled(h, 3.f));
    }
    CHECK(tape.bytes_used() < 5 * wide.size() * sizeof(float) + 2000 * narrow.size() * sizeof(float));
    const auto all = join(std::span<const Variable<float>>(rows));  // these do lie one after the other
    CHECK(all.values().data() == rows[0].values().data());
    CHECK(all.shape() == Shape{3 * active, 8 / active});
  }
}

TEST_CASE("a scope that an exception ended leaves the tape and the thread free") {
  Tape<float> tape, other;
  try {
    Recording step(tape);
    Recording second(other);
    Evaluation third(other);
    failing(input(two, Shape{2}));
  } catch (const ValueError&) {
  }
  CHECK(current_tape<float> == nullptr);
  CHECK(thrown_in_thread<Error>([&] {
          Recording step(tape);
          Recording second(other);
        }) == "");
}

TEST_CASE("many scopes: serials and leaf tables keep up") {
  Tape<float> tape;
  std::vector<Parameter<float>> many;
  for (int i = 0; i < 500; ++i) many.emplace_back(Shape{1});
  for (int round = 0; round < 3; ++round) {
    Recording step(tape);
    std::vector<Variable<float>> leaves;
    for (auto& p : many) leaves.push_back(use(p));
    for (std::size_t i = 0; i < many.size(); ++i) CHECK(&detail::read(use(many[i]), "same") == &detail::read(leaves[i], "same"));
  }
}

#ifdef UNROLL_ASAN
#include <sanitizer/asan_interface.h>

TEST_CASE("rewound memory is poisoned") {
  Tape<float> tape;
  const float *outer, *inner;
  {
    Recording step(tape);
    outer = input(two, Shape{2}).values().data();
    {
      Evaluation nested(tape);
      inner = input(two, Shape{2}).values().data();
      CHECK_FALSE(__asan_address_is_poisoned(inner));
    }
    CHECK(__asan_address_is_poisoned(inner));
    CHECK_FALSE(__asan_address_is_poisoned(outer));
  }
  CHECK_FALSE(__asan_address_is_poisoned(outer));  // readable until the next scope begins
  Recording step(tape);
  CHECK(__asan_address_is_poisoned(outer + 1));
}
#endif
