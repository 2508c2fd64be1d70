#include "recurrent_weights.hpp"

#include <cmath>

#include "init.hpp"
#include "sizes_detail.hpp"

namespace unroll {

template <class T>
RecurrentWeights<T>::RecurrentWeights(const char* cell, Index gates, Index input_size, Index hidden_size, Rng& rng,
                                      Biases biases, Index state_size) {
  detail::check_sizes(cell, {{"input_size", input_size}, {"hidden_size", hidden_size}});
  const T bound = start_bound(hidden_size);
  const auto make = [&](Parameter<T>& p, const Shape& shape) {
    p = Parameter<T>(shape);
    init::uniform(p, rng, -bound, bound);
  };
  make(weight_ih, Shape{gates * hidden_size, input_size});
  make(weight_hh, Shape{gates * hidden_size, state_size > 0 ? state_size : hidden_size});
  if (biases != Biases::none) make(bias_ih, Shape{gates * hidden_size});
  if (biases == Biases::two) make(bias_hh, Shape{gates * hidden_size});
}

template <class T>
T RecurrentWeights<T>::start_bound(Index hidden_size) {
  return static_cast<T>(1 / std::sqrt(static_cast<double>(hidden_size)));
}

template class RecurrentWeights<float>;
template class RecurrentWeights<double>;

}  // namespace unroll
