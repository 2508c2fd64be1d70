#include "from_blob.hpp"

#include "op.hpp"

namespace unroll {

template <class T>
Variable<T> from_blob(std::span<const T> values, const Shape& shape) {
  auto op = detail::Op<T>::without_operands("from_blob");
  if (static_cast<Index>(values.size()) != shape.size())
    throw ShapeError(op.message(values.size(), " values for shape ", shape, ", which takes ", shape.size()));
  auto* data = const_cast<T*>(values.data());  // nothing is ever written to what is not spare
  return op.done(op.recorder().node_over(data, shape));
}

template Variable<float> from_blob(std::span<const float>, const Shape&);
template Variable<double> from_blob(std::span<const double>, const Shape&);

}  // namespace unroll
