#include "sequence_lists.hpp"

#include <algorithm>

#include "../../core/error.hpp"

namespace unroll {

namespace {

/// f(b, row) for every step of every sequence, sequence by sequence; row has F values.
template <class T, class F>
void each_step(const Sequence<T>& x, F&& f) {
  const SequenceLayout& layout = x.checked();
  const auto values = x.rows.values();
  const auto width = static_cast<std::size_t>(x.rows.shape().cols());
  for (Index b = 0; b < layout.batch; ++b)
    for (Index t = 0; t < layout.length_of(b); ++t)
      f(static_cast<std::size_t>(b),
        values.subspan(static_cast<std::size_t>(layout.first[t] + layout.place[b]) * width, width));
}

}  // namespace

template <class T>
std::vector<std::vector<T>> lists_of(const Sequence<T>& x) {
  std::vector<std::vector<T>> lists(x.batch());
  each_step(x, [&](std::size_t b, auto row) { lists[b].insert(lists[b].end(), row.begin(), row.end()); });
  return lists;
}

template <class T>
std::vector<std::vector<Index>> argmax_lists(const Sequence<T>& x) {
  std::vector<std::vector<Index>> lists(x.batch());
  each_step(x, [&](std::size_t b, auto row) {
    if (row.empty()) throw ShapeError("[argmax_lists] rows ", x.rows.shape().str(), " have no values to choose from");
    lists[b].push_back(std::max_element(row.begin(), row.end()) - row.begin());
  });
  return lists;
}

#define UNROLL_INSTANTIATE(T)                                           \
  template std::vector<std::vector<T>> lists_of<T>(const Sequence<T>&); \
  template std::vector<std::vector<Index>> argmax_lists<T>(const Sequence<T>&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
