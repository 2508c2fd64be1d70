#pragma once
/// \file
/// Batches of sequences of different lengths, without padding.

#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "../ops/losses.hpp"
#include "../ops/rows.hpp"
#include "cell.hpp"
#include "sequence_layout.hpp"

namespace unroll {

/// A batch of sequences of different lengths: the rows of all their steps, and where each lies.
///
/// There is no padding: time and memory go with the sum of lengths. What works on rows (Linear, elementwise operations,
/// losses) works on `rows` as it is; `with` puts the result back in place. Layers take and give Sequences; lengths of
/// zero are welcome.
template <class T = float>
struct Sequence {
  Variable<T> rows;                        ///< (N, F), the N steps of all sequences
  const SequenceLayout* layout = nullptr;  ///< which row belongs to whom

  Index batch() const { return checked().batch; }
  Index steps() const { return checked().steps; }
  /// Length of each sequence, in the caller's order.
  std::vector<Index> lengths() const;
  /// Other rows for the same steps. Throws ShapeError when their number differs.
  Sequence with(Variable<T> other) const;
  /// The layout; throws as any use of a Variable does when its scope is gone.
  UNROLL_PER_ISA const SequenceLayout& checked() const {
    rows.check_readable("Sequence");
    return *layout;
  }
};

/// x (T, B, F) of which sequence b has its first `lengths[b]` steps. Copies those rows (none, when all lengths are T).
/// Throws ShapeError when x has not rank 3 or another batch than `lengths`, ValueError on a length outside 0 .. T.
template <class T>
Sequence<T> sequence(const Variable<T>& x, std::span<const Index> lengths);
template <class T>
UNROLL_PER_ISA Sequence<T> sequence(const Variable<T>& x, const std::vector<Index>& lengths) {
  return sequence(x, std::span<const Index>(lengths));
}
/// x (T, B, F), all of length T: no copy.
template <class T>
Sequence<T> sequence(const Variable<T>& x);
/// Sequences of F features each given by itself, row-major: `list[b]` has lengths[b] * F numbers.
/// Throws ShapeError when one is no whole number of rows.
template <class T>
Sequence<T> sequence(const std::vector<std::vector<T>>& list, Index features);

/// What belongs to each step (a word, a label), brought into the order of the rows: `list[b][t]` for row first[t] +
/// place[b]. The result lives on the tape. Throws ShapeError when a list is not as long as its sequence.
template <class T, class I = Index>
std::span<const I> in_row_order(Tape<T>& tape, const SequenceLayout& layout, std::span<const std::vector<I>> list);
/// The layout of these lists and their elements in the order of its rows: for `Embedding`.
struct PackedIds {
  const SequenceLayout* layout;
  std::span<const Index> ids;
};
template <class T>
PackedIds pack_ids(Tape<T>& tape, std::span<const std::vector<Index>> list);

/// (T, B, F) with zeros where a sequence has ended: the one place where padding is made.
template <class T>
Variable<T> padded(const Sequence<T>& x);
/// (B, F): the last step of each sequence, zeros for one of length 0.
template <class T>
Variable<T> last(const Sequence<T>& x);
/// (B, F): sum, mean or maximum over the steps of each sequence, zeros for one of length 0.
template <class T>
Variable<T> pool(const Sequence<T>& x, Pool kind);
/// The same of a tensor (T, B, F), whose sequences are all of length T.
template <class T>
UNROLL_PER_ISA Variable<T> last(const Variable<T>& x) {
  return last(sequence(x));
}
template <class T>
UNROLL_PER_ISA Variable<T> pool(const Variable<T>& x, Pool kind) {
  return pool(sequence(x), kind);
}
/// Every sequence from its last step to its first.
template <class T>
Sequence<T> reverse(const Sequence<T>& x);

/// What layers over time take and give: a tensor (T, B, F), or a Sequence.
template <class X, class T>
concept SequenceLike = std::is_same_v<X, Variable<T>> || std::is_same_v<X, Sequence<T>>;

/// f(rows) of a tensor, or for the rows of a Sequence, which stay rows of the same steps: what layers do step by step.
template <class T, class F>
UNROLL_PER_ISA Variable<T> on_rows(const Variable<T>& x, F&& f) {
  return f(x);
}
template <class T, class F>
UNROLL_PER_ISA Sequence<T> on_rows(const Sequence<T>& x, F&& f) {
  return x.with(f(x.rows));
}

namespace detail {

/// The batch of x; throws ShapeError naming `op` when a tensor is not (T, B, F).
template <class T>
UNROLL_PER_ISA Index batch_of(const char* op, const Variable<T>& x) {
  x.check_usable(op);
  if (x.shape().rank() != 3)
    throw ShapeError(std::string("[") + op + "] input " + x.shape().str() +
                     "; expected (T,B,F): steps, batch, features");
  return x.dim(1);
}
template <class T>
UNROLL_PER_ISA Index batch_of(const char*, const Sequence<T>& x) {
  return x.batch();
}

/// Row ids[k] of `x` (B, ...) as row k.
template <class T>
Variable<T> permute_rows(const Variable<T>& x, std::span<const Index> ids);

/// A state of B rows between the caller's order and the layout's: `ids` is the layout's `order` or `place`.
template <class State>
UNROLL_PER_ISA State state_in_order(const State& state, const SequenceLayout& layout, const Index* ids) {
  if (layout.ordered) return state;
  return map_state(state, [&](const auto& v) {
    return permute_rows(v, {ids, static_cast<std::size_t>(layout.batch)});
  });
}

}  // namespace detail

/// What a loss over sequences is a mean of.
enum class LossPer {
  token,     ///< every step counts alike
  sequence,  ///< every sequence counts alike: the mean of the means of its steps; those of length 0 do not count
};

/// One number of any loss a step: `losses.rows` (N, F), such as {squared_error(y.rows, z.rows, {.reduction =
/// Reduction::none}), y.layout}. LossPer::token: mean or sum of all its elements. LossPer::sequence: mean or sum over
/// the sequences of the mean over their elements. 0 when there is no step at all. Throws ValueError on Reduction::none.
template <class T>
Variable<T> reduce_loss(const Sequence<T>& losses, Reduction reduction = Reduction::mean, LossPer per = LossPer::token);

/// Softmax cross-entropy of logits (N, C) with one class a step, `targets[b][t]`; see the one on Variables.
template <class T>
Variable<T> softmax_cross_entropy(const Sequence<T>& logits, std::span<const std::vector<Index>> targets,
                                  const CrossEntropyOptions<T>& options = {}, LossPer per = LossPer::token);
template <class T> UNROLL_PER_ISA
Variable<T> softmax_cross_entropy(const Sequence<T>& logits, const std::vector<std::vector<Index>>& targets,
                                  const CrossEntropyOptions<T>& options = {}, LossPer per = LossPer::token) {
  return softmax_cross_entropy(logits, std::span<const std::vector<Index>>(targets), options, per);
}

}  // namespace unroll
