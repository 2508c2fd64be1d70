#include "gather.hpp"

#include <algorithm>
#include <string>

#include "../core/error.hpp"

namespace unroll {
namespace {

using detail::Node;

using std::to_string;

void check_range(const char* op, const Indices& ids, Index n, const char* what) {
  for (Index i = 0; i < ids.size(); ++i)
    if (ids[i] < 0 || ids[i] >= n)
      throw ValueError(std::string("[") + op + "] index " + to_string(i) + " is " + to_string(ids[i]) +
                       "; expected one of " + to_string(n) + " " + what + ", 0 to " + to_string(n - 1));
}

// `leading`, or (N) when none is given, with `cols` behind it.
Shape result_shape(const char* op, const Indices& ids, const Shape& leading, Index cols) {
  if (leading.rank() == 0) return Shape{ids.size(), cols};
  if (leading.size() != ids.size())
    throw ShapeError(std::string("[") + op + "] " + to_string(ids.size()) + " indices for leading dimensions " +
                     leading.str() + ", which take " + to_string(leading.size()));
  if (leading.rank() == Shape::max_rank)
    throw ShapeError(std::string("[") + op + "] leading dimensions " + leading.str() +
                     " leave no room for another; expected at most three");
  return leading.insert(leading.rank(), cols);
}

template <class T>
const Index* keep(Tape<T>& tape, const Indices& ids) {
  Index* kept = tape.template allocate<Index>(ids.size());
  for (Index i = 0; i < ids.size(); ++i) kept[i] = ids[i];
  return kept;
}

}  // namespace

template <class T>
Variable<T> gather_rows(const Variable<T>& v, const Indices& ids, const GatherOptions& options) {
  Node<T>* table = v.use("gather_rows");
  Tape<T>& tape = *current_tape<T>;
  if (table->shape.rank() != 2)
    throw ShapeError("[gather_rows] table " + table->shape.str() +
                     "; expected two dimensions, (rows,features)");
  check_range("gather_rows", ids, table->shape[0], "rows");
  const Index n = ids.size(), cols = table->cols();
  Node<T>* y = tape.new_node(result_shape("gather_rows", ids, options.leading, cols), table->requires_grad);
  for (Index i = 0; i < n; ++i)
    std::copy_n(table->value + ids[i] * table->row_stride, cols, y->value + i * cols);
  if (y->requires_grad) {
    const Index* kept = keep(tape, ids);
    const Index padding = options.padding_index;
    tape.record([=] {
      const T* dy = y->arrived();
      if (!dy) return;
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
  return tape.handle(y);
}

template <class T>
Variable<T> one_hot(const Indices& ids, Index classes, const Shape& leading) {
  detail::open_tape<T>("one_hot");
  if (classes < 0) throw ValueError("[one_hot] " + to_string(classes) + " classes; expected at least 0");
  check_range("one_hot", ids, classes, "classes");
  const Shape shape = result_shape("one_hot", ids, leading, classes);
  Variable<T> y = full(shape, T(0));
  Node<T>* node = y.use("one_hot");
  for (Index i = 0; i < ids.size(); ++i) node->value[i * classes + ids[i]] = T(1);
  return y;
}

template <class T>
Variable<T> take_along_last(const Variable<T>& v, const Indices& ids) {
  Node<T>* x = v.use("take_along_last");
  Tape<T>& tape = *current_tape<T>;
  if (x->shape.rank() == 0)
    throw ShapeError("[take_along_last] input is a scalar; expected at least one dimension");
  const Index rows = x->rows();
  if (ids.size() != rows)
    throw ShapeError("[take_along_last] " + to_string(ids.size()) + " indices for input " + x->shape.str() +
                     ", which has " + to_string(rows) + " rows");
  check_range("take_along_last", ids, x->cols(), "columns");
  Node<T>* y = tape.new_node(x->shape.without(-1), x->requires_grad);
  for (Index r = 0; r < rows; ++r) y->value[r] = x->value[r * x->row_stride + ids[r]];
  if (y->requires_grad) {
    const Index* kept = keep(tape, ids);
    tape.record([=] {
      const T* dy = y->arrived();
      if (!dy) return;
      T* dx = x->touch_add();
      for (Index r = 0; r < rows; ++r) dx[r * x->row_stride + kept[r]] += dy[r];
    });
  }
  return tape.handle(y);
}

#define UNROLL_INSTANTIATE(T)                                                                 \
  template Variable<T> gather_rows(const Variable<T>&, const Indices&, const GatherOptions&); \
  template Variable<T> one_hot<T>(const Indices&, Index, const Shape&);                       \
  template Variable<T> take_along_last(const Variable<T>&, const Indices&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
