#pragma once
/// \file
/// The handle on a tensor of the tape.

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "node.hpp"
#include "shape.hpp"
#include "tape.hpp"

namespace unroll {

namespace detail {

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

  const Shape& shape() const { return look("shape").shape; }
  /// Dimension `axis`; negative counts from the end.
  Index dim(int axis) const { return shape()[axis]; }
  Index size() const { return shape().size(); }
  /// True when backward will compute an adjoint for it.
  bool requires_grad() const { return look("requires_grad").requires_grad; }

  /// The only element. Throws ShapeError when there are more or none.
  T item() const;
  /// The elements in row-major order, where they lie. Throws ShapeError for a slice whose rows are not adjacent (a
  /// gate of a larger product); value() and to_vector() copy those.
  std::span<const T> values() const;
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

  // For the ops -----------------------------------------------------------------------------------------------------

  Variable(detail::Node<T>* node, std::uint64_t serial) : node_(node), serial_(serial) {}
  /// The node, for op `op` in the innermost scope of this thread.
  detail::Node<T>* use(const char* op) const {
    Tape<T>* tape = current_tape<T>;
    if (tape && tape->quick(serial_)) return ++node_->used != 0 ? node_ : use_often(op);
    return use_slowly(op);
  }
  /// True when it was made in the innermost scope of this thread.
  bool made_in(const Tape<T>& tape) const { return tape.innermost(serial_); }
  /// The node, to be looked at: also after its Recording ended, until the tape's next scope begins.
  detail::Node<T>& read(const char* what) const {
    detail::Node<T>& node = look(what);
    if (node.overwritten) refuse_overwritten(what);
    return node;
  }

 private:
  // The same when only shape and adjoint are asked for.
  detail::Node<T>& look(const char* what) const {
    if (Tape<T>* tape = current_tape<T>; !tape || !tape->live(serial_)) check_readable(what);
    return *node_;
  }
  detail::Node<T>* use_often(const char* op) const;
  detail::Node<T>* use_slowly(const char* op) const;
  [[noreturn]] void refuse_overwritten(const char* what) const;
  [[noreturn]] void refuse(const char* op) const;
  void check_readable(const char* what) const;

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
namespace detail {

template <class T>
using SubstituteList = std::vector<std::pair<const ParameterStorage<T>*, Variable<T>>>;

/// While one lives, `use(parameter)` on this thread gives another tensor of its shape in its place: for weights that
/// are changed for one run (DropConnect). Of several the innermost counts.
template <class T>
class Substitutes {
 public:
  Substitutes();
  ~Substitutes();
  Substitutes(const Substitutes&) = delete;
  Substitutes& operator=(const Substitutes&) = delete;

  void add(const Parameter<T>& parameter, const Variable<T>& instead);
  /// What stands in for the parameter, or null.
  static const Variable<T>* find(const ParameterStorage<T>& parameter);
  /// All that stand in for something now; what counts comes first.
  static SubstituteList<T> visible();

 private:
  template <class>
  friend class SubstitutesAgain;

  Substitutes* outer_;
  SubstituteList<T> list_;
};

/// While one lives, the given substitutes count and no others: those of an earlier time.
template <class T>
class SubstitutesAgain {
 public:
  /// Null: none.
  explicit SubstitutesAgain(const SubstituteList<T>* list);
  ~SubstitutesAgain();
  SubstitutesAgain(const SubstitutesAgain&) = delete;
  SubstitutesAgain& operator=(const SubstitutesAgain&) = delete;

 private:
  Substitutes<T>* now_;
  Substitutes<T> then_;
};

template <class T>
inline constinit thread_local Substitutes<T>* substitutes = nullptr;

}  // namespace detail

/// The parameter as a Variable of the current tape: a leaf whose adjoint is added to `parameter`'s gradient.
template <class T>
Variable<T> use(const Parameter<T>& parameter);
/// The value of `x` cut off from what made it: a constant (no copy). Gradients stop here.
template <class T>
Variable<T> stop_gradient(Variable<T> x);

}  // namespace unroll
