#pragma once
/// \file
/// What the CTC loss and its decoders share.

#include <cmath>
#include <limits>
#include <string>

#include "../../core/op.hpp"
#include "../sequence.hpp"

namespace unroll::detail {

inline constexpr double minus_infinity = -std::numeric_limits<double>::infinity();

/// The rows of a batch, by sequence from long to short.
template <class T>
struct CtcRows {
  const SequenceLayout* layout;
  const T* values;
  Index row_stride;
  Index classes;

  Index row(Index k, Index t) const { return layout->first[t] + k; }
  const T* at(Index k, Index t) const { return values + row(k, t) * row_stride; }

  /// The logarithm of the softmax's divisor at a row; NaN where a logit is NaN or +inf.
  double log_sum(const T* x) const {
    double top = minus_infinity;
    for (Index c = 0; c < classes; ++c)
      if (static_cast<double>(x[c]) > top) top = static_cast<double>(x[c]);
    double sum = 0;
    for (Index c = 0; c < classes; ++c) {
      const auto v = static_cast<double>(x[c]);
      sum += v == minus_infinity ? 0 : std::exp(v - top);
    }
    return sum == 0 ? minus_infinity : top + std::log(sum);
  }
  /// log softmax(x)_c for the log_sum of x; -inf in a row without a possible class.
  static double log_prob(const T* x, Index c, double log_sum) {
    return log_sum == minus_infinity ? minus_infinity : static_cast<double>(x[c]) - log_sum;
  }
};

/// Checks shape and blank.
template <class T>
CtcRows<T> ctc_rows(const char* op, const Sequence<T>& logits, Index blank) {
  const Node<T>* x = Op<T>(op).use(logits.rows);
  if (x->shape.rank() != 2) throw ShapeError(message(op, "logits ", x->shape, "; expected (N,C)"));
  const Index classes = x->shape[1];
  if (blank < 0 || blank >= classes)
    throw ValueError(message(op, "blank ", blank, "; expected 0 .. ", classes - 1));
  return {logits.layout, x->value, x->row_stride, classes};
}

}  // namespace unroll::detail
