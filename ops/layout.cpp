#include "layout.hpp"

#include <algorithm>
#include <string>

#include "../core/op.hpp"
#include "../core/simd/kernels.hpp"
#include "axis_detail.hpp"

namespace unroll {
namespace {

using detail::Adjoint;
using detail::checked_axis;
using detail::kernels;
using detail::Node;
using detail::Op;

// One rectangle of elements that a copying operation moves: `rows` rows of `cols` elements.
template <class T>
struct Block {
  Node<T>* x;
  Index x_at, x_stride;  // where it begins in x, and how far its rows are apart there
  Index y_at, y_stride;
  Index rows, cols;
  bool whole;  // all of x
};

template <class T>
void copy_forward(const Block<T>& b, T* y) {
  kernels<T>().copy_rows(y + b.y_at, b.y_stride, b.x->value + b.x_at, b.x_stride, b.rows, b.cols);
}

template <class T>
void copy_backward(const Block<T>& b, const T* dy) {
  if (!b.x->requires_grad) return;
  Adjoint<T> a;
  if (b.whole) {
    a = b.x->touch();
  } else {
    a = {b.x->touch_add(), 0, false};
  }
  if (a.fresh) {
    kernels<T>().copy_rows(a.data + b.x_at, b.x_stride, dy + b.y_at, b.y_stride, b.rows, b.cols);
  } else {
    kernels<T>().add_rows(a.data + b.x_at, b.x_stride, dy + b.y_at, b.y_stride, b.rows, b.cols);
  }
}

template <class T>
Variable<T> copy_one(Op<T>& op, const Block<T>& b, const Shape& shape) {
  Node<T>* y = op.result(shape);
  copy_forward(b, y->value);
  return op.done(y, [b](const T* dy) { copy_backward(b, dy); });
}

template <class T>
Node<T>* use_contiguous(Op<T>& op, const Variable<T>& x) {
  Node<T>* n = op.use(x);
  return n->contiguous() ? n : op.use(contiguous(x));
}

// How far two neighbours on the first axis are apart; the first axis must not be the last.
template <class T>
Index first_stride(const Node<T>& x) {
  Index n = x.row_stride;
  for (int i = 1; i + 1 < x.shape.rank(); ++i) n *= x.shape[i];
  return n;
}

// Elements that one step along `axis` passes over in a contiguous tensor, and steps above it.
struct Split {
  Index outer = 1, inner = 1;
  Split(const Shape& shape, int axis) {
    for (int i = 0; i < axis; ++i) outer *= shape[i];
    for (int i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
  }
};

// The slice [start, start + length) of a checked axis; `part`: it is one of the pieces that cover x.
template <class T>
Variable<T> slice(Op<T>& op, const Variable<T>& v, int axis, Index start, Index length, bool part) {
  Node<T>* x = op.use(v);
  const Shape shape = x->shape.with(axis, length);
  if (axis == x->shape.rank() - 1)
    return op.part(x, part, x->value + start, shape, x->shape.rank() == 1 ? length : x->row_stride);
  if (axis == 0) return op.part(x, part, x->value + start * first_stride(*x), shape, x->row_stride);
  x = use_contiguous(op, v);
  const Split s(x->shape, axis);
  const Index cols = length * s.inner;
  return copy_one<T>(
      op, {x, start * s.inner, x->shape[axis] * s.inner, 0, cols, s.outer, cols, length == x->shape[axis]}, shape);
}

// The tensor whose adjoint holds that of `x`: x is one region of it.
template <class T>
const Node<T>* region_of(const Node<T>* x) {
  // A reshaped part is the part.
  if (x->base && !x->part && x->base->part && x->value == x->base->value && x->shape.size() == x->base->shape.size())
    x = x->base;
  return x->base;
}

// One view over `list` when its tensors follow one another in the same memory, with rows equally apart; else
// null.
template <class T>
Node<T>* view_over(Op<T>& op, std::span<const Variable<T>> list, const Shape& shape) {
  Node<T>* first = nullptr;
  const T* next = nullptr;
  Index stride = 0;
  for (const Variable<T>& v : list) {
    Node<T>* x = op.use(v);
    if (x->shape.size() == 0) continue;
    const Index x_stride = x->contiguous() ? x->cols() : x->row_stride;
    if (!first) {
      first = x;
      stride = x_stride;
      if (!region_of(x)) return nullptr;
    } else if (x->value != next || x_stride != stride || x->cols() != first->cols() ||
               region_of(x) != region_of(first)) {
      return nullptr;
    }
    next = x->value + x->rows() * x_stride;
  }
  if (!first) return nullptr;
  if (shape.cols() != first->cols()) {  // scalars or vectors become one row
    if (stride != first->cols()) return nullptr;
    stride = shape.cols();
  }
  Node<T>* view = op.recorder().new_view(const_cast<Node<T>*>(region_of(first)), first->value, shape, stride);
  view->requires_grad = op.requires_grad();
  view->is_zero = false;
  return view;
}

template <class T>
Variable<T> copy_many(Op<T>& op, std::span<const Block<T>> blocks, const Shape& shape) {
  Node<T>* y = op.result(shape);
  for (const Block<T>& b : blocks) copy_forward(b, y->value);
  return op.done(y, [blocks](const T* dy) {
    for (const Block<T>& b : blocks) copy_backward(b, dy);
  });
}

// Concatenation under the name of the operation that asked for it.
template <class T>
Variable<T> concat_as(const char* name, std::span<const Variable<T>> list, int axis) {
  Op<T> op(name);
  if (list.empty()) throw ValueError(op.message("got an empty list; expected at least one tensor"));
  const Shape first = op.use(list[0])->shape;
  axis = checked_axis(name, first, axis);
  Index total = 0;
  for (const Variable<T>& v : list) {
    const Shape& s = op.use(v)->shape;
    if (s.rank() != first.rank() || !(s.with(axis, 0) == first.with(axis, 0)))
      throw ShapeError(op.message("tensor ", &v - list.data(), " is ", s, ", tensor 0 is ", first,
                                  "; expected all dimensions but axis ", axis, " equal"));
    total += s[axis];
  }
  if (list.size() == 1) return list[0];
  const Shape shape = first.with(axis, total);
  if (axis == 0)
    if (Node<T>* view = view_over(op, list, shape)) return op.done(view);

  auto* blocks = op.template allocate<Block<T>>(static_cast<Index>(list.size()));
  const bool last = axis == first.rank() - 1;
  const Split s(first, axis);
  Index done = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    Node<T>* x = last || axis == 0 ? op.use(list[i]) : use_contiguous(op, list[i]);
    const Index dim = x->shape[axis];
    Block<T>& b = *new (blocks + i) Block<T>{x, 0, 0, done * s.inner, 0, 0, 0, true};
    if (last || axis > 0) {
      b.rows = s.outer;
      b.cols = dim * s.inner;
      b.x_stride = last ? x->row_stride : b.cols;
      b.y_stride = total * s.inner;
    } else {
      b.rows = x->rows();
      b.cols = b.y_stride = x->cols();
      b.x_stride = x->row_stride;
    }
    done += dim;
  }
  return copy_many<T>(op, {blocks, list.size()}, shape);
}

// y[i][j] (i: y_i elements apart, j adjacent or y_j apart) from x likewise; in squares that fit the
// first-level cache.
template <class T, bool add>
void transpose_plane(T* y, Index y_i, Index y_j, const T* x, Index x_i, Index x_j, Index n, Index m) {
  constexpr Index side = 16;
  for (Index i0 = 0; i0 < n; i0 += side)
    for (Index j0 = 0; j0 < m; j0 += side)
      for (Index i = i0; i < std::min(n, i0 + side); ++i)
        for (Index j = j0; j < std::min(m, j0 + side); ++j) {
          T& to = y[i * y_i + j * y_j];
          if constexpr (add) {
            to += x[i * x_i + j * x_j];
          } else {
            to = x[i * x_i + j * x_j];
          }
        }
}

// Four nested axes, in the order of y; how far apart neighbours are in x and in y.
struct Swap {
  Index n[4], x[4], y[4];

  template <bool add, class T>
  void run(T* to, const Index* to_strides, const T* from, const Index* from_strides) const {
    for (Index i = 0; i < n[0]; ++i)
      for (Index j = 0; j < n[1]; ++j)
        transpose_plane<T, add>(to + i * to_strides[0] + j * to_strides[1], to_strides[2], to_strides[3],
                                from + i * from_strides[0] + j * from_strides[1], from_strides[2], from_strides[3],
                                n[2], n[3]);
  }
};

}  // namespace

template <class T>
Variable<T> contiguous(const Variable<T>& v) {
  Op<T> op("contiguous");
  Node<T>* x = op.use(v);
  if (x->contiguous()) return v;
  const Index cols = x->cols();
  return copy_one<T>(op, {x, 0, x->row_stride, 0, cols, x->rows(), cols, true}, x->shape);
}

template <class T>
Variable<T> reshape(const Variable<T>& v, const Shape& shape) {
  Op<T> op("reshape");
  Node<T>* x = op.use(v);
  if (shape.size() != x->shape.size())
    throw ShapeError(op.message("input ", x->shape, " has ", x->shape.size(), " elements, shape ", shape, " takes ",
                                shape.size()));
  const bool same_rows = shape.cols() == x->cols() && shape.rows() == x->rows();
  if (!same_rows) x = use_contiguous(op, v);
  return op.view(x, x->value, shape, same_rows ? x->row_stride : shape.cols());
}

template <class T>
Variable<T> reshape(const Variable<T>& x, std::initializer_list<Index> dims) {
  const auto is_open = [](Index d) { return d == -1; };
  if (std::ranges::count_if(dims, is_open) == 0) return reshape(x, Shape(dims));
  Op<T> op("reshape");
  const Shape& from = op.use(x)->shape;
  Index known = 1;
  std::string wanted;
  for (const Index d : dims) {
    if (!is_open(d)) known *= d;
    wanted += (wanted.empty() ? "(" : ",") + std::to_string(d);
  }
  if (std::ranges::count_if(dims, is_open) > 1 || known <= 0 || from.size() % known != 0 ||
      dims.size() > static_cast<std::size_t>(Shape::max_rank))
    throw ShapeError(op.message("input ", from, " as ", wanted,
                                "); expected one -1 at most, and dimensions whose product divides ", from.size()));
  Index filled[Shape::max_rank] = {};
  std::ranges::transform(dims, filled, [&](Index d) { return is_open(d) ? from.size() / known : d; });
  return reshape(x, Shape(filled, static_cast<int>(dims.size())));
}

template <class T>
Variable<T> transpose(const Variable<T>& v) {
  Op<T> op("transpose");
  const Shape& shape = op.use(v)->shape;
  if (shape.rank() != 2)
    throw ShapeError(
        op.message("input ", shape, " has ", shape.rank(), " dimensions; expected 2, or the two axes to swap"));
  return transpose(v, 0, 1);
}

template <class T>
Variable<T> transpose(const Variable<T>& v, int a, int b) {
  Op<T> op("transpose");
  Node<T>* x = op.use(v);
  a = checked_axis(op.name(), x->shape, a);
  b = checked_axis(op.name(), x->shape, b);
  if (a == b) return v;
  const int rank = x->shape.rank();
  const Shape shape = x->shape.with(a, x->shape[b]).with(b, x->shape[a]);
  auto* s = new (op.template allocate<Swap>(1)) Swap;
  const int skip = Shape::max_rank - rank;
  std::fill_n(s->n, skip, 1);
  std::fill_n(s->x, skip, 0);
  std::fill_n(s->y, skip, 0);
  Index x_stride = 1, y_stride = 1;
  for (int i = rank - 1; i >= 0; --i) {
    s->n[skip + i] = shape[i];
    s->x[skip + i] = x_stride;
    s->y[skip + i] = y_stride;
    x_stride = i == rank - 1 ? x->row_stride : x_stride * x->shape[i];
    y_stride *= shape[i];
  }
  std::swap(s->x[skip + a], s->x[skip + b]);
  Node<T>* y = op.result(shape);
  s->run<false>(y->value, s->y, x->value, s->x);
  return op.done(y, [x, s](const T* dy) {
    const Adjoint<T> dx = x->touch();
    if (dx.fresh) {
      s->run<false>(dx.data, s->x, dy, s->y);
    } else {
      s->run<true>(dx.data, s->x, dy, s->y);
    }
  });
}

template <class T>
Variable<T> at(const Variable<T>& v, Index t) {
  Op<T> op("at");
  Node<T>* x = op.use(v);
  const Shape& shape = x->shape;
  if (shape.rank() == 0) throw ShapeError(op.message("index ", t, " of a scalar; expected at least one axis"));
  const Index n = shape[0], i = t < 0 ? t + n : t;
  if (i < 0 || i >= n)
    throw ValueError(op.message("index ", t, " of an input ", shape, "; expected ", -n, " to ", n - 1));
  const Index step = shape.rank() == 1 ? 1 : first_stride(*x);
  const Shape rest = shape.without(0);
  return op.view(x, x->value + i * step, rest, rest.rank() < 2 ? rest.cols() : x->row_stride);
}

template <class T>
Variable<T> narrow(const Variable<T>& v, int axis, Index start, Index length) {
  Op<T> op("narrow");
  const Node<T>* x = op.use(v);
  axis = checked_axis(op.name(), x->shape, axis);
  const Index n = x->shape[axis];
  if (start < 0 || length < 0 || start > n - length)
    throw ValueError(op.message("start ", start, ", length ", length, " on axis ", axis, " of an input ", x->shape,
                                "; expected a range in 0 to ", n));
  return slice(op, v, axis, start, length, false);
}

template <class T>
void split_into(const Variable<T>& v, std::span<const Index> sizes, int axis, std::span<Variable<T>> pieces) {
  Op<T> op("split");
  const Node<T>* x = op.use(v);
  axis = checked_axis(op.name(), x->shape, axis);
  if (pieces.size() != sizes.size())
    throw ValueError(op.message(sizes.size(), " sizes for ", pieces.size(), " pieces"));
  Index total = 0;
  for (const Index n : sizes) {
    if (n < 0) throw ValueError(op.message("size ", n, " of an input ", x->shape, "; expected at least 0"));
    total += n;
  }
  if (total != x->shape[axis])
    throw ShapeError(
        op.message("sizes add up to ", total, ", axis ", axis, " of input ", x->shape, " has ", x->shape[axis]));
  const bool part = x->divisible() && sizes.size() > 1;
  Index start = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    pieces[i] = slice(op, v, axis, start, sizes[i], part);
    start += sizes[i];
  }
}

template <class T>
std::vector<Variable<T>> split(const Variable<T>& x, std::span<const Index> sizes, int axis) {
  std::vector<Variable<T>> pieces(sizes.size());
  split_into(x, sizes, axis, std::span<Variable<T>>(pieces));
  return pieces;
}

template <class T>
void chunk_into(const Variable<T>& v, int axis, std::span<Variable<T>> pieces) {
  Op<T> op("chunk");
  Node<T>* x = op.use(v);
  axis = checked_axis(op.name(), x->shape, axis);
  const auto n = static_cast<Index>(pieces.size());
  const Index dim = x->shape[axis];
  if (n < 1 || dim % n != 0)
    throw ShapeError(op.message("axis ", axis, " of input ", x->shape, " has ", dim, ", which is no multiple of ", n,
                                " pieces"));
  const Index size = dim / n;
  const bool part = x->divisible() && n > 1;
  if (axis > 0 && axis == x->shape.rank() - 1)  // the gates of a cell, at every time step
    return op.recorder().new_parts(x, part, x->shape.with(axis, size), size, pieces);
  for (Index i = 0; i < n; ++i) pieces[static_cast<std::size_t>(i)] = slice(op, v, axis, i * size, size, part);
}

template <class T>
std::vector<Variable<T>> chunk(const Variable<T>& x, int n, int axis) {
  if (n < 1) throw ValueError(detail::message("chunk", n, " pieces; expected at least 1"));
  std::vector<Variable<T>> pieces(static_cast<std::size_t>(n));
  chunk_into(x, axis, std::span<Variable<T>>(pieces));
  return pieces;
}

template <class T>
Variable<T> concat(std::span<const Variable<T>> list, int axis) {
  return concat_as("concat", list, axis);
}

template <class T>
Variable<T> join(std::span<const Variable<T>> steps) {
  return concat_as("join", steps, 0);
}

template <class T>
Variable<T> stack(std::span<const Variable<T>> list) {
  Op<T> op("stack");
  if (list.empty()) throw ValueError(op.message("got an empty list; expected at least one tensor"));
  const Shape first = op.use(list[0])->shape;
  for (const Variable<T>& v : list)
    if (const Shape& s = op.use(v)->shape; !(s == first))
      throw ShapeError(
          op.message("tensor ", &v - list.data(), " is ", s, ", tensor 0 is ", first, "; expected one shape"));
  if (first.rank() == Shape::max_rank)
    throw ShapeError(op.message("tensors ", first, " have four dimensions; expected at most three"));
  const auto n = static_cast<Index>(list.size());
  const Shape shape = first.insert(0, n);
  if (n == 1) return reshape(list[0], shape);
  if (Node<T>* view = view_over(op, list, shape)) return op.done(view);
  auto* blocks = op.template allocate<Block<T>>(n);
  for (Index i = 0; i < n; ++i) {
    Node<T>* x = op.use(list[static_cast<std::size_t>(i)]);
    new (blocks + i) Block<T>{x, 0, x->row_stride, i * first.size(), x->cols(), x->rows(), x->cols(), true};
  }
  return copy_many<T>(op, {blocks, list.size()}, shape);
}

template <class T>
Variable<T> flip(const Variable<T>& v) {
  Op<T> op("flip");
  Node<T>* x = op.use(v);
  checked_axis(op.name(), x->shape, 0);
  // A vector is flipped element by element, everything else in blocks of rows.
  const bool vector = x->shape.rank() == 1;
  const Index n = x->shape[0], cols = vector ? 1 : x->cols(), x_stride = vector ? 1 : x->row_stride;
  const Index rows = vector || n == 0 ? 1 : x->rows() / n;
  Node<T>* y = op.result(x->shape);
  const auto y_at = [=](Index t) { return (n - 1 - t) * rows * cols; };
  for (Index t = 0; t < n; ++t)
    kernels<T>().copy_rows(y->value + y_at(t), cols, x->value + t * rows * x_stride, x_stride, rows, cols);
  return op.done(y, [=](const T* dy) {
    const Adjoint<T> dx = x->touch();
    const auto deliver = dx.fresh ? kernels<T>().copy_rows : kernels<T>().add_rows;
    for (Index t = 0; t < n; ++t) deliver(dx.data + t * rows * x_stride, x_stride, dy + y_at(t), cols, rows, cols);
  });
}

#define UNROLL_INSTANTIATE(T)                                                                        \
  template Variable<T> contiguous(const Variable<T>&);                                               \
  template Variable<T> reshape(const Variable<T>&, const Shape&);                                    \
  template Variable<T> reshape(const Variable<T>&, std::initializer_list<Index>);                    \
  template Variable<T> transpose(const Variable<T>&);                                                \
  template Variable<T> transpose(const Variable<T>&, int, int);                                      \
  template Variable<T> at(const Variable<T>&, Index);                                                \
  template Variable<T> narrow(const Variable<T>&, int, Index, Index);                                \
  template void split_into(const Variable<T>&, std::span<const Index>, int, std::span<Variable<T>>); \
  template std::vector<Variable<T>> split(const Variable<T>&, std::span<const Index>, int);          \
  template void chunk_into(const Variable<T>&, int, std::span<Variable<T>>);                         \
  template std::vector<Variable<T>> chunk(const Variable<T>&, int, int);                             \
  template Variable<T> concat(std::span<const Variable<T>>, int);                                    \
  template Variable<T> join(std::span<const Variable<T>>);                                           \
  template Variable<T> stack(std::span<const Variable<T>>);                                          \
  template Variable<T> flip(const Variable<T>&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
