#pragma once
/// \file
/// States that outlive the Recording that made them.

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../../ops/where.hpp"
#include "../cell.hpp"

namespace unroll {

/// A state carried from one chunk of a long sequence to the next: truncated back-propagation through time
/// (Williams and Peng, 1990), streaming, sampling.
///
/// `assign` copies the values out of the scope that made them, into memory of its own; `state` brings them back as
/// constants of whatever scope is open then. So no gradient passes from one chunk to the one before, and no graph can
/// grow unseen. From the second assign of the same shapes on nothing is allocated.
///
///     Carry<LSTMState<>> carry;  // of a Stack<...>: Carry<std::vector<LSTMState<>>>
///     for (const auto& chunk : chunks) {
///       carry.restart(chunk.begins);  // rows of the batch in which a new sequence begins with this chunk
///       Recording step(tape);
///       const auto result = rnn.run(input(chunk.x), carry.state(initial_states(rnn, batch)));
///       carry.assign(result.final_state);
///       ...
///     }
///
/// The carried state is the one that the chunk computed, with the weights before the optimizer's step. `refresh`
/// computes it again with the weights after that step.
///
/// \tparam State a Variable, a struct of Variables with `each`, or a std::vector of one of these: what a layer's run()
/// takes and ends in.
template <class State, class T = scalar_of<State>>
class UNROLL_PER_ISA Carry {
 public:
  /// True before the first `assign` and after `clear`.
  bool empty() const { return empty_; }
  /// Forgets the state: all sequences begin anew with the next chunk. Keeps the memory.
  void clear() { empty_ = true, restarts_ = false; }

  /// Copies the values of `state`, which may be read after its Recording ended, until the tape's next scope begins.
  void assign(const State& state) {
    std::size_t n = 0;
    detail::visit_state(state, [&](const char*, const auto& v) {
      if (n == tensors_.size()) tensors_.emplace_back();
      v.check_readable("Carry");
      Tensor& own = tensors_[n++];
      own.shape = v.shape();
      own.values.resize(static_cast<std::size_t>(own.shape.size()));
      for (Index r = 0; r < own.shape.rows(); ++r)
        std::ranges::copy(v.row(r), own.values.begin() + r * own.shape.cols());
    });
    tensors_.resize(n);
    shell_ = state;
    empty_ = restarts_ = false;
  }

  /// In these rows of the batch a new sequence begins: until the next `assign` their state is zeros, or, with
  /// `state(initial)`, that of `initial`. The other rows carry on. An empty Carry is not changed: all its rows begin
  /// anew. Throws ValueError for a row that the state does not have; then nothing changed.
  void restart(std::span<const Index> rows) {
    if (empty_) return;
    for (const Tensor& own : tensors_)
      for (const Index row : rows)
        if (own.shape.rank() == 0 || row < 0 || row >= own.shape[0])
          throw ValueError("[Carry] restart of row " + std::to_string(row) + " of a state " + own.shape.str());
    if (rows.empty() || tensors_.empty()) return;
    if (!restarts_) begins_.assign(static_cast<std::size_t>(tensors_.front().shape[0]), 0);
    restarts_ = true;
    for (const Index row : rows) begins_[static_cast<std::size_t>(row)] = 1;
    for (Tensor& own : tensors_) {
      const auto width = static_cast<std::ptrdiff_t>(width_of(own.shape));
      for (const Index row : rows) std::fill_n(own.values.begin() + row * width, width, T(0));
    }
  }
  void restart(std::initializer_list<Index> rows) { restart(std::span<const Index>(rows.begin(), rows.size())); }
  /// The same for the rows whose element is true; as many as the batch has. Throws ShapeError when they are not.
  void restart(const std::vector<bool>& begins) {
    if (empty_) return;
    for (const Tensor& own : tensors_)
      if (own.shape.rank() == 0 || static_cast<Index>(begins.size()) != own.shape[0])
        throw ShapeError("[Carry] restart with a mask of " + std::to_string(begins.size()) + " rows, the state is " +
                         own.shape.str());
    std::vector<Index> rows;
    for (std::size_t b = 0; b < begins.size(); ++b)
      if (begins[b]) rows.push_back(static_cast<Index>(b));
    restart(std::span<const Index>(rows));
  }

  /// The values as constants of the innermost scope. Throws ValueError when there are none, NoScopeError with no scope
  /// open.
  const State& state() {
    if (empty_) throw ValueError("[Carry] state() before any assign(); ask empty() and start from an initial state");
    std::size_t n = 0;
    detail::visit_state(shell_, [&](const char*, auto& v) {
      const Tensor& own = tensors_[n++];
      v = input(std::span<const T>(own.values), own.shape);
    });
    return shell_;
  }

  /// The same, and `initial` where there is nothing to carry: all of it while empty, and its rows in which a sequence
  /// begins anew. Gradients pass to those rows of `initial`, so that a start that is learned learns from every sequence
  /// that begins (TrainableInitialState), and to no other. Throws ShapeError when `initial` has other shapes than what
  /// is carried.
  State state(const State& initial) {
    if (empty_) return initial;
    std::size_t n = 0;
    detail::visit_state(initial, [&](const char*, const auto& v) {
      if (n < tensors_.size() && !(v.shape() == tensors_[n].shape))
        throw ShapeError("[Carry] an initial state of " + v.shape().str() + " where " + tensors_[n].shape.str() +
                         " is carried");
      ++n;
    });
    if (n != tensors_.size())
      throw ShapeError("[Carry] an initial state of " + std::to_string(n) + " tensors where " +
                       std::to_string(tensors_.size()) + " are carried");
    State merged = state();
    if (!restarts_) return merged;
    std::vector<Variable<T>> starts;
    detail::visit_state(initial, [&](const char*, const auto& v) { starts.push_back(v); });
    n = 0;
    std::vector<std::uint8_t> mask;
    detail::visit_state(merged, [&](const char*, auto& v) {
      const Shape shape = v.shape();
      mask.clear();
      for (const std::uint8_t begins : begins_)
        mask.insert(mask.end(), static_cast<std::size_t>(width_of(shape)), begins);
      v = where(std::span<const std::uint8_t>(mask), starts[n++], v);
    });
    return merged;
  }

  /// Shows all that is carried, to be saved and restored (optim/state.hpp): a checkpoint of a training that goes from
  /// chunk to chunk needs it.
  template <class Visitor>
  void each_state(Visitor& visitor) {
    std::vector<Index> lists, dims;
    visit_lists(shell_, [&](auto& list) { lists.push_back(static_cast<Index>(list.size())); });
    for (const Tensor& own : tensors_) {
      dims.push_back(own.shape.rank());
      for (int d = 0; d < own.shape.rank(); ++d) dims.push_back(own.shape[d]);
    }
    std::vector<Index> begins(begins_.begin(), begins_.end());
    const auto size = [](const auto& list) { return static_cast<Index>(list.size()); };
    Index sizes[] = {empty_, restarts_, size(lists), size(tensors_), size(dims), size(begins)};
    visitor.array("sizes", std::span<Index>(sizes));
    // What follows changes nothing when the state is only looked at.
    empty_ = sizes[0] != 0, restarts_ = sizes[1] != 0;
    lists.resize(static_cast<std::size_t>(sizes[2]));
    tensors_.resize(static_cast<std::size_t>(sizes[3]));
    dims.resize(static_cast<std::size_t>(sizes[4]));
    begins.resize(static_cast<std::size_t>(sizes[5]));
    visitor.array("lists", std::span<Index>(lists));
    visitor.array("dims", std::span<Index>(dims));
    visitor.array("begins", std::span<Index>(begins));
    begins_.assign(begins.begin(), begins.end());
    std::size_t l = 0, d = 0;
    visit_lists(shell_, [&](auto& list) { list.resize(l < lists.size() ? static_cast<std::size_t>(lists[l++]) : 0); });
    for (std::size_t k = 0; k < tensors_.size(); ++k) {
      Tensor& own = tensors_[k];
      own.shape = Shape(dims.data() + d + 1, static_cast<int>(dims[d]));
      d += static_cast<std::size_t>(dims[d]) + 1;
      own.values.resize(static_cast<std::size_t>(own.shape.size()));
      visitor.array(std::to_string(k), std::span<T>(own.values));
    }
  }

  /// Instead of `assign`: carries the state of the chunk as the weights of now make it, after the optimizer's step.
  /// `run` runs the chunk again, in an Evaluation on `tape`, from what is still carried, and returns its final state:
  ///
  ///     { Recording step(tape); ... tape.backward(loss); adam.step(); }
  ///     carry.refresh(tape, [&] {
  ///       return rnn.run(input(chunk.x), carry.state(initial_states(rnn, batch))).final_state;
  ///     });
  ///
  /// Costs one more pass forward. Dropout and its kin let everything through, unless `options` say otherwise; they then
  /// draw anew.
  template <class Run>
  void refresh(Tape<T>& tape, Run&& run, EvaluationOptions options = {}) {
    const Evaluation<T> scope(tape, options);
    assign(run());
  }

 private:
  /// f(list) for each std::vector in `s`, before what is in it.
  template <class S, class F>
  static void visit_lists(S& s, F&& f) {
    if constexpr (detail::is_list<S>) {
      if constexpr (std::is_same_v<S, std::vector<typename S::value_type>>) f(s);
      for (auto& element : s) visit_lists(element, f);
    } else if constexpr (!detail::is_variable<S>) {
      s.each([&](const char*, auto& member) { visit_lists(member, f); });
    }
  }

  struct Tensor {
    Shape shape;
    std::vector<T> values;
  };

  /// Numbers of a row: what belongs to one sequence.
  static Index width_of(const Shape& shape) { return shape.from(1).size(); }

  State shell_;  // what state() gives: filled with constants of the scope that asks
  std::vector<Tensor> tensors_;
  std::vector<std::uint8_t> begins_;  // rows restarted since the last assign, when `restarts_`
  bool empty_ = true, restarts_ = false;
};

}  // namespace unroll
