#include "layout.hpp"

#include <algorithm>
#include <string>

#include "../core/error.hpp"

namespace unroll {
namespace {

using detail::Adjoint;
using detail::Node;

using std::to_string;

template <class T>
void copy_rows(T* to, Index to_stride, const T* from, Index from_stride, Index rows, Index cols) {
  if (to_stride == cols && from_stride == cols) {
    cols *= rows;
    rows = 1;
  }
  for (Index r = 0; r < rows; ++r) std::copy_n(from + r * from_stride, cols, to + r * to_stride);
}

template <class T>
void add_rows(T* to, Index to_stride, const T* from, Index from_stride, Index rows, Index cols) {
  for (Index r = 0; r < rows; ++r) {
    T* t = to + r * to_stride;
    const T* f = from + r * from_stride;
    for (Index c = 0; c < cols; ++c) t[c] += f[c];
  }
}

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
  copy_rows(y + b.y_at, b.y_stride, b.x->value + b.x_at, b.x_stride, b.rows, b.cols);
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
    copy_rows(a.data + b.x_at, b.x_stride, dy + b.y_at, b.y_stride, b.rows, b.cols);
  } else {
    add_rows(a.data + b.x_at, b.x_stride, dy + b.y_at, b.y_stride, b.rows, b.cols);
  }
}

template <class T>
Variable<T> copy_one(const Block<T>& b, const Shape& shape) {
  Tape<T>& tape = *current_tape<T>;
  Node<T>* y = tape.new_node(shape, b.x->requires_grad);
  copy_forward(b, y->value);
  if (y->requires_grad) {
    tape.record([b, y] {
      if (const T* dy = y->arrived()) copy_backward(b, dy);
    });
  }
  return tape.handle(y);
}

template <class T>
Node<T>* contiguous_node(const Variable<T>& x, const char* op) {
  Node<T>* n = x.use(op);
  return n->contiguous() ? n : contiguous(x).use(op);
}

// How far two neighbours on the first axis are apart; the first axis must not be the last.
template <class T>
Index first_stride(const Node<T>& x) {
  Index n = x.row_stride;
  for (int i = 1; i + 1 < x.shape.rank(); ++i) n *= x.shape[i];
  return n;
}

int checked_axis(const char* op, const Shape& shape, int axis) {
  const int a = axis < 0 ? axis + shape.rank() : axis;
  if (a < 0 || a >= shape.rank())
    throw ShapeError(std::string("[") + op + "] axis " + to_string(axis) + " of an input " + shape.str() +
                     "; expected " +
                     (shape.rank() == 0 ? std::string("an input with at least one axis")
                                        : to_string(-shape.rank()) + " to " + to_string(shape.rank() - 1)));
  return a;
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
Variable<T> slice(const char* op, const Variable<T>& v, int axis, Index start, Index length, bool part) {
  Node<T>* x = v.use(op);
  Tape<T>& tape = *current_tape<T>;
  const Shape shape = x->shape.with(axis, length);
  if (axis == x->shape.rank() - 1)
    return tape.handle(tape.new_part(x, part, x->value + start, shape, x->shape.rank() == 1 ? length : x->row_stride));
  if (axis == 0) return tape.handle(tape.new_part(x, part, x->value + start * first_stride(*x), shape, x->row_stride));
  x = contiguous_node(v, op);
  const Split s(x->shape, axis);
  const Index cols = length * s.inner;
  return copy_one<T>({x, start * s.inner, x->shape[axis] * s.inner, 0, cols, s.outer, cols, length == x->shape[axis]},
                     shape);
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
Node<T>* view_over(std::span<const Variable<T>> list, const char* op, const Shape& shape) {
  Node<T>* first = nullptr;
  const T* next = nullptr;
  Index stride = 0;
  bool requires_grad = false;
  for (const Variable<T>& v : list) {
    Node<T>* x = v.use(op);
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
    requires_grad |= x->requires_grad;
  }
  if (!first) return nullptr;
  if (shape.cols() != first->cols()) {  // scalars or vectors become one row
    if (stride != first->cols()) return nullptr;
    stride = shape.cols();
  }
  Node<T>* view = current_tape<T>->new_view(const_cast<Node<T>*>(region_of(first)), first->value, shape, stride);
  view->requires_grad = requires_grad && current_tape<T>->recording();
  view->is_zero = false;
  return view;
}

template <class T>
Variable<T> copy_many(std::span<const Block<T>> blocks, const Shape& shape) {
  Tape<T>& tape = *current_tape<T>;
  const bool requires_grad = std::ranges::any_of(blocks, [](const Block<T>& b) { return b.x->requires_grad; });
  Node<T>* y = tape.new_node(shape, requires_grad);
  for (const Block<T>& b : blocks) copy_forward(b, y->value);
  if (y->requires_grad) {
    const Block<T>* first = blocks.data();
    const std::size_t n = blocks.size();
    tape.record([first, n, y] {
      if (const T* dy = y->arrived())
        for (std::size_t i = 0; i < n; ++i) copy_backward(first[i], dy);
    });
  }
  return tape.handle(y);
}

// Concatenation under the name of the operation that asked for it.
template <class T>
Variable<T> concat_as(const char* op, std::span<const Variable<T>> list, int axis) {
  if (list.empty()) throw ValueError(std::string("[") + op + "] got an empty list; expected at least one tensor");
  const Shape first = list[0].use(op)->shape;
  axis = checked_axis(op, first, axis);
  Index total = 0;
  for (const Variable<T>& v : list) {
    const Shape& s = v.use(op)->shape;
    if (s.rank() != first.rank() || !(s.with(axis, 0) == first.with(axis, 0)))
      throw ShapeError(std::string("[") + op + "] tensor " + to_string(&v - list.data()) + " is " + s.str() +
                       ", tensor 0 is " + first.str() + "; expected all dimensions but axis " + to_string(axis) +
                       " equal");
    total += s[axis];
  }
  if (list.size() == 1) return list[0];
  Tape<T>& tape = *current_tape<T>;
  const Shape shape = first.with(axis, total);
  if (axis == 0)
    if (Node<T>* view = view_over(list, op, shape)) return tape.handle(view);

  auto* blocks = tape.template allocate<Block<T>>(static_cast<Index>(list.size()));
  const bool last = axis == first.rank() - 1;
  const Split s(first, axis);
  Index done = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    Node<T>* x = last || axis == 0 ? list[i].use(op) : contiguous_node(list[i], op);
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
  return copy_many<T>({blocks, list.size()}, shape);
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
  Node<T>* x = v.use("contiguous");
  if (x->contiguous()) return v;
  const Index cols = x->cols();
  return copy_one<T>({x, 0, x->row_stride, 0, cols, x->rows(), cols, true}, x->shape);
}

template <class T>
Variable<T> reshape(const Variable<T>& v, const Shape& shape) {
  Node<T>* x = v.use("reshape");
  if (shape.size() != x->shape.size())
    throw ShapeError("[reshape] input " + x->shape.str() + " has " + to_string(x->shape.size()) + " elements, shape " +
                     shape.str() + " takes " + to_string(shape.size()));
  const bool same_rows = shape.cols() == x->cols() && shape.rows() == x->rows();
  if (!same_rows) x = contiguous_node(v, "reshape");
  Tape<T>& tape = *current_tape<T>;
  return tape.handle(tape.new_view(x, x->value, shape, same_rows ? x->row_stride : shape.cols()));
}

template <class T>
Variable<T> reshape(const Variable<T>& x, std::initializer_list<Index> dims) {
  const auto is_open = [](Index d) { return d == -1; };
  if (std::ranges::count_if(dims, is_open) == 0) return reshape(x, Shape(dims));
  const Shape& from = x.use("reshape")->shape;
  Index known = 1;
  std::string wanted;
  for (const Index d : dims) {
    if (!is_open(d)) known *= d;
    wanted += (wanted.empty() ? "(" : ",") + to_string(d);
  }
  if (std::ranges::count_if(dims, is_open) > 1 || known <= 0 || from.size() % known != 0 ||
      dims.size() > static_cast<std::size_t>(Shape::max_rank))
    throw ShapeError("[reshape] input " + from.str() + " as " + wanted +
                     "); expected one -1 at most, and dimensions whose product divides " + to_string(from.size()));
  Index filled[Shape::max_rank] = {};
  std::ranges::transform(dims, filled, [&](Index d) { return is_open(d) ? from.size() / known : d; });
  return reshape(x, Shape(filled, static_cast<int>(dims.size())));
}

template <class T>
Variable<T> transpose(const Variable<T>& v) {
  const Shape& shape = v.use("transpose")->shape;
  if (shape.rank() != 2)
    throw ShapeError("[transpose] input " + shape.str() + " has " + to_string(shape.rank()) +
                     " dimensions; expected 2, or the two axes to swap");
  return transpose(v, 0, 1);
}

template <class T>
Variable<T> transpose(const Variable<T>& v, int a, int b) {
  Node<T>* x = v.use("transpose");
  a = checked_axis("transpose", x->shape, a);
  b = checked_axis("transpose", x->shape, b);
  if (a == b) return v;
  Tape<T>& tape = *current_tape<T>;
  const int rank = x->shape.rank();
  const Shape shape = x->shape.with(a, x->shape[b]).with(b, x->shape[a]);
  auto* s = new (tape.template allocate<Swap>(1)) Swap;
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
  Node<T>* y = tape.new_node(shape, x->requires_grad);
  s->run<false>(y->value, s->y, x->value, s->x);
  if (y->requires_grad) {
    tape.record([x, y, s] {
      const T* dy = y->arrived();
      if (!dy) return;
      const Adjoint<T> dx = x->touch();
      if (dx.fresh) {
        s->run<false>(dx.data, s->x, dy, s->y);
      } else {
        s->run<true>(dx.data, s->x, dy, s->y);
      }
    });
  }
  return tape.handle(y);
}

template <class T>
Variable<T> at(const Variable<T>& v, Index t) {
  Node<T>* x = v.use("at");
  const Shape& shape = x->shape;
  if (shape.rank() == 0) throw ShapeError("[at] index " + to_string(t) + " of a scalar; expected at least one axis");
  const Index n = shape[0], i = t < 0 ? t + n : t;
  if (i < 0 || i >= n)
    throw ValueError("[at] index " + to_string(t) + " of an input " + shape.str() + "; expected " + to_string(-n) +
                     " to " + to_string(n - 1));
  Tape<T>& tape = *current_tape<T>;
  const Index step = shape.rank() == 1 ? 1 : first_stride(*x);
  const Shape rest = shape.without(0);
  return tape.handle(tape.new_view(x, x->value + i * step, rest, rest.rank() < 2 ? rest.cols() : x->row_stride));
}

template <class T>
Variable<T> narrow(const Variable<T>& v, int axis, Index start, Index length) {
  Node<T>* x = v.use("narrow");
  axis = checked_axis("narrow", x->shape, axis);
  const Index n = x->shape[axis];
  if (start < 0 || length < 0 || start > n - length)
    throw ValueError("[narrow] start " + to_string(start) + ", length " + to_string(length) + " on axis " +
                     to_string(axis) + " of an input " + x->shape.str() + "; expected a range in 0 to " + to_string(n));
  return slice("narrow", v, axis, start, length, false);
}

template <class T>
void split_into(const Variable<T>& v, std::span<const Index> sizes, int axis, std::span<Variable<T>> pieces) {
  Node<T>* x = v.use("split");
  axis = checked_axis("split", x->shape, axis);
  if (pieces.size() != sizes.size())
    throw ValueError("[split] " + to_string(static_cast<Index>(sizes.size())) + " sizes for " +
                     to_string(static_cast<Index>(pieces.size())) + " pieces");
  Index total = 0;
  for (const Index n : sizes) {
    if (n < 0)
      throw ValueError("[split] size " + to_string(n) + " of an input " + x->shape.str() + "; expected at least 0");
    total += n;
  }
  if (total != x->shape[axis])
    throw ShapeError("[split] sizes add up to " + to_string(total) + ", axis " + to_string(axis) + " of input " +
                     x->shape.str() + " has " + to_string(x->shape[axis]));
  const bool part = x->divisible() && sizes.size() > 1;
  Index start = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    pieces[i] = slice("split", v, axis, start, sizes[i], part);
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
  Node<T>* x = v.use("chunk");
  axis = checked_axis("chunk", x->shape, axis);
  const auto n = static_cast<Index>(pieces.size());
  const Index dim = x->shape[axis];
  if (n < 1 || dim % n != 0)
    throw ShapeError("[chunk] axis " + to_string(axis) + " of input " + x->shape.str() + " has " + to_string(dim) +
                     ", which is no multiple of " + to_string(n) + " pieces");
  const Index size = dim / n;
  const bool part = x->divisible() && n > 1;
  if (axis > 0 && axis == x->shape.rank() - 1) {  // the gates of a cell, at every time step
    Tape<T>& tape = *current_tape<T>;
    tape.new_parts(x, part, x->shape.with(axis, size), size, pieces);
    return;
  }
  for (Index i = 0; i < n; ++i) pieces[static_cast<std::size_t>(i)] = slice("chunk", v, axis, i * size, size, part);
}

template <class T>
std::vector<Variable<T>> chunk(const Variable<T>& x, int n, int axis) {
  if (n < 1) throw ValueError("[chunk] " + to_string(n) + " pieces; expected at least 1");
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
  if (list.empty()) throw ValueError("[stack] got an empty list; expected at least one tensor");
  const Shape first = list[0].use("stack")->shape;
  for (const Variable<T>& v : list)
    if (!(v.use("stack")->shape == first))
      throw ShapeError("[stack] tensor " + to_string(&v - list.data()) + " is " + v.shape().str() + ", tensor 0 is " +
                       first.str() + "; expected one shape");
  if (first.rank() == Shape::max_rank)
    throw ShapeError("[stack] tensors " + first.str() + " have four dimensions; expected at most three");
  Tape<T>& tape = *current_tape<T>;
  const auto n = static_cast<Index>(list.size());
  const Shape shape = first.insert(0, n);
  if (n == 1) return reshape(list[0], shape);
  if (Node<T>* view = view_over(list, "stack", shape)) return tape.handle(view);
  auto* blocks = tape.template allocate<Block<T>>(n);
  for (Index i = 0; i < n; ++i) {
    Node<T>* x = list[static_cast<std::size_t>(i)].use("stack");
    new (blocks + i) Block<T>{x, 0, x->row_stride, i * first.size(), x->cols(), x->rows(), x->cols(), true};
  }
  return copy_many<T>({blocks, list.size()}, shape);
}

template <class T>
Variable<T> flip(const Variable<T>& v) {
  Node<T>* x = v.use("flip");
  checked_axis("flip", x->shape, 0);
  Tape<T>& tape = *current_tape<T>;
  // A vector is flipped element by element, everything else in blocks of rows.
  const bool vector = x->shape.rank() == 1;
  const Index n = x->shape[0], cols = vector ? 1 : x->cols(), x_stride = vector ? 1 : x->row_stride;
  const Index rows = vector || n == 0 ? 1 : x->rows() / n;
  Node<T>* y = tape.new_node(x->shape, x->requires_grad);
  const auto y_at = [=](Index t) { return (n - 1 - t) * rows * cols; };
  for (Index t = 0; t < n; ++t)
    copy_rows(y->value + y_at(t), cols, x->value + t * rows * x_stride, x_stride, rows, cols);
  if (y->requires_grad) {
    tape.record([=] {
      const T* dy = y->arrived();
      if (!dy) return;
      const Adjoint<T> dx = x->touch();
      for (Index t = 0; t < n; ++t) {
        T* to = dx.data + t * rows * x_stride;
        (dx.fresh ? copy_rows<T> : add_rows<T>)(to, x_stride, dy + y_at(t), cols, rows, cols);
      }
    });
  }
  return tape.handle(y);
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
