#include "gather.hpp"

#include <algorithm>

#include "../core/op.hpp"

namespace unroll {
namespace {

using detail::message;
using detail::Node;
using detail::Op;

void check_range(const char* op, const Indices& ids, Index n, const char* what) {
  for (Index i = 0; i < ids.size(); ++i)
    if (ids[i] < 0 || ids[i] >= n)
      throw ValueError(
          message(op, "index ", i, " is ", ids[i], "; expected one of ", n, " ", what, ", 0 to ", n - 1));
}

// `leading`, or (N) when none is given, with `cols` behind it.
Shape result_shape(const char* op, const Indices& ids, const Shape& leading, Index cols) {
  if (leading.rank() == 0) return Shape{ids.size(), cols};
  if (leading.size() != ids.size())
    throw ShapeError(
        message(op, ids.size(), " indices for leading dimensions ", leading, ", which take ", leading.size()));
  if (leading.rank() == Shape::max_rank)
    throw ShapeError(
        message(op, "leading dimensions ", leading, " leave no room for another; expected at most three"));
  return leading.insert(leading.rank(), cols);
}

// For backward.
template <class T>
const Index* keep(Op<T>& op, const Indices& ids) {
  if (!op.requires_grad()) return nullptr;
  Index* kept = op.template allocate<Index>(ids.size());
  for (Index i = 0; i < ids.size(); ++i) kept[i] = ids[i];
  return kept;
}

}  // namespace

template <class T>
Variable<T> gather_rows(const Variable<T>& v, const Indices& ids, const GatherOptions& options) {
  Op<T> op("gather_rows");
  Node<T>* table = op.use(v);
  if (table->shape.rank() != 2)
    throw ShapeError(op.message("table ", table->shape, "; expected two dimensions, (rows,features)"));
  check_range(op.name(), ids, table->shape[0], "rows");
  const Index n = ids.size(), cols = table->cols();
  Node<T>* y = op.result(result_shape(op.name(), ids, options.leading, cols));
  for (Index i = 0; i < n; ++i)
    std::copy_n(table->value + ids[i] * table->row_stride, cols, y->value + i * cols);
  const Index* kept = keep(op, ids);
  return op.done(y, [=, padding = options.padding_index](const T* dy) {
    T* dt = table->touch_rows();
    for (Index i = 0; i < n; ++i) {
      const Index row = kept[i];
      if (row == padding) continue;
      table->touched_row(row);
      T* to = dt + row * table->row_stride;
      const T* from = dy + i * cols;
      for (Index c = 0; c < cols; ++c) to[c] += from[c];
    }
  });
}

template <class T>
Variable<T> one_hot(const Indices& ids, Index classes, const Shape& leading) {
  constexpr const char* op = "one_hot";
  detail::open_tape<T>(op);
  if (classes < 0) throw ValueError(message(op, classes, " classes; expected at least 0"));
  check_range(op, ids, classes, "classes");
  return detail::input_written_by<T>(op, result_shape(op, ids, leading, classes), false, [&](std::span<T> y) {
    std::ranges::fill(y, T(0));
    for (Index i = 0; i < ids.size(); ++i) y[static_cast<std::size_t>(i * classes + ids[i])] = T(1);
  });
}

template <class T>
Variable<T> take_along_last(const Variable<T>& v, const Indices& ids) {
  Op<T> op("take_along_last");
  Node<T>* x = op.use(v);
  if (x->shape.rank() == 0) throw ShapeError(op.message("input is a scalar; expected at least one dimension"));
  const Index rows = x->rows();
  if (ids.size() != rows)
    throw ShapeError(op.message(ids.size(), " indices for input ", x->shape, ", which has ", rows, " rows"));
  check_range(op.name(), ids, x->cols(), "columns");
  Node<T>* y = op.result(x->shape.without(-1));
  for (Index r = 0; r < rows; ++r) y->value[r] = x->value[r * x->row_stride + ids[r]];
  const Index* kept = keep(op, ids);
  return op.done(y, [=](const T* dy) {
    T* dx = x->touch_add();
    for (Index r = 0; r < rows; ++r) dx[r * x->row_stride + kept[r]] += dy[r];
  });
}

#define UNROLL_INSTANTIATE(T)                                                                 \
  template Variable<T> gather_rows(const Variable<T>&, const Indices&, const GatherOptions&); \
  template Variable<T> one_hot<T>(const Indices&, Index, const Shape&);                       \
  template Variable<T> take_along_last(const Variable<T>&, const Indices&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
