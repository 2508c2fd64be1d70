#include "join_frames.hpp"

#include <algorithm>
#include <string>

#include "../core/op.hpp"
#include "../core/simd/kernels.hpp"
#include "../ops/layout.hpp"

namespace unroll {
namespace {

using detail::Node;

Index joined_length(Index length, Index k) { return (length + k - 1) / k; }

template <class T>
const SequenceLayout* joined_layout(Tape<T>& tape, const SequenceLayout& layout, Index k) {
  Index* lengths = tape.template allocate<Index>(layout.batch);
  for (Index b = 0; b < layout.batch; ++b) lengths[b] = joined_length(layout.length_of(b), k);
  // Sequences whose lengths became equal stand in the caller's order now; the places of rows may differ.
  return ragged_layout(tape, std::span<const Index>(lengths, static_cast<std::size_t>(layout.batch)));
}

// Calls f(input row, output row, frame) for every frame; `frame` is its place among the k.
template <class F>
void for_each_frame(const SequenceLayout& from, const SequenceLayout& to, Index k, F&& f) {
  for (Index t = 0; t < from.steps; ++t)
    for (Index p = 0; p < from.active[t]; ++p) f(from.first[t] + p, to.first[t / k] + to.place[from.order[p]], t % k);
}

template <class T>
Variable<T> concat_frames(const Variable<T>& x_in, const SequenceLayout& from, const SequenceLayout& to, Index k) {
  detail::Op<T> op("join_frames");
  Node<T>* x = op.use(x_in);
  const Index cols = x->cols(), wide = k * cols;
  Node<T>* y = op.result(Shape{to.rows, wide});
  std::fill_n(y->value, to.rows * wide, T(0));
  for_each_frame(from, to, k, [&](Index in, Index out, Index frame) {
    std::copy_n(x->value + in * x->row_stride, cols, y->value + out * wide + frame * cols);
  });
  return op.done(y, [x, from = &from, to = &to, k, cols, wide](const T* dy) {
    const detail::Adjoint<T> dx = x->touch();
    for_each_frame(*from, *to, k, [&](Index in, Index out, Index frame) {
      const T* g = dy + out * wide + frame * cols;
      T* d = dx.data + in * dx.row_stride;
      if (dx.fresh) {
        std::copy_n(g, cols, d);
      } else {
        detail::kernels<T>().add_into(d, g, cols);
      }
    });
  });
}

}  // namespace

template <class T>
Sequence<T> join_frames(const Sequence<T>& x, Index k, JoinFrames how) {
  x.rows.check_usable("join_frames");
  Tape<T>& tape = *current_tape<T>;
  if (k < 1) throw ValueError("[join_frames] k is ", k, "; expected at least 1");
  if (k == 1) return x;
  const SequenceLayout& from = *x.layout;
  const SequenceLayout* to = joined_layout(tape, from, k);
  if (how == JoinFrames::concat) return {concat_frames(x.rows, from, *to, k), to};
  Index* segments = tape.template allocate<Index>(from.rows);
  for_each_frame(from, *to, k, [&](Index in, Index out, Index) { segments[in] = out; });
  const Indices all(std::span<const Index>(segments, static_cast<std::size_t>(from.rows)));
  return {pool_rows(x.rows, all, to->rows, how == JoinFrames::mean ? Pool::mean : Pool::max), to};
}

template <class T>
Sequence<T> expand_frames(const Sequence<T>& x, Index k, const Sequence<T>& frames) {
  x.rows.check_usable("expand_frames");
  if (k < 1) throw ValueError("[expand_frames] k is ", k, "; expected at least 1");
  const SequenceLayout &from = frames.checked(), &to = *x.layout;
  bool fits = from.batch == to.batch;
  for (Index b = 0; fits && b < from.batch; ++b) fits = joined_length(from.length_of(b), k) == to.length_of(b);
  if (!fits)
    throw ShapeError("[expand_frames] the lengths of x are not those of the frames divided by ", k, ", rounded up");
  Index* ids = current_tape<T>->template allocate<Index>(from.rows);
  for_each_frame(from, to, k, [&](Index in, Index out, Index) { ids[in] = out; });
  return {take_rows(x.rows, Indices(std::span<const Index>(ids, static_cast<std::size_t>(from.rows)))), frames.layout};
}

#define UNROLL_INSTANTIATE(T)                                              \
  template Sequence<T> join_frames(const Sequence<T>&, Index, JoinFrames); \
  template Sequence<T> expand_frames(const Sequence<T>&, Index, const Sequence<T>&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
