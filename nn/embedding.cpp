#include "embedding.hpp"

#include "init.hpp"
#include "sizes_detail.hpp"

namespace unroll {

template <class T>
Embedding<T>::Embedding(Index count, Index dim, Rng& rng) {
  detail::check_sizes("Embedding", {{"count", count}, {"dim", dim}});
  weight = Parameter<T>(Shape{count, dim});
  init::normal(weight, rng);
}

template class Embedding<float>;
template class Embedding<double>;

}  // namespace unroll
