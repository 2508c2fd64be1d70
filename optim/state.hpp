#pragma once
/// \file
/// What an optimizer, a schedule or an average of weights has to remember between two runs, as named flat arrays.

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "../core/simd/per_isa.hpp"

namespace unroll {

/// A visitor is shown every array of an object's state in turn, to write it out or to fill it in.
///
/// Earlier arrays decide which later ones there are and how long they are: "weight.step" says whether there is a
/// "weight.exp_avg". So whoever restores fills each array before `array` returns, and then the same walk works for an
/// object that has not made a step yet. A name is not seen twice in one walk.
class StateVisitor {
 public:
  virtual ~StateVisitor() = default;
  virtual void array(const std::string& name, std::span<float> values) = 0;
  virtual void array(const std::string& name, std::span<double> values) = 0;
  virtual void array(const std::string& name, std::span<std::int64_t> values) = 0;
};

/// Anything whose state can be walked: optimizers, LRScheduler, ReduceLROnPlateau, WeightAverage.
template <class X>
concept HasState = requires(X& x, StateVisitor& visitor) {
  x.each_state(visitor);
};

namespace detail {

/// A visitor that calls a function.
template <class F>
struct UNROLL_PER_ISA StateCalls final : StateVisitor {
  explicit StateCalls(F g) : f(std::forward<F>(g)) {}
  void array(const std::string& name, std::span<float> values) override { f(name, values); }
  void array(const std::string& name, std::span<double> values) override { f(name, values); }
  void array(const std::string& name, std::span<std::int64_t> values) override { f(name, values); }
  F f;
};

}  // namespace detail

/// Calls `f(name, values)` for every array of state of `x`, where values is a span of float, double or std::int64_t:
///
///     each_state(adam, [&](const std::string& name, auto values) { out.write(name, values); });
template <HasState X, class F>
UNROLL_PER_ISA void each_state(X& x, F&& f) {
  detail::StateCalls<F&> visitor(f);
  x.each_state(visitor);
}

}  // namespace unroll
