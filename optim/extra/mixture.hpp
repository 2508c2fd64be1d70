#pragma once
/// \file
/// Mixtures of models of sequences, by expectation-maximisation: they cluster sequences.

#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../../core/error.hpp"
#include "../../core/random.hpp"
#include "../../core/shape.hpp"
#include "../../core/shards.hpp"

namespace unroll {

/// What a mixture is made of: says how likely each sequence is, and learns from sequences that count in parts.
///
///     void log_likelihoods(const Data& data, std::span<double> out) const;    // (N): log p(sequence n)
///     void fit(const Data& data, std::span<const double> weights);           // (N): weights of 0 or more
///
/// Where `fit` finds the greatest sum_n weights[n] log p(sequence n), expectation-maximisation is exact
/// (optim/extra/sequence_models.hpp); where it only raises it (gradient steps: optim/extra/trained_component.hpp) it is the
/// generalised one.
template <class C, class Data>
concept MixtureComponent = requires(C c, const C& constant, const Data& data, std::span<double> out,
                                    std::span<const double> weights) {
  constant.log_likelihoods(data, out);
  c.fit(data, weights);
};

/// From log p(n | k), (K, N) row-major, and log priors (K) to responsibilities, (K, N) as well:
///
///     r_kn = exp(log pi_k + log p(n | k) - log p(n)),     log p(n) = log sum_k exp(log pi_k + log p(n | k))
///
/// Returns sum_n log p(n). Where all are -inf, the sum is -inf and the responsibilities are the priors.
double responsibilities(std::span<const double> log_likelihoods, std::span<const double> log_priors,
                        std::span<double> out);

struct MixtureOptions {
  /// a >= 0, added to every component's share of the sequences when priors are learned: 0 finds the most likely ones; a
  /// component that has lost all its sequences then stays out of use.
  double prior_count = 0;
  int threads = 1;  ///< components are computed side by side; the result does not depend on it
};
struct MixtureFitOptions {
  Index iterations = 100;   ///< at most
  double tolerance = 1e-6;  ///< ends when the log-likelihood grows by less than this times its size
};

/// p(x) = sum_k pi_k p_k(x), learned by expectation-maximisation (Dempster, Laird and Rubin, 1977; of sequence models:
/// Smyth, "Clustering sequences with hidden Markov models", 1997):
///
///     E-step     r_kn = pi_k p_k(x_n) / sum_j pi_j p_j(x_n)
///     M-step     pi_k = (a + sum_n r_kn) / (K a + N);     component k fits the sequences with weights r_kn
///
/// With exact M-steps and a = 0 the likelihood never falls. `Data` is whatever the components take; it says `size()`.
template <class C>
class UNROLL_PER_ISA Mixture {
 public:
  /// Equal priors. Throws ValueError on no component, and on options outside their range.
  explicit Mixture(std::vector<C> components_, const MixtureOptions& options = {})
      : components(std::move(components_)),
        options_(options),
        log_priors_(components.size(), -std::log(static_cast<double>(components.size()))) {
    if (components.empty()) throw ValueError("[Mixture] got no components, expected at least one");
    if (!(options.prior_count >= 0) || !std::isfinite(options.prior_count))
      throw ValueError("[Mixture] prior_count ", options.prior_count, ", expected 0 or more");
    if (options.threads < 1) throw ValueError("[Mixture] ", options.threads, " threads, expected at least 1");
  }

  std::span<const double> log_priors() const { return log_priors_; }
  /// (K, N) row-major, of the last `expect`, or as they were given to `maximise`.
  std::span<const double> responsibilities() const { return responsibilities_; }

  /// E-step: computes the responsibilities, and returns the log-likelihood of all sequences.
  template <class Data>
  requires MixtureComponent<C, Data>
  double expect(const Data& data) {
    const auto n = static_cast<std::size_t>(data.size()), k = components.size();
    std::vector<double> logs(k * n);
    each([&](std::size_t i) { std::as_const(components[i]).log_likelihoods(data, std::span(logs).subspan(i * n, n)); });
    responsibilities_.resize(k * n);
    return unroll::responsibilities(logs, log_priors_, responsibilities_);
  }

  /// M-step with the responsibilities there are.
  template <class Data>
  requires MixtureComponent<C, Data>
  void maximise(const Data& data) {
    const auto n = static_cast<std::size_t>(data.size()), k = components.size();
    if (responsibilities_.size() != k * n)
      throw ShapeError("[Mixture] responsibilities for ", responsibilities_.size() / k, " sequences, data of ", n);
    const std::span<const double> all(responsibilities_);
    for (std::size_t i = 0; i < k; ++i) {
      double sum = options_.prior_count;
      for (const double r : all.subspan(i * n, n)) sum += r;
      log_priors_[i] = std::log(sum / (static_cast<double>(n) + static_cast<double>(k) * options_.prior_count));
    }
    each([&](std::size_t i) { components[i].fit(data, all.subspan(i * n, n)); });
  }
  /// M-step from a guess of the clusters: sequence n belongs to component clusters[n].
  template <class Data>
  void maximise(const Data& data, std::span<const Index> clusters) {
    const auto n = static_cast<std::size_t>(data.size());
    if (clusters.size() != n) throw ShapeError("[Mixture] clusters of ", clusters.size(), " sequences, data of ", n);
    responsibilities_.assign(components.size() * n, 0.0);
    for (std::size_t i = 0; i < n; ++i) {
      if (clusters[i] < 0 || clusters[i] >= static_cast<Index>(components.size()))
        throw ValueError("[Mixture] cluster ", clusters[i], " of ", components.size());
      responsibilities_[static_cast<std::size_t>(clusters[i]) * n + i] = 1;
    }
    maximise(data);
  }

  /// E- and M-steps in turn, ending with an E-step. The log-likelihood after each E-step.
  template <class Data>
  std::vector<double> fit(const Data& data, const MixtureFitOptions& options = {}) {
    std::vector<double> history = {expect(data)};
    for (Index i = 0; i < options.iterations; ++i) {
      maximise(data);
      const double before = history.back(), now = expect(data);
      history.push_back(now);
      if (now - before <= options.tolerance * std::abs(now)) break;
    }
    return history;
  }

  /// The component that is most responsible for each sequence.
  std::vector<Index> clusters() const {
    const std::size_t k = components.size(), n = responsibilities_.size() / k;
    std::vector<Index> list(n);
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t i = 1; i < k; ++i)
        if (responsibilities_[i * n + j] > responsibilities_[static_cast<std::size_t>(list[j]) * n + j])
          list[j] = static_cast<Index>(i);
    return list;
  }

  std::vector<C> components;

 private:
  template <class F>
  void each(const F& f) {
    const int threads =
        static_cast<int>(std::min<std::size_t>(static_cast<std::size_t>(options_.threads), components.size()));
    Shards<double>(threads).run([&](Tape<double>&, int shard) {
      for (auto i = static_cast<std::size_t>(shard); i < components.size(); i += static_cast<std::size_t>(threads))
        f(i);
    });
  }

  MixtureOptions options_;
  std::vector<double> log_priors_, responsibilities_;
};

}  // namespace unroll
