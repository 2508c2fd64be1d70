// Mixtures of sequence models: exact expectation-maximisation never loses likelihood, and finds planted clusters.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "unroll/nn/linear.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/optim/extra/mixture.hpp"
#include "unroll/optim/extra/sequence_models.hpp"
#include "unroll/optim/extra/trained_component.hpp"

using namespace unroll;

namespace {

using Symbols = std::vector<std::vector<Index>>;
using Series = std::vector<std::vector<double>>;
constexpr double infinity = std::numeric_limits<double>::infinity();

/// The greatest fall from one number to the next.
double worst_fall(const std::vector<double>& history) {
  double fall = -infinity;
  for (std::size_t i = 1; i < history.size(); ++i) fall = std::max(fall, history[i - 1] - history[i]);
  return fall;
}

/// The share of pairs that two clusterings treat alike (Rand's index).
double agreement(const std::vector<Index>& a, const std::vector<Index>& b) {
  double same = 0, pairs = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      same += (a[i] == a[j]) == (b[i] == b[j]);
      ++pairs;
    }
  return same / pairs;
}

Symbols planted_chains(std::vector<Index>& truth, Index count, Rng& rng) {
  std::vector<MarkovChain> chains;
  for (int k = 0; k < 3; ++k) chains.emplace_back(4, rng);
  Symbols data;
  for (Index n = 0; n < count; ++n) {
    truth.push_back(n % 3);
    data.push_back(chains[static_cast<std::size_t>(n % 3)].sample(rng.integer(40), rng));
  }
  return data;
}

/// Series of a model with a known A: rotations of different speed.
Autoregression rotation(double angle) {
  Rng rng(7);
  Series data(1);
  double x = 1, y = 0;
  for (int t = 0; t < 4000; ++t) {
    data[0].insert(data[0].end(), {x, y});
    const double u = 0.9 * (std::cos(angle) * x - std::sin(angle) * y) + 0.3 * rng.normal();
    y = 0.9 * (std::sin(angle) * x + std::cos(angle) * y) + 0.3 * rng.normal();
    x = u;
  }
  Autoregression model(2, {.variance = 1e-3});
  model.fit(data, std::vector<double>{1});
  return model;
}

Series planted_rotations(std::vector<Index>& truth, Index count, Rng& rng) {
  const Autoregression models[] = {rotation(0.3), rotation(1.0), rotation(-0.6)};
  Series data;
  for (Index n = 0; n < count; ++n) {
    truth.push_back(n % 3);
    data.push_back(models[n % 3].sample(5 + rng.integer(20), rng));
  }
  return data;
}

}  // namespace

TEST_CASE("responsibilities: log-sum-exp, at any scale") {
  const std::vector<double> logs = {-1000, -2, -infinity, -infinity, -1001, -infinity, -infinity, -3};
  const std::vector<double> priors = {std::log(0.25), std::log(0.75)};
  std::vector<double> r(8);
  const double total = responsibilities(logs, priors, r);
  CHECK(total == -infinity);
  const double a = 0.25, b = 0.75 * std::exp(-1.0);
  CHECK(r[0] == doctest::Approx(a / (a + b)).epsilon(1e-14));
  CHECK(r[4] == doctest::Approx(b / (a + b)).epsilon(1e-14));
  CHECK(r[1] == 1);
  CHECK(r[5] == 0);
  CHECK(r[2] == doctest::Approx(0.25));  // impossible: the priors
  CHECK(r[6] == doctest::Approx(0.75));
  CHECK(r[7] == 1);
  std::vector<double> one(2);
  CHECK(responsibilities(std::vector<double>{-1000, -1001}, priors, one) ==
        doctest::Approx(-1000 + std::log(a + b)).epsilon(1e-14));
  CHECK_THROWS_WITH_AS(responsibilities(logs, priors, one),
                       "[responsibilities] 8 log-likelihoods and 2 results for 2 components", ShapeError);
}

TEST_CASE("a Markov chain fits by counting") {
  const Symbols data = {{0, 1, 1, 2}, {2, 2}, {}, {1}};
  MarkovChain chain(3);
  std::vector<double> logs(4);
  chain.log_likelihoods(data, logs);
  CHECK(logs[0] == doctest::Approx(4 * std::log(1 / 3.0)));
  CHECK(logs[2] == 0);
  chain.fit(data, std::vector<double>{1, 2, 5, 1});
  CHECK(std::ranges::equal(chain.start(), std::vector<double>{0.25, 0.25, 0.5}));
  CHECK(std::ranges::equal(chain.step(), std::vector<double>{0, 1, 0, 0, 0.5, 0.5, 0, 0, 1}));
  chain.log_likelihoods(Symbols{{0, 2}, {1, 2}, {}, {}}, logs);
  CHECK(logs[0] == -infinity);
  CHECK(logs[1] == doctest::Approx(std::log(0.125)));
  MarkovChain smooth(3, 0.5);
  smooth.fit(data, std::vector<double>{1, 2, 5, 1});
  CHECK(smooth.start()[0] == doctest::Approx(1.5 / 5.5));
  CHECK(smooth.step()[4] == doctest::Approx(1.5 / 3.5));
  chain.fit(Symbols{{0}}, std::vector<double>{1});  // what follows is not seen: it stays
  CHECK(chain.step()[4] == 0.5);
  Rng rng(1);
  const auto x = chain.sample(5, rng);
  CHECK(x == std::vector<Index>{0, 1, x[2], x[3], x[4]});

  CHECK_THROWS_WITH_AS(chain.fit(Symbols{{3}}, std::vector<double>{1}), "[MarkovChain] symbol 3 of 3", ValueError);
  CHECK_THROWS_WITH_AS(chain.fit(data, std::vector<double>{1}), "[MarkovChain] 1 numbers for 4 sequences", ShapeError);
  CHECK_THROWS_WITH_AS(MarkovChain(0), "[MarkovChain] 0 symbols, expected at least 1", ValueError);
  CHECK_THROWS_AS(MarkovChain(2, -1.0), ValueError);
}

TEST_CASE(
    "exact M-steps: the likelihood of a mixture of Markov chains never falls, from 20 starts; clusters are found") {
  Rng rng(5);
  std::vector<Index> truth;
  const Symbols data = planted_chains(truth, 90, rng);
  double best = -infinity, best_agreement = 0;
  for (int start = 0; start < 20; ++start) {
    std::vector<MarkovChain> parts;
    for (int k = 0; k < 3; ++k) parts.emplace_back(4, rng);
    Mixture mixture(std::move(parts));
    const auto history = mixture.fit(data, {.iterations = 200, .tolerance = 1e-12});
    CHECK(worst_fall(history) <= 1e-9);
    CHECK(history.back() - history.front() > 10);
    double priors = 0;
    for (const double p : mixture.log_priors()) priors += std::exp(p);
    CHECK(priors == doctest::Approx(1).epsilon(1e-12));
    if (history.back() > best) best = history.back(), best_agreement = agreement(mixture.clusters(), truth);
  }
  MESSAGE("agreement of the most likely one: " << best_agreement);
  CHECK(best_agreement > 0.85);  // sequences of no or few symbols can not be told apart
}

TEST_CASE("an autoregression fits: no parameter moved a little does better") {
  Rng rng(3);
  std::vector<Index> truth;
  const Series data = planted_rotations(truth, 12, rng);
  std::vector<double> weights(12), logs(12);
  for (double& w : weights) w = rng.uniform();
  // A fit to other weights is a neighbour in every direction: on the way there the likelihood falls.
  for (const bool lagged : {true, false})
    for (const bool full : {true, false})
      for (const double prior : {0.0, 0.7}) {
        const AutoregressionOptions options{.lagged = lagged, .full = full, .ridge = prior, .variance = prior};
        Autoregression best(2, options);
        const auto score = [&](const Autoregression& model) {
          model.log_likelihoods(data, logs);
          double sum = model.log_prior();
          for (std::size_t n = 0; n < 12; ++n) sum += weights[n] * logs[n];
          return sum;
        };
        best.fit(data, weights);
        const double most = score(best);
        CHECK(std::isfinite(most));
        double least_gain = infinity;
        for (int k = 0; k < 40; ++k) {
          std::vector<double> others = weights;
          for (double& w : others) w *= 1 + 1e-3 * rng.normal();
          Autoregression other(2, options);
          other.fit(data, others);
          least_gain = std::min(least_gain, most - score(other));
        }
        CHECK(least_gain > 0);
        CHECK(least_gain < 1e-3);
        if (!lagged) CHECK(std::ranges::equal(best.transition(), std::vector<double>(4, 0.0)));
        if (!full) CHECK(best.noise()[1] == 0);
      }
  const Autoregression r = rotation(0.3);
  CHECK(r.transition()[0] == doctest::Approx(0.9 * std::cos(0.3)).epsilon(0.05));
  CHECK(r.transition()[2] == doctest::Approx(0.9 * std::sin(0.3)).epsilon(0.1));
  CHECK(r.noise()[0] == doctest::Approx(0.09).epsilon(0.1));
}

TEST_CASE("log-likelihood of an autoregression is the sum of its Gaussians") {
  Autoregression unit(1);
  std::vector<double> logs(3);
  unit.log_likelihoods(Series{{1, 2}, {}, {0}}, logs);
  const double zero = -0.5 * std::log(2 * 3.14159265358979323846);
  CHECK(logs[0] == doctest::Approx(2 * zero - 0.5 - 2).epsilon(1e-14));
  CHECK(logs[1] == 0);
  CHECK(logs[2] == doctest::Approx(zero).epsilon(1e-14));
}

TEST_CASE("exact M-steps: the likelihood of a mixture of autoregressions never falls; its clusters are found") {
  Rng rng(8);
  std::vector<Index> truth;
  const Series data = planted_rotations(truth, 60, rng);
  for (const bool regular : {false, true})
    for (int start = 0; start < 5; ++start) {
      const AutoregressionOptions options{.ridge = regular ? 0.5 : 0, .variance = regular ? 0.1 : 0};
      Mixture mixture(std::vector<Autoregression>(3, Autoregression(2, options)));
      std::vector<Index> guess;
      for (std::size_t n = 0; n < data.size(); ++n) guess.push_back(rng.integer(3));
      mixture.maximise(data, guess);
      const auto score = [&] {
        double sum = mixture.expect(data);
        for (const Autoregression& part : mixture.components) sum += part.log_prior();
        return sum;
      };
      std::vector<double> history = {score()};
      for (int i = 0; i < 40; ++i) {
        mixture.maximise(data);
        history.push_back(score());
      }
      CHECK(worst_fall(history) <= 1e-9);
      MESSAGE("agreement " << agreement(mixture.clusters(), truth) << ", score " << history.back());
      CHECK(agreement(mixture.clusters(), truth) > 0.85);
    }
}

TEST_CASE("threads change nothing") {
  Rng rng(8);
  std::vector<Index> truth;
  const Series data = planted_rotations(truth, 30, rng);
  const auto run = [&](int threads) {
    Mixture mixture(std::vector<Autoregression>(3, Autoregression(2, {.variance = 0.1})), {.threads = threads});
    mixture.maximise(data, truth);
    return mixture.fit(data, {.iterations = 5, .tolerance = 0});
  };
  CHECK(run(1) == run(2));
  CHECK(run(1) == run(5));
}

namespace {

/// Predicts the next number of a series: p(x_t | before) = N(f(before), 1/4).
struct Predictor {
  using scalar = float;
  Rnn<RNNCell<>> rnn;
  Linear<> out;
  explicit Predictor(Rng& rng) : rnn(1, 4, rng), out(4, 1, rng) {}
  void each(auto&& visit) { visit("rnn", rnn), visit("out", out); }
};
struct Waves {
  Index steps = 0, count = 0;
  std::vector<float> before = {}, after = {};  // (steps, count, 1)
  Index size() const { return count; }
};

}  // namespace

TEST_CASE("recurrent networks as components, by gradient steps: slow and fast waves part") {
  Rng rng(2);
  Waves waves{.steps = 12, .count = 24};
  std::vector<double> phases;
  for (int n = 0; n < 24; ++n) phases.push_back(rng.uniform(0.0, 6.28));
  std::vector<Index> truth;
  for (Index n = 0; n < 24; ++n) truth.push_back(n % 2);
  for (int t = 0; t < 12; ++t)
    for (std::size_t n = 0; n < 24; ++n) {
      const double speed = truth[n] == 0 ? 0.4 : 1.9;
      waves.before.push_back(static_cast<float>(std::sin(speed * t + phases[n])));
      waves.after.push_back(static_cast<float>(std::sin(speed * (t + 1) + phases[n])));
    }
  const auto log_p = [](const Predictor& m, const Waves& w) {
    const Shape shape{w.steps, w.count, 1};
    const auto error = m.out(m.rnn(input(w.before, shape))) - input(w.after, shape);
    return -2.f * sum(error * error, 0);
  };
  std::vector<TrainedComponent<Predictor, decltype(log_p)>> parts;
  for (int k = 0; k < 2; ++k)
    parts.emplace_back(Predictor(rng), log_p, TrainedComponentOptions{.steps = 5, .lr = 0.02});
  Mixture mixture(std::move(parts), {.prior_count = 1, .threads = 2});
  const auto history = mixture.fit(waves, {.iterations = 60, .tolerance = -1});
  MESSAGE(history.front() << " to " << history.back());
  CHECK(history.back() > history.front() / 2);
  CHECK(agreement(mixture.clusters(), truth) == 1);
}

TEST_CASE("a trained component takes one log-likelihood a sequence, and stays as it is when nothing counts") {
  Rng rng(1);
  const auto log_p = [](const Linear<double>& m, const std::vector<double>& x) {
    return m(input(x, Shape{static_cast<Index>(x.size()), 1}));
  };
  TrainedComponent part(Linear<double>(1, 1, rng), log_p, {.steps = 3, .lr = 0.1});
  const std::vector<double> data = {1, 2, 3},
                            weights(part.module.weight.values().begin(), part.module.weight.values().end());
  std::vector<double> logs(3), later(3);
  part.log_likelihoods(data, logs);
  CHECK(logs[1] - logs[0] == doctest::Approx(weights[0]));
  part.fit(data, std::vector<double>{0, 0, 0});
  CHECK(part.module.weight.values()[0] == weights[0]);
  part.fit(data, std::vector<double>{0, 1, 0});
  part.log_likelihoods(data, later);
  CHECK(later[1] > logs[1]);
  CHECK(part.module.weight.values()[0] > weights[0] + 0.2);  // three steps of Adam, of 0.1 each
  CHECK_THROWS_WITH_AS(part.log_likelihoods(data, std::span(logs).first(2)),
                       "[TrainedComponent] log-likelihoods (3,1) for 2 sequences", ShapeError);
}

TEST_CASE("errors") {
  using Chains = std::vector<MarkovChain>;
  const Symbols data = {{0}, {1}};
  CHECK_THROWS_WITH_AS(Mixture(Chains{}), "[Mixture] got no components, expected at least one", ValueError);
  CHECK_THROWS_WITH_AS(Mixture(Chains(1, MarkovChain(2)), {.prior_count = -1}),
                       "[Mixture] prior_count -1.000000, expected 0 or more", ValueError);
  CHECK_THROWS_WITH_AS(Mixture(Chains(1, MarkovChain(2)), {.threads = 0}), "[Mixture] 0 threads, expected at least 1",
                       ValueError);
  Mixture mixture(Chains(2, MarkovChain(2)));
  CHECK_THROWS_WITH_AS(mixture.maximise(data), "[Mixture] responsibilities for 0 sequences, data of 2", ShapeError);
  CHECK_THROWS_WITH_AS(mixture.maximise(data, std::vector<Index>{0, 2}), "[Mixture] cluster 2 of 2", ValueError);
  CHECK_THROWS_WITH_AS(mixture.maximise(data, std::vector<Index>{0}), "[Mixture] clusters of 1 sequences, data of 2",
                       ShapeError);
  CHECK_THROWS_AS(mixture.fit(Symbols{{7}}), ValueError);  // out of the threads, too

  Autoregression model(2);
  std::vector<double> one(1);
  CHECK_THROWS_WITH_AS(model.log_likelihoods(Series{{1, 2, 3}}, one),
                       "[Autoregression] a sequence of 3 numbers, steps have 2", ShapeError);
  CHECK_THROWS_WITH_AS(model.log_likelihoods(Series{}, one), "[Autoregression] 1 numbers for 0 sequences", ShapeError);
  CHECK_THROWS_WITH_AS(model.fit(Series{{1, 2, 1, 2, 1, 2}}, std::vector<double>{1}),
                       "[Autoregression] too few different steps to find A: set `ridge`, or `lagged` to false",
                       ValueError);
  Autoregression still(2, {.lagged = false});
  CHECK_THROWS_WITH_AS(still.fit(Series{{1, 2}, {3, 4}}, std::vector<double>{1, 1}),
                       "[Autoregression] a covariance is not positive definite: too few different steps for a "
                       "component; set `variance`",
                       ValueError);
  CHECK_THROWS_WITH_AS(Autoregression(0), "[Autoregression] 0 features, expected at least 1", ValueError);
  CHECK_THROWS_WITH_AS(Autoregression(1, {.ridge = -1}),
                       "[Autoregression] ridge or variance -1.000000, expected 0 or more", ValueError);
}
