// Nearly a layer: the compiler says in one line what is missing.
//
// SCALAR: this is no layer: it lacks `using scalar = ...;`
// STATES: this is no layer: it lacks `using states = ...;`
// STATES_OF_INTS: this is no layer: its states are neither a Variable, nor a struct with `void each(auto&& visit)`, nor a std::vector of such
// OUTPUT_SIZE: this is no layer: it lacks `Index output_size() const`
// EACH: this is no layer: it lacks `void each(auto&& visit)`, which names its parameters
// INITIAL: this is no layer: it lacks `states initial_states(Index batch) const`
// RUN: this is no layer: it lacks `LayerResult<states, X> run(const X& x, const states& from) const`
// RUN_NOT_CONST: this is no layer: it lacks `LayerResult<states, X> run(const X& x, const states& from) const`
// RUN_WITHOUT_STATES: this is no layer: it lacks `LayerResult<states, X> run(const X& x, const states& from) const`
// RUN_GIVES_OUTPUTS: this is no layer: its run() gives no LayerResult<states, X>
// RUN_GIVES_OTHER_STATES: this is no layer: its run() gives no LayerResult<states, X>
// BACKWARD: this layer says `runs_forward = false`: it cannot be run piece by piece
// BIDIRECTIONAL: a Bidirectional layer knows the whole sequence at every step: it cannot be run piece by piece
// REVERSED: a Reversed layer begins with the last step: it cannot be run piece by piece
// PYRAMID: a Pyramid has fewer steps above than below: it cannot be run piece by piece

#include <vector>

#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/bptt/truncated.hpp"
#include "unroll/nn/cells/weight_drop.hpp"
#include "unroll/nn/pyramid.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/nn/stack.hpp"

using namespace unroll;

struct Nearly {
  Parameter<> w;
  Nearly(Index, Index, Rng&) {}
#ifndef SCALAR
  using scalar = float;
#endif
#ifdef STATES_OF_INTS
  using states = std::vector<int>;
#elif !defined(STATES)
  using states = Variable<>;
#endif
#ifndef OUTPUT_SIZE
  Index output_size() const { return 1; }
#endif
#ifdef STATES_OF_INTS
  states initial_states(Index) const { return {}; }
#elif !defined(INITIAL)
  Variable<> initial_states(Index batch) const { return zeros<float>(Shape{batch, 1}); }
#endif
#ifdef RUN_NOT_CONST
  LayerResult<Variable<>, Variable<>> run(const Variable<>& x, const Variable<>& from) { return {x, from}; }
#elif defined(RUN_WITHOUT_STATES)
  LayerResult<Variable<>, Variable<>> run(const Variable<>& x) const { return {x, x}; }
#elif defined(RUN_GIVES_OUTPUTS)
  Variable<> run(const Variable<>& x, const Variable<>&) const { return x; }
#elif defined(RUN_GIVES_OTHER_STATES)
  LayerResult<std::vector<Variable<>>, Variable<>> run(const Variable<>& x, const Variable<>&) const { return {x, {}}; }
#elif !defined(RUN)
  template <class X, class States>
  LayerResult<States, X> run(const X& x, const States& from) const {
    return {x, from};
  }
#endif
#ifndef EACH
  void each(auto&& visit) { visit("w", w); }
#endif
#ifdef BACKWARD
  static constexpr bool runs_forward = false;
#endif
};

template <class L>
void wrap(Rng& rng) {
  const L layer(1, 1, rng);
  layer(Variable<>());
  layer.run(Variable<>(), layer.initial_states(1));
}

void use_it(Tape<float>& tape, Rng& rng) {
  wrap<Stack<Nearly>>(rng);
  wrap<Bidirectional<Nearly>>(rng);
  wrap<Pyramid<Reversed<Stack<WeightDrop<Rnn<RNNCell<>>>>>>>(rng);
  wrap<WeightDrop<Nearly>>(rng);
#ifdef BIDIRECTIONAL
  const Bidirectional<Nearly> layer(1, 1, rng);
#elif defined(REVERSED)
  const Stack<Reversed<Nearly>> layer(1, 1, rng);
#elif defined(PYRAMID)
  const WeightDrop<Pyramid<Nearly>> layer(1, 1, rng);
#else
  const Stack<Nearly> layer(1, 1, rng);
#endif
  truncated_bptt(
      tape, layer, 1, {}, [](Index, Index) { return Variable<>(); }, [](const auto& y, Index, Index) { return y; },
      [] {});
}
