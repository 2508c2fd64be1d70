#pragma once
/// \file
/// States that outlive the Recording that made them.

#include <algorithm>
#include <span>
#include <vector>

#include "unroll/nn/cell.hpp"

namespace unroll {

namespace detail {

template <class S>
inline constexpr bool is_list_of_states = false;
template <class S>
inline constexpr bool is_list_of_states<std::vector<S>> = true;

/// The scalar of a state: that of the Variable, of a template over it, its member `scalar`; else float.
template <class S>
struct ScalarOfState {
  using type = float;
};
template <template <class> class S, class T>
requires std::is_floating_point_v<T>
struct ScalarOfState<S<T>> {
  using type = T;
};
template <class S>
requires requires { typename S::scalar; }
struct ScalarOfState<S> {
  using type = typename S::scalar;
};
template <class S>
struct ScalarOfState<std::vector<S>> : ScalarOfState<S> {};

}  // namespace detail

/// A state carried from one chunk of a long sequence to the next: truncated back-propagation through time
/// (Williams and Peng, 1990), streaming, sampling.
///
/// `assign` copies the values out of the scope that made them, into memory of its own; `state` brings them
/// back as constants of whatever scope is open then. So no gradient passes from one chunk to the one before,
/// and no graph can grow unseen. From the second assign of the same shapes on nothing is allocated.
///
///     Carry<LSTMState<float>> carry;                   // or Carry<std::vector<...>> for the states of a
///     Stack for (const auto& chunk : chunks) {
///       Recording step(tape);
///       const auto result = carry.empty() ? rnn.run(x) : rnn.run(x, carry.state());
///       carry.assign(result.final_state);
///       ...
///     }
///
/// \tparam State a Variable, a struct of Variables with `each`, or a std::vector of one of these.
template <class State>
class Carry {
 public:
  /// True before the first `assign` and after `clear`.
  bool empty() const { return empty_; }
  /// Forgets the state: the next chunk starts a new sequence. Keeps the memory.
  void clear() { empty_ = true; }

  /// Copies the values of `state`, which may be read after its Recording ended, until the tape's next scope
  /// begins.
  void assign(const State& state) {
    std::size_t n = 0;
    visit(state, [&](const auto& v) {
      if (n == tensors_.size()) tensors_.emplace_back();
      const detail::Node<T>& node = v.read("Carry");
      Tensor& own = tensors_[n++];
      own.shape = node.shape;
      own.values.resize(static_cast<std::size_t>(node.shape.size()));
      for (Index r = 0; r < node.rows(); ++r)
        std::copy_n(node.value + r * node.row_stride, node.cols(), own.values.data() + r * node.cols());
    });
    tensors_.resize(n);
    shell_ = state;
    empty_ = false;
  }

  /// The values as constants of the innermost scope. Throws ValueError when there are none, NoScopeError with
  /// no scope open.
  const State& state() {
    if (empty_)
      throw ValueError("[Carry] state() before any assign(); ask empty() and start from an initial state");
    std::size_t n = 0;
    visit(shell_, [&](auto& v) {
      const Tensor& own = tensors_[n++];
      v = input(std::span<const T>(own.values), own.shape);
    });
    return shell_;
  }

 private:
  using T = typename detail::ScalarOfState<State>::type;

  /// f(variable) for each Variable in `s`.
  template <class S, class F>
  static void visit(S& s, F&& f) {
    if constexpr (detail::is_list_of_states<std::remove_const_t<S>>) {
      for (auto& element : s) visit(element, f);
    } else {
      detail::visit_state(s, [&](const char*, auto& v) {
        static_assert(std::is_same_v<typename std::remove_cvref_t<decltype(v)>::value_type, T>,
                      "a state of double Variables says so: make it a template over its scalar, or add "
                      "`using scalar = double;`");
        f(v);
      });
    }
  }

  struct Tensor {
    Shape shape;
    std::vector<T> values;
  };

  State shell_;  // what state() gives: filled with constants of the scope that asks
  std::vector<Tensor> tensors_;
  bool empty_ = true;
};

}  // namespace unroll
