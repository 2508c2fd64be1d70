// The optimizers against their written formulas and against numbers recorded from LibTorch 1.13.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <new>

#include "optim_cases.hpp"
#include "unroll/core/error.hpp"
#include "unroll/core/tape.hpp"
#include "unroll/core/variable.hpp"
#include "unroll/optim/clip.hpp"

using namespace unroll;
using namespace unroll::test;

namespace {
long allocations = 0;
}
// Not inlined: g++ would take free() for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t n) {
  ++allocations;
  if (void* p = std::malloc(n ? n : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace {

/// One element under the formulas of the docstrings, in long double: `step(g, p)` changes p by the t-th gradient.
struct ByFormula {
  using Real = long double;
  int t = 0;
  Real m = 0, v = 0, u = 0, largest = 0, product = 1;

  void operator()(const SGDOptions& o, Real g, Real& p) {
    g += o.weight_decay * p;
    m = t == 1 ? g : o.momentum * m + (1 - o.dampening) * g;
    p -= o.lr * (o.momentum == 0 ? g : o.nesterov ? g + o.momentum * m : m);
  }
  void adam(const auto& o, Real g, Real& p) {
    m = o.beta1 * m + (1 - o.beta1) * g;
    v = o.beta2 * v + (1 - o.beta2) * g * g;
    largest = std::max(largest, v);
    p -= o.lr / (1 - std::pow(o.beta1, t)) * m /
         (std::sqrt(o.amsgrad ? largest : v) / std::sqrt(1 - std::pow(o.beta2, t)) + o.eps);
  }
  void operator()(const AdamOptions& o, Real g, Real& p) { adam(o, g + o.weight_decay * p, p); }
  void operator()(const AdamWOptions& o, Real g, Real& p) {
    p *= 1 - o.lr * o.weight_decay;
    adam(o, g, p);
  }
  void operator()(const NAdamOptions& o, Real g, Real& p) {
    if (o.decoupled_weight_decay) {
      p *= 1 - o.lr * o.weight_decay;
    } else {
      g += o.weight_decay * p;
    }
    const auto mu = [&](int k) { return o.beta1 * (1 - std::pow(0.96L, k * o.momentum_decay) / 2); };
    product *= mu(t);
    m = o.beta1 * m + (1 - o.beta1) * g;
    v = o.beta2 * v + (1 - o.beta2) * g * g;
    const Real mean = mu(t + 1) * m / (1 - product * mu(t + 1)) + (1 - mu(t)) * g / (1 - product);
    p -= o.lr * mean / (std::sqrt(v / (1 - std::pow(o.beta2, t))) + o.eps);
  }
  void operator()(const RMSpropOptions& o, Real g, Real& p) {
    g += o.weight_decay * p;
    v = o.alpha * v + (1 - o.alpha) * g * g;
    m = o.alpha * m + (1 - o.alpha) * g;
    u = o.momentum * u + g / (std::sqrt(o.centered ? v - m * m : v) + o.eps);
    p -= o.lr * u;
  }
  void operator()(const AdagradOptions& o, Real g, Real& p) {
    g += o.weight_decay * p;
    v = (t == 1 ? o.initial_accumulator_value : v) + g * g;
    p -= o.lr / (1 + (t - 1) * o.lr_decay) * g / (std::sqrt(v) + o.eps);
  }
  void operator()(const AdadeltaOptions& o, Real g, Real& p) {
    g += o.weight_decay * p;
    v = o.rho * v + (1 - o.rho) * g * g;
    const Real d = std::sqrt(u + o.eps) / std::sqrt(v + o.eps) * g;
    u = o.rho * u + (1 - o.rho) * d * d;
    p -= o.lr * d;
  }
};

std::vector<long double> reference(const OptimCase& c) {
  std::vector<long double> out;
  for (Index i = 0; i < optim_rows * optim_cols; ++i) {
    long double p = start_value(i);
    ByFormula step;
    while (++step.t <= optim_steps)
      std::visit([&](const auto& o) { step(o, gradient(step.t, i, static_cast<double>(p)), p); }, c.options);
    out.push_back(p);
  }
  return out;
}

// Values 0, 16 and 34 after the last step, printed by test_torch_optim under UNROLL_PRINT_RECORDED=1.
struct Recorded {
  const char* name;
  double p0, p16, p34;
};
const Recorded recorded[] = {
    {"sgd", -0.26071972978501967, 0.062157199605385453, 0.099038526779349864},
    {"sgd, decay", -0.27470104665498951, 0.064796445227493615, 0.087883330373845325},
    {"sgd, momentum", 0.069260602673446817, 0.82864127299132073, 0.85955831327917331},
    {"sgd, momentum, dampening, decay", -0.47733297774406525, 1.4112269513633255, 1.3673922759585699},
    {"sgd, nesterov", -0.081990997912190874, 0.77094350404756584, 0.77976859815509658},
    {"adam", 0.968949903964335, -0.46672668330936429, 0.31105023278896421},
    {"adam, decay", 0.083352168039530106, -0.055976630416520831, 0.23195975030142468},
    {"adam, amsgrad", 0.10025490038595217, -0.14549536349842895, 0.21145345019843928},
    {"adamw", 0.044706286720050489, -0.078486712741713899, 0.15636172781655988},
    {"adamw, amsgrad", 0.36085419508274735, -0.22697267065294638, 0.2008600084715649},
    {"rmsprop", -0.027175600647112396, -0.18927466268773688, 0.12839789380856689},
    {"rmsprop, decay", 0.33987904099863525, -0.30343917157216488, 0.20917730014690394},
    {"rmsprop, momentum", 0.057061798589547477, -0.11403715030604251, 0.21629755504221121},
    {"rmsprop, centered", 0.54521481420342643, -0.37215404565549176, 0.25064877767717331},
    {"rmsprop, centered, momentum, decay", 0.45507502238032543, -0.31187793967088251, 0.24406310007040077},
    {"adagrad", -0.16065400139318942, -0.12363882353681394, 0.079197188353488462},
    {"adagrad, lr decay", -0.15542998108571898, -0.17373151002479043, 0.026854968355204078},
    {"adagrad, decay", 0.026203253815471537, -0.17604525665241447, 0.10292094990236614},
};

template <class T>
Parameter<T> parameter(const std::vector<T>& values, const Shape& shape) {
  Parameter<T> p(shape);
  std::ranges::copy(values, p.mutable_values().begin());
  return p;
}

template <class T>
void set_grad(Parameter<T>& p, T g) {
  std::ranges::fill(p.mutable_grads(), g);
}

}  // namespace

TEST_CASE_TEMPLATE("fifty steps follow the written formula", T, float, double) {
  for (const OptimCase& c : optim_cases()) {
    CAPTURE(c.name);
    const auto want = reference(c);
    const auto got = trajectory<T>(c).back();
    for (std::size_t i = 0; i < want.size(); ++i)
      CHECK(std::abs(static_cast<double>(got[i] - want[i])) <= (std::is_same_v<T, float> ? 2e-6 : 1e-12));
  }
}

TEST_CASE("fifty steps end where LibTorch's do") {
  const auto cases = optim_cases();
  for (const Recorded& r : recorded) {
    CAPTURE(r.name);
    const auto c = std::ranges::find(cases, std::string(r.name), &OptimCase::name);
    REQUIRE(c != cases.end());
    const auto p = trajectory<double>(*c).back();
    CHECK(p[0] == doctest::Approx(r.p0).epsilon(1e-12));
    CHECK(p[16] == doctest::Approx(r.p16).epsilon(1e-12));
    CHECK(p[34] == doctest::Approx(r.p34).epsilon(1e-12));
  }
}

TEST_CASE("a step reads the gradient, writes the value, clears the gradient, notes the version") {
  auto p = parameter<double>({1, 2}, Shape{2});
  SGD sgd(ParameterList<double>{{"p", p.share()}}, {.lr = 0.5});
  set_grad(p, 1.0);
  const auto version = p.storage().version;
  sgd.step();
  CHECK(p.values()[0] == 0.5);
  CHECK(p.storage().version > version);
  CHECK_FALSE(p.has_grad());
  CHECK(p.grads()[0] == 0);
  set_grad(p, 1.0);
  sgd.zero_grad();
  CHECK_FALSE(p.has_grad());
  sgd.set_lr(2);
  CHECK(sgd.lr() == 2);
  set_grad(p, 1.0);
  sgd.step();
  CHECK(p.values()[0] == -1.5);
}

TEST_CASE("backward on a tape, then a step; twice before a step to accumulate") {
  auto p = parameter<double>({3}, Shape{1});
  SGD sgd(ParameterList<double>{{"p", p.share()}}, {.lr = 1});
  Tape<double> tape;
  for (int k = 0; k < 2; ++k) {
    Recording<double> step(tape);
    tape.backward(use(p));
  }
  sgd.step();
  CHECK(p.values()[0] == 1);
}

TEST_CASE("frozen, without a gradient, tied") {
  for (const OptimCase& c : optim_cases()) {
    CAPTURE(c.name);
    auto a = parameter<double>({1}, Shape{1}), b = parameter<double>({1}, Shape{1}),
         free = parameter<double>({1}, Shape{1}), alone = parameter<double>({1}, Shape{1});
    const auto tied = free.tie();
    auto optimizer =
        make_optimizer<double>(c, {{"a", a.share()}, {"b", b.share()}, {"free", free.share()}, {"tied", tied.share()}});
    auto single = make_optimizer<double>(c, {{"alone", alone.share()}});
    CHECK(optimizer->parameters().size() == 3);
    set_grad(a, 1.0);
    a.freeze();
    const auto version = a.storage().version;
    for (int t = 0; t < 3; ++t) {
      set_grad(free, 1.5 - t);
      set_grad(alone, 1.5 - t);
      optimizer->step();
      single->step();
    }
    CHECK(a.values()[0] == 1);
    CHECK(a.storage().version == version);
    CHECK(b.values()[0] == 1);
    CHECK(optimizer->steps()[0] == 0);
    CHECK(optimizer->steps()[1] == 0);
    CHECK(optimizer->steps()[2] == 3);
    CHECK(free.values()[0] == alone.values()[0]);
    CHECK(free.values()[0] != 1);
    for (auto& s : optimizer->state()) {
      CHECK(s.values[0].empty());
      CHECK(s.values[2].size() == 1);
    }
  }
}

TEST_CASE("a gradient with touched rows gives the result of the dense one") {
  const Index rows = 6, cols = 9;
  for (const OptimCase& c : optim_cases()) {
    CAPTURE(c.name);
    std::vector<double> start(static_cast<std::size_t>(rows * cols));
    for (std::size_t i = 0; i < start.size(); ++i) start[i] = start_value(static_cast<Index>(i));
    auto dense = parameter<double>(start, Shape{rows, cols}), sparse = parameter<double>(start, Shape{rows, cols});
    auto od = make_optimizer<double>(c, {{"p", dense.share()}}),
         os = make_optimizer<double>(c, {{"p", sparse.share()}});
    for (int t = 1; t < 8; ++t) {
      auto& s = sparse.storage();
      s.ensure_grad();
      auto g = dense.mutable_grads();
      for (const Index row : {Index{t % 6}, Index{(2 * t) % 6}, Index{t % 6}}) {
        s.touched_row(row);
        for (Index k = 0; k < cols; ++k) {
          s.grad[row * cols + k] += gradient(t, k, 0);
          g[static_cast<std::size_t>(row * cols + k)] += gradient(t, k, 0);
        }
      }
      CHECK_FALSE(s.dense);
      od->step();
      os->step();
    }
    CHECK(std::ranges::equal(dense.values(), sparse.values()));
  }
}

TEST_CASE("plain SGD touches only the rows that were used") {
  auto p = parameter<float>({1, 1, 2, 2, 3, 3}, Shape{3, 2});
  SGD sgd(ParameterList<float>{{"p", p.share()}}, {.lr = 1});
  auto& s = p.storage();
  s.ensure_grad();
  s.touched_row(1);
  s.grad[2] = s.grad[3] = 1;
  s.grad[0] = 100;  // against the invariant, to see that nobody looks
  sgd.step();
  CHECK(std::vector<float>(p.values().begin(), p.values().end()) == std::vector<float>{1, 1, 1, 1, 3, 3});
}

TEST_CASE("Adagrad without decay touches only the rows that were used") {
  auto p = parameter<float>({1, 1, 2, 2, 3, 3}, Shape{3, 2});
  Adagrad adagrad(ParameterList<float>{{"p", p.share()}}, {.lr = 1});
  auto& s = p.storage();
  s.ensure_grad();
  s.touched_row(1);
  s.grad[2] = s.grad[3] = 5;
  s.grad[0] = 100;  // against the invariant, to see that nobody looks
  adagrad.step();
  CHECK(std::vector<float>(p.values().begin(), p.values().end()) == std::vector<float>{1, 1, 1, 1, 3, 3});
}

TEST_CASE("centered RMSprop stays finite where all gradients are the same") {
  auto p = parameter<float>({0}, Shape{1});
  RMSprop rmsprop(ParameterList<float>{{"p", p.share()}}, {.lr = 1e-6, .alpha = 0.3, .eps = 0.1, .centered = true});
  for (int t = 0; t < 200; ++t) {
    set_grad(p, 0.37f);
    rmsprop.step();
  }
  CHECK(std::isfinite(p.values()[0]));
}

TEST_CASE("state travels: a second optimizer goes on where the first was") {
  for (const OptimCase& c : optim_cases()) {
    CAPTURE(c.name);
    auto a = parameter<double>({1, -1}, Shape{2}), b = parameter<double>({1, -1}, Shape{2});
    auto first = make_optimizer<double>(c, {{"p", a.share()}}), whole = make_optimizer<double>(c, {{"p", b.share()}});
    const auto run = [](Parameter<double>& p, Optimizer<double>& o, int from, int to) {
      for (int t = from; t < to; ++t) {
        p.mutable_grads()[0] = gradient(t, 0, p.values()[0]);
        p.mutable_grads()[1] = gradient(t, 1, p.values()[1]);
        o.step();
      }
    };
    run(b, *whole, 0, 9);
    run(a, *first, 0, 4);
    auto second = make_optimizer<double>(c, {{"p", a.share()}});
    REQUIRE(second->state().size() == first->state().size());
    for (std::size_t k = 0; k < first->state().size(); ++k) {
      CHECK(second->state()[k].name == first->state()[k].name);
      second->state()[k].values = first->state()[k].values;
    }
    second->steps()[0] = first->steps()[0];
    run(a, *second, 4, 9);
    CHECK(std::ranges::equal(a.values(), b.values()));
  }
}

TEST_CASE("no allocation after the first step") {
  for (const OptimCase& c : optim_cases()) {
    Parameter<float> p(Shape{40, 3}), q(Shape{7});
    auto optimizer = make_optimizer<float>(c, {{"p", p.share()}, {"q", q.share()}});
    const auto step = [&] {
      set_grad(p, 0.5f);
      set_grad(q, 0.25f);
      clip_grad_norm(*optimizer, 1.0);
      clip_grad_value(*optimizer, 0.1);
      optimizer->step();
    };
    step();
    const long before = allocations;
    for (int t = 0; t < 5; ++t) step();
    CHECK(allocations == before);
  }
}

TEST_CASE_TEMPLATE("clip by norm and by value", T, float, double) {
  const double tolerance = std::is_same_v<T, float> ? 1e-6 : 1e-14;
  Parameter<T> a(Shape{2}), b(Shape{3, 2}), frozen(Shape{1}), without(Shape{1});
  const ParameterList<T> list = {{"a", a.share()},
                                 {"b", b.share()},
                                 {"again", a.share()},
                                 {"frozen", frozen.share()},
                                 {"without", without.share()},
                                 {"none", nullptr}};
  const auto fill = [&] {
    for (auto* p : {&a, &b, &frozen}) p->clear_grad();
    a.mutable_grads()[0] = 3;
    auto& s = b.storage();
    s.ensure_grad();
    s.touched_row(2);
    s.grad[5] = T(-4);
    frozen.mutable_grads()[0] = 100;
    frozen.freeze();
  };
  fill();
  CHECK(clip_grad_norm(list, 10) == doctest::Approx(5));
  CHECK(a.grads()[0] == 3);
  CHECK(clip_grad_norm(list, 1) == doctest::Approx(5));
  CHECK(static_cast<double>(a.grads()[0]) == doctest::Approx(3 / (5 + 1e-6)).epsilon(tolerance));
  CHECK(static_cast<double>(b.grads()[5]) == doctest::Approx(-4 / (5 + 1e-6)).epsilon(tolerance));
  CHECK(frozen.grads()[0] == 100);
  CHECK_FALSE(b.storage().dense);
  fill();
  clip_grad_value(list, 3.5);
  CHECK(a.grads()[0] == 3);
  CHECK(b.grads()[5] == T(-3.5));
  CHECK(clip_grad_norm(list, 0) > 4);
  CHECK(a.grads()[0] == 0);

  a.mutable_grads()[1] = std::numeric_limits<T>::infinity();
  a.mutable_grads()[0] = 2;
  CHECK(clip_grad_norm(list, 1) == std::numeric_limits<double>::infinity());
  CHECK(a.grads()[0] == 2);
  CHECK_THROWS_WITH_AS(clip_grad_norm(list, 1, {.error_if_nonfinite = true}),
                       "[clip_grad_norm] the norm of the gradients is inf, expected a finite number", ValueError);
  clip_grad_value(list, 1);
  CHECK(a.grads()[1] == 1);
  CHECK_THROWS_WITH_AS(clip_grad_norm(list, -1), "[clip_grad_norm] max_norm -1.000000, expected 0 or more", ValueError);
  CHECK_THROWS_WITH_AS(clip_grad_value(list, std::nan("")), "[clip_grad_value] limit nan, expected 0 or more",
                       ValueError);
  CHECK(clip_grad_norm(ParameterList<T>{}, 1) == 0);
}

TEST_CASE("errors") {
  Parameter<float> p(Shape{1});
  const ParameterList<float> list = {{"p", p.share()}};
  CHECK_THROWS_WITH_AS(SGD(ParameterList<float>{}), "[SGD] got no parameters, expected at least one: parameters(model)",
                       ValueError);
  CHECK_THROWS_WITH_AS(Adam(list, {.lr = -1}), "[Adam] learning rate -1.000000, expected 0 or more", ValueError);
  CHECK_THROWS_WITH_AS(SGD(list).set_lr(std::nan("")), "[SGD] learning rate nan, expected 0 or more", ValueError);
  CHECK_THROWS_WITH_AS(SGD(list, {.momentum = -0.5}), "[SGD] momentum -0.500000, expected 0.000000 or more",
                       ValueError);
  CHECK_THROWS_WITH_AS(SGD(list, {.weight_decay = -0.5}), "[SGD] weight_decay -0.500000, expected 0.000000 or more",
                       ValueError);
  CHECK_THROWS_WITH_AS(
      SGD(list, {.nesterov = true}),
      "[SGD] nesterov with momentum 0.000000 and dampening 0.000000, expected a positive momentum and no dampening",
      ValueError);
  CHECK_THROWS_WITH_AS(Adam(list, {.beta1 = 1}),
                       "[Adam] beta1 1.000000, expected 0.000000 up to, not including, 1.000000", ValueError);
  CHECK_THROWS_AS(Adam(list, {.beta2 = -0.1}), ValueError);
  CHECK_THROWS_AS(Adam(list, {.eps = -1}), ValueError);
  CHECK_THROWS_WITH_AS(RMSprop(list, {.alpha = 1}),
                       "[RMSprop] alpha 1.000000, expected 0.000000 up to, not including, 1.000000", ValueError);
  CHECK_THROWS_AS(RMSprop(list, {.eps = -1}), ValueError);
  CHECK_THROWS_AS(RMSprop(list, {.momentum = -1}), ValueError);
  CHECK_THROWS_AS(Adagrad(list, {.lr_decay = -1}), ValueError);
  CHECK_THROWS_AS(Adagrad(list, {.initial_accumulator_value = -1}), ValueError);
  CHECK_THROWS_AS(Adagrad(list, {.eps = -1}), ValueError);
  CHECK_THROWS_AS(Adadelta(list, {.rho = 1}), ValueError);
  CHECK_THROWS_AS(Adadelta(list, {.eps = -1}), ValueError);
  CHECK_THROWS_AS(NAdam(list, {.beta1 = 1}), ValueError);
  CHECK_THROWS_AS(NAdam(list, {.beta2 = 1}), ValueError);
  CHECK_THROWS_AS(NAdam(list, {.eps = -1}), ValueError);
  CHECK_THROWS_WITH_AS(NAdam(list, {.momentum_decay = -1}),
                       "[NAdam] momentum_decay -1.000000, expected 0.000000 or more", ValueError);
  CHECK_THROWS_WITH_AS(AdamW(list, {.weight_decay = -1}), "[AdamW] weight_decay -1.000000, expected 0.000000 or more",
                       ValueError);
}
