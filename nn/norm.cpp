#include "norm.hpp"

#include <algorithm>

#include "sequence.hpp"
#include "sizes_detail.hpp"

namespace unroll {

template <class T>
LayerNorm<T>::LayerNorm(Index size_, LayerNormOptions options) : size(size_), eps(options.eps) {
  detail::check_sizes("LayerNorm", {{"size", size}});
  if (!options.affine) return;
  weight = Parameter<T>(Shape{size});
  std::ranges::fill(weight.mutable_values(), T(1));
  if (options.bias) bias = Parameter<T>(Shape{size});
}

template <class T>
Variable<T> LayerNorm<T>::operator()(const Variable<T>& x) const {
  x.check_usable("LayerNorm");
  if (x.shape().rank() == 0 || x.dim(-1) != size)
    throw ShapeError("[LayerNorm] input ", x.shape().str(), "; expected (...,", size, ")");
  const auto used = [](const Parameter<T>& p) { return p.defined() ? use(p) : Variable<T>(); };
  return layer_norm(x, used(weight), used(bias), eps);
}

template class LayerNorm<float>;
template class LayerNorm<double>;

}  // namespace unroll
