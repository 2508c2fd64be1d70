#pragma once
/// \file
/// Losses of many candidates for a model's parameters, computed on several cores.

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "../../core/shards.hpp"
#include "../../nn/module.hpp"
#include "parameter_vector.hpp"

namespace unroll {

/// Clones of a model, one a thread, that stand in for candidates one after the other:
///
///     Population population(model, 2);
///     const auto loss = [&](const Model& candidate) { return softmax_cross_entropy(candidate(x()), y); };
///     search.tell(population.losses(search.ask(), loss));
///
/// A loss is called in an Evaluation on the thread's own tape (no tape grows) and returns a Variable of one element or
/// a number. It is called on several threads at once: what it captures it only reads, and inputs it makes itself. It is
/// right for any number of threads to the same bit: nothing but the candidate enters its loss, and where it draws from
/// `current_tape<T>->rng()`, all candidates of a call draw the same numbers, other ones in each call.
template <class M>
class UNROLL_PER_ISA Population {
 public:
  using scalar = scalar_of<M>;

  /// `threads` clones of `model`, its frozen parameters included, which keep their values. Throws ValueError on fewer
  /// than 1.
  explicit Population(const M& model, int threads = 1, std::uint64_t seed = 0) : shards_(threads), seeds_(seed) {
    for (int k = 0; k < threads; ++k) {
      clones_.push_back(std::make_unique<M>(clone(model)));
      lists_.push_back(parameters(*clones_.back()));
    }
    size_ = static_cast<Index>(parameters_to_vector(lists_[0]).size());
  }

  /// The trainable numbers of the model that are not frozen.
  Index size() const { return size_; }
  int threads() const { return shards_.count(); }

  /// loss(module) of each of the candidates (count, size), row-major as `ask()` gives them. Throws ShapeError when they
  /// are no whole number of rows; what a loss throws reaches the caller.
  template <class Loss>
  std::vector<double> losses(std::span<const double> candidates, const Loss& loss) {
    const auto n = static_cast<std::size_t>(size_);
    if (n == 0 || candidates.size() % n != 0)
      throw ShapeError("[Population] ", candidates.size(), " numbers for candidates of ", n);
    std::vector<double> results(candidates.size() / n);
    std::atomic<std::size_t> next{0};
    const Rng draws = seeds_.split();
    shards_.run([&](Tape<scalar>& tape, int shard) {
      const auto at = static_cast<std::size_t>(shard);
      for (std::size_t k; (k = next++) < results.size();) {
        vector_to_parameters(candidates.subspan(k * n, n), lists_[at]);
        tape.rng() = draws;
        const Evaluation<scalar> scope(tape);
        results[k] = number(loss(static_cast<const M&>(*clones_[at])));
      }
    });
    return results;
  }

 private:
  template <class X>
  static double number(const X& x) {
    if constexpr (std::is_arithmetic_v<X>) {
      return static_cast<double>(x);
    } else {
      return static_cast<double>(x.item());
    }
  }

  Shards<scalar> shards_;
  Rng seeds_;
  std::vector<std::unique_ptr<M>> clones_;
  std::vector<ParameterList<scalar>> lists_;
  Index size_ = 0;
};

/// When `minimize` ends.
struct MinimizeOptions {
  Index evaluations = 10'000;  ///< losses computed, rounded up to whole generations
  double target = -1e308;      ///< a loss that is good enough
  int threads = 1;
  std::uint64_t seed = 0;  ///< of what losses draw from their tape
};

/// The whole search in one call: asks, computes, tells, until a loss is down to `target` or `evaluations` are used up;
/// then writes the best candidate into the model. Returns its loss. `search` is any of `optim/`, built from
/// `parameters_to_vector(parameters(model))`; it may go on in a second call.
template <class Searcher, class M, class Loss>
UNROLL_PER_ISA double minimize(Searcher& search, M& model, const Loss& loss, const MinimizeOptions& options = {}) {
  Population<M> population(model, options.threads, options.seed);
  const Index last = search.evaluations() + options.evaluations;
  while (search.evaluations() < last && !(search.best_loss() <= options.target))
    search.tell(population.losses(search.ask(), loss));
  vector_to_parameters(search.best(), parameters(model));
  return search.best_loss();
}

}  // namespace unroll
