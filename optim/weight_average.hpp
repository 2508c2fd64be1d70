#pragma once
/// \file
/// Exponential moving average of weights.

#include <vector>

#include "../core/parameter_list.hpp"
#include "state.hpp"

namespace unroll {

struct WeightAverageOptions {
  double decay = 0.999;  ///< d, in [0,1)
  bool ramp = false;     ///< d is at most (1 + t) / (10 + t) in update t = 1, 2, ...: short memory at first
};

/// Keeps a moving average of parameters, often better than their last values, and puts it in their place:
///
///     WeightAverage average(parameters(model), {.decay = 0.999});
///     for (...) {
///       ... adam.step();
///       average.update();
///     }
///     {
///       const auto swapped = average.swap_in();   // the model holds the averages
///       evaluate(model);
///     }                                           // and its own weights again
///
/// The first update copies, as PyTorch's AveragedModel does; each later one is a += (1 - d) (p - a), in one pass
/// (Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992). Frozen parameters cost nothing
/// until their first update without being frozen. Shares ownership of the tensors.
template <class T = float>
class WeightAverage {
 public:
  /// Throws ValueError on an empty list or a decay outside [0,1).
  explicit WeightAverage(const ParameterList<T>& parameters, const WeightAverageOptions& options = {});

  /// After a step of the optimizer. Throws ValueError while the averages are swapped in.
  void update();

  /// While one lives the parameters hold their averages; at its end they get back their own values.
  class [[nodiscard]] Swap {
   public:
    ~Swap() { average_.swap(); }
    Swap(const Swap&) = delete;
    Swap& operator=(const Swap&) = delete;

   private:
    friend class WeightAverage;
    explicit Swap(WeightAverage& average) : average_(average) { average_.swap(); }
    WeightAverage& average_;
  };
  /// Parameters never averaged keep their values. It must not be called within a Recording that has used the
  /// parameters. Throws ValueError when the averages are swapped in already.
  Swap swap_in();
  bool swapped() const { return swapped_; }

  /// The average of parameter i, row-major; empty before its first update (or, swapped in, its own value).
  std::span<const T> values(std::size_t i) const { return average_[i]; }
  const ParameterList<T>& parameters() const { return parameters_; }

  /// Shows "<name>.updates" (integer) of each parameter and, when that is not 0, "<name>.average". Throws ValueError
  /// while the averages are swapped in.
  void each_state(StateVisitor& visitor);

 private:
  void swap();
  void refuse_swapped(const char* what) const;

  WeightAverageOptions options_;
  ParameterList<T> parameters_;
  std::vector<std::vector<T>> average_;
  std::vector<Index> updates_;
  bool swapped_ = false;
};

extern template class WeightAverage<float>;
extern template class WeightAverage<double>;

}  // namespace unroll
