#include "plain_tensor.hpp"

#include <algorithm>

#include "../../core/error.hpp"
#include "element_types_detail.hpp"

namespace unroll {

template <class T>
const PlainTensor<T>& tensor_named(const StateDict<T>& tensors, const std::string& name) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) throw ValueError("[tensor_named] no '", name, "' among ", tensors.size(), " tensors");
  return found->second;
}

template <class T>
PlainTensor<T> transposed(const PlainTensor<T>& matrix) {
  if (matrix.shape.size() != 2)
    throw ShapeError("[transposed] shape ", detail::shape_text(matrix.shape), "; expected a matrix");
  detail::check_plain<T>("transposed", matrix, matrix.shape);
  const auto rows = static_cast<std::size_t>(matrix.shape[0]), cols = static_cast<std::size_t>(matrix.shape[1]);
  PlainTensor<T> result{{matrix.shape[1], matrix.shape[0]}, std::vector<T>(rows * cols)};
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < cols; ++c) result.values[c * rows + r] = matrix.values[r * cols + c];
  return result;
}

namespace detail {

std::string shape_text(std::span<const Index> shape) {
  std::string s = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) s += (i ? "," : "") + std::to_string(shape[i]);
  return s + ")";
}

template <class T>
void check_plain(const std::string& what, const PlainTensor<T>& tensor, std::span<const Index> shape) {
  if (!std::ranges::equal(tensor.shape, shape))
    throw ShapeError("[", what, "] shape ", shape_text(tensor.shape), "; expected ", shape_text(shape));
  std::size_t count = 1;
  for (const Index d : shape) {
    if (d < 0 || __builtin_mul_overflow(count, static_cast<std::size_t>(d), &count))
      throw ShapeError("[", what, "] shape ", shape_text(shape), " is of no tensor");
  }
  if (count != tensor.values.size())
    throw ShapeError("[", what, "] ", tensor.values.size(), " values for shape ", shape_text(shape), ", which takes ",
                     count);
}

}  // namespace detail

#define UNROLL_INSTANTIATE(T)                                                              \
  template const PlainTensor<T>& tensor_named<T>(const StateDict<T>&, const std::string&); \
  template PlainTensor<T> transposed<T>(const PlainTensor<T>&);                            \
  UNROLL_INSTANTIATE_CHECK(T)
#define UNROLL_INSTANTIATE_CHECK(T) \
  template void detail::check_plain<T>(const std::string&, const PlainTensor<T>&, std::span<const Index>);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
UNROLL_FOR_EACH_INTEGER_ELEMENT_TYPE(UNROLL_INSTANTIATE_CHECK)
#undef UNROLL_INSTANTIATE
#undef UNROLL_INSTANTIATE_CHECK

}  // namespace unroll
