#include "segment.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "../core/op.hpp"
#include "../core/simd/kernels.hpp"

namespace unroll {
namespace {

using detail::Node;
using detail::Op;

template <class T>
const Index* checked(Tape<T>& tape, const char* what, const Indices& ids, Index end) {
  Index* kept = tape.template allocate<Index>(ids.size());
  for (Index p = 0; p < ids.size(); ++p) {
    kept[p] = ids[p];
    if (kept[p] < 0 || kept[p] >= end)
      throw ValueError(
          detail::message("make_segments", what, " ", kept[p], " at position ", p, "; expected 0 .. ", end - 1));
  }
  return kept;
}

template <class T>
Segments* new_segments(Tape<T>& tape) {
  return new (tape.template allocate<Segments>(1)) Segments();
}

// Operands, checked.
template <class T>
Node<T>* use_members(Op<T>& op, const char* what, const Variable<T>& v, const Segments& s) {
  Node<T>* x = op.use(v);
  if (x->shape.rank() != 1 || x->shape[0] != s.members)
    throw ShapeError(op.message(what, " ", x->shape, "; expected (", s.members, "), one number a member"));
  return x;
}

template <class T>
Node<T>* use_rows(Op<T>& op, const char* what, const Variable<T>& v, Index rows) {
  Node<T>* x = op.use(v);
  if (x->shape.rank() != 2 || x->shape[0] != rows)
    throw ShapeError(op.message(what, " ", x->shape, "; expected (", rows, ",F)"));
  return x;
}

template <class T>
void check_features(const Op<T>& op, const Node<T>& a, const Node<T>& x) {
  if (a.cols() != x.cols())
    throw ShapeError(op.message("a ", a.shape, " has ", a.cols(), " features, x ", x.shape, " has ", x.cols()));
}

Index row_of(const Segments& s, Index p) { return s.row ? s.row[p] : p; }

}  // namespace

template <class T>
const Segments* make_segments(Tape<T>& tape, const Indices& segment, Index count) {
  Segments* s = new_segments(tape);
  *s = {count, segment.size(), segment.size(), checked(tape, "segment", segment, count), nullptr};
  return s;
}

template <class T>
const Segments* make_segments(Tape<T>& tape, const Indices& segment, Index count, const Indices& row, Index rows) {
  if (row.size() != segment.size())
    throw ShapeError(detail::message("make_segments", row.size(), " rows for ", segment.size(), " segments"));
  Segments* s = new_segments(tape);
  *s = {count, segment.size(), rows, checked(tape, "segment", segment, count), checked(tape, "row", row, rows)};
  return s;
}

template <class T>
Variable<T> segment_softmax(const Variable<T>& x_in, const Segments& segments) {
  Op<T> op("segment_softmax");
  Node<T>* x = use_members(op, "x", x_in, segments);
  const Segments s = segments;
  Node<T>* y = op.result(x->shape);
  // Per segment: first the largest x, then the sum of exponentials; in backward the sum of y dy.
  T* largest = op.template allocate<T>(s.count);
  T* total = op.template allocate<T>(s.count);
  std::fill_n(largest, s.count, -std::numeric_limits<T>::infinity());
  std::fill_n(total, s.count, T(0));
  for (Index p = 0; p < s.members; ++p) {
    T& m = largest[s.segment[p]];
    if (x->value[p] > m || x->value[p] != x->value[p]) m = x->value[p];
  }
  for (Index p = 0; p < s.members; ++p) {
    const T m = largest[s.segment[p]];
    y->value[p] = m == -std::numeric_limits<T>::infinity() ? T(0) : std::exp(x->value[p] - m);
    total[s.segment[p]] += y->value[p];
  }
  for (Index p = 0; p < s.members; ++p)
    if (total[s.segment[p]] != T(0)) y->value[p] /= total[s.segment[p]];
  return op.done(y, [=](const T* dy) {
    std::fill_n(total, s.count, T(0));
    for (Index p = 0; p < s.members; ++p) total[s.segment[p]] += y->value[p] * dy[p];
    T* dx = x->touch_add();
    for (Index p = 0; p < s.members; ++p) dx[p] += y->value[p] * (dy[p] - total[s.segment[p]]);
  });
}

template <class T>
Variable<T> segment_weighted_sum(const Variable<T>& weights, const Variable<T>& x_in, const Segments& segments) {
  Op<T> op("segment_weighted_sum");
  Node<T>* w = use_members(op, "weights", weights, segments);
  Node<T>* x = use_rows(op, "x", x_in, segments.rows);
  const Segments s = segments;
  const Index cols = x->cols();
  Node<T>* y = op.result(Shape{s.count, cols});
  std::fill_n(y->value, s.count * cols, T(0));
  const auto& k = detail::kernels<T>();
  for (Index p = 0; p < s.members; ++p)
    k.axpy(y->value + s.segment[p] * cols, w->value[p], x->value + row_of(s, p) * x->row_stride, cols);
  return op.done(y, [=](const T* dy) {
    const auto& k = detail::kernels<T>();
    if (w->requires_grad) {
      T* dw = w->touch_add();
      for (Index p = 0; p < s.members; ++p)
        dw[p] += static_cast<T>(k.dot(dy + s.segment[p] * cols, x->value + row_of(s, p) * x->row_stride, cols));
    }
    if (x->requires_grad) {
      T* dx = x->touch_add();
      for (Index p = 0; p < s.members; ++p)
        k.axpy(dx + row_of(s, p) * x->row_stride, w->value[p], dy + s.segment[p] * cols, cols);
    }
  });
}

template <class T>
Variable<T> segment_dot(const Variable<T>& a_in, const Variable<T>& x_in, const Segments& segments, double scale_in) {
  Op<T> op("segment_dot");
  Node<T>* a = use_rows(op, "a", a_in, segments.count);
  Node<T>* x = use_rows(op, "x", x_in, segments.rows);
  check_features(op, *a, *x);
  const Segments s = segments;
  const Index cols = x->cols();
  const auto scale = static_cast<T>(scale_in);
  Node<T>* y = op.result(Shape{s.members});
  const auto& k = detail::kernels<T>();
  for (Index p = 0; p < s.members; ++p)
    y->value[p] = scale * static_cast<T>(k.dot(a->value + s.segment[p] * a->row_stride,
                                               x->value + row_of(s, p) * x->row_stride, cols));
  return op.done(y, [=](const T* dy) {
    const auto& k = detail::kernels<T>();
    if (a->requires_grad) {
      T* da = a->touch_add();
      for (Index p = 0; p < s.members; ++p)
        k.axpy(da + s.segment[p] * a->row_stride, scale * dy[p], x->value + row_of(s, p) * x->row_stride, cols);
    }
    if (x->requires_grad) {
      T* dx = x->touch_add();
      for (Index p = 0; p < s.members; ++p)
        k.axpy(dx + row_of(s, p) * x->row_stride, scale * dy[p], a->value + s.segment[p] * a->row_stride, cols);
    }
  });
}

template <class T>
Variable<T> segment_add(const Variable<T>& a_in, const Variable<T>& x_in, const Segments& segments) {
  Op<T> op("segment_add");
  Node<T>* a = use_rows(op, "a", a_in, segments.count);
  Node<T>* x = use_rows(op, "x", x_in, segments.rows);
  check_features(op, *a, *x);
  const Segments s = segments;
  const Index cols = x->cols();
  Node<T>* y = op.result(Shape{s.members, cols});
  for (Index p = 0; p < s.members; ++p) {
    const T* from_a = a->value + s.segment[p] * a->row_stride;
    const T* from_x = x->value + row_of(s, p) * x->row_stride;
    T* to = y->value + p * cols;
    for (Index c = 0; c < cols; ++c) to[c] = from_a[c] + from_x[c];
  }
  return op.done(y, [=](const T* dy) {
    const auto& k = detail::kernels<T>();
    T* da = a->requires_grad ? a->touch_add() : nullptr;
    T* dx = x->requires_grad ? x->touch_add() : nullptr;
    for (Index p = 0; p < s.members; ++p) {
      if (da) k.add_into(da + s.segment[p] * a->row_stride, dy + p * cols, cols);
      if (dx) k.add_into(dx + row_of(s, p) * x->row_stride, dy + p * cols, cols);
    }
  });
}

#define UNROLL_INSTANTIATE(T)                                                                         \
  template const Segments* make_segments(Tape<T>&, const Indices&, Index);                            \
  template const Segments* make_segments(Tape<T>&, const Indices&, Index, const Indices&, Index);     \
  template Variable<T> segment_softmax(const Variable<T>&, const Segments&);                          \
  template Variable<T> segment_weighted_sum(const Variable<T>&, const Variable<T>&, const Segments&); \
  template Variable<T> segment_add(const Variable<T>&, const Variable<T>&, const Segments&);          \
  template Variable<T> segment_dot(const Variable<T>&, const Variable<T>&, const Segments&, double);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
