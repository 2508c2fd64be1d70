// Schedules against the closed forms of PyTorch's lr_scheduler documentation and against numbers worked out from its
// recursions; applied to optimizers, saved and restored.

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <numbers>
#include <optional>

#include "unroll/core/error.hpp"
#include "unroll/optim/schedules/lr_scheduler.hpp"
#include "unroll/optim/sgd.hpp"

using namespace unroll;

namespace {

void check_factors(const Schedule& s, const std::vector<std::pair<Index, double>>& want) {
  for (const auto& w : want) {
    CAPTURE(w.first);
    CHECK(s(w.first) == doctest::Approx(w.second).epsilon(1e-13));
  }
}

struct Model {
  Parameter<double> a{Shape{1}}, b{Shape{1}};
  SGD<double> sgd{{{"a", a.share()}, {"b", b.share()}}, {.lr = 0.5}, {{.pattern = "b", .lr_scale = 0.1}}};
};

}  // namespace

TEST_CASE("constant, step, multi-step, exponential, linear, polynomial") {
  check_factors(constant_lr(), {{0, 1.0 / 3}, {4, 1.0 / 3}, {5, 1}, {100, 1}});
  check_factors(constant_lr(0.25, 0), {{0, 1}});
  check_factors(step_lr(30), {{0, 1}, {29, 1}, {30, 0.1}, {59, 0.1}, {60, 0.01}, {95, 0.001}});
  check_factors(multi_step_lr({80, 30}, 0.5), {{0, 1}, {29, 1}, {30, 0.5}, {79, 0.5}, {80, 0.25}, {1000, 0.25}});
  check_factors(multi_step_lr({2, 2}), {{1, 1}, {2, 0.01}});  // PyTorch counts a milestone named twice twice
  check_factors(exponential_lr(0.9), {{0, 1}, {1, 0.9}, {10, 0.3486784401}});
  check_factors(linear_lr(), {{0, 1.0 / 3}, {1, 1.0 / 3 + 2.0 / 15}, {4, 1.0 / 3 + 8.0 / 15}, {5, 1}, {9, 1}});
  check_factors(linear_lr(1, 0.2, 4), {{0, 1}, {1, 0.8}, {2, 0.6}, {4, 0.2}, {5, 0.2}});
  check_factors(warmup_lr(4), {{0, 0.25}, {1, 0.5}, {3, 1}, {4, 1}});
  check_factors(polynomial_lr(4), {{0, 1}, {1, 0.75}, {3, 0.25}, {4, 0}, {7, 0}});
  check_factors(polynomial_lr(4, 2), {{1, 0.5625}, {2, 0.25}});
  // LinearLR, MultiplicativeLR and PolynomialLR as PyTorch's recursions compute them: each rate from the one before.
  double linear = 1.0 / 3, polynomial = 1;
  for (Index t = 1; t <= 5; ++t) {
    const double rise = 2.0 / 3;
    linear *= 1 + rise / (5 * (1.0 / 3) + static_cast<double>(t - 1) * rise);
    polynomial *= std::pow((1 - static_cast<double>(t) / 6) / (1 - static_cast<double>(t - 1) / 6), 1.7);
    CHECK(linear_lr()(t) == doctest::Approx(linear).epsilon(1e-13));
    CHECK(polynomial_lr(6, 1.7)(t) == doctest::Approx(polynomial).epsilon(1e-13));
  }
}

TEST_CASE("cosine, with and without restarts") {
  const double root = std::numbers::sqrt2 / 2;
  check_factors(cosine_annealing_lr(8),
                {{0, 1}, {2, (1 + root) / 2}, {4, 0.5}, {6, (1 - root) / 2}, {12, 0.5}, {16, 1}});
  CHECK(cosine_annealing_lr(8)(8) == doctest::Approx(0));
  check_factors(cosine_annealing_lr(8, 0.2), {{0, 1}, {2, 0.6 + 0.4 * root}, {4, 0.6}, {8, 0.2}});
  check_factors(cosine_warm_restarts_lr(4), {{0, 1}, {1, (1 + root) / 2}, {2, 0.5}, {4, 1}, {6, 0.5}, {4004, 1}});
  // Lengths 2, 6, 18: restarts at 2, 8, 26.
  check_factors(cosine_warm_restarts_lr(2, 3, 0.1),
                {{0, 1}, {1, 0.55}, {2, 1}, {5, 0.55}, {8, 1}, {17, 0.55}, {26, 1}});
  // CosineAnnealingLR's own recursion.
  double rate = 1;
  for (Index t = 1; t < 7; ++t) {
    const auto wave = [](Index k) { return 1 + std::cos(std::numbers::pi * static_cast<double>(k) / 7); };
    rate = wave(t) / wave(t - 1) * (rate - 0.05) + 0.05;
    CHECK(cosine_annealing_lr(7, 0.05)(t) == doctest::Approx(rate).epsilon(1e-13));
  }
}

TEST_CASE("inverse square root is Vaswani's") {
  const double d = 512, w = 4000;
  const Schedule s = inverse_square_root_lr(4000);
  for (const Index t : {0, 1, 999, 3998, 3999, 4000, 20000}) {
    const double step = static_cast<double>(t) + 1;
    const double vaswani = std::pow(d, -0.5) * std::min(std::pow(step, -0.5), step * std::pow(w, -1.5));
    CHECK(s(t) / std::sqrt(d * w) == doctest::Approx(vaswani).epsilon(1e-13));
  }
  CHECK(s(3999) == 1);
}

TEST_CASE("one cycle") {
  // 20 steps, 30 % up: the top is at step 5, the end at 19; 1 / 25 and 1 / 250000.
  const double first = 0.04, last = 4e-6;
  check_factors(one_cycle_lr(20), {{0, first},
                                   {1, first + (1 - first) * (1 - std::cos(std::numbers::pi / 5)) / 2},
                                   {5, 1},
                                   {12, last + (1 - last) / 2},
                                   {19, last},
                                   {30, last}});
  check_factors(one_cycle_lr(21, {.pct_start = 1.0 / 3, .div_factor = 10, .final_div_factor = 10, .linear = true}),
                {{0, 0.1}, {3, 0.55}, {6, 1}, {13, 0.505}, {20, 0.01}});
  // Three phases: 0 to 4 up, 4 to 8 down, 8 to 19 out.
  check_factors(
      one_cycle_lr(20,
                   {.pct_start = 0.25, .div_factor = 5, .final_div_factor = 20, .linear = true, .three_phase = true}),
      {{0, 0.2}, {2, 0.6}, {4, 1}, {6, 0.6}, {8, 0.2}, {19, 0.01}, {9, 0.2 - 0.19 / 11}});
  CHECK(std::isfinite(one_cycle_lr(1)(0)));
  CHECK(std::isfinite(one_cycle_lr(10, {.pct_start = 0})(0)));
  CHECK(std::isfinite(one_cycle_lr(10, {.pct_start = 0.1})(0)));  // top at step 0
  CHECK(std::isfinite(one_cycle_lr(10, {.pct_start = 1})(9)));
}

TEST_CASE("composed: one after the other, products, functions of one's own") {
  const Schedule s = sequential_lr({warmup_lr(4), cosine_annealing_lr(8), constant_lr(0.1, 1000)}, {4, 12});
  check_factors(s, {{0, 0.25}, {3, 1}, {4, 1}, {8, 0.5}, {12, 0.1}, {50, 0.1}});
  check_factors(warmup_lr(4) * exponential_lr(0.5), {{0, 0.25}, {1, 0.25}, {3, 0.125}, {5, 0.03125}});
  check_factors(0.5 * step_lr(2, 0.1), {{1, 0.5}, {2, 0.05}});
  const Schedule mine = [](Index t) { return 1 / (1.0 + static_cast<double>(t)); };
  check_factors(mine * mine, {{0, 1}, {1, 0.25}, {3, 1.0 / 16}});
  // PyTorch's example for SequentialLR: ConstantLR(0.1, 20) to step 20, then ExponentialLR(0.9).
  check_factors(sequential_lr({constant_lr(0.1, 20), exponential_lr(0.9)}, {20}), {{19, 0.1}, {20, 1}, {22, 0.81}});
}

TEST_CASE("an LRScheduler moves all groups, or each by its own schedule; it is resumed") {
  Model m;
  LRScheduler scheduler(m.sgd, linear_lr(0.5, 1, 2));
  CHECK(m.sgd.lr() == 0.25);  // step 0 holds at once
  CHECK(m.sgd.group_lr(1) == doctest::Approx(0.025));
  scheduler.step();
  CHECK(m.sgd.lr() == 0.375);
  scheduler.step(0.1);
  CHECK(m.sgd.lr() == doctest::Approx(0.05));
  CHECK(scheduler.steps() == 2);

  Model n;
  LRScheduler own(n.sgd, std::vector<Schedule>{exponential_lr(0.5), step_lr(2, 0.1)});
  own.step(), own.step(), own.step();
  CHECK(n.sgd.group_lr(0) == doctest::Approx(0.5 / 8));
  CHECK(n.sgd.group_lr(1) == doctest::Approx(0.05 / 10));
  CHECK_THROWS_WITH_AS(LRScheduler(n.sgd, std::vector<Schedule>{exponential_lr(0.5)}),
                       "[LRScheduler] got 1 schedules, expected 2: for parameters without a group and for each group",
                       ValueError);

  std::map<std::string, std::vector<double>> saved;
  const auto save = [&](const std::string& name, auto values) { saved[name].assign(values.begin(), values.end()); };
  const auto load = [&](const std::string& name, auto values) {
    const auto& from = saved.at(name);
    REQUIRE(from.size() == values.size());
    for (std::size_t i = 0; i < from.size(); ++i)
      values[i] = static_cast<typename decltype(values)::value_type>(from[i]);
  };
  each_state(n.sgd, save);
  each_state(own, save);
  Model o;
  LRScheduler again(o.sgd, std::vector<Schedule>{exponential_lr(0.5), step_lr(2, 0.1)});
  each_state(o.sgd, load);
  each_state(again, load);
  CHECK(o.sgd.group_lr(1) == n.sgd.group_lr(1));
  own.step(), again.step();
  CHECK(again.steps() == 4);
  CHECK(o.sgd.group_lr(0) == n.sgd.group_lr(0));
  CHECK(o.sgd.group_lr(1) == n.sgd.group_lr(1));
}

namespace {

/// PyTorch's class, as its documentation describes it, on a rate that begins with 1.
struct ByHand {
  PlateauOptions o;
  double lr = 1;
  std::optional<double> best;
  Index bad = 0, cooldown = 0;
  double step(double a) {
    const auto better = [&](double b) {
      if (o.maximize) return o.relative ? a > b * (o.threshold + 1) : a > b + o.threshold;
      return o.relative ? a < b * (1 - o.threshold) : a < b - o.threshold;
    };
    if (!best || better(*best)) {
      best = a, bad = 0;
    } else {
      ++bad;
    }
    if (cooldown > 0) --cooldown, bad = 0;
    if (bad > o.patience) {
      const double next = std::max(lr * o.factor, o.min_factor);
      if (lr - next > o.eps) lr = next;
      cooldown = o.cooldown, bad = 0;
    }
    return lr;
  }
};

}  // namespace

TEST_CASE("plateau: PyTorch's counting") {
  // Worked by hand: patience 2, so the third measure in a row that is no better reduces.
  ReduceLROnPlateau plateau({.factor = 0.5, .patience = 2, .cooldown = 1});
  std::vector<double> factors;
  for (const double loss : {5.0, 4.0, 4.0, 4.1, 4.2, 4.0, 4.0, 4.0, 4.0, 3.0, 3.0})
    factors.push_back(plateau.step(loss));
  CHECK(factors == std::vector<double>{1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25});
  CHECK(plateau.best() == 3);
  CHECK(plateau.factor() == 0.25);

  const std::vector<PlateauOptions> options = {
      {.patience = 1},
      {.maximize = true, .factor = 0.3, .patience = 0, .threshold = 0.05, .cooldown = 2},
      {.factor = 0.5, .patience = 2, .threshold = 0.02, .relative = false, .min_factor = 0.1},
      {.maximize = true, .factor = 0.5, .patience = 1, .threshold = 0.1, .relative = false, .eps = 0.05},
  };
  for (const PlateauOptions& o : options) {
    ByHand by_hand{o, 1, {}, 0, 0};
    ReduceLROnPlateau ours(o);
    for (int t = 0; t < 60; ++t) {
      const double measure = 1.5 + std::cos(0.37 * t) / (1 + 0.1 * t);
      CHECK(ours.step(measure) == by_hand.step(measure));
      if (t != 30) continue;
      ReduceLROnPlateau other(o);
      std::vector<double> numbers;
      std::vector<Index> counts;
      each_state(ours, [&]<class V>(const std::string&, std::span<V> values) {
        if constexpr (std::is_same_v<V, double>) numbers.assign(values.begin(), values.end());
        if constexpr (std::is_same_v<V, Index>) counts.assign(values.begin(), values.end());
      });
      each_state(other, [&]<class V>(const std::string&, std::span<V> values) {
        if constexpr (std::is_same_v<V, double>) std::copy(numbers.begin(), numbers.end(), values.begin());
        if constexpr (std::is_same_v<V, Index>) std::copy(counts.begin(), counts.end(), values.begin());
      });
      ours = other;
    }
    CHECK(ours.factor() < 1);
  }
  ReduceLROnPlateau never({.patience = 0});
  CHECK(never.step(std::nan("")) == doctest::Approx(0.1));  // worse than anything
}

TEST_CASE("errors") {
  CHECK_THROWS_WITH_AS(step_lr(1)(-1), "[Schedule] step -1, expected 0 or more", ValueError);
  CHECK_THROWS_WITH_AS(step_lr(0), "[step_lr] step_size 0, expected 1 or more", ValueError);
  CHECK_THROWS_WITH_AS(exponential_lr(-0.5), "[exponential_lr] gamma -0.5, expected 0 or more", ValueError);
  CHECK_THROWS_AS(exponential_lr(std::nan("")), ValueError);
  CHECK_THROWS_AS(constant_lr(-1), ValueError);
  CHECK_THROWS_AS(constant_lr(1, -1), ValueError);
  CHECK_THROWS_AS(multi_step_lr({1}, -1), ValueError);
  CHECK_THROWS_AS(linear_lr(-1), ValueError);
  CHECK_THROWS_AS(linear_lr(1, 1, 0), ValueError);
  CHECK_THROWS_AS(warmup_lr(0), ValueError);
  CHECK_THROWS_AS(polynomial_lr(0), ValueError);
  CHECK_THROWS_AS(polynomial_lr(1, -1), ValueError);
  CHECK_THROWS_AS(cosine_annealing_lr(0), ValueError);
  CHECK_THROWS_AS(cosine_annealing_lr(1, -1), ValueError);
  CHECK_THROWS_AS(cosine_warm_restarts_lr(0), ValueError);
  CHECK_THROWS_AS(cosine_warm_restarts_lr(1, 0), ValueError);
  CHECK_THROWS_AS(inverse_square_root_lr(0), ValueError);
  CHECK_THROWS_AS(one_cycle_lr(0), ValueError);
  CHECK_THROWS_WITH_AS(one_cycle_lr(9, {.pct_start = 2}), "[one_cycle_lr] pct_start 2, expected 0 to 1", ValueError);
  CHECK_THROWS_AS(one_cycle_lr(9, {.div_factor = 0}), ValueError);
  CHECK_THROWS_AS(one_cycle_lr(9, {.final_div_factor = 0}), ValueError);
  CHECK_THROWS_WITH_AS(sequential_lr({step_lr(1), step_lr(1)}, {}),
                       "[sequential_lr] 2 schedules with 0 milestones, expected one milestone less than schedules",
                       ValueError);
  CHECK_THROWS_WITH_AS(sequential_lr({step_lr(1), step_lr(1), step_lr(1)}, {5, 5}),
                       "[sequential_lr] milestone 5 after 5, expected a later one", ValueError);
  CHECK_THROWS_AS(sequential_lr({step_lr(1), step_lr(1)}, {0}), ValueError);
  CHECK_THROWS_AS(sequential_lr({}, {}), ValueError);
  CHECK_THROWS_WITH_AS(ReduceLROnPlateau({.factor = 1}),
                       "[ReduceLROnPlateau] factor 1.000000, expected 0 up to, not including, 1", ValueError);
  CHECK_THROWS_AS(ReduceLROnPlateau({.patience = -1}), ValueError);
  CHECK_THROWS_AS(ReduceLROnPlateau({.threshold = -1}), ValueError);
  CHECK_THROWS_AS(ReduceLROnPlateau({.cooldown = -1}), ValueError);
  CHECK_THROWS_AS(ReduceLROnPlateau({.min_factor = 2}), ValueError);
  CHECK_THROWS_AS(ReduceLROnPlateau({.eps = -1}), ValueError);
}
