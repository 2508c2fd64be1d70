#include "rows.hpp"

#include <algorithm>

#include "../core/op.hpp"
#include "../core/simd/kernels.hpp"

namespace unroll {
namespace {

using detail::Node;
using detail::Op;

// The ids on the tape, checked to lie in low .. high-1.
template <class T>
const Index* checked_ids(Op<T>& op, const Indices& ids, Index low, Index high) {
  Index* kept = op.template allocate<Index>(ids.size());
  for (Index n = 0; n < ids.size(); ++n) {
    kept[n] = ids[n];
    if (kept[n] < low || kept[n] >= high)
      throw ValueError(op.message("id ", kept[n], " at position ", n, "; expected ", low, " .. ", high - 1));
  }
  return kept;
}

template <class T>
void check_matrix(const Op<T>& op, const Node<T>& x) {
  if (x.shape.rank() != 2) throw ShapeError(op.message("x has shape ", x.shape, "; expected a matrix (N,F)"));
}

}  // namespace

template <class T>
Variable<T> take_rows(const Variable<T>& x_in, const Indices& ids, const Shape& leading) {
  Op<T> op("take_rows");
  Node<T>* x = op.use(x_in);
  check_matrix(op, *x);
  const Index count = ids.size(), cols = x->cols();
  if (leading.rank() > 0 && leading.size() != count)
    throw ShapeError(op.message(count, " ids do not fill the leading dimensions ", leading));
  const Index* kept = checked_ids(op, ids, -1, x->shape[0]);
  const Shape shape = leading.rank() > 0 ? leading.insert(leading.rank(), cols) : Shape{count, cols};
  Node<T>* y = op.result(shape);
  for (Index n = 0; n < count; ++n) {
    if (kept[n] < 0) {
      std::fill_n(y->value + n * cols, cols, T(0));
    } else {
      std::copy_n(x->value + kept[n] * x->row_stride, cols, y->value + n * cols);
    }
  }
  return op.done(y, [=](const T* dy) {
    T* dx = x->touch_add();
    for (Index n = 0; n < count; ++n)
      if (kept[n] >= 0) detail::kernels<T>().add_into(dx + kept[n] * x->row_stride, dy + n * cols, cols);
  });
}

template <class T>
Variable<T> pool_rows(const Variable<T>& x_in, const Indices& segments, Index count, Pool pool) {
  Op<T> op("pool_rows");
  Node<T>* x = op.use(x_in);
  check_matrix(op, *x);
  const Index rows = x->shape[0], cols = x->cols();
  if (segments.size() != rows) throw ShapeError(op.message(segments.size(), " segments for x ", x->shape));
  const Index* of = checked_ids(op, segments, 0, count);
  Node<T>* y = op.result(Shape{count, cols});
  std::fill_n(y->value, count * cols, T(0));
  Index* sizes = op.template allocate<Index>(count);
  std::fill_n(sizes, count, Index{0});
  // Which row each maximum came from.
  Index* from = pool == Pool::max ? op.template allocate<Index>(count * cols) : nullptr;
  for (Index n = 0; n < rows; ++n) {
    const T* row = x->value + n * x->row_stride;
    T* to = y->value + of[n] * cols;
    if (pool != Pool::max) {
      detail::kernels<T>().add_into(to, row, cols);
    } else {
      Index* origin = from + of[n] * cols;
      const bool first = sizes[of[n]] == 0;
      for (Index c = 0; c < cols; ++c) {
        // A NaN wins and stays, as in PyTorch.
        if (first || row[c] > to[c] || (row[c] != row[c] && to[c] == to[c])) {
          to[c] = row[c];
          origin[c] = n;
        }
      }
    }
    ++sizes[of[n]];
  }
  const auto factor = [=](Index s) { return pool == Pool::mean ? T(1) / static_cast<T>(sizes[s]) : T(1); };
  if (pool == Pool::mean)
    for (Index s = 0; s < count; ++s)
      if (sizes[s] > 0) detail::kernels<T>().scale(y->value + s * cols, factor(s), cols);
  return op.done(y, [=](const T* dy) {
    T* dx = x->touch_add();
    if (pool == Pool::max) {
      for (Index s = 0; s < count; ++s)
        for (Index c = 0; c < cols; ++c)
          if (sizes[s] > 0) dx[from[s * cols + c] * x->row_stride + c] += dy[s * cols + c];
    } else {
      for (Index n = 0; n < rows; ++n)
        detail::kernels<T>().axpy(dx + n * x->row_stride, factor(of[n]), dy + of[n] * cols, cols);
    }
  });
}

#define UNROLL_INSTANTIATE(T)                                                       \
  template Variable<T> take_rows(const Variable<T>&, const Indices&, const Shape&); \
  template Variable<T> pool_rows(const Variable<T>&, const Indices&, Index, Pool);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
