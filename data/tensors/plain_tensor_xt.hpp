#pragma once
/// \file
/// Tensors of files to and from xtensor's arrays.

#include "../../core/xt.hpp"
#include "plain_tensor.hpp"

namespace unroll {

/// A copy of a tensor as an `xt::xarray<T>`, of any rank.
template <class T, class Array = typename detail::ArrayOf<T>::type>
UNROLL_PER_ISA Array value_of(const PlainTensor<T>& tensor) {
  detail::check_plain<T>("value_of", tensor, tensor.shape);
  typename Array::shape_type shape(tensor.shape.size());
  for (std::size_t i = 0; i < shape.size(); ++i) shape[i] = static_cast<std::size_t>(tensor.shape[i]);
  Array array = Array::from_shape(shape);
  std::ranges::copy(tensor.values, array.data());
  return array;
}

/// The elements of an xtensor expression, row-major, as `float` or `double`:
/// `write_npy("x.npy", plain_tensor<float>(array))`.
template <class T, class E, class Array = typename detail::ArrayOf<T>::type>
UNROLL_PER_ISA PlainTensor<T> plain_tensor(const xt::xexpression<E>& expression) {
  const Array array = expression.derived_cast();
  PlainTensor<T> tensor;
  for (const auto d : array.shape()) tensor.shape.push_back(d);
  tensor.values.assign(array.data(), array.data() + array.size());
  return tensor;
}

}  // namespace unroll
