#include "one_to_many.hpp"

#include <algorithm>
#include <string>

#include "../../core/error.hpp"

namespace unroll {
namespace {

// Row b of v for every step of the layout's sequence b.
template <class T>
Sequence<T> spread(const Variable<T>& v, const SequenceLayout& layout) {
  Index* ids = current_tape<T>->template allocate<Index>(layout.rows);
  for (Index t = 0; t < layout.steps; ++t) std::copy_n(layout.order, layout.active[t], ids + layout.first[t]);
  return {take_rows(v, Indices(std::span<const Index>(ids, static_cast<std::size_t>(layout.rows)))), &layout};
}

template <class T>
void check_vectors(const char* op, const Variable<T>& v, Index batch, const char* what) {
  v.check_usable(op);
  if (v.shape().rank() != 2 || (batch >= 0 && v.dim(0) != batch))
    throw ShapeError("[", op, "] v ", v.shape().str(), "; expected ",
                     batch < 0 ? "(B,F)" : detail::text("(", batch, ",F): ", what));
}

}  // namespace

template <class T>
Variable<T> repeat_steps(const Variable<T>& v, Index steps) {
  check_vectors("repeat_steps", v, -1, "");
  if (steps < 0) throw ValueError("[repeat_steps] ", steps, " steps; expected 0 or more");
  const Sequence<T> x = spread(v, *dense_layout(*current_tape<T>, steps, v.dim(0)));
  return reshape(x.rows, Shape{steps, v.dim(0), v.dim(1)});
}

template <class T>
Sequence<T> repeat_steps(const Variable<T>& v, std::span<const Index> lengths) {
  check_vectors("repeat_steps", v, static_cast<Index>(lengths.size()), "one row a length");
  return spread(v, *ragged_layout(*current_tape<T>, lengths));
}

template <class T>
Variable<T> append_to_steps(const Variable<T>& x, const Variable<T>& v) {
  check_vectors("append_to_steps", v, detail::batch_of("append_to_steps", x), "one row a sequence");
  return concat({x, repeat_steps(v, x.dim(0))}, 2);
}

template <class T>
Sequence<T> append_to_steps(const Sequence<T>& x, const Variable<T>& v) {
  const SequenceLayout& layout = x.checked();
  check_vectors("append_to_steps", v, layout.batch, "one row a sequence");
  return x.with(concat({x.rows, spread(v, layout).rows}, 1));
}

#define UNROLL_INSTANTIATE(T)                                                    \
  template Variable<T> repeat_steps(const Variable<T>&, Index);                  \
  template Sequence<T> repeat_steps(const Variable<T>&, std::span<const Index>); \
  template Variable<T> append_to_steps(const Variable<T>&, const Variable<T>&);  \
  template Sequence<T> append_to_steps(const Sequence<T>&, const Variable<T>&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
