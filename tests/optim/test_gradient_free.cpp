// Searches without gradients: on functions with a known least value, against their written formulas, and on modules.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <string>

#include "unroll/core/error.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/ops/dropout.hpp"
#include "unroll/ops/losses.hpp"
#include "unroll/ops/reduce.hpp"
#include "unroll/optim/extra/cma_es.hpp"
#include "unroll/optim/extra/evolution_strategy.hpp"
#include "unroll/optim/extra/particle_swarm.hpp"
#include "unroll/optim/extra/population.hpp"

using namespace unroll;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity(),
                 not_a_number = std::numeric_limits<double>::quiet_NaN();
using Function = std::function<double(std::span<const double>)>;

double rosenbrock(std::span<const double> x) {
  double f = 0;
  for (std::size_t i = 0; i + 1 < x.size(); ++i) f += 100 * std::pow(x[i + 1] - x[i] * x[i], 2) + std::pow(1 - x[i], 2);
  return f;
}
double sphere(std::span<const double> x) { return std::inner_product(x.begin(), x.end(), x.begin(), 0.0); }
double ellipsoid(std::span<const double> x) {
  double f = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    f += std::pow(1e6, static_cast<double>(i) / static_cast<double>(x.size() - 1)) * x[i] * x[i];
  return f;
}

void generation(Search& search, const Function& f) {
  const auto all = search.ask();
  const auto n = static_cast<std::size_t>(search.size());
  std::vector<double> losses;
  for (std::size_t k = 0; k < all.size(); k += n) losses.push_back(f(all.subspan(k, n)));
  search.tell(losses);
}

Index evaluations_to(Search& search, const Function& f, double target, Index limit) {
  while (search.evaluations() < limit && search.best_loss() > target) generation(search, f);
  return search.evaluations();
}

}  // namespace

TEST_CASE("CMA-ES solves the 10-dimensional Rosenbrock function") {
  for (const std::uint64_t seed : {1u, 2u, 3u, 4u, 5u}) {
    CmaEs search(std::vector<double>(10), {.sigma = 0.2, .seed = seed});
    CHECK(search.population() == 10);
    const Index used = evaluations_to(search, rosenbrock, 1e-8, 20'000);
    MESSAGE("seed " << seed << ": " << used << " evaluations to " << search.best_loss());
    CHECK(search.best_loss() < 1e-8);
    for (const double x : search.best()) CHECK(x == doctest::Approx(1).epsilon(1e-3));
  }
}

TEST_CASE("a particle swarm solves the 10-dimensional Rosenbrock function") {
  // To 1e-2: the valley is long, and a swarm has no model of its direction.
  for (const std::uint64_t seed : {1u, 2u, 3u, 4u, 5u}) {
    ParticleSwarm search(std::vector<double>(10), {.population = 40, .spread = 0.5, .seed = seed});
    const Index used = evaluations_to(search, rosenbrock, 1e-2, 1'000'000);
    MESSAGE("seed " << seed << ": " << used << " evaluations to " << search.best_loss());
    CHECK(search.best_loss() <= 1e-2);
  }
}

TEST_CASE("CMA-ES learns the covariance of an ellipsoid with axes 1 to 1000, and goes on to where rounding ends it") {
  for (const bool active : {false, true}) {
    CmaEs search(std::vector<double>(8, 1.0), {.sigma = 0.5, .active = active, .seed = 7});
    const Index used = evaluations_to(search, ellipsoid, 1e-12, 20'000);
    MESSAGE(std::string(active ? "with" : "without") << " negative weights: " << used);
    CHECK(search.best_loss() < 1e-12);
    CHECK(search.condition() > 1e4);
    CHECK(search.condition() < 1e8);
    CHECK_FALSE(search.stalled());
  }
  CmaEs search(std::vector<double>(3, 1.0), {.seed = 7});
  const auto off = [](std::span<const double> x) {
    double f = 0;
    for (const double v : x) f += (v - 1) * (v - 1);
    return f;
  };
  for (int i = 0; i < 1000 && !search.stalled(); ++i) generation(search, off);
  CHECK(search.stalled());
  CHECK(search.best_loss() < 1e-28);
}

TEST_CASE("one generation of CMA-ES against the tutorial's equations") {
  const std::size_t n = 3, count = 6, half = 3;
  const std::vector<double> start = {0.5, -1, 2};
  CmaEs search(start, {.sigma = 0.4, .population = 6, .seed = 11});
  const std::vector<double> x(search.ask().begin(), search.ask().end());
  const std::vector<double> losses = {3, 1, 2, 6, 5, 4}, order = {1, 2, 0, 5, 4, 3};
  search.tell(losses);

  std::vector<double> raw;
  for (std::size_t i = 1; i <= count; ++i) raw.push_back(std::log(3.5) - std::log(static_cast<double>(i)));
  const double plus = raw[0] + raw[1] + raw[2], minus = -(raw[3] + raw[4] + raw[5]);
  const double mu = plus * plus / (raw[0] * raw[0] + raw[1] * raw[1] + raw[2] * raw[2]);
  const double mu_minus = minus * minus / (raw[3] * raw[3] + raw[4] * raw[4] + raw[5] * raw[5]);
  const double c_s = (mu + 2) / (3 + mu + 5), c_c = (4 + mu / 3) / (7 + 2 * mu / 3);
  const double d_s = 1 + 2 * std::max(0.0, std::sqrt((mu - 1) / 4) - 1) + c_s;
  const double c_1 = 2 / (4.3 * 4.3 + mu), c_mu = std::min(1 - c_1, 2 * (0.25 + mu + 1 / mu - 2) / (25 + mu));
  const double negative = std::min({1 + c_1 / c_mu, 1 + 2 * mu_minus / (mu + 2), (1 - c_1 - c_mu) / (3 * c_mu)});
  std::vector<double> y(3), p_s(3), p_c(3), c(9);
  double weights = 0, length = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto k = static_cast<std::size_t>(order[i]);
    std::vector<double> z(3);
    for (std::size_t j = 0; j < n; ++j) z[j] = (x[k * n + j] - start[j]) / 0.4;
    const double w = i < half ? raw[i] / plus : raw[i] * negative / minus;
    weights += w;
    for (std::size_t j = 0; j < n; ++j)
      if (i < half) y[j] += w * z[j];
    const double wc = w < 0 ? w * 3 / sphere(z) : w;
    for (std::size_t j = 0; j < 9; ++j) c[j] += c_mu * wc * z[j / 3] * z[j % 3];
  }
  for (std::size_t j = 0; j < n; ++j) p_s[j] = std::sqrt(c_s * (2 - c_s) * mu) * y[j];
  length = std::sqrt(sphere(p_s));
  const double expected = std::sqrt(3.0) * (1 - 1 / 12.0 + 1 / 189.0);
  const bool h = length / std::sqrt(1 - std::pow(1 - c_s, 2)) < (1.4 + 2 / 4.0) * expected;
  for (std::size_t j = 0; j < n; ++j) p_c[j] = h ? std::sqrt(c_c * (2 - c_c) * mu) * y[j] : 0;
  const double keep = 1 + (h ? 0 : c_1 * c_c * (2 - c_c)) - c_1 - c_mu * weights;
  for (std::size_t j = 0; j < 9; ++j) {
    c[j] += (j / 3 == j % 3 ? keep : 0) + c_1 * p_c[j / 3] * p_c[j % 3];
    CHECK(search.covariance()[j] == doctest::Approx(c[j]).epsilon(1e-12));
  }
  for (std::size_t j = 0; j < n; ++j)
    CHECK(search.center()[j] == doctest::Approx(start[j] + 0.4 * y[j]).epsilon(1e-12));
  CHECK(search.sigma() == doctest::Approx(0.4 * std::exp(c_s / d_s * (length / expected - 1))).epsilon(1e-12));
}

TEST_CASE("ES: the gradient is that of the formula, and with raw losses that of the function") {
  const std::vector<double> third = {0.5 / 3, -0.5, 0.5, -0.5 / 3};
  for (std::size_t k = 0; k < 4; ++k)
    CHECK(centred_ranks(std::vector<double>{3, 1, infinity, 2})[k] == doctest::Approx(third[k]).epsilon(1e-15));
  CHECK(centred_ranks(std::vector<double>{1, 2, 2}) == std::vector<double>{-0.5, 0.25, 0.25});
  CHECK(centred_ranks(std::vector<double>{5, 5, 5}) == std::vector<double>{0, 0, 0});
  CHECK(centred_ranks(std::vector<double>{7}) == std::vector<double>{0});

  const std::vector<double> start = {1, -2};
  for (const bool mirrored : {true, false})
    for (const bool ranks : {true, false}) {
      EvolutionStrategy search(start, {.population = 4,
                                       .sigma = 0.1,
                                       .mirrored = mirrored,
                                       .centred_ranks = ranks,
                                       .optimizer = SGDOptions{.lr = 0.5, .weight_decay = 0.1},
                                       .seed = 5});
      const std::vector<double> x(search.ask().begin(), search.ask().end()), losses = {4, 1, 9, 2};
      CHECK(std::ranges::equal(search.ask(), x));
      const auto u = ranks ? third : losses;
      if (mirrored) CHECK(x[0] + x[2] == doctest::Approx(2));
      search.tell(losses);
      for (std::size_t i = 0; i < 2; ++i) {
        double g = 0;
        for (std::size_t k = 0; k < 4; ++k) g += u[k] * (x[k * 2 + i] - start[i]) / 0.1 / (4 * 0.1);
        CHECK(search.gradient()[i] == doctest::Approx(g).epsilon(1e-10));
        CHECK(search.center()[i] == doctest::Approx(start[i] - 0.5 * (g + 0.1 * start[i])).epsilon(1e-10));
      }
    }

  // d/dx of 3 x0 - x1 + x0^2 at (1, -2): (5, -1)
  EvolutionStrategy raw(start, {.population = 20'000, .sigma = 0.01, .centred_ranks = false, .seed = 1});
  generation(raw, [](std::span<const double> x) { return 3 * x[0] - x[1] + x[0] * x[0]; });
  CHECK(raw.gradient()[0] == doctest::Approx(5).epsilon(0.05));
  CHECK(raw.gradient()[1] == doctest::Approx(-1).epsilon(0.2));
}

TEST_CASE("ES comes down, with each optimizer") {
  const std::vector<std::variant<AdamOptions, AdamWOptions, SGDOptions>> ways = {
      AdamOptions{.lr = 0.05}, AdamWOptions{.lr = 0.05}, SGDOptions{.lr = 0.005, .momentum = 0.9}};
  for (const auto& way : ways) {
    EvolutionStrategy search(std::vector<double>(10, 1.0), {.population = 40, .sigma = 0.05, .optimizer = way});
    for (int i = 0; i < 300; ++i) {
      generation(search, sphere);
      if (i == 200) search.optimizer().set_lr(search.optimizer().lr() / 10);
    }
    CHECK(sphere(search.center()) < 0.02);
  }
}

TEST_CASE("losses that are not finite are the worst, and all equal ones teach nothing") {
  CmaEs cma(std::vector<double>{3, 3}, {.seed = 1});
  EvolutionStrategy es(std::vector<double>{3, 3}, {.sigma = 0.3, .optimizer = AdamOptions{.lr = 0.05}, .seed = 1});
  EvolutionStrategy raw(std::vector<double>{3, 3}, {.sigma = 0.3, .centred_ranks = false, .seed = 1});
  ParticleSwarm swarm(std::vector<double>{3, 3}, {.spread = 5, .seed = 1});
  const auto hole = [](std::span<const double> x) { return x[0] < 1 ? not_a_number : x[1] < 1 ? infinity : sphere(x); };
  for (Search* search : {static_cast<Search*>(&cma), static_cast<Search*>(&es), static_cast<Search*>(&raw),
                         static_cast<Search*>(&swarm)}) {
    for (int i = 0; i < 150; ++i) generation(*search, hole);
    CHECK(search->best_loss() >= 2);
    CHECK(search->best_loss() < (search == &raw ? 18 : 2.6));
    CHECK(std::isfinite(search->center()[0]));
  }

  EvolutionStrategy flat(std::vector<double>{3, 3});
  generation(flat, [](auto) { return not_a_number; });
  CHECK(std::ranges::equal(flat.center(), std::vector<double>{3, 3}));
  CHECK(std::ranges::equal(flat.best(), std::vector<double>{3, 3}));
  CmaEs wider(std::vector<double>{3, 3});
  for (int i = 0; i < 20; ++i) generation(wider, [](auto) { return 1.0; });
  CHECK(wider.sigma() > 0.3);
}

TEST_CASE("particle swarm: velocity stays within its bound, constriction gives Clerc's numbers") {
  const ParticleSwarmOptions o = constriction(2.05, 2.05);
  CHECK(o.inertia == doctest::Approx(0.72984).epsilon(1e-5));
  CHECK(o.cognitive == doctest::Approx(1.49618).epsilon(1e-5));
  CHECK(o.social == doctest::Approx(1.49618).epsilon(1e-5));
  ParticleSwarm search(std::vector<double>(4, 50.0), {.population = 5, .spread = 30, .max_velocity = 0.5, .seed = 2});
  CHECK(std::ranges::equal(search.ask().first(4), std::vector<double>(4, 50.0)));
  std::vector<double> before(search.ask().begin(), search.ask().end());
  double most = 0;
  for (int i = 0; i < 30; ++i) {
    generation(search, sphere);
    for (std::size_t k = 0; k < before.size(); ++k) most = std::max(most, std::abs(search.ask()[k] - before[k]));
    before.assign(search.ask().begin(), search.ask().end());
  }
  CHECK(most > 0.49);
  CHECK(most < 0.5000001);
}

// ---- on modules ----------------------------------------------------------------------------------------------------

namespace {

/// Says what the first of three bits was.
struct Recall {
  using scalar = double;
  Rnn<RNNCell<double>> rnn;
  Linear<double> out;
  explicit Recall(Rng& rng) : rnn(1, 3, rng), out(3, 1, rng) {}
  Variable<double> operator()(const Variable<double>& x) const { return out(last(rnn(x))); }
  void each(auto&& visit) { visit("rnn", rnn), visit("out", out); }
};

Variable<double> recall_loss(const Recall& model) {
  std::vector<double> bits, first;
  for (int t = 0; t < 3; ++t)
    for (int b = 0; b < 8; ++b) bits.push_back(b >> t & 1);
  for (int b = 0; b < 8; ++b) first.push_back(b & 1);
  return binary_cross_entropy_with_logits(model(input(bits, Shape{3, 8, 1})), input(first, Shape{8, 1}));
}

}  // namespace

TEST_CASE("parameters as a vector and back: ties once, frozen ones left out") {
  Rng rng(1);
  Linear<float> a(2, 3, rng), b(2, 3, rng);
  b.weight = a.weight.tie();
  b.bias.freeze();
  const auto list = parameters(a, b);
  const auto before = parameters_to_vector(list);
  CHECK(before.size() == 9);
  CHECK(before[0] == static_cast<double>(a.weight.values()[0]));
  CHECK(before[6] == static_cast<double>(a.bias.values()[0]));
  std::vector<double> x(9);
  std::iota(x.begin(), x.end(), 1.0);
  const auto version = a.weight.storage().version;
  vector_to_parameters(x, list);
  CHECK(parameters_to_vector(list) == x);
  CHECK(a.weight.storage().version > version);
  CHECK(b.bias.values()[0] != 7);
  CHECK_THROWS_WITH_AS(vector_to_parameters(std::vector<double>(8), list),
                       "[vector_to_parameters] 8 numbers for parameters of 9", ShapeError);
}

TEST_CASE("a small RNN learns to remember by each search: the same bits with one thread and with three") {
  const auto run = [](auto make, int threads) {
    Rng rng(1);
    Recall model(rng);
    auto search = make(parameters_to_vector(parameters(model)));
    const double loss =
        minimize(*search, model, recall_loss, {.evaluations = 12'000, .target = 0.02, .threads = threads});
    Tape<double> tape;
    const Evaluation<double> scope(tape);
    CHECK(recall_loss(model).item() == loss);
    return std::pair(loss, parameters_to_vector(parameters(model)));
  };
  const auto cma = [](const auto& start) {
    return std::make_unique<CmaEs>(start, CmaEsOptions{.sigma = 1, .population = 24, .seed = 2});
  };
  const auto swarm = [](const auto& start) {
    return std::make_unique<ParticleSwarm>(start, ParticleSwarmOptions{.spread = 4, .seed = 2});
  };
  const auto es = [](const auto& start) {
    return std::make_unique<EvolutionStrategy>(
        start,
        EvolutionStrategyOptions{.population = 40, .sigma = 0.3, .optimizer = AdamOptions{.lr = 0.2}, .seed = 2});
  };
  const auto check = [&](const char* name, const auto& make) {
    CAPTURE(name);
    const auto one = run(make, 1), three = run(make, 3);
    MESSAGE(std::string(name) << ": " << one.first);
    CHECK(one.first <= 0.02);
    CHECK(one.first == three.first);
    CHECK(one.second == three.second);
  };
  check("CMA-ES", cma);
  check("particle swarm", swarm);
  check("ES", es);
}

TEST_CASE("losses that draw: all candidates the same numbers, other ones in the next call") {
  Rng rng(1);
  const Linear<float> model(4, 1, rng);
  const auto noisy = [](const Linear<float>&) { return current_tape<float>->rng().uniform(); };
  const std::vector<double> candidates(5 * 12);
  Population<Linear<float>> one(model, 1, 9), three(model, 3, 9);
  const auto first = one.losses(candidates, noisy), second = one.losses(candidates, noisy);
  CHECK(first.size() == 12);
  CHECK(first == std::vector<double>(12, first[0]));
  CHECK(first[0] != second[0]);
  CHECK(three.losses(candidates, noisy) == first);
  CHECK(one.size() == 5);
  CHECK(three.threads() == 3);
}

TEST_CASE("a frozen parameter is not searched over, and an error in a loss reaches the caller") {
  Rng rng(1);
  Linear<float> model(2, 1, rng);
  model.bias.freeze();
  Population<Linear<float>> population(model, 2);
  CHECK(population.size() == 2);
  const auto sum = [](const Linear<float>& m) {
    return m.weight.values()[0] + 10 * m.weight.values()[1] + 100 * (m.bias.frozen() ? m.bias.values()[0] : 0.f);
  };
  const double bias = static_cast<double>(100 * model.bias.values()[0]);
  const auto losses = population.losses(std::vector<double>{1, 2, 3, 4}, sum);
  CHECK(losses[0] == doctest::Approx(21 + bias));
  CHECK(losses[1] == doctest::Approx(43 + bias));
  CHECK_THROWS_AS(population.losses(std::vector<double>{1, 2, 3, 4},
                                    [](const Linear<float>&) -> double { throw ValueError("no"); }),
                  ValueError);
  CHECK_THROWS_WITH_AS(population.losses(std::vector<double>(3), sum), "[Population] 3 numbers for candidates of 2",
                       ShapeError);
}

TEST_CASE("errors of searches") {
  const std::vector<double> two(2);
  CHECK_THROWS_WITH_AS(CmaEs(std::vector<double>{}),
                       "[CmaEs] got no numbers to search over, expected at least one: parameters_to_vector(list)",
                       ValueError);
  CHECK_THROWS_WITH_AS(CmaEs(std::vector<double>{1, not_a_number}), "[CmaEs] the start has a number that is not finite",
                       ValueError);
  CHECK_THROWS_WITH_AS(CmaEs(two, {.population = 3}), "[CmaEs] population 3, expected 4 or more", ValueError);
  CHECK_THROWS_WITH_AS(CmaEs(two, {.sigma = 0}), "[CmaEs] sigma 0.000000, expected a finite number above 0",
                       ValueError);
  CHECK_THROWS_WITH_AS(EvolutionStrategy(two, {.population = 3}),
                       "[EvolutionStrategy] mirrored sampling with a population of 3, expected an even one",
                       ValueError);
  CHECK_THROWS_WITH_AS(EvolutionStrategy(two, {.sigma = -1}),
                       "[EvolutionStrategy] sigma -1.000000, expected a finite number above 0", ValueError);
  CHECK_THROWS_AS(EvolutionStrategy(two, {.optimizer = AdamOptions{.lr = -1}}), ValueError);
  CHECK_THROWS_WITH_AS(ParticleSwarm(two, {.inertia = not_a_number}),
                       "[ParticleSwarm] inertia nan, expected a finite number of 0 or more", ValueError);
  CHECK_THROWS_AS(ParticleSwarm(two, {.spread = 0}), ValueError);
  CHECK_THROWS_WITH_AS(
      constriction(2, 2),
      "[constriction] phi1 2.000000 and phi2 2.000000, expected numbers of 0 or more with a sum above 4", ValueError);
  ParticleSwarm swarm(two);
  CHECK_THROWS_WITH_AS(swarm.tell(two), "[ParticleSwarm] was told losses without having asked for them: ask() first",
                       ValueError);
  swarm.ask();
  CHECK_THROWS_WITH_AS(swarm.tell(two), "[ParticleSwarm] was told 2 losses of 40 candidates", ShapeError);
}
