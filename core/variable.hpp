#pragma once
/// \file
/// The handle on a tensor of the tape.

#include <cstdint>
#include <span>
#include <vector>

#include "tape.hpp"

namespace unroll {

template <class T>
class Parameter;

namespace detail {

template <class T>
struct Node;

/// `type` is what value() and grad() return: `xt::xarray<T>`. Defined in core/xt.hpp, so that only files that ask for
/// an xtensor array pay for compiling one.
template <class T>
struct ArrayOf;

}  // namespace detail

/// A handle on a tensor that some scope of a tape made: 16 bytes, copied freely.
///
/// It knows which scope made it. Using it when its memory is no longer its own throws an error that says which of
/// these it is: rewound (StaleVariableError), another tape (WrongTapeError), a tape that is gone (DeadTapeError),
/// another thread (WrongThreadError), never set (EmptyVariableError).
template <class T = float>
class Variable {
 public:
  using value_type = T;

  Variable() = default;

  /// False for a default-constructed handle.
  bool defined() const { return node_ != nullptr; }

  const Shape& shape() const;
  /// Dimension `axis`; negative counts from the end.
  Index dim(int axis) const { return shape()[axis]; }
  Index size() const { return shape().size(); }
  /// True when backward will compute an adjoint for it.
  bool requires_grad() const;

  /// The only element. Throws ShapeError when there are more or none.
  T item() const;
  /// The elements in row-major order, where they lie. Throws ShapeError for a slice whose rows are not adjacent (a
  /// gate of a larger product); row(), value() and to_vector() read those.
  std::span<const T> values() const;
  /// The elements of row `i`, where they lie; the last dimension is a row. Throws ValueError when there is no such row.
  std::span<const T> row(Index i) const;
  /// A copy of the elements.
  std::vector<T> to_vector() const;
  /// A copy of the adjoint after backward(); zeros when nothing arrived.
  std::vector<T> grad_to_vector() const;
  /// A copy of the elements as an `xt::xarray<T>` (include core/xt.hpp).
  template <class U = T, class Array = typename detail::ArrayOf<U>::type>
  UNROLL_PER_ISA Array value() const {
    return detail::ArrayOf<U>::template make<Array>(to_vector(), shape());
  }
  /// A copy of the adjoint as an `xt::xarray<T>` (include core/xt.hpp).
  template <class U = T, class Array = typename detail::ArrayOf<U>::type>
  UNROLL_PER_ISA Array grad() const {
    return detail::ArrayOf<U>::template make<Array>(grad_to_vector(), shape());
  }

  /// Throws what using it in operation `op` would throw, under that name: for layers, before they compute.
  void check_usable(const char* op) const;
  /// The same for reading its values, which may be done until the tape's next scope begins.
  void check_readable(const char* op) const;

 private:
  friend class detail::Recorder<T>;

  detail::Node<T>* node_ = nullptr;
  std::uint64_t serial_ = 0;
};

extern template class Variable<float>;
extern template class Variable<double>;

/// A Variable whose gradient is wanted: `input(x, requires_grad)`.
struct RequiresGrad {
  explicit RequiresGrad() = default;
};
inline constexpr RequiresGrad requires_grad{};

/// Copies `values` (row-major, as many as `shape` says) onto the current tape, as a constant.
/// Throws ShapeError when the number of values is another, NoScopeError with no scope open.
template <class T>
Variable<T> input(std::span<const T> values, const Shape& shape);
/// The same, and backward() computes its adjoint.
template <class T>
Variable<T> input(std::span<const T> values, const Shape& shape, RequiresGrad);
template <class T>
UNROLL_PER_ISA Variable<T> input(const std::vector<T>& values, const Shape& shape) {
  return input(std::span<const T>(values), shape);
}
template <class T>
UNROLL_PER_ISA Variable<T> input(const std::vector<T>& values, const Shape& shape, RequiresGrad r) {
  return input(std::span<const T>(values), shape, r);
}

/// A constant tensor of zeros; products with it cost nothing.
template <class T>
Variable<T> zeros(const Shape& shape);
/// A constant tensor with every element `value`.
template <class T>
Variable<T> full(const Shape& shape, T value);

/// The parameter as a Variable of the current tape: a leaf whose adjoint is added to `parameter`'s gradient.
template <class T>
Variable<T> use(const Parameter<T>& parameter);
/// The value of `x` cut off from what made it: a constant (no copy). Gradients stop here.
template <class T>
Variable<T> stop_gradient(Variable<T> x);

namespace detail {

/// An input whose elements `write(from, elements)` writes.
template <class T>
Variable<T> make_input(const char* op, const Shape& shape, bool requires_grad,
                       void (*write)(const void* from, std::span<T> elements), const void* from);
/// The same for a function of the elements.
template <class T, class Write>
UNROLL_PER_ISA Variable<T> input_written_by(const char* op, const Shape& shape, bool requires_grad,
                                            const Write& write) {
  return make_input<T>(
      op, shape, requires_grad,
      [](const void* from, std::span<T> elements) { (*static_cast<const Write*>(from))(elements); }, &write);
}

}  // namespace detail
}  // namespace unroll
