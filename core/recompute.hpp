#pragma once
/// \file
/// How a function's inner values are forgotten and computed again in backward. What users call is `recompute` and
/// `recompute_over_time` (nn/bptt/recompute.hpp).
///
/// Every tape has, from the first such call on, an inner tape. Forward runs the function in a Recording there, copies
/// the results out, and leaves one record on the tape around it. When backward comes to that record, the function runs
/// again in a Recording of the same inner tape, from the same state of the generator; the results get the adjoints that
/// have arrived at their copies, and that recording is run backward. Each run rewinds the inner tape, so its memory is
/// that of the largest call, however many there are.
///
/// While the inner tape runs, the Variables of the tape around it may be used as they are: their adjoints are added to
/// directly, in the order in which a recording without recomputation would add to them. So arguments need no copies,
/// and what a function captured gets its gradient like what it was passed. Leaves of the inner tape share gradient
/// memory with those of the tape around it, and packed copies of weights too, so that products are computed in the same
/// way and values are the same bits. An inner tape may have an inner tape: calls nest.

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "variable.hpp"

namespace unroll::detail {

/// What is run again: calls the function behind `call` and appends the Variables of its result, in order.
template <class T>
using RunAgain = void (*)(const void* call, std::vector<Variable<T>>& results);

/// What a lambda captured, as the pointers that it may consist of. None when it cannot be read as pointers.
struct Captures {
  const void* at = nullptr;
  std::size_t count = 0;
};

/// True when a function can run on an inner tape of this one now; false when it is running there already.
template <class T>
bool can_run_apart(Tape<T>& tape);

/// While one lives, the inner tape of `tape` is the current one, in the same kind of scope: the run forward.
template <class T>
class ApartRun {
 public:
  explicit ApartRun(Tape<T>& tape);
  ~ApartRun();
  ApartRun(const ApartRun&) = delete;
  ApartRun& operator=(const ApartRun&) = delete;

  /// The next Variable of the result as one of the tape around: a copy, or itself when it is one already.
  Variable<T> out(const Variable<T>& result);
  /// True when this memory is gone after the run.
  bool owns(const void* memory) const;
  /// Leaves the record that runs `call` again; leaves none when no result needs a gradient. Backward throws when
  /// `captures` point into the frame of a function that has returned by then: that part of the stack is dead.
  void finish(RunAgain<T> again, const void* call, Captures captures);

 private:
  struct Again;
  static void backward(const Again& again);

  Tape<T>& around_;
  Tape<T>& inner_;
  Rng rng_;            // as it was before the run
  const void* frame_;  // below those of all callers
  std::optional<Recording<T>> recording_;
  std::optional<Evaluation<T>> evaluation_;
  std::vector<Variable<T>> copies_;  // undefined for what is no copy
};

extern template class ApartRun<float>;
extern template class ApartRun<double>;

}  // namespace unroll::detail
