#pragma once
/// \file
/// Truncated back-propagation through time.

#include <algorithm>
#include <string>
#include <utility>

#include "../../ops/layout.hpp"
#include "../layer.hpp"
#include "carry.hpp"

namespace unroll {

/// Which weights compute the state that is carried over an update of the weights.
enum class CarriedState {
  as_computed,  ///< the weights before the update: costs nothing
  recomputed,   ///< the weights after it: one more pass forward over the steps that are left behind
};

struct TruncatedBpttOptions {
  Index k1 = 1;  ///< steps between two updates, 1 or more
  Index k2 = 1;  ///< steps that each update goes back, k1 or more
  CarriedState carried = CarriedState::as_computed;
};

namespace detail {

/// Throws ValueError on options that make no sense.
UNROLL_PER_ISA inline void check_truncation(Index steps, const TruncatedBpttOptions& o) {
  const auto number = [](Index n) { return std::to_string(n); };
  if (steps < 0) throw ValueError("[truncated_bptt] " + number(steps) + " steps; expected 0 or more");
  if (o.k1 < 1)
    throw ValueError("[truncated_bptt] k1 = " + number(o.k1) + " steps between updates; expected 1 or more");
  if (o.k2 < o.k1)
    throw ValueError("[truncated_bptt] an update every k1 = " + number(o.k1) + " steps goes back k2 = " + number(o.k2) +
                     ": the losses of the others would teach nothing; expected k2 >= k1");
}

/// One piece of a window: what `layer` makes of steps `from` .. `to` of x, which starts at step `begin`.
template <class Layer, class T, class States> UNROLL_PER_ISA
auto run_piece(const Layer& layer, const Variable<T>& x, Index begin, Index from, Index to, const States& states) {
  return layer.run(from == begin && to - begin == x.dim(0) ? x : narrow(x, 0, from - begin, to - from), states);
}

}  // namespace detail

/// Trains on `steps` time steps of a batch of sequences by truncated back-propagation through time of the k1, k2 kind:
/// after every k1 steps one update, which goes back k2 steps (Williams and Peng, 1990, BPTT(h; h') with h = k2, h' =
/// k1; Sutskever, 2013, section 2.8.6). With T = `steps` and n = 1, 2, ...:
///
///     update n:   gradient of  loss_{(n-1) k1} + ... + loss_{e-1},   e = min(n k1, T),   by the weights,
///                 with the state before step  b = max(0, n k1 - k2)  a constant
///
/// Every loss_t counts in one update; the last one takes the steps that are left. The window's steps b .. e - 1 are run
/// with the weights of now; the state before step b is that of the window before, as it was computed there or
/// recomputed. Cost: k2 / k1 passes forward and backward; memory of k2 steps, whatever T is. With k1 = k2 it is the
/// plain loop over chunks with a Carry, with k1 = T ordinary back-propagation through time.
///
///     Carry<LSTMState<>> carry;
///     const double loss = truncated_bptt(tape, lstm, carry, steps, {.k1 = 10, .k2 = 40},
///         [&](Index from, Index count) { return input(rows(x, from, count), Shape{count, batch, features}); },
///         [&](const auto& y, Index from, Index count) {
///           return softmax_cross_entropy(readout(y), labels(from, count), {.reduction = Reduction::sum});
///         },
///         adam);
///
/// \param layer  anything with `run(x (T,B,I), states)` that reads in the order of time: Rnn, Stack, ...
/// \param carry  where the sequences stand. The first step goes on from there; while it is empty and in its restarted
///     rows, from the layer's initial states, to which gradients pass. Afterwards it holds the states after the last
///     step. No window reaches back over the beginning of a call.
/// \param make_input  (from, count) to the input (count, B, I) of steps from .. from + count - 1; asked again for every
///     window. What it records (an Embedding) is trained too.
/// \param loss  (outputs (count, B, O), from, count) to one number: the sum over those steps, or whatever is to be
///     minimised. Asked for every step once, when it is new.
/// \param update  an optimizer, or a callable that clips and steps it. The gradient is there when it is called.
/// \return the sum of all that `loss` gave.
///
/// Throws ValueError unless 1 <= k1 <= k2, and for a layer that runs backwards; ShapeError when an input has not
/// `count` steps; what the layer and backward() throw.
template <class T, class Layer, class States, class Input, class Loss, class Update> UNROLL_PER_ISA
double truncated_bptt(Tape<T>& tape, const Layer& layer, Carry<States, T>& carry, Index steps,
                      const TruncatedBpttOptions& options, Input&& make_input, Loss&& loss, Update&& update) {
  static_assert(detail::check_is_layer<Layer>() && std::is_same_v<T, typename detail::LayerOrNone<Layer>::scalar>,
                "truncated_bptt: tape and layer are of one scalar");
  detail::check_truncation(steps, options);
  detail::check_runs_forward("truncated_bptt", layer);
  const auto input_of = [&](Index from, Index to) {
    const Variable<T> x = make_input(from, to - from);
    detail::batch_of("truncated_bptt", x);
    if (x.dim(0) != to - from)
      throw ShapeError("[truncated_bptt] the input of steps " + std::to_string(from) + " to " + std::to_string(to - 1) +
                       " is " + x.shape().str() + "; expected " + std::to_string(to - from) + " steps");
    return x;
  };
  const auto states_before = [&](const Variable<T>& x) { return carry.state(initial_states(layer, x.dim(1))); };

  double total = 0;
  Index begin = 0;  // of the window: what `carry` holds is the state before this step
  for (Index done = 0; done < steps;) {
    const Index end = std::min(done + options.k1, steps);
    const Index next_begin = end == steps ? steps : std::max<Index>(0, end + options.k1 - options.k2);
    {
      const Recording<T> window(tape);
      const Variable<T> x = input_of(begin, end);
      auto states = states_before(x);
      Variable<T> fresh;  // outputs of steps done .. end
      if (next_begin > begin) {
        auto left = detail::run_piece(layer, x, begin, begin, next_begin, states);
        states = final_states(left);
        if (next_begin > done) fresh = narrow(left.outputs, 0, done - begin, next_begin - done);
      }
      if (next_begin < end) {
        const auto kept = detail::run_piece(layer, x, begin, next_begin, end, states);
        const Index from = std::max(done, next_begin);
        const Variable<T> y = narrow(kept.outputs, 0, from - next_begin, end - from);
        fresh = fresh.defined() ? concat<T>({fresh, y}, 0) : y;
      }
      const Variable<T> error = loss(std::as_const(fresh), done, end - done);
      tape.backward(error);
      total += static_cast<double>(error.item());
      if (next_begin > begin && options.carried == CarriedState::as_computed) carry.assign(states);
    }
    if constexpr (std::is_invocable_v<Update&>) {
      update();
    } else {
      update.step();
    }
    if (next_begin > begin && options.carried == CarriedState::recomputed)
      carry.refresh(tape, [&] {
        const Variable<T> x = input_of(begin, next_begin);
        return final_states(layer.run(x, states_before(x)));
      });
    begin = next_begin;
    done = end;
  }
  return total;
}

/// The same for sequences that begin with these steps and end with them.
template <class T, class Layer, class Input, class Loss, class Update> UNROLL_PER_ISA
double truncated_bptt(Tape<T>& tape, const Layer& layer, Index steps, const TruncatedBpttOptions& options,
                      Input&& make_input, Loss&& loss, Update&& update) {
  Carry<typename detail::LayerOrNone<Layer>::states> carry;
  return truncated_bptt(tape, layer, carry, steps, options, std::forward<Input>(make_input), std::forward<Loss>(loss),
                        std::forward<Update>(update));
}

}  // namespace unroll
