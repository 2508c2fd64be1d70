// Denormal numbers are zero in time loops, in backward and in an optimizer's step, on every thread, and nowhere else.

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "unroll/core/denormals.hpp"
#include "unroll/core/shards.hpp"
#include "unroll/nn/bptt/recompute.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/ops/custom.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/map.hpp"
#include "unroll/ops/reduce.hpp"
#include "unroll/optim/adam.hpp"

using namespace unroll;

namespace {

#if defined(__SSE2__) || defined(__aarch64__)
constexpr bool can_flush = true;
#else
constexpr bool can_flush = false;
#endif

// By what the processor does, not by what its register says.
template <class T>
bool flushes_in() {
  const volatile T small = std::numeric_limits<T>::min();
  const volatile T result = small * T(0.5);
  const volatile T denormal = std::numeric_limits<T>::denorm_min();
  const volatile T operand = denormal * T(1e30);
  return result == 0 && operand == 0;
}
bool flushes() {
  const bool result = flushes_in<float>();
  CHECK(result == flushes_in<double>());
  CHECK(result == FlushDenormals::active());
  return result;
}

template <class T>
Index denormals(const std::vector<T>& values) {
  Index n = 0;
  for (const T v : values) n += std::fpclassify(v) == FP_SUBNORMAL;
  return n;
}

// A state that decays, and that tells how the processor computed.
template <class T>
struct Decay {
  using scalar = T;
  using state = Variable<T>;
  std::vector<bool>* seen = nullptr;
  Index throws_at = -1;

  Index output_size() const { return 3; }
  state step(Variable<T> x, state h) const {
    if (seen) seen->push_back(flushes_in<T>());  // on threads too, where nothing is asserted
    if (seen && static_cast<Index>(seen->size()) == throws_at) throw ValueError("enough");
    return map([](auto a, auto b) { return a + T(0.7) * b; }, x, h);
  }
  void each(auto&&) {}
};

// 300 silent steps from a state near the smallest normal number; without flushing it stays at the smallest denormal
// ones.
template <class T>
Variable<T> decayed(const Decay<T>& cell = {}) {
  const Rnn<Decay<T>> rnn(cell);
  const auto start = input(std::vector<T>(6, std::numeric_limits<T>::min() * 100), Shape{2, 3});
  return rnn.run(input(std::vector<T>(300 * 6), Shape{300, 2, 3}), start).outputs;
}

// Sets the option for the life of a test.
struct Option {
  bool before;
  explicit Option(bool on) : before(set_flush_denormals(on)) {}
  ~Option() { set_flush_denormals(before); }
};

struct ThrowingOptimizer : Optimizer<float> {
  bool seen = false;
  explicit ThrowingOptimizer(const ParameterList<float>& parameters) : Optimizer("test", parameters, 1, 0, {}, {}) {}
  void update(std::size_t, ParameterStorage<float>&, Index) override {
    seen = flushes();
    throw ValueError("no step");
  }
};

}  // namespace

TEST_CASE("a scope flushes, one inside it may not, and each gives back what it found") {
  CHECK_FALSE(flushes());
  {
    const FlushDenormals flush;
    CHECK(flushes() == can_flush);
    {
      const FlushDenormals exact(false);
      CHECK_FALSE(flushes());
      const FlushDenormals again;
      CHECK(flushes() == can_flush);
    }
    CHECK(flushes() == can_flush);
  }
  CHECK_FALSE(flushes());
}

TEST_CASE_TEMPLATE("a state that decays becomes zero in a time loop, recorded or not", T, float, double) {
  Tape<T> tape;
  for (const bool recorded : {true, false})
    for (const bool on : {true, false}) {
      const Option option(on);
      CHECK(get_flush_denormals() == on);
      std::vector<T> y;
      if (recorded) {
        const Recording<T> step(tape);
        y = decayed<T>().to_vector();
      } else {
        const Evaluation<T> look(tape);
        y = decayed<T>().to_vector();
      }
      CHECK_FALSE(flushes());
      CHECK(y.front() > 0);
      if (on && can_flush) {
        CHECK(denormals(y) == 0);
        CHECK(y.back() == 0);
      } else {
        CHECK(denormals(y) > 0);
        CHECK(y.back() > 0);
      }
    }
}

TEST_CASE("outside of loops denormal numbers are computed with, in backward through one they are zero") {
  Tape<float> tape;
  for (const bool on : {true, false}) {
    const Option option(on);
    for (const bool looped : {true, false}) {
      const Recording<float> step(tape);
      const auto x = input(std::vector{1.0f}, Shape{1}, requires_grad);
      const auto y = x * 1e-30f * 1e-10f;
      if (looped) decayed<float>();
      tape.backward(sum(y));
      CHECK(y.to_vector()[0] == doctest::Approx(1e-40f));
      CHECK(x.grad_to_vector()[0] == (on && looped && can_flush ? 0.0f : 1e-30f * 1e-10f));
      CHECK_FALSE(flushes());
    }
  }
}

TEST_CASE("whatever throws, the mode is what it was before") {
  Tape<float> tape;
  std::vector<bool> seen;
  const Recording<float> step(tape);
  CHECK_THROWS_AS(decayed<float>({&seen, 3}), ValueError);
  CHECK(seen == std::vector<bool>(3, can_flush));
  CHECK_FALSE(flushes());

  static bool in_backward = false;
  const auto x = input(std::vector{1.0f}, Shape{1}, requires_grad);
  const auto y = custom_op(
      "thrower", Shape{1}, [](auto to, auto from) { to[0] = from[0]; },
      [](auto, auto, auto, auto) {
        in_backward = flushes();
        throw ValueError("no gradient");
      },
      x);
  CHECK_THROWS_AS(tape.backward(sum(y)), ValueError);
  CHECK(in_backward == can_flush);
  CHECK_FALSE(flushes());

  Parameter<float> p(Shape{1});
  p.mutable_grads()[0] = 1;
  ThrowingOptimizer optimizer({{"p", p.share()}});
  CHECK_THROWS_AS(optimizer.step(), ValueError);
  CHECK(optimizer.seen == can_flush);
  CHECK_FALSE(flushes());
}

TEST_CASE("moments of a parameter whose gradient is zero from now on become zero") {
  for (const bool on : {true, false}) {
    const Option option(on);
    Parameter<float> p(Shape{40});
    Adam<float> adam(ParameterList<float>{{"p", p.share()}});
    for (int k = 0; k < 1500; ++k) {
      for (float& g : p.mutable_grads()) g = k == 0 ? 1e-3f : 0.0f;
      adam.step();
    }
    const std::vector<float>& moments = adam.state()[0].values[0];
    CHECK(denormals(moments) == (on && can_flush ? 0 : 40));
    if (on && can_flush) CHECK(moments == std::vector<float>(40));
    CHECK_FALSE(flushes());
  }
}

TEST_CASE("every thread of shards flushes in its loops, and computes what one thread computes") {
  Tape<float> tape;
  for (const bool on : {true, false}) {
    const Option option(on);
    std::vector<float> expected;
    {
      const Recording<float> step(tape);
      expected = decayed<float>().to_vector();
    }
    Shards<float> shards(3);
    std::array<std::vector<bool>, 3> seen;
    std::array<std::vector<float>, 3> got;
    shards.step([&](Tape<float>&, int k) {
      const auto at = static_cast<std::size_t>(k);
      got[at] = decayed<float>({&seen[at]}).to_vector();
      return Variable<float>();
    });
    for (const auto& s : seen) CHECK(s == std::vector<bool>(300, on && can_flush));
    for (const auto& g : got) CHECK(g == expected);
    std::array<bool, 3> after{};
    shards.run([&](Tape<float>&, int k) { after[static_cast<std::size_t>(k)] = flushes_in<float>(); });
    CHECK(after == std::array<bool, 3>{});
  }
}

TEST_CASE("what is computed again in backward is computed as it was the first time") {
  Tape<float> tape;
  std::vector<bool> seen;
  const Recording<float> step(tape);
  const auto f = [&seen](Variable<float> x) {
    seen.push_back(flushes());
    return x * 1e-30f * 1e-10f;
  };
  const auto x = input(std::vector{1.0f}, Shape{1}, requires_grad);
  const auto outside = recompute(f, x);
  const auto inside = [&] {
    const FlushDenormals flush;
    return recompute(f, x);
  }();
  tape.backward(sum((outside + inside) * 1e30f));
  CHECK(seen == std::vector<bool>{false, can_flush, can_flush, false});
  CHECK(outside.to_vector()[0] > 0);
  CHECK((inside.to_vector()[0] == 0) == can_flush);
}
