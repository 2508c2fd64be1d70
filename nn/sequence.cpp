#include "sequence.hpp"

#include <algorithm>
#include <string>

#include "../core/error.hpp"
#include "../ops/elementwise.hpp"
#include "../ops/layout.hpp"
#include "../ops/reduce.hpp"

namespace unroll {
namespace {

template <class T>
std::span<Index> new_ids(Tape<T>& tape, Index count) {
  return {tape.template allocate<Index>(count), static_cast<std::size_t>(count)};
}

// Calls f(b, t, row) for every step of every sequence, in the order of the rows.
template <class F>
void for_each_row(const SequenceLayout& layout, F&& f) {
  for (Index t = 0; t < layout.steps; ++t)
    for (Index k = 0; k < layout.active[t]; ++k) f(layout.order[k], t, layout.first[t] + k);
}

}  // namespace

template <class T>
std::vector<Index> Sequence<T>::lengths() const {
  const SequenceLayout& l = checked();
  std::vector<Index> out(static_cast<std::size_t>(l.batch));
  for (Index b = 0; b < l.batch; ++b) out[static_cast<std::size_t>(b)] = l.length_of(b);
  return out;
}

template <class T>
Sequence<T> Sequence<T>::with(Variable<T> other) const {
  const SequenceLayout& l = checked();
  if (other.shape().rank() != 2 || other.dim(0) != l.rows)
    throw ShapeError("[Sequence] rows ", other.shape().str(), " for ", l.rows, " steps");
  return {other, layout};
}

template <class T>
Sequence<T> sequence(const Variable<T>& x) {
  x.check_usable("sequence");
  if (x.shape().rank() != 3)
    throw ShapeError("[sequence] x has shape ", x.shape().str(), "; expected (T,B,F): steps, batch, features");
  return {reshape(x, Shape{x.dim(0) * x.dim(1), x.dim(2)}), dense_layout(*current_tape<T>, x.dim(0), x.dim(1))};
}

template <class T>
Sequence<T> sequence(const Variable<T>& x, std::span<const Index> lengths) {
  x.check_usable("sequence");
  Tape<T>& tape = *current_tape<T>;
  if (x.shape().rank() != 3 || x.dim(1) != static_cast<Index>(lengths.size()))
    throw ShapeError("[sequence] x ", x.shape().str(), " with ", lengths.size(),
                     " lengths; expected (T,B,F) with B lengths");
  for (std::size_t b = 0; b < lengths.size(); ++b)
    if (lengths[b] > x.dim(0))
      throw ValueError("[sequence] length ", lengths[b], " of sequence ", b, "; x ", x.shape().str(), " has ", x.dim(0),
                       " steps");
  const SequenceLayout* layout = ragged_layout(tape, lengths);
  const Index batch = layout->batch;
  const Variable<T> flat = reshape(x, Shape{x.dim(0) * batch, x.dim(2)});
  if (layout->dense()) return {narrow(flat, 0, 0, layout->rows), layout};
  const auto ids = new_ids(tape, layout->rows);
  for_each_row(*layout, [&](Index b, Index t, Index row) { ids[static_cast<std::size_t>(row)] = t * batch + b; });
  return {take_rows(flat, Indices(std::span<const Index>(ids))), layout};
}

template <class T>
Sequence<T> sequence(const std::vector<std::vector<T>>& list, Index features) {
  Tape<T>& tape = detail::open_tape<T>("sequence");
  const auto lengths = new_ids(tape, static_cast<Index>(list.size()));
  for (std::size_t b = 0; b < list.size(); ++b) {
    const auto size = static_cast<Index>(list[b].size());
    if (features < 1 || size % features != 0)
      throw ShapeError("[sequence] sequence ", b, " has ", size, " numbers, no whole number of rows of ", features,
                       " features");
    lengths[b] = size / features;
  }
  const SequenceLayout* layout = ragged_layout(tape, std::span<const Index>(lengths));
  const auto write = [&](std::span<T> to) {
    for_each_row(*layout, [&](Index b, Index t, Index row) {
      std::copy_n(list[static_cast<std::size_t>(b)].data() + t * features, features, to.data() + row * features);
    });
  };
  return {detail::input_written_by<T>("sequence", Shape{layout->rows, features}, false, write), layout};
}

template <class T, class I>
std::span<const I> in_row_order(Tape<T>& tape, const SequenceLayout& layout, std::span<const std::vector<I>> list) {
  if (static_cast<Index>(list.size()) != layout.batch)
    throw ShapeError("[sequence] ", list.size(), " lists for a batch of ", layout.batch);
  for (Index b = 0; b < layout.batch; ++b)
    if (static_cast<Index>(list[static_cast<std::size_t>(b)].size()) != layout.length_of(b))
      throw ShapeError("[sequence] list ", b, " has ", list[static_cast<std::size_t>(b)].size(),
                       " elements, its sequence ", layout.length_of(b), " steps");
  I* out = tape.template allocate<I>(layout.rows);
  for_each_row(layout, [&](Index b, Index t, Index row) {
    out[row] = list[static_cast<std::size_t>(b)][static_cast<std::size_t>(t)];
  });
  return {out, static_cast<std::size_t>(layout.rows)};
}

template <class T>
PackedIds pack_ids(Tape<T>& tape, std::span<const std::vector<Index>> list) {
  const auto lengths = new_ids(tape, static_cast<Index>(list.size()));
  for (std::size_t b = 0; b < list.size(); ++b) lengths[b] = static_cast<Index>(list[b].size());
  const SequenceLayout* layout = ragged_layout(tape, std::span<const Index>(lengths));
  return {layout, in_row_order(tape, *layout, list)};
}

template <class T>
Variable<T> padded(const Sequence<T>& x) {
  x.rows.check_usable("padded");
  const SequenceLayout& l = *x.layout;
  const Shape shape{l.steps, l.batch, x.rows.dim(1)};
  if (l.dense()) return reshape(x.rows, shape);
  const auto ids = new_ids(*current_tape<T>, l.steps * l.batch);
  std::ranges::fill(ids, Index{-1});
  for_each_row(l, [&](Index b, Index t, Index row) { ids[static_cast<std::size_t>(t * l.batch + b)] = row; });
  return take_rows(x.rows, Indices(std::span<const Index>(ids)), Shape{l.steps, l.batch});
}

template <class T>
Variable<T> last(const Sequence<T>& x) {
  x.rows.check_usable("last");
  const SequenceLayout& l = *x.layout;
  const auto ids = new_ids(*current_tape<T>, l.batch);
  for (Index b = 0; b < l.batch; ++b) {
    const Index length = l.length_of(b);
    ids[static_cast<std::size_t>(b)] = length == 0 ? -1 : l.first[length - 1] + l.place[b];
  }
  return take_rows(x.rows, Indices(std::span<const Index>(ids)));
}

template <class T>
Variable<T> pool(const Sequence<T>& x, Pool kind) {
  x.rows.check_usable("pool");
  const SequenceLayout& l = *x.layout;
  const auto segments = new_ids(*current_tape<T>, l.rows);
  for_each_row(l, [&](Index b, Index, Index row) { segments[static_cast<std::size_t>(row)] = b; });
  return pool_rows(x.rows, Indices(std::span<const Index>(segments)), l.batch, kind);
}

template <class T>
Sequence<T> reverse(const Sequence<T>& x) {
  x.rows.check_usable("reverse");
  const SequenceLayout& l = *x.layout;
  const auto ids = new_ids(*current_tape<T>, l.rows);
  for_each_row(l, [&](Index b, Index t, Index row) {
    ids[static_cast<std::size_t>(row)] = l.first[l.length_of(b) - 1 - t] + l.place[b];
  });
  return {take_rows(x.rows, Indices(std::span<const Index>(ids))), x.layout};
}

template <class T>
Variable<T> detail::permute_rows(const Variable<T>& x, std::span<const Index> ids) {
  if (x.shape().rank() == 0 || x.dim(0) != static_cast<Index>(ids.size()))
    throw ShapeError("[Rnn] a state of shape ", x.shape().str(), " for a batch of ", ids.size());
  const Index rows = x.dim(0);
  const Variable<T> flat = reshape(x, Shape{rows, rows == 0 ? 0 : x.size() / rows});
  return reshape(take_rows(flat, Indices(ids)), x.shape());
}

template <class T>
Variable<T> reduce_loss(const Sequence<T>& losses, Reduction reduction, LossPer per) {
  losses.rows.check_usable("reduce_loss");
  if (reduction == Reduction::none) throw ValueError("[reduce_loss] Reduction::none; expected mean or sum");
  const SequenceLayout& l = *losses.layout;
  if (losses.rows.size() == 0) return zeros<T>(Shape{});
  if (per == LossPer::token) return reduction == Reduction::mean ? mean(losses.rows) : sum(losses.rows);
  const Variable<T> total = sum(pool(losses, Pool::mean));
  const auto there = std::count_if(l.length, l.length + l.batch, [](Index n) { return n > 0; });
  return total * static_cast<T>(1 / (static_cast<double>(losses.rows.dim(1)) *
                                     (reduction == Reduction::mean ? static_cast<double>(there) : 1)));
}

template <class T>
Variable<T> softmax_cross_entropy(const Sequence<T>& logits, std::span<const std::vector<Index>> targets,
                                  const CrossEntropyOptions<T>& options, LossPer per) {
  logits.rows.check_usable("softmax_cross_entropy");
  Tape<T>& tape = *current_tape<T>;
  const SequenceLayout& l = *logits.layout;
  const std::span<const Index> in_order = in_row_order(tape, l, targets);
  if (per == LossPer::token || options.reduction == Reduction::none)
    return softmax_cross_entropy(logits.rows, in_order, options);
  if (!options.weights.empty())
    throw ValueError("[softmax_cross_entropy] weights a row do not go with a loss per sequence");
  // The mean over sequences of the mean over their steps: each row weighs 1 / what its sequence's steps count.
  const auto count_of = [&](Index target) {
    if (options.ignore_index && target == *options.ignore_index) return T(0);
    if (target < 0 || target >= static_cast<Index>(options.class_weights.size())) return T(1);
    return options.class_weights[static_cast<std::size_t>(target)];
  };
  T* tokens = tape.template allocate<T>(l.batch);
  std::fill_n(tokens, l.batch, T(0));
  for_each_row(l, [&](Index b, Index, Index row) { tokens[b] += count_of(in_order[static_cast<std::size_t>(row)]); });
  T* weights = tape.template allocate<T>(l.rows);
  for_each_row(l, [&](Index b, Index, Index row) { weights[row] = tokens[b] > 0 ? 1 / tokens[b] : T(0); });
  CrossEntropyOptions<T> weighted = options;
  weighted.weights = {weights, static_cast<std::size_t>(l.rows)};
  if (options.reduction == Reduction::mean && !options.denominator)
    weighted.denominator =
        std::max(1.0, static_cast<double>(std::count_if(tokens, tokens + l.batch, [](T n) { return n > 0; })));
  return softmax_cross_entropy(logits.rows, in_order, weighted);
}

#define UNROLL_INSTANTIATE(T)                                                                                         \
  template struct Sequence<T>;                                                                                        \
  template Sequence<T> sequence(const Variable<T>&);                                                                  \
  template Sequence<T> sequence(const Variable<T>&, std::span<const Index>);                                          \
  template Sequence<T> sequence(const std::vector<std::vector<T>>&, Index);                                           \
  template std::span<const Index> in_row_order(Tape<T>&, const SequenceLayout&, std::span<const std::vector<Index>>); \
  template std::span<const T> in_row_order(Tape<T>&, const SequenceLayout&, std::span<const std::vector<T>>);         \
  template PackedIds pack_ids(Tape<T>&, std::span<const std::vector<Index>>);                                         \
  template Variable<T> padded(const Sequence<T>&);                                                                     \
  template Variable<T> last(const Sequence<T>&);                                                                      \
  template Variable<T> pool(const Sequence<T>&, Pool);                                                                \
  template Sequence<T> reverse(const Sequence<T>&);                                                                   \
  template Variable<T> detail::permute_rows(const Variable<T>&, std::span<const Index>);                              \
  template Variable<T> reduce_loss(const Sequence<T>&, Reduction, LossPer);                                           \
  template Variable<T> softmax_cross_entropy(const Sequence<T>&, std::span<const std::vector<Index>>,                 \
                                             const CrossEntropyOptions<T>&, LossPer);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
