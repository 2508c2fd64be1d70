#include "linear.hpp"

#include <cmath>

#include "init.hpp"
#include "sizes_detail.hpp"

namespace unroll {

template <class T>
Linear<T>::Linear(Index input_size, Index output_size, Rng& rng, LinearOptions options) {
  detail::check_sizes("Linear", {{"input_size", input_size}, {"output_size", output_size}});
  const T bound = static_cast<T>(1 / std::sqrt(static_cast<double>(input_size)));
  weight = Parameter<T>(Shape{output_size, input_size});
  init::uniform(weight, rng, -bound, bound);
  if (!options.bias) return;
  bias = Parameter<T>(Shape{output_size});
  init::uniform(bias, rng, -bound, bound);
}

template class Linear<float>;
template class Linear<double>;

}  // namespace unroll
