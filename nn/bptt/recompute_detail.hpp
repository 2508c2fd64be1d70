#pragma once
// What nn/bptt/recompute.hpp needs to know of the types of functions, their results and states.

#include <type_traits>
#include <utility>
#include <vector>

#include "../../core/recompute.hpp"
#include "../../ops/elementwise.hpp"
#include "../cell.hpp"
#include "../sequence_layout.hpp"

namespace unroll::detail {

template <class R>
concept IsTuple = requires {
  std::tuple_size<R>::value;
}
&&!is_sequence<R>;
template <class R>
concept IsRowsAndLayout = requires(R& r) {
  r.rows, r.layout;
};
template <class R>
concept IsLayerResult = requires(R& r) {
  r.outputs;
}
&&(
    requires(R& r) { r.final_state; } || requires(R & r) { r.final_states; });

/// The scalar of the first Variable in a type as std::type_identity; of void when there is none.
template <class R>
constexpr auto scalar_in();

template <class... R>
constexpr auto first_scalar_in(std::type_identity<std::tuple<R...>>) {
  std::type_identity<void> none;
  if constexpr (sizeof...(R) == 0) {
    return none;
  } else {
    return []<class First, class... More>(std::type_identity<std::tuple<First, More...>>) {
      using T = typename decltype(scalar_in<First>())::type;
      if constexpr (std::is_void_v<T>) {
        return first_scalar_in(std::type_identity<std::tuple<More...>>{});
      } else {
        return std::type_identity<T>{};
      }
    }(std::type_identity<std::tuple<R...>>{});
  }
}
template <class A, class B>
constexpr auto as_tuple(std::type_identity<std::pair<A, B>>) {
  return std::type_identity<std::tuple<A, B>>{};
}
template <class... R>
constexpr auto as_tuple(std::type_identity<std::tuple<R...>>) {
  return std::type_identity<std::tuple<R...>>{};
}

/// A visitor of members that keeps the scalar of the first Variable in its type is not possible: each() returns
/// nothing. So a state says its scalar by being a template over it (or over a state), or by a member type `scalar`;
/// else float.
template <class S>
struct ScalarOfStruct {
  using type = float;
};
template <template <class> class S, class Inner>
struct ScalarOfStruct<S<Inner>>
    : std::conditional_t<std::is_floating_point_v<Inner>, std::type_identity<Inner>, decltype(scalar_in<Inner>())> {};
template <class S>
requires requires { typename S::scalar; }
struct ScalarOfStruct<S> {
  using type = typename S::scalar;
};

template <class R>
constexpr auto scalar_in() {
  if constexpr (is_variable<R>) {
    return std::type_identity<typename R::value_type>{};
  } else if constexpr (is_sequence<R>) {
    return scalar_in<typename R::value_type>();
  } else if constexpr (IsTuple<R>) {
    return first_scalar_in(as_tuple(std::type_identity<R>{}));
  } else if constexpr (IsRowsAndLayout<R>) {
    return scalar_in<decltype(R::rows)>();
  } else if constexpr (IsLayerResult<R>) {
    return scalar_in<decltype(R::outputs)>();
  } else if constexpr (NamesMembers<R>) {
    return std::type_identity<typename ScalarOfStruct<R>::type>{};
  } else {
    return std::type_identity<void>{};
  }
}

/// on_variable(v) for every Variable of a result that was set, on_layout(layout) for every layout.
template <class R, class OnVariable, class OnLayout>
UNROLL_PER_ISA void visit_result(R& result, const OnVariable& on_variable, const OnLayout& on_layout) {
  const auto deeper = [&](auto& part) { visit_result(part, on_variable, on_layout); };
  if constexpr (is_variable<R>) {
    if (result.defined()) on_variable(result);
  } else if constexpr (is_sequence<R>) {
    for (auto& part : result) deeper(part);
  } else if constexpr (IsTuple<R>) {
    std::apply([&](auto&... part) { (deeper(part), ...); }, result);
  } else if constexpr (IsRowsAndLayout<R>) {
    deeper(result.rows), on_layout(result.layout);
  } else if constexpr (IsLayerResult<R>) {
    deeper(result.outputs);
    if constexpr (requires { result.final_state; }) deeper(result.final_state);
    if constexpr (requires { result.final_states; }) deeper(result.final_states);
    if constexpr (requires { result.all_states; }) deeper(result.all_states);
  } else if constexpr (NamesMembers<R>) {
    result.each([&](const char*, auto& part) { deeper(part); });
  } else {
    static_assert(std::is_arithmetic_v<R> || std::is_enum_v<R>,
                  "the result of a recomputed function is a Variable, a state, a Sequence, what run() of a layer "
                  "returns, numbers, or a vector, array, pair or tuple of these");
  }
}

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
