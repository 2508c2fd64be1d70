#pragma once
/// \file
/// Training through long sequences in little memory: what a function computed is forgotten and computed again in
/// backward.

#include <cmath>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "../../core/recompute.hpp"
#include "../../ops/elementwise.hpp"
#include "recompute_detail.hpp"

namespace unroll {

/// `f(arguments...)`, whose inner values are not kept for backward but computed a second time then
/// (torch.utils.checkpoint; Chen, Xu, Zhang and Guestrin, "Training deep nets with sublinear memory cost", 2016).
///
///     auto y = recompute([&](Variable<> x) { return block(x); }, x);
///
/// The values are the same bits as those of `f(arguments...)`, the gradients the same up to the order of additions; the
/// cost is one more run forward. Of n blocks of equal size one after the other, each needing m bytes inside and r for
/// its result, the tape holds n r + m bytes instead of n (r + m).
///
/// \param f          any callable; copied or moved in. It runs twice, so what it does beside computing happens twice.
/// What
///                   it captures by reference (`[&]`) must still be there, unchanged, when backward runs: models and
///                   data, and the variables of the very function that calls backward. Local variables of a function
///                   that returns the loss are captured by value, `[=, &model]`, and what a loop assigns (a state) is
///                   passed as argument. Both mistakes are mostly recognised, and then an error of backward.
/// \param arguments  of any kind, copied: Variables, states, lists of states, Sequences, numbers.
/// \return           what f returned, its Variables as ones of the current scope. A Variable; a state, a std::vector,
///                   std::array, std::pair or std::tuple of such; a Sequence; what run() of a layer returns; numbers
///                   beside them stay. Not every result needs to be used.
///
/// Variables that f captured get their gradient like those it was passed; parameters get theirs wherever the tape
/// collects them (Shards). Dropout and its kin draw the same masks both times. Calls may nest: f may call recompute. In
/// an Evaluation f runs once, and gives back at its end all memory but its results'.
///
/// Throws NoScopeError with no scope open, and what f throws. backward() throws ValueError when the second run gives
/// other values or f refers to variables that are gone, and what f throws then, with "recompute" in front; gradients
/// are incomplete then and must be cleared.
template <class F, class... Arguments>
UNROLL_PER_ISA auto recompute(F f, Arguments... arguments) {
  static_assert(std::is_invocable_v<const F&, const Arguments&...>,
                "recompute: the function cannot be called with these arguments as constants (is it a mutable lambda? "
                "it runs twice and must do the same each time)");
  using Result = std::remove_cvref_t<std::invoke_result_t<const F&, const Arguments&...>>;
  using T = scalar_of<Result>;
  Tape<T>& tape = detail::open_tape<T>("recompute");
  using Call = detail::RecomputedCall<T, F, Arguments...>;
  Call call{std::move(f), {std::move(arguments)...}};
  if (!detail::can_run_apart(tape)) return Result(call());
  const Call* kept = tape.recording() ? tape.keep(std::move(call)) : &call;
  detail::ApartRun<T> run(tape);
  Result result = (*kept)();
  detail::hand_out(run, tape, result);
  run.finish(&Call::again, kept, detail::captures_of(kept->f));
  return result;
}

struct RecomputeOptions {
  Index segment = 0;      ///< time steps that are computed again at once; 0: the square root of all, rounded up
  bool recompute = true;  ///< false: everything is kept, with the same results; to see what it costs and saves
};

/// Back-propagation through all of T time steps in memory that goes with the square root of T (Chen et al., 2016; for
/// recurrent networks Gruslys, Munos, Danihelka, Lanctot and Graves, "Memory-efficient backpropagation through time",
/// 2016): steps are run in segments of S steps, of which only the states between them stay.
///
///     a_0 = state          l_k, a_{k+1} = f(k S, min((k + 1) S, T), a_k)          loss = l_0 + l_1 + ...
///
///     memory:  ceil(T / S) s  +  S m        instead of  T m
///
/// with s bytes for a state and its adjoint and m for all that a step keeps. It is least at S = sqrt(T s / m), but
/// nearly as little at the default S = ceil(sqrt(T)), whose work is cut into longer pieces. Time: one more run forward.
/// The sums are made in the order of the segments: the same bits as a loop over f that keeps everything.
///
///     auto [loss, last] = recompute_over_time(steps, initial_state(lstm.cell, batch), [&](Index begin, Index end, auto
///     s) {
///       const auto r = lstm.run(input(frames(begin, end)), s);
///       return std::pair{softmax_cross_entropy(readout(r.outputs), labels(begin, end), sum), r.final_state};
///     });
///     tape.backward(loss);
///
/// Inputs of each segment are made inside f, or lie on the tape for all T steps.
///
/// \param steps  T, 0 or more
/// \param state  before the first step: a Variable, a state, a std::vector of states (of a Stack). It may need a
/// gradient. \param f      `f(begin, end, state)` for steps begin .. end - 1, or `f(t, state)` for one step, which is
/// called for all
///               of a segment. Returns std::pair{loss, state}, the loss a scalar, or the state alone. Runs twice: what
///               is said of `recompute` holds for it.
/// \return       std::pair of the sum of the losses (0 for T = 0) and the state after the last step, or that state
/// alone.
///
/// Throws ValueError on a negative number of steps, what f throws, and in backward what `recompute` does.
template <class State, class F>
UNROLL_PER_ISA auto recompute_over_time(Index steps, State state, F f, RecomputeOptions options = {}) {
  using T = scalar_of<State>;
  static_assert(detail::StepOf<F, State> || detail::SegmentOf<F, State>,
                "recompute_over_time: expected f(Index begin, Index end, state) or f(Index t, state), callable as a "
                "constant, giving std::pair{loss, state} or the state");
  detail::open_tape<T>("recompute_over_time");
  if (steps < 0 || options.segment < 0)
    throw ValueError("[recompute_over_time] " + std::to_string(steps) + " steps in segments of " +
                     std::to_string(options.segment) + "; expected 0 or more");
  if (options.segment == 0) options.segment = static_cast<Index>(std::ceil(std::sqrt(static_cast<double>(steps))));

  Tape<T>& tape = *current_tape<T>;
  const F* kept = options.recompute && tape.recording() ? tape.keep(std::move(f)) : &f;
  const detail::SegmentRun<T, F, State> run_segment{kept};
  std::pair<Variable<T>, State> sofar{Variable<T>(), std::move(state)};
  for (Index begin = 0; begin < steps; begin += options.segment) {
    const Index end = std::min(begin + options.segment, steps);
    sofar = options.recompute ? recompute(run_segment, begin, end, sofar.first, sofar.second)
                              : run_segment(begin, end, sofar.first, sofar.second);
  }
  if constexpr (detail::GivesLoss<F, State>) {
    if (!sofar.first.defined()) sofar.first = zeros<T>(Shape{});
    return sofar;
  } else {
    return std::move(sofar.second);
  }
}

}  // namespace unroll
