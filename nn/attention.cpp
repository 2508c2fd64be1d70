#include "attention.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "../ops/elementwise.hpp"
#include "../ops/layout.hpp"

namespace unroll {
namespace detail {

template <class T>
AttentionMemory<T> attention_memory(const Sequence<T>& values, Variable<T> keys) {
  const SequenceLayout& l = values.checked();
  Tape<T>& tape = *current_tape<T>;
  Index* owner = tape.template allocate<Index>(l.rows);
  for (Index t = 0; t < l.steps; ++t)
    for (Index k = 0; k < l.active[t]; ++k) owner[l.first[t] + k] = l.order[k];
  const std::span<const Index> owners(owner, static_cast<std::size_t>(l.rows));
  return {values, keys, make_segments(tape, Indices(owners), l.batch)};
}

template <class T>
const Segments* attention_segments(const char* op, const AttentionMemory<T>& memory, Index queries,
                                   std::span<const Index> sources) {
  const SequenceLayout& l = memory.values.checked();
  if (static_cast<Index>(sources.size()) != queries && !(sources.empty() && queries == l.batch))
    throw ShapeError("[", op, "] ", queries, " queries, ", sources.size(), " sources and ", l.batch,
                     " sequences; expected one source a query, or none and one query a sequence");
  bool one_each = queries == l.batch;
  Index members = 0;
  for (std::size_t q = 0; q < sources.size(); ++q) {
    const Index b = sources[q];
    if (b < 0 || b >= l.batch)
      throw ValueError("[", op, "] source ", b, " at position ", q, "; expected 0 .. ", l.batch - 1);
    one_each = one_each && b == static_cast<Index>(q);
    members += l.length_of(b);
  }
  if (one_each) return memory.segments;
  Tape<T>& tape = *current_tape<T>;
  Index* segment = tape.template allocate<Index>(members);
  Index* row = tape.template allocate<Index>(members);
  Index p = 0;
  for (std::size_t q = 0; q < sources.size(); ++q) {
    const Index place = l.place[sources[q]];
    for (Index t = 0; t < l.length[place]; ++t, ++p) segment[p] = static_cast<Index>(q), row[p] = l.first[t] + place;
  }
  auto* segments = new (tape.template allocate<Segments>(1)) Segments();
  *segments = {queries, members, l.rows, segment, row};
  return segments;
}

template <class T>
Attended<T> attend(const Variable<T>& scores, const AttentionMemory<T>& memory, const Segments* segments) {
  const Variable<T> weights = segment_softmax(scores, *segments);
  return {segment_weighted_sum(weights, memory.values.rows, *segments), weights, segments};
}

namespace {

// v . tanh(x), one number a row.
template <class T>
Variable<T> scores_of(const Linear<T>& score, const Variable<T>& x) {
  return reshape(score(tanh(x)), Shape{x.dim(0)});
}

}  // namespace
}  // namespace detail

template <class T>
Attended<T> AdditiveAttention<T>::operator()(Variable<T> queries, const AttentionMemory<T>& memory,
                                             std::span<const Index> sources) const {
  const Variable<T> asked = query(queries);
  const Segments* s = detail::attention_segments("AdditiveAttention", memory, asked.dim(0), sources);
  const Variable<T> pairs = segment_add(asked, memory.keys, *s);
  return detail::attend(detail::scores_of(score, pairs), memory, s);
}

template <class T>
Attended<T> DotAttention<T>::operator()(Variable<T> queries, const AttentionMemory<T>& memory,
                                        std::span<const Index> sources) const {
  queries.check_usable("DotAttention");
  if (queries.shape().rank() != 2 || queries.dim(1) != memory.keys.dim(1))
    throw ShapeError("[DotAttention] queries ", queries.shape().str(), ", keys ", memory.keys.shape().str(),
                     "; expected the same number of features");
  const Segments* s = detail::attention_segments("DotAttention", memory, queries.dim(0), sources);
  const double scale = scaled ? 1 / std::sqrt(static_cast<double>(std::max<Index>(queries.dim(1), 1))) : 1;
  return detail::attend(segment_dot(queries, memory.keys, *s, scale), memory, s);
}

template <class T>
Attended<T> AttentionPool<T>::run(const Sequence<T>& x) const {
  const AttentionMemory<T> memory = detail::attention_memory(x, Variable<T>());
  return detail::attend(detail::scores_of(score, hidden(x.rows)), memory, memory.segments);
}

#define UNROLL_INSTANTIATE(T)                                                                          \
  template AttentionMemory<T> detail::attention_memory(const Sequence<T>&, Variable<T>);               \
  template const Segments* detail::attention_segments(const char*, const AttentionMemory<T>&, Index,   \
                                                      std::span<const Index>);                         \
  template Attended<T> detail::attend(const Variable<T>&, const AttentionMemory<T>&, const Segments*); \
  template class AdditiveAttention<T>;                                                                 \
  template class DotAttention<T>;                                                                      \
  template class AttentionPool<T>;
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
