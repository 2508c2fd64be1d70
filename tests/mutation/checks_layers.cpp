// Cells over time: every built-in cell in both directions, few and many rows, given states, ragged lengths.

#include "checks.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/rnn_cell.hpp"

namespace unroll::mutation {
namespace {

constexpr Index steps = 4, inputs = 3, hidden = 2;

template <class C>
GradcheckReport layer(Index batch, bool reverse) {
  Rng rng(1);
  return gradcheck(Rnn<C>(inputs, hidden, rng, {.reverse = reverse}), check_input("x", Shape{steps, batch, inputs}, 2));
}

// Everything a layer returns, from a state of its own or a given one.
template <class C>
GradcheckReport whole(bool reverse, bool all_states) {
  Rng rng(3);
  const Rnn<C> rnn(inputs, hidden, rng, {.reverse = reverse});
  const auto x = check_input("x", Shape{steps, 2, inputs}, 4), h = check_input("h0", Shape{2, hidden}, 5);
  const RnnCallOptions options{.all_states = all_states};
  if constexpr (detail::is_variable<typename C::state>) {
    return gradcheck([&](Var x, Var h) { return rnn.run(x, h, options); }, rnn, x, h);
  } else {
    return gradcheck(
        [&](Var x, Var h, Var c) {
          return rnn.run(x, {h, c}, options);
        },
        rnn, x, h, check_input("c0", Shape{2, hidden}, 6));
  }
}

// Only the state after the last step is used.
template <class C>
GradcheckReport last_state() {
  Rng rng(7);
  const Rnn<C> rnn(inputs, hidden, rng);
  return gradcheck([&](Var x) { return rnn.run(x).final_state; }, rnn, check_input("x", Shape{steps, 2, inputs}, 8));
}

// Sequences of 4, 2 and 1 steps: rows of the running ones only.
template <class C>
GradcheckReport ragged(bool reverse) {
  Rng rng(9);
  const C cell(inputs, hidden, rng);
  const auto run = [&](Var x, const typename C::state& initial) {
    const std::vector<Index> lengths = {4, 2, 1};
    const SequenceLayout* layout = ragged_layout(*current_tape<double>, std::span<const Index>(lengths));
    const auto r = run_over_time(cell, x, *layout, initial, {.reverse = reverse, .all_states = true});
    std::vector<Var> out{r.outputs};
    detail::visit_state(r.final_state, [&](const char*, const auto& v) { out.push_back(v); });
    detail::visit_state(r.all_states, [&](const char*, const auto& v) { out.push_back(v); });
    return out;
  };
  const auto x = check_input("x", Shape{7, inputs}, 10), h = check_input("h0", Shape{3, hidden}, 11);
  if constexpr (detail::is_variable<typename C::state>) {
    return gradcheck([&](Var x, Var h) { return run(x, h); }, cell, x, h);
  } else {
    return gradcheck(
        [&](Var x, Var h, Var c) {
          return run(x, {h, c});
        },
        cell, x, h, check_input("c0", Shape{3, hidden}, 12));
  }
}

// One step of a cell, from a given state.
template <class C>
GradcheckReport one_step() {
  Rng rng(13);
  const C cell(inputs, hidden, rng);
  const auto x = check_input("x", Shape{2, inputs}, 14), h = check_input("h0", Shape{2, hidden}, 15);
  if constexpr (detail::is_variable<typename C::state>) {
    return gradcheck([&](Var x, Var h) { return cell.step(project(cell, x), h); }, cell, x, h);
  } else {
    return gradcheck(
        [&](Var x, Var h, Var c) {
          return cell.step(project(cell, x), {h, c});
        },
        cell, x, h, check_input("c0", Shape{2, hidden}, 16));
  }
}

// One bias for both, or none; an activation of the user's.
template <class C>
GradcheckReport other_biases(Biases biases) {
  Rng rng(17);
  return gradcheck(Rnn<C>(C(inputs, hidden, rng, {.biases = biases})), check_input("x", Shape{steps, 2, inputs}, 18));
}

struct Wave {
  auto operator()(const auto& x) const { return sin(x); }
};

template <class C>
void add(Checks& checks, const std::string& name) {
  const Check all[] = {
      {name + "/layer", [] { return layer<C>(2, false); }},
      {name + "/reverse", [] { return layer<C>(2, true); }},
      {name + "/large_batch", [] { return layer<C>(20, false); }},
      {name + "/given_state", [] { return whole<C>(false, false); }},
      {name + "/all_states", [] { return whole<C>(true, true); }},
      {name + "/last_state", last_state<C>},
      {name + "/ragged", [] { return ragged<C>(false); }},
      {name + "/ragged_reverse", [] { return ragged<C>(true); }},
      {name + "/step", one_step<C>},
  };
  checks.insert(checks.end(), std::begin(all), std::end(all));
}

}  // namespace

void layer_checks(Checks& checks) {
  add<RNNCell<double>>(checks, "rnn");
  add<LSTMCell<double>>(checks, "lstm");
  add<GRUCell<double>>(checks, "gru");
  add<CombinedRNNCell<double>>(checks, "combined_rnn");
  const Check all[] = {
      {"rnn/wave_with_one_bias", [] { return other_biases<RNNCell<double, Wave>>(Biases::one); }},
      {"lstm/no_bias", [] { return other_biases<LSTMCell<double>>(Biases::none); }},
      {"gru/no_bias", [] { return other_biases<GRUCell<double>>(Biases::none); }},
  };
  checks.insert(checks.end(), std::begin(all), std::end(all));
}

}  // namespace unroll::mutation
