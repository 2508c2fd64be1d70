#pragma once
/// \file
/// For who writes operations with access to nodes, as the library's are. The way without is `custom_op`
/// (ops/custom.hpp).
///
/// An operation uses its operands, checks them, makes its result, computes it, and says what backward does:
///
///     template <class T>
///     Variable<T> scale_rows(const Variable<T>& x_in, const Variable<T>& factors) {  // y_rc = f_r x_rc
///       Op<T> op("scale_rows");
///       Node<T> *x = op.use(x_in), *f = op.use(factors);
///       if (f->shape.size() != x->rows()) throw ShapeError(op.message("factors ", f->shape, " for input ", x->shape));
///       Node<T>* y = op.result(x->shape);
///       for (Index r = 0; r < x->rows(); ++r)
///         for (Index c = 0; c < x->cols(); ++c)
///           y->value[r * y->row_stride + c] = f->value[r] * x->value[r * x->row_stride + c];
///       return op.done(y, [=](const T* dy) { ... });
///     }
///
/// - Rows of an operand may be apart (`row_stride`), those of a result are adjacent.
/// - The result wants a gradient when an operand does. `done` is the last act: all of the value is written.
/// - Backward runs when an adjoint `dy` has arrived, laid out like y. Of each operand with `requires_grad` it calls
///   `touch()` and writes or adds, as `Adjoint::fresh` says; or `touch_add()`, and adds. One tensor may be two
///   operands: whoever gets a fresh adjoint writes all of it before another operand is touched.
/// - What backward captures is plain: nodes, numbers, and memory from `op.allocate`.
/// - It may read operands' values, and the result's unless that was said to be spare. Which memory may take something
///   else is one table: core/reuse.hpp. An operation that says nothing there is right.

#include <string>

#include "error.hpp"
#include "recorder.hpp"

namespace unroll::detail {

/// `[op] ` and the parts: texts, numbers, shapes.
template <class... Parts>
UNROLL_PER_ISA std::string message(const char* op, const Parts&... parts) {
  return text("[", op, "] ", parts...);
}

/// The node of x, to be read as `what` with nothing recorded; also after its Recording ended.
template <class T>
UNROLL_PER_ISA Node<T>& read(const Variable<T>& x, const char* what) {
  return Recorder<T>::look(x, what, true);
}

/// The shape of x, which is known also of what was overwritten.
template <class T>
UNROLL_PER_ISA const Shape& shape_of(const Variable<T>& x) {
  return Recorder<T>::look(x, "shape", false).shape;
}

/// One operation while it is being recorded on the current tape.
template <class T>
class UNROLL_PER_ISA Op {
 public:
  /// `name` is for messages, and for those who watch; it must outlive the tape's scope.
  explicit Op(const char* name) : name_(name), recorder_(current_recorder<T>) {}
  /// An operation that uses no Variable. Throws NoScopeError with no scope open.
  static Op without_operands(const char* name) {
    const Op op(name);
    if (!op.recorder_) throw_no_scope(name);
    op.recorder_->begin_op(name);
    return op;
  }

  // Operands --------------------------------------------------------------------------------------------------------

  /// The node of an operand. Throws the error that says why it cannot be used. Everything else of this class may be
  /// called when an operand was used.
  Node<T>* use(const Variable<T>& x) {
    Node<T>* node = use_constant(x);
    requires_grad_ |= node->requires_grad;
    return node;
  }
  /// The same for one that need not be given: null when x is undefined.
  Node<T>* use_if_defined(const Variable<T>& x) { return x.defined() ? use(x) : nullptr; }
  /// The same for one that gets no gradient through this operation.
  Node<T>* use_constant(const Variable<T>& x) { return Recorder<T>::use(recorder_, name_, x); }
  /// True when the scope at hand made it.
  bool made_here(const Variable<T>& x) const { return recorder_->made(x); }

  // Results ---------------------------------------------------------------------------------------------------------

  /// A result with memory for its value, not initialised. It wants a gradient when an operand used so far does.
  Node<T>* result(const Shape& shape) { return recorder_->new_node(shape, requires_grad_); }
  /// The handle on a result, or on another node.
  Variable<T> done(Node<T>* y) { return recorder_->handle(y); }
  /// The same, and backward calls `backward(dy)` when an adjoint `const T* dy` of y has arrived.
  template <class F>
  Variable<T> done(Node<T>* y, const F& backward) {
    if (y->requires_grad)
      recorder_->record([y, backward] {
        if (const T* dy = y->arrived()) backward(dy);
      });
    return recorder_->handle(y);
  }
  /// The handle on a view of `base`, rows `row_stride` apart, which shares value and adjoint with it.
  Variable<T> view(Node<T>* base, T* value, const Shape& shape, Index row_stride) {
    return done(recorder_->new_view(base, value, shape, row_stride));
  }
  /// The same; with `divisible` set it is one of the parts which together cover `base` (see `Node`).
  Variable<T> part(Node<T>* base, bool divisible, T* value, const Shape& shape, Index row_stride) {
    return done(recorder_->new_part(base, divisible, value, shape, row_stride));
  }

  // Memory and scope ------------------------------------------------------------------------------------------------

  /// Memory for `n` objects until the scope is rewound; not initialised.
  template <class U>
  U* allocate(Index n) {
    return recorder_->template allocate<U>(n);
  }
  /// True in a Recording when an operand used so far wants a gradient: what backward needs must be kept.
  bool requires_grad() const { return requires_grad_ && recorder_->recording(); }
  Recorder<T>& recorder() { return *recorder_; }
  const char* name() const { return name_; }
  /// A message of this operation, from texts, numbers and shapes.
  template <class... Parts>
  std::string message(const Parts&... parts) const {
    return detail::message(name_, parts...);
  }

 private:
  const char* name_;
  Recorder<T>* recorder_;
  bool requires_grad_ = false;
};

}  // namespace unroll::detail
