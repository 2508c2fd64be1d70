// L-BFGS: against a straightforward copy of its algorithm, on functions with known minima, state, errors.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <limits>

#include "lbfgs_cases.hpp"
#include "unroll/core/error.hpp"
#include "unroll/core/tape.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/losses.hpp"

using namespace unroll;
using namespace unroll::test;

namespace {

using Numbers = std::vector<double>;

double product(const Numbers& a, const Numbers& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
double top(const Numbers& a) {
  double m = 0;
  for (const double x : a) m = std::max(m, std::abs(x));
  return m;
}
Numbers plus(const Numbers& a, double t, const Numbers& b) {
  Numbers c = a;
  for (std::size_t i = 0; i < a.size(); ++i) c[i] += t * b[i];
  return c;
}

/// L-BFGS with fixed steps, as its documentation writes it: H is applied by the two loops over all pairs.
struct Plain {
  LBFGSOptions o;
  std::deque<std::pair<Numbers, Numbers>> pairs;  // (s, y)
  double scale = 1, t = 0;
  Numbers d, before;
  int n = 0;

  void step(const LbfgsProblem& f, Numbers& x) {
    Numbers g;
    double loss = f.loss(x, g);
    Index evaluations = 1;
    const Index most = o.max_eval.value_or(o.max_iter * 5 / 4);
    for (Index k = 1; top(g) > o.tolerance_grad; ++k) {
      if (n++ > 0) {
        Numbers s(x.size()), y = plus(g, -1, before);
        s = plus(s, t, d);
        if (product(s, y) > 1e-10) {
          pairs.emplace_back(s, y);
          if (pairs.size() > static_cast<std::size_t>(o.history_size)) pairs.pop_front();
          scale = product(s, y) / product(y, y);
        }
      }
      Numbers q = plus(Numbers(x.size()), -1, g), a;
      for (auto it = pairs.rbegin(); it != pairs.rend(); ++it) {
        a.insert(a.begin(), product(it->first, q) / product(it->first, it->second));
        q = plus(q, -a.front(), it->second);
      }
      for (double& v : q) v *= scale;
      for (std::size_t i = 0; i < pairs.size(); ++i) {
        const auto& [s, y] = pairs[i];
        q = plus(q, a[i] - product(y, q) / product(s, y), s);
      }
      d = q;
      before = g;
      double sum = 0;
      for (const double v : g) sum += std::abs(v);
      t = o.lr * (n == 1 ? std::min(1.0, 1 / sum) : 1);
      if (product(g, d) > -o.tolerance_change) return;
      x = plus(x, t, d);
      if (k == o.max_iter) return;
      const double old = loss;
      loss = f.loss(x, g);
      if (++evaluations >= most || top(d) * t <= o.tolerance_change || std::abs(loss - old) < o.tolerance_change)
        return;
    }
  }
};

struct Bytes {
  std::vector<std::pair<std::string, std::vector<char>>> arrays;
  explicit Bytes(LBFGS<double>& o) {
    each_state(o, [&](const std::string& name, auto values) {
      const auto* from = reinterpret_cast<const char*>(values.data());
      arrays.emplace_back(name, std::vector<char>(from, from + values.size_bytes()));
    });
  }
  void restore(LBFGS<double>& o) const {
    std::size_t k = 0;
    each_state(o, [&](const std::string& name, auto values) {
      REQUIRE(k < arrays.size());
      CHECK(arrays[k].first == name);
      REQUIRE(arrays[k].second.size() == values.size_bytes());
      if (!values.empty()) std::memcpy(values.data(), arrays[k].second.data(), values.size_bytes());
      ++k;
    });
    CHECK(k == arrays.size());
  }
};

}  // namespace

TEST_CASE("fifty steps with fixed lengths follow the written algorithm") {
  for (const LbfgsCase& c : lbfgs_cases()) {
    if (c.options.line_search != LineSearch::none) continue;
    CAPTURE(c.name);
    const auto ours = lbfgs_trajectory<double>(c);
    Plain plain{c.options, {}, 1, 0, {}, {}, 0};
    Numbers x = c.problem.start();
    double worst = 0;
    for (const auto& point : ours) {
      plain.step(c.problem, x);
      for (std::size_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::abs(point[i] - x[i]));
    }
    CHECK(worst <= 1e-12);
  }
}

TEST_CASE("as many evaluations in fifty steps as LibTorch makes") {
  // Printed by test_torch_optim under UNROLL_PRINT_RECORDED=1. In the valleys they hang on roundings.
  const std::vector<std::pair<std::string, Index>> recorded = {
      {"fixed", 78},  {"fixed, many at once", 84},    {"fixed, short history", 102}, {"quadratic, fixed", 50},
      {"search", 68}, {"search, long first try", 81}, {"search, short tries", 203}};
  const auto cases = lbfgs_cases();
  for (std::size_t k = 0; k < recorded.size(); ++k) {
    CAPTURE(cases[k].name);
    REQUIRE(cases[k].name == recorded[k].first);
    Index evaluations = 0;
    lbfgs_trajectory<double>(cases[k], &evaluations);
    CHECK(evaluations == recorded[k].second);
  }
}

TEST_CASE("every line that the search accepts fulfils the strong Wolfe conditions") {
  for (const LbfgsCase& c : lbfgs_cases()) {
    if (c.options.line_search != LineSearch::strong_wolfe) continue;
    CAPTURE(c.name);
    LbfgsCase one = c;
    one.options.max_iter = 1;
    one.options.max_eval = {};
    const auto points = lbfgs_trajectory<double>(one);
    Numbers x = c.problem.start(), g, g_new;
    int lines = 0;
    for (const auto& point : points) {
      const double f = c.problem.loss(x, g), f_new = c.problem.loss(point, g_new);
      const Numbers move = plus(point, -1, x);
      x = point;
      if (top(move) == 0 || top(g) < 1e-6) continue;  // arrived
      const double slope = product(g, move);
      CHECK(f_new <= f + 1e-4 * slope + 1e-14 * std::abs(f));
      CHECK(std::abs(product(g_new, move)) <= -0.9 * slope * (1 + 1e-9));
      ++lines;
    }
    CHECK(lines > 4);
  }
}

TEST_CASE("it finds minima: a quadratic in as many steps as dimensions, Rosenbrock's valley") {
  const LbfgsCase quadratic = {
      "",
      LbfgsProblem{LbfgsProblem::quadratic, 6},
      {.max_iter = 100, .tolerance_grad = 1e-11, .tolerance_change = 0, .line_search = LineSearch::strong_wolfe}};
  Numbers g;
  CHECK(quadratic.problem.loss(lbfgs_trajectory<double>(quadratic).back(), g) == doctest::Approx(0).epsilon(1e-12));
  const LbfgsCase valley = {"",
                            LbfgsProblem{LbfgsProblem::rosenbrock, 10},
                            {.max_iter = 200, .max_eval = 1000, .line_search = LineSearch::strong_wolfe}};
  const auto end = lbfgs_trajectory<double>(valley).back();
  for (const double x : end) CHECK(x == doctest::Approx(1).epsilon(1e-5));
  const auto rough = lbfgs_trajectory<float>(valley).back();
  for (const float x : rough) CHECK(static_cast<double>(x) == doctest::Approx(1).epsilon(1e-2));
}

TEST_CASE("it trains a model on a tape") {
  Rng rng(1);
  Linear<double> a(3, 8, rng), b(8, 1, rng);
  std::vector<double> x(60 * 3), y(60);
  rng.fill_normal(std::span(x));
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = x[3 * i] * x[3 * i + 1] - std::sin(x[3 * i + 2]);
  LBFGS lbfgs(parameters(a, b), {.max_iter = 60, .line_search = LineSearch::strong_wolfe});
  Tape<double> tape;
  Index calls = 0;
  const auto closure = [&] {
    ++calls;
    Recording<double> recording(tape);
    const auto h = tanh(a(input(x, Shape{60, 3})));
    const auto loss = squared_error(b(h), input(y, Shape{60, 1}));
    tape.backward(loss);
    return loss.item();
  };
  const double first = lbfgs.step(closure), second = lbfgs.step(closure);
  CHECK(second < 0.2 * first);
  CHECK(lbfgs.evaluations() == calls);
  CHECK(lbfgs.iterations() > 60);
  CHECK_FALSE(a.weight.has_grad());
}

TEST_CASE("state: a new one goes on bit by bit, also before the first step") {
  for (const LbfgsCase& c : lbfgs_cases())
    for (const int cut : {0, 1, 7}) {
      CAPTURE(c.name);
      Parameter<double> p(Shape{c.problem.size}), q(Shape{c.problem.size});
      std::ranges::copy(c.problem.start(), p.mutable_values().begin());
      std::ranges::copy(c.problem.start(), q.mutable_values().begin());
      LBFGS whole(ParameterList<double>{{"p", p.share()}}, c.options),
          first(ParameterList<double>{{"p", q.share()}}, c.options),
          second(ParameterList<double>{{"p", q.share()}}, c.options);
      for (int t = 0; t < 10; ++t) whole.step([&] { return c.problem(p); });
      for (int t = 0; t < cut; ++t) first.step([&] { return c.problem(q); });
      first.set_lr(first.lr());
      Bytes(first).restore(second);
      for (int t = cut; t < 10; ++t) second.step([&] { return c.problem(q); });
      CHECK(std::ranges::equal(p.values(), q.values()));
      CHECK(whole.evaluations() == second.evaluations());
    }
}

TEST_CASE("frozen parameters stay, touched rows count") {
  Parameter<double> p(Shape{2, 2}), still(Shape{1});
  still.freeze();
  LBFGS lbfgs(ParameterList<double>{{"p", p.share()}, {"still", still.share()}}, {.max_iter = 50});
  lbfgs.step([&] {  // (p_2 - 1)^2 + 2 (p_3 - 2)^2 by a sparse gradient
    auto& s = p.storage();
    s.ensure_grad();
    s.touched_row(1);
    const double a = p.values()[2] - 1, b = p.values()[3] - 2;
    s.grad[2] = 2 * a, s.grad[3] = 4 * b;
    return a * a + 2 * b * b;
  });
  CHECK(p.values()[0] == 0);
  CHECK(p.values()[2] == doctest::Approx(1).epsilon(1e-6));
  CHECK(p.values()[3] == doctest::Approx(2).epsilon(1e-6));
  CHECK(still.values()[0] == 0);
  CHECK(still.storage().version == 0);
}

TEST_CASE("a loss that is no number ends a line, it does not carry the values away") {
  Parameter<double> p(Shape{1});
  p.mutable_values()[0] = 3;
  LBFGS lbfgs(ParameterList<double>{{"p", p.share()}},
              {.lr = 100, .max_iter = 30, .line_search = LineSearch::strong_wolfe});
  lbfgs.step([&] {  // x - log x, undefined below 0
    const double x = p.values()[0];
    p.mutable_grads()[0] = 1 - 1 / x;
    return x > 0 ? x - std::log(x) : std::numeric_limits<double>::quiet_NaN();
  });
  CHECK(p.values()[0] == doctest::Approx(1).epsilon(1e-4));
}

TEST_CASE("errors") {
  Parameter<double> p(Shape{1});
  const ParameterList<double> list = {{"p", p.share()}};
  CHECK_THROWS_WITH_AS(LBFGS(list, {.max_iter = 0}), "[LBFGS] max_iter 0, expected 1 or more", ValueError);
  CHECK_THROWS_WITH_AS(LBFGS(list, {.max_eval = 0}), "[LBFGS] max_eval 0, expected 1 or more", ValueError);
  CHECK_THROWS_WITH_AS(LBFGS(list, {.history_size = 0}), "[LBFGS] history_size 0, expected 1 or more", ValueError);
  CHECK_THROWS_AS(LBFGS(list, {.lr = -1}), ValueError);
  CHECK_THROWS_AS(LBFGS(list, {.tolerance_grad = -1}), ValueError);
  CHECK_THROWS_AS(LBFGS(list, {.tolerance_change = -1}), ValueError);
  LBFGS lbfgs(list);
  p.mutable_grads()[0] = 1;
  CHECK_THROWS_WITH_AS(static_cast<Optimizer<double>&>(lbfgs).step(),
                       "[LBFGS] step() without a closure, expected step(closure): see LBFGS::step", ValueError);
  CHECK_THROWS_WITH_AS(each_state(lbfgs,
                                  [](const std::string& name, auto values) {
                                    if (name == "counts") values[0] = 9, values[2] = 101;
                                  }),
                       "[LBFGS] state with 101 pairs, expected 0 to history_size 100", ValueError);
}
