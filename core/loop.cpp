#include "loop.hpp"

#include <string>

#include "error.hpp"
#include "recorder.hpp"

namespace unroll {

// The slab of one place in the step.
template <class T>
struct Loop<T>::Site {
  detail::Node<T>* slab;
  Index width;
  Site* next;
};

template <class T>
Loop<T>::Loop(Tape<T>& tape, Index total_rows)
    : recorder_(tape.recorder()),
      outer_(recorder_.frame_.loop),
      total_rows_(total_rows),
      active_(recorder_.recording()) {
  if (!active_) return;
  recorder_.frame_.loop = this;
  recorder_.frame_.looped = true;
}

template <class T>
Loop<T>::~Loop() {
  if (active_) recorder_.frame_.loop = outer_;
}

template <class T>
void Loop<T>::step(Index first_row, Index rows) {
  if (first_row < 0 || rows < 0 || first_row + rows > total_rows_)
    throw ValueError("[Loop] rows ", first_row, " to ", first_row + rows, " of a loop of ", total_rows_, " rows");
  first_row_ = first_row;
  rows_ = rows;
  at_ = &first_;
}

namespace detail {

template <class T>
Node<T>* Recorder<T>::place_in_loop(const Shape& shape) {
  Loop<T>& loop = *frame_.loop;
  const Index size = shape.size();
  // What has not a row for each of the step's, as all that an attention looks at, is no part of a slab: with one row in
  // the step a slab of it would be as many times as large as there are rows in all steps.
  if (!loop.at_ || size == 0 || shape.rank() == 0 || shape[0] != loop.rows_) return nullptr;
  const Index width = size / loop.rows_;
  if (!*loop.at_) {
    auto* value = allocate<T>(loop.total_rows_ * width);
    Node<T>* slab = node_over(value, Shape{loop.total_rows_, width});
    slab->requires_grad = slab->reuse.slab = true;
    *loop.at_ = new (allocate<typename Loop<T>::Site>(1)) typename Loop<T>::Site{slab, width, nullptr};
  }
  const auto& site = **loop.at_;
  loop.at_ = &(*loop.at_)->next;
  if (site.width != width) return nullptr;
  return new_part(site.slab, true, site.slab->value + loop.first_row_ * width, shape, shape.cols());
}

template Node<float>* Recorder<float>::place_in_loop(const Shape&);
template Node<double>* Recorder<double>::place_in_loop(const Shape&);

}  // namespace detail

template class Loop<float>;
template class Loop<double>;

}  // namespace unroll
