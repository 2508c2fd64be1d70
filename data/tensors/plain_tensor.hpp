#pragma once
/// \file
/// Tensors outside of any tape and module, as files hold them.

#include <map>
#include <span>
#include <string>
#include <vector>

#include "../../core/shape.hpp"

namespace unroll {

/// Elements in row-major order and their shape, of any rank. Without values *and* without dimensions it is no tensor at
/// all, such as the bias of a layer that has none; a scalar has no dimensions and one value.
template <class T>
struct PlainTensor {
  std::vector<Index> shape;
  std::vector<T> values;

  bool defined() const { return !shape.empty() || !values.empty(); }
  friend bool operator==(const PlainTensor&, const PlainTensor&) = default;
};

/// Tensors by name, as PyTorch's state_dict().
template <class T>
using StateDict = std::map<std::string, PlainTensor<T>>;

/// The tensor of that name; throws ValueError when there is none.
template <class T>
const PlainTensor<T>& tensor_named(const StateDict<T>& tensors, const std::string& name);

/// A matrix with rows and columns exchanged: (M, N) to (N, M). A Linear's weight is a Keras Dense kernel transposed.
/// Throws ShapeError when it is no matrix.
template <class T>
PlainTensor<T> transposed(const PlainTensor<T>& matrix);

namespace detail {
/// `(2,3)`.
std::string shape_text(std::span<const Index> shape);
/// Throws ShapeError unless the tensor has this shape and as many values as it says; `what` is for the message.
template <class T>
void check_plain(const std::string& what, const PlainTensor<T>& tensor, std::span<const Index> shape);
}  // namespace detail

}  // namespace unroll
