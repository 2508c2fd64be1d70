#pragma once
// What nn/bptt/recompute.hpp needs to know of the types of functions, their results and states.

#include <type_traits>
#include <utility>
#include <vector>

#include "../../core/recompute.hpp"
#include "../../ops/elementwise.hpp"
#include "../layer.hpp"

namespace unroll::detail {

/// Makes the Variables of a result, and the layouts of its Sequences, those of the tape around.
template <class T, class R>
UNROLL_PER_ISA void hand_out(ApartRun<T>& run, Tape<T>& tape, R& result) {
  visit_result(
      result, [&](auto& v) { v = run.out(v); },
      [&](const SequenceLayout*& layout) {
        if (!layout || !run.owns(layout)) return;
        std::vector<Index> lengths(static_cast<std::size_t>(layout->batch));
        for (Index b = 0; b < layout->batch; ++b) lengths[static_cast<std::size_t>(b)] = layout->length_of(b);
        layout = ragged_layout(tape, std::span<const Index>(lengths));
      });
}

/// Padding may hold anything, but hardly the address of a variable that has just gone.
template <class F>
UNROLL_PER_ISA Captures captures_of(const F& f) {
  if constexpr (std::is_trivially_copyable_v<F> && sizeof(F) % sizeof(void*) == 0) {
    return {&f, sizeof(F) / sizeof(void*)};
  } else {
    return {};
  }
}

/// A function and its arguments, to be called again.
template <class T, class F, class... Arguments>
struct UNROLL_PER_ISA RecomputedCall {
  F f;
  std::tuple<Arguments...> arguments;

  decltype(auto) operator()() const { return std::apply(f, arguments); }
  static void again(const void* call, std::vector<Variable<T>>& results) {
    auto result = (*static_cast<const RecomputedCall*>(call))();
    visit_result(
        result, [&](const auto& v) { results.push_back(v); }, [](const SequenceLayout*) {});
  }
};

template <class F, class State>
concept StepOf = std::is_invocable_v<const F&, Index, const State&>;
template <class F, class State>
concept SegmentOf = std::is_invocable_v<const F&, Index, Index, const State&>;

template <class F, class State>
struct ResultOfSteps {};
template <class F, class State>
requires StepOf<F, State>
struct ResultOfSteps<F, State> : std::invoke_result<const F&, Index, const State&> {
};
template <class F, class State>
requires(!StepOf<F, State> && SegmentOf<F, State>) struct ResultOfSteps<F, State>
    : std::invoke_result<const F&, Index, Index, const State&> {
};

/// True when f gives a loss and a state, not a state alone.
template <class F, class State>
concept GivesLoss = !std::is_convertible_v<typename ResultOfSteps<F, State>::type, State>;

/// Steps begin .. end of a loop over time; what they lose is added to `loss`, which may be undefined.
template <class T, class F, class State> UNROLL_PER_ISA
std::pair<Variable<T>, State> run_segment(const F& f, Index begin, Index end, Variable<T> loss, State state) {
  const auto take = [&](auto&& result) {
    if constexpr (GivesLoss<F, State>) {
      auto&& [more, next] = result;
      loss = loss.defined() ? loss + more : Variable<T>(more);
      state = next;
    } else {
      state = result;
    }
  };
  if constexpr (StepOf<F, State>) {
    for (Index t = begin; t < end; ++t) {
      const Place step(t);
      take(f(t, state));
    }
  } else {
    const Place segment = Place::from(begin);
    take(f(begin, end, state));
  }
  return {loss, state};
}

/// Some steps of `f`, as a function to be computed again.
template <class T, class F, class State>
struct UNROLL_PER_ISA SegmentRun {
  const F* f;

  std::pair<Variable<T>, State> operator()(Index begin, Index end, const Variable<T>& loss, const State& from) const {
    return run_segment(*f, begin, end, loss, from);
  }
};
template <class T, class F, class State>
UNROLL_PER_ISA Captures captures_of(const SegmentRun<T, F, State>& run) {
  return captures_of(*run.f);
}

}  // namespace unroll::detail
