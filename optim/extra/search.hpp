#pragma once
/// \file
/// What all searches without gradients have: they ask for the losses of candidates and are told them.

#include <span>
#include <string>
#include <vector>

#include "../../core/error.hpp"
#include "../../core/random.hpp"
#include "../../core/shape.hpp"

namespace unroll {

/// Looks for the point with the least loss from losses alone, generation by generation:
///
///     CmaEs search(parameters_to_vector(parameters(model)), {.sigma = 0.5, .seed = 1});
///     Population population(model, 2);                                     // optim/extra/population.hpp: two threads
///     while (search.evaluations() < 100'000) search.tell(population.losses(search.ask(), loss_of_a_clone));
///     vector_to_parameters(search.best(), parameters(model));
///
/// Any function of a vector of numbers will do; no module is needed. All randomness comes from `seed`, and a search
/// does nothing in parallel: who computes the losses, in what order and on how many threads, changes nothing. In
/// double, whatever the model's scalar.
class Search {
 public:
  virtual ~Search() = default;
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;

  /// The numbers of a point.
  Index size() const { return size_; }
  /// The candidates of a generation.
  Index population() const { return population_; }

  /// The candidates whose losses are wanted: (population, size) row-major. The same ones until `tell`.
  std::span<const double> ask();
  /// Their losses in the same order; the search moves on. A loss that is NaN counts as infinite.
  /// Throws ShapeError unless there is one for each, ValueError when nothing was asked.
  void tell(std::span<const double> losses);
  void tell(const std::vector<double>& losses) { tell(std::span<const double>(losses)); }

  /// The best candidate so far and its loss; before the first `tell` the start and infinity. With a loss that is
  /// estimated anew every time (other data in each generation) rather take `center()`.
  std::span<const double> best() const { return best_; }
  double best_loss() const { return best_loss_; }
  /// Where the search stands: the mean of the distribution that candidates are drawn from, the best place of a swarm.
  virtual std::span<const double> center() const = 0;

  /// Generations and losses told so far.
  Index generations() const { return generations_; }
  Index evaluations() const { return generations_ * population_; }

 protected:
  /// `op` is for messages. Throws ValueError on an empty start, one with a number that is not finite, and a population
  /// below `least`.
  Search(const char* op, std::span<const double> start, Index population, Index least, std::uint64_t seed);

  /// Writes a new generation to `candidates` (population, size).
  virtual void draw(std::span<double> candidates) = 0;
  /// Learns from the losses of `candidates`; none is NaN.
  virtual void learn(std::span<const double> candidates, std::span<const double> losses) = 0;
  /// Throws ValueError unless value > 0, or with `or_zero` 0 <= value; finite in either case.
  void check_positive(const char* what, double value, bool or_zero = false) const;
  /// Throws ValueError with a message of this search.
  [[noreturn]] UNROLL_PER_ISA void refuse(const auto&... message) const {
    throw ValueError("[", op_, "] ", message...);
  }

  Rng rng_;

 private:
  const char* op_;
  Index size_, population_, generations_ = 0;
  bool asked_ = false;
  std::vector<double> candidates_, losses_, best_;
  double best_loss_;
};

/// Places of the numbers of `losses` from small to large; equal ones, infinite ones too, in their order.
std::vector<Index> rank_order(std::span<const double> losses);

}  // namespace unroll
