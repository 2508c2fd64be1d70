#pragma once
/// \file
/// Memory for time loops: what each step makes lies beside what the step before made at the same place.

#include "denormals.hpp"
#include "tape.hpp"

namespace unroll {

/// While one lives, the k-th tensor that each step of a time loop makes becomes rows of the k-th slab: the states of
/// all steps lie one after the other, and so do their adjoints. The outputs of the steps are then one tensor without a
/// copy (`join`), and a weight gradient over all steps is one matrix product.
///
/// A slab of values each of which one `map` has read, and nothing else, gives its memory to its adjoints in backward();
/// to read such a value after that is an error (StaleVariableError).
///
/// Works for any code between two calls of `step`: a tensor whose first dimension is not the number of rows, or that
/// differs from what the first step made at this place, simply gets memory of its own. Only in a Recording. In
/// every scope denormal numbers are zero while it lives (FlushDenormals).
template <class T>
class Loop {
 public:
  /// `total_rows`: rows of all steps together (T*B; the sum of lengths when ragged).
  Loop(Tape<T>& tape, Index total_rows);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Begins a step whose tensors are rows `first_row` .. `first_row + rows` of the slabs.
  void step(Index first_row, Index rows);

 private:
  friend class detail::Recorder<T>;  // which makes nodes here
  struct Site;

  FlushDenormals flush_;
  detail::Recorder<T>& recorder_;
  Loop* outer_ = nullptr;
  Index total_rows_;
  Index first_row_ = 0;
  Index rows_ = 0;
  Site* first_ = nullptr;
  Site** at_ = nullptr;
  bool active_;
};

extern template class Loop<float>;
extern template class Loop<double>;

}  // namespace unroll
