#include "from_blob.hpp"

#include "op.hpp"

namespace unroll {

template <class T>
Variable<T> from_blob(std::span<const T> values, const Shape& shape) {
  auto op = detail::Op<T>::without_operands("from_blob");
  if (static_cast<Index>(values.size()) != shape.size())
    throw ShapeError(op.message(values.size(), " values for shape ", shape, ", which takes ", shape.size()));
  return op.done(op.recorder().node_over(const_cast<T*>(values.data()), shape));  // what is not spare is never written to
}

template Variable<float> from_blob(std::span<const float>, const Shape&);
template Variable<double> from_blob(std::span<const double>, const Shape&);

}  // namespace unroll
