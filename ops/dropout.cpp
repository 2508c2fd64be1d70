#include "dropout.hpp"

#include <span>

#include "../core/op.hpp"

namespace unroll {

template <class T>
Variable<T> dropout(const Variable<T>& x, double p, bool training) {
  detail::Op<T> op("dropout");
  detail::Node<T>* from = op.use(x);
  if (!(p >= 0 && p <= 1)) throw ValueError(op.message("probability ", p, ", expected 0 .. 1"));
  if (!training || p == 0) return x;
  detail::Node<T>* y = op.result(from->shape);
  const Index rows = y->rows(), cols = y->cols();
  T* mask = op.template allocate<T>(rows * cols);
  current_tape<T>->rng().fill_mask(std::span<T>(mask, static_cast<std::size_t>(rows * cols)), 1 - p,
                       p < 1 ? static_cast<T>(1 / (1 - p)) : T(0));
  for (Index r = 0; r < rows; ++r) {
    const T *m = mask + r * cols, *in = from->value + r * from->row_stride;
    T* out = y->value + r * cols;
    // Not the bare product: what is dropped is 0, whatever it was.
    for (Index c = 0; c < cols; ++c) out[c] = m[c] == 0 ? T(0) : m[c] * in[c];
  }
  return op.done(y, [=](const T* dy) {
    const detail::Adjoint<T> a = from->touch();
    for (Index r = 0; r < rows; ++r) {
      const T *m = mask + r * cols, *d = dy + r * cols;
      a.deliver_row(r, cols, [=](Index c) { return m[c] * d[c]; });
    }
  });
}

template <class T>
Variable<T> dropout(const Variable<T>& x, double p) {
  x.check_usable("dropout");
  return dropout(x, p, current_tape<T>->training());
}

#define UNROLL_INSTANTIATE(T)                               \
  template Variable<T> dropout(const Variable<T>&, double); \
  template Variable<T> dropout(const Variable<T>&, double, bool);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
