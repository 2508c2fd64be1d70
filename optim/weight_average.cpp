#include "weight_average.hpp"

#include <algorithm>
#include <string>
#include <unordered_set>

#include "../core/error.hpp"
#include "kernels/update.hpp"

namespace unroll {

template <class T>
WeightAverage<T>::WeightAverage(const ParameterList<T>& parameters, const WeightAverageOptions& options)
    : options_(options) {
  if (!(options.decay >= 0 && options.decay < 1))
    throw ValueError("[WeightAverage] decay ", options.decay, ", expected 0 up to, not including, 1");
  std::unordered_set<const void*> seen;
  for (const NamedParameter<T>& p : parameters)
    if (p.storage && seen.insert(p.storage.get()).second) parameters_.push_back(p);
  if (parameters_.empty())
    throw ValueError("[WeightAverage] got no parameters, expected at least one: parameters(model)");
  average_.resize(parameters_.size());
  updates_.resize(parameters_.size());
}

template <class T>
void WeightAverage<T>::update() {
  refuse_swapped("update()");
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const ParameterStorage<T>& p = *parameters_[i].storage;
    if (updates_[i] == 0) {
      if (p.frozen) continue;
      average_[i].assign(p.value, p.value + p.shape.size());
    } else {
      const auto t = static_cast<double>(updates_[i] + 1);
      const double decay = options_.ramp ? std::min(options_.decay, (1 + t) / (10 + t)) : options_.decay;
      detail::active_update_kernels<T>().average(average_[i].data(), p.value, static_cast<T>(1 - decay),
                                                 p.shape.size());
    }
    ++updates_[i];
  }
}

template <class T>
typename WeightAverage<T>::Swap WeightAverage<T>::swap_in() {
  refuse_swapped("swap_in()");
  return Swap(*this);
}

template <class T>
void WeightAverage<T>::swap() {
  swapped_ = !swapped_;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (updates_[i] == 0) continue;
    std::ranges::swap_ranges(average_[i], std::span(parameters_[i].storage->value, average_[i].size()));
    ++parameters_[i].storage->version;
  }
}

template <class T>
void WeightAverage<T>::each_state(StateVisitor& visitor) {
  refuse_swapped("each_state()");
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    visitor.array(parameters_[i].name + ".updates", std::span(&updates_[i], 1));
    average_[i].resize(updates_[i] == 0 ? 0 : static_cast<std::size_t>(parameters_[i].storage->shape.size()));
    if (updates_[i] != 0) visitor.array(parameters_[i].name + ".average", std::span(average_[i]));
  }
}

template <class T>
void WeightAverage<T>::refuse_swapped(const char* what) const {
  if (swapped_)
    throw ValueError("[WeightAverage] ", what, " while the averages are swapped in, expected after the Swap's end");
}

template class WeightAverage<float>;
template class WeightAverage<double>;

}  // namespace unroll
