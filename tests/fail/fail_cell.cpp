// Nearly a cell: the compiler says in one line what is missing.
//
// SCALAR: this is no cell: it lacks `using scalar = ...;`
// STATE: this is no cell: it lacks `using state = ...;`
// STATE_OF_INTS: this is no cell: its state is neither a Variable nor a struct with `void each(auto&& visit)`
// STATE_OWNS: this is no cell: its state must be a plain struct of Variables
// OUTPUT_SIZE: this is no cell: it lacks `Index output_size() const`
// EACH: this is no cell: it lacks `void each(auto&& visit)`, which names its parameters
// STEP: this is no cell: it lacks `state step(Variable<scalar> x, state s) const` (is it const?)
// STEP_NOT_CONST: this is no cell: it lacks `state step(Variable<scalar> x, state s) const` (is it const?)
// STEP_RETURNS: this is no cell: it lacks `state step(Variable<scalar> x, state s) const` (is it const?)

#include <vector>

#include "unroll/nn/rnn.hpp"

using namespace unroll;

struct Ints {
  int a = 0;
};
struct Owner {
  std::vector<Variable<>> all;
  void each(auto&& visit) { visit("all", all); }
};

struct Nearly {
  Parameter<> w;
  Nearly(Index, Index, Rng&) {}
#ifndef SCALAR
  using scalar = float;
#endif
#ifdef STATE_OF_INTS
  using state = Ints;
#elif defined(STATE_OWNS)
  using state = Owner;
#elif !defined(STATE)
  using state = Variable<>;
#endif
#ifndef OUTPUT_SIZE
  Index output_size() const { return 1; }
#endif
#ifdef STEP_NOT_CONST
  Variable<> step(Variable<>, Variable<> s) { return s; }
#elif defined(STEP_RETURNS)
  int step(Variable<>, Variable<>) const { return 1; }
#elif defined(STATE_OF_INTS) || defined(STATE_OWNS)
  auto step(Variable<>, auto s) const { return s; }
#elif !defined(STEP)
  Variable<> step(Variable<>, Variable<> s) const { return s; }
#endif
#ifndef EACH
  void each(auto&& visit) { visit("w", w); }
#endif
};

void use_it(Rng& rng) {
  const Rnn<Nearly> rnn(1, 1, rng);
  rnn.run(Variable<>(), {.all_states = true});
  rnn(Variable<>());
}
