#pragma once
/// \file
/// One to many: a vector that goes into every step, and a sequence is made from it.
///
///     const auto y = rnn(repeat_steps(v, 20));                            // the vector is all there is to read
///     const auto y = rnn(append_to_steps(x, v));                          // beside other inputs
///     const auto step = conditioned_step(embedding, cell, output, v);     // symbols, its own fed back:
///     const auto logits = teacher_forced(step, initial_state(cell, batch), begin, targets);    // training
///     const auto best = decode_greedy(step, initial_state(cell, batch), {.begin = begin, .end = end});
///
/// A vector that becomes the initial state instead: StateFrom in nn/decode/seq2seq.hpp.

#include <initializer_list>
#include <span>
#include <utility>
#include <vector>

#include "../../ops/layout.hpp"
#include "../../ops/rows.hpp"
#include "../cell.hpp"
#include "../sequence.hpp"

namespace unroll {

/// v at every one of `steps` steps: v (B, F), result (T, B, F). Backward adds up over time. Throws ShapeError unless v
/// is a matrix, ValueError on a negative number of steps.
template <class T>
Variable<T> repeat_steps(const Variable<T>& v, Index steps);
/// Row b of v at every one of `lengths[b]` steps. v (B, F), result a Sequence (N, F), N the sum of lengths, zeros
/// welcome. Throws ShapeError unless v is a matrix with one row a length, ValueError on a negative length.
template <class T>
Sequence<T> repeat_steps(const Variable<T>& v, std::span<const Index> lengths);
template <class T>
UNROLL_PER_ISA Sequence<T> repeat_steps(const Variable<T>& v, const std::vector<Index>& lengths) {
  return repeat_steps(v, std::span<const Index>(lengths));
}

/// [x_t; v] at every step. x (T, B, I) or a Sequence (N, I), v (B, F); features of the result: I + F. Throws ShapeError
/// when the batches differ.
template <class T>
Variable<T> append_to_steps(const Variable<T>& x, const Variable<T>& v);
template <class T>
Sequence<T> append_to_steps(const Sequence<T>& x, const Variable<T>& v);

/// The step of a cell that sees a vector at every step beside the symbol before:
///
///     s_t = cell.step([embed(y_(t-1)); v], s_(t-1))        logits_t = output(s_t)
///
/// v (B, F), one row for each row of the initial state; the cell takes I + F features, I those of `embed`. For
/// teacher_forced and all of nn/decode/decode.hpp, which drop and double rows as hypotheses go: each keeps its vector.
/// `embed`, `cell` and `output` (see cell_step) must outlive the step, and v's scope must be open while it is used.
template <class Embed, class C, class Output> UNROLL_PER_ISA
auto conditioned_step(const Embed& embed, const C& cell, const Output& output, const Variable<typename C::scalar>& v) {
  static_assert(detail::check_is_cell<C>());
  return [&embed, &cell, &output, v](const typename C::state& state, std::span<const Index> previous,
                                     std::span<const Index> sources) {
    const auto x = concat({embed(previous), take_rows(v, Indices(sources))}, 1);
    const typename C::state next = cell.step(project(cell, x), state);
    return std::pair(output(output_of(cell, next)), next);
  };
}

}  // namespace unroll
