#include "from_blob.hpp"

#include <string>

#include "error.hpp"
#include "tape.hpp"

namespace unroll {

template <class T>
Variable<T> from_blob(std::span<const T> values, const Shape& shape) {
  Tape<T>& tape = detail::open_tape<T>("from_blob");
  tape.begin_op("from_blob");
  if (static_cast<Index>(values.size()) != shape.size())
    throw ShapeError("[from_blob] " + std::to_string(values.size()) + " values for shape " + shape.str() +
                     ", which takes " + std::to_string(shape.size()));
  detail::Node<T>* node = tape.bare_node();
  node->value = const_cast<T*>(values.data());  // nothing is ever written to what is not spare
  node->shape = shape;
  node->row_stride = shape.cols();
  return tape.handle(node);
}

template Variable<float> from_blob(std::span<const float>, const Shape&);
template Variable<double> from_blob(std::span<const double>, const Shape&);

}  // namespace unroll
