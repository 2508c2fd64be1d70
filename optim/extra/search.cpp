#include "search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "../../core/error.hpp"

namespace unroll {

Search::Search(const char* op, std::span<const double> start, Index population, Index least, std::uint64_t seed)
    : rng_(seed),
      op_(op),
      size_(start.size()),
      population_(population),
      best_(start.begin(), start.end()),
      best_loss_(std::numeric_limits<double>::infinity()) {
  if (start.empty()) refuse("got no numbers to search over, expected at least one: parameters_to_vector(list)");
  if (!std::ranges::all_of(start, [](double x) { return std::isfinite(x); }))
    refuse("the start has a number that is not finite");
  if (population < least) refuse("population ", population, ", expected ", least, " or more");
}

std::span<const double> Search::ask() {
  if (!asked_) {
    candidates_.resize(population_ * size_);
    draw(candidates_);
    asked_ = true;
  }
  return candidates_;
}

void Search::tell(std::span<const double> losses) {
  if (!asked_) refuse("was told losses without having asked for them: ask() first");
  if (static_cast<Index>(losses.size()) != population_)
    throw ShapeError("[", op_, "] was told ", losses.size(), " losses of ", population_, " candidates");
  losses_.assign(losses.begin(), losses.end());
  for (std::size_t k = 0; k < losses_.size(); ++k) {
    if (std::isnan(losses_[k])) losses_[k] = std::numeric_limits<double>::infinity();
    if (losses_[k] < best_loss_) {
      best_loss_ = losses_[k];
      const auto from = candidates_.begin() + k * best_.size();
      std::copy_n(from, best_.size(), best_.begin());
    }
  }
  learn(candidates_, losses_);
  asked_ = false;
  ++generations_;
}

void Search::check_positive(const char* what, double value, bool or_zero) const {
  if (std::isfinite(value) && (value > 0 || (or_zero && value == 0))) return;
  refuse(what, " ", value, ", expected a finite number ", or_zero ? "of 0 or more" : "above 0");
}

std::vector<Index> rank_order(std::span<const double> losses) {
  std::vector<Index> order(losses.size());
  std::iota(order.begin(), order.end(), Index{0});
  std::ranges::stable_sort(order, [&](Index a, Index b) { return losses[a] < losses[b]; });
  return order;
}

}  // namespace unroll
