#include "linear.hpp"

#include <algorithm>
#include <string>

#include "../core/gemm/gemm.hpp"
#include "../core/op.hpp"
#include "../core/simd/kernels.hpp"

namespace unroll {
namespace {

using detail::Adjoint;
using detail::Leaf;
using detail::Node;
using detail::Op;
using detail::Recorder;

// Up to this many rows a weight gradient waits for the other steps. Measured with four gates of 128 units: one product
// over 100 steps against 100 small ones is 2.6-4.5 times faster at 1 row, 1.2-1.3 at 8, and no faster at 32; but with
// 256 units, whose gradient fills the second cache, a whole training step at 32 rows is 4 % faster, and with 512 units
// at 64 rows 3 % slower.
constexpr Index deferred_rows = 32;

// Products with a weight go through a packed form of it (core/gemm/gemm.hpp), made once a recording, of forward and of
// backward each: a time loop uses it at every step. A single product of few rows would rather do without, but what a row
// becomes must not depend on how many rows are multiplied at once, or by how many uses: so a long sequence that is
// computed in segments gives the same bits. Exceptions: a single use of a large weight, which would lie in memory twice,
// and one row times a small weight, which has loops of its own that want W^T.
constexpr Index packed_for_one_use = 4 << 20;
constexpr Index transposed_for_one_row = 16384;
// In backward nobody sees the difference: packing must pay.
constexpr Index rows_for_one_use_backward = 256;

// The products with one weight whose part of its gradient waits.
template <class T>
struct Waiting {
  struct Product {
    const T* x;
    const T* dy;
    Index x_stride, rows;
    Product* next;
  };
  Node<T>* bias;  // whose gradient waits with the weight's
  Product* last = nullptr;
};

template <class T>
void weight_gradient(Node<T>* weight, Node<T>* bias, const T* x, Index x_stride, const T* dy, Index dy_stride,
                     Index rows) {
  const Index out = weight->shape[0], in = weight->shape[1];
  if (weight->requires_grad) {
    const Adjoint<T> dw = weight->touch();
    gemm(Trans::yes, Trans::no, out, in, rows, T(1), dy, dy_stride, x, x_stride, dw.beta(), dw.data, dw.row_stride);
  }
  if (bias && bias->requires_grad) {
    const Adjoint<T> db = bias->touch();
    detail::kernels<T>().column_sum_into(db.data, dy, rows, out, dy_stride, db.fresh);
  }
}

// Notes a product for later; joined with its neighbour in time when their rows are adjacent in memory.
template <class T>
void defer(Leaf<T>* weight, const T* x, Index x_stride, const T* dy, Index rows) {
  auto& all = *static_cast<Waiting<T>*>(weight->waiting);
  const Index out = weight->shape[0];
  if (auto* p = all.last; p && p->x_stride == x_stride) {
    if (x + rows * x_stride == p->x && dy + rows * out == p->dy) {  // backward meets the steps last to first
      p->x = x;
      p->dy = dy;
      p->rows += rows;
      return;
    }
    if (p->x + p->rows * x_stride == x && p->dy + p->rows * out == dy) {  // a reversed direction, first to last
      p->rows += rows;
      return;
    }
  }
  all.last = new (weight->recorder->template allocate<typename Waiting<T>::Product>(1))
      typename Waiting<T>::Product{x, dy, x_stride, rows, all.last};
}

template <class T>
void flush(Leaf<T>* weight) {
  auto& all = *static_cast<Waiting<T>*>(weight->waiting);
  for (auto* p = all.last; p; p = p->next)
    weight_gradient<T>(weight, all.bias, p->x, p->x_stride, p->dy, weight->shape[0], p->rows);
  all.last = nullptr;
}

// Notes one more use of the leaf `weight`; null for anything else. The record that settles the waiting products is
// older than every use that waits.
template <class T>
Leaf<T>* note_use(Recorder<T>& recorder, Node<T>* weight, Node<T>* bias) {
  if (!weight->parameter) return nullptr;
  auto* leaf = static_cast<Leaf<T>*>(weight);
  if (!leaf->waiting && weight->recorder == &recorder) {
    leaf->waiting = new (recorder.template allocate<Waiting<T>>(1)) Waiting<T>{bias};
    recorder.record([leaf] { flush(leaf); });
  }
  ++leaf->uses;
  return leaf;
}

// That form of the leaf's value, one for all segments of a recording that are computed twice; `make` makes it anew when
// the value has changed.
template <class T, class Make>
const T* form_of(Leaf<T>* leaf, typename Leaf<T>::Form Leaf<T>::*which, Index size, Make make) {
  Leaf<T>& all = leaf->outermost();
  auto& form = all.*which;
  const std::uint64_t version = leaf->parameter->version;
  if (!form.numbers || form.version != version) {
    if (!form.numbers) form.numbers = all.recorder->template allocate<T>(size);
    form.version = version;
    make(form.numbers);
  }
  return form.numbers;
}

// y = x W^T + onto, which is null, y itself, or rows `onto_stride` apart.
template <class T>
void forward_product(const Node<T>* x, const Node<T>* weight, Leaf<T>* leaf, const T* onto, Index onto_stride,
                     Node<T>* y) {
  const Index rows = x->rows(), out = weight->shape[0], in = weight->shape[1];
  // More threads than one are the libraries'.
  const bool packs = leaf && blas_threads() == 1 && (leaf->uses > 1 || (rows > 1 && out * in <= packed_for_one_use));
  const bool turns = packs && rows == 1 && out * in <= transposed_for_one_row;
  const T beta = onto ? T(1) : T(0);
  if (packs && !turns) {
    const T* packed = form_of(leaf, &Leaf<T>::packed, packed_size<T>(in, out), [&](T* to) {
      pack(Trans::yes, in, out, weight->value, weight->row_stride, to);
    });
    return gemm_packed(rows, out, in, T(1), x->value, x->row_stride, packed, beta, onto, onto_stride, y->value,
                       y->row_stride);
  }
  if (onto && onto != y->value) detail::kernels<T>().copy_rows(y->value, y->row_stride, onto, onto_stride, rows, out);
  if (!turns)
    return gemm(Trans::no, Trans::yes, rows, out, in, T(1), x->value, x->row_stride, weight->value, weight->row_stride,
                beta, y->value, y->row_stride);
  const T* transposed = form_of(leaf, &Leaf<T>::transposed, in * out, [&](T* to) {
    detail::kernels<T>().transpose(out, in, weight->value, weight->row_stride, to, out);
  });
  gemm(Trans::no, Trans::no, rows, out, in, T(1), x->value, x->row_stride, transposed, out, beta, y->value,
       y->row_stride);
}

// dx (+)= dy W
template <class T>
void backward_product(const T* dy, Index dy_stride, Index rows, const Node<T>* weight, Leaf<T>* leaf,
                      const Adjoint<T>& dx) {
  const Index out = weight->shape[0], in = weight->shape[1];
  const bool packs = leaf && blas_threads() == 1 &&
                     (leaf->uses > 1 ? rows > 1 || out * in > transposed_for_one_row : rows >= rows_for_one_use_backward);
  if (!packs)
    return gemm(Trans::no, Trans::no, rows, in, out, T(1), dy, dy_stride, weight->value, weight->row_stride, dx.beta(),
                dx.data, dx.row_stride);
  const T* packed = form_of(leaf, &Leaf<T>::packed_back, packed_size<T>(out, in), [&](T* to) {
    pack(Trans::no, out, in, weight->value, weight->row_stride, to);
  });
  gemm_packed(rows, in, out, T(1), dy, dy_stride, packed, dx.beta(), dx.data, dx.row_stride, dx.data, dx.row_stride);
}

// y = x W^T + b, or the same added to `sum`.
template <class T>
Variable<T> affine(const char* name, const Variable<T>* sum_in, const Variable<T>& x_in, const Variable<T>& weight_in,
                   const Variable<T>& bias_in) {
  Op<T> op(name);
  Node<T>* x = op.use(x_in);
  Node<T>* weight = op.use(weight_in);
  Node<T>* bias = op.use_if_defined(bias_in);
  Node<T>* sum = sum_in ? op.use(*sum_in) : nullptr;
  Recorder<T>& recorder = op.recorder();
  if (weight->shape.rank() != 2)
    throw ShapeError(op.message("weight ", weight->shape, " is not a matrix (outputs, inputs)"));
  const Index out = weight->shape[0], in = weight->shape[1];
  if (x->shape.rank() == 0 || x->cols() != in)
    throw ShapeError(op.message("input ", x->shape, " has ", x->shape.rank() ? x->cols() : 0, " features, weight ",
                                weight->shape, " takes ", in));
  if (bias && (bias->shape.rank() != 1 || bias->shape[0] != out))
    throw ShapeError(
        op.message("bias ", bias->shape, " does not fit weight ", weight->shape, ", which makes ", out, " outputs"));
  const Shape shape = x->shape.with(-1, out);
  if (sum && !(sum->shape == shape))
    throw ShapeError(op.message("sum ", sum->shape, "; expected ", shape, ", as input ", x->shape, " and weight ",
                                weight->shape, " make it"));

  const Index rows = x->rows();
  const bool in_place = sum && sum->reuse.takes_result() && sum->divisible() && op.made_here(*sum_in);
  Node<T>* y;
  if (in_place) {
    sum->reuse.overwrite();
    y = recorder.new_part(sum, true, sum->value, shape, sum->row_stride);
    y->requires_grad = op.requires_grad();
  } else {
    y = op.result(shape);
  }
  y->reuse.spare = true;
  y->is_zero = false;
  const T* onto = sum ? sum->value : bias ? bias->value : nullptr;
  Index onto_stride = sum ? sum->row_stride : 0;
  if (sum && bias) {
    if (!in_place) detail::kernels<T>().copy_rows(y->value, out, onto, onto_stride, rows, out);
    detail::kernels<T>().add_row_vector(y->value, bias->value, rows, out, y->row_stride);
    onto = y->value, onto_stride = y->row_stride;
  }
  Leaf<T>* leaf = recorder.recording() ? note_use(recorder, weight, bias) : nullptr;
  if (!x->is_zero) {
    forward_product(x, weight, leaf, onto, onto_stride, y);
  } else if (!onto) {
    std::fill_n(y->value, rows * out, T(0));
  } else if (onto != y->value) {
    detail::kernels<T>().copy_rows(y->value, y->row_stride, onto, onto_stride, rows, out);
  }
  if (!y->requires_grad) return op.done(y);

  const bool may_wait = leaf && weight->recorder == &recorder && rows <= deferred_rows &&
                        static_cast<Waiting<T>*>(leaf->waiting)->bias == bias && y->contiguous();
  // The adjoint of a sum that y was computed over is y's own.
  Node<T>* add_to = sum && !in_place && sum->requires_grad ? sum : nullptr;
  return op.done(y, [x, weight, bias, add_to, y, leaf, may_wait](const T* dy) {
    const Index rows = y->rows(), out = weight->shape[0];
    if (add_to) {
      const Adjoint<T> a = add_to->touch();
      const auto deliver = a.fresh ? detail::kernels<T>().copy_rows : detail::kernels<T>().add_rows;
      deliver(a.data, a.row_stride, dy, y->row_stride, rows, out);
    }
    if (x->requires_grad) {
      backward_product(dy, y->row_stride, rows, weight, leaf, x->touch());
    }
    if (may_wait) {
      defer(leaf, x->value, x->row_stride, dy, rows);
    } else {
      weight_gradient(weight, bias, x->value, x->row_stride, dy, y->row_stride, rows);
    }
  });
}

}  // namespace

template <class T>
Variable<T> linear(Variable<T> x, Variable<T> weight, Variable<T> bias) {
  return affine("linear", static_cast<const Variable<T>*>(nullptr), x, weight, bias);
}

template <class T>
Variable<T> linear_onto(Variable<T> sum, Variable<T> x, Variable<T> weight, Variable<T> bias) {
  return affine("linear_onto", &sum, x, weight, bias);
}

template <class T>
Variable<T> matmul(Variable<T> a_in, Variable<T> b_in, MatmulOptions options) {
  Op<T> op("matmul");
  Node<T>*a = op.use(a_in), *b = op.use(b_in);
  const auto turned = [](bool transposed) { return transposed ? " transposed" : ""; };
  const auto fail = [&](const auto&... why) {
    return ShapeError(op.message("a ", a->shape, turned(options.transpose_a), " and b ", b->shape,
                                 turned(options.transpose_b), " do not fit: ", why...));
  };
  const int rank = a->shape.rank();
  if ((rank != 2 && rank != 3) || b->shape.rank() != rank)
    throw fail("expected two matrices, or two batches of matrices (S,M,K) and (S,K,N)");
  const bool ta = options.transpose_a, tb = options.transpose_b;
  const Index m = a->shape[ta ? -1 : -2], k = a->shape[ta ? -2 : -1];
  const Index kb = b->shape[tb ? -1 : -2], n = b->shape[tb ? -2 : -1];
  if (k != kb) throw fail("inner dimensions ", k, " and ", kb, " differ");
  const Index batch = rank == 3 ? a->shape[0] : 1;
  if (rank == 3 && b->shape[0] != batch) throw fail("batches of ", batch, " and ", b->shape[0]);

  Node<T>* c = op.result(rank == 3 ? Shape{batch, m, n} : Shape{m, n});
  const auto opposite = [](bool t) { return t ? Trans::no : Trans::yes; };
  const auto as = [](bool t) { return t ? Trans::yes : Trans::no; };
  // Distance from one matrix of the batch to the next.
  const auto step = [](const Node<T>* x) { return x->shape[-2] * x->row_stride; };
  for (Index s = 0; s < batch; ++s)
    gemm(as(ta), as(tb), m, n, k, T(1), a->value + s * step(a), a->row_stride, b->value + s * step(b), b->row_stride,
         T(0), c->value + s * m * n, n);
  return op.done(c, [=](const T* dc) {
    if (a->requires_grad) {
      const Adjoint<T> da = a->touch();
      for (Index s = 0; s < batch; ++s) {
        const T* g = dc + s * m * n;
        const T* bs = b->value + s * step(b);
        T* to = da.data + s * step(a);
        if (ta) {
          gemm(as(tb), Trans::yes, k, m, n, T(1), bs, b->row_stride, g, n, da.beta(), to, da.row_stride);
        } else {
          gemm(Trans::no, opposite(tb), m, k, n, T(1), g, n, bs, b->row_stride, da.beta(), to, da.row_stride);
        }
      }
    }
    if (b->requires_grad) {
      const Adjoint<T> db = b->touch();
      for (Index s = 0; s < batch; ++s) {
        const T* g = dc + s * m * n;
        const T* as_ = a->value + s * step(a);
        T* to = db.data + s * step(b);
        if (tb) {
          gemm(Trans::yes, as(ta), n, k, m, T(1), g, n, as_, a->row_stride, db.beta(), to, db.row_stride);
        } else {
          gemm(opposite(ta), Trans::no, k, n, m, T(1), as_, a->row_stride, g, n, db.beta(), to, db.row_stride);
        }
      }
    }
  });
}

#define UNROLL_INSTANTIATE(T)                                                           \
  template Variable<T> linear(Variable<T>, Variable<T>, Variable<T>);                   \
  template Variable<T> linear_onto(Variable<T>, Variable<T>, Variable<T>, Variable<T>); \
  template Variable<T> matmul(Variable<T>, Variable<T>, MatmulOptions);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
