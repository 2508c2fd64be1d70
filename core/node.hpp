#pragma once
/// \file
/// For who writes operations: what the tape holds, nodes (a value and its adjoint) and records (what backward runs).
/// Users of operations hold `Variable`s.

#include <cstdint>
#include <type_traits>

#include "reuse.hpp"
#include "shape.hpp"

namespace unroll {

template <class T>
struct ParameterStorage;

namespace detail {

template <class T>
class Recorder;

/// What is known of a node's adjoint memory.
enum class GradState : std::uint8_t {
  none,   ///< no memory yet
  raw,    ///< memory, but its content is undefined: the first writer overwrites
  ready,  ///< holds the sum of what has arrived so far
};

/// Adjoint memory handed to one writer. `fresh`: the content is undefined and the writer must set every
/// element; otherwise it must add. That is what makes zeroing superfluous (and is the beta of a matrix
/// product).
template <class T>
struct Adjoint {
  T* data;
  Index row_stride;
  bool fresh;
  /// The beta of C = alpha A B + beta C.
  T beta() const { return fresh ? T(0) : T(1); }
  /// Delivers f(c) for the columns of row `r`.
  template <class F>
  UNROLL_PER_ISA void deliver_row(Index r, Index cols, const F& f) const {
    T* to = data + r * row_stride;
    if (fresh) {
      for (Index c = 0; c < cols; ++c) to[c] = f(c);
    } else {
      for (Index c = 0; c < cols; ++c) to[c] += f(c);
    }
  }
};

/// A tensor on the tape: `rows` rows of `cols` contiguous elements, `row_stride` apart.
///
/// A view (`base` set) shares values and adjoints with the node it looks into, so that slicing records
/// nothing. Its base is never a mere view itself. Views that together cover their base without overlapping
/// are `part`s: each has an adjoint state of its own and the first writer of a part overwrites it. Values of
/// a time loop are parts of a slab (see `Loop`).
///
/// The adjoint of a leaf is its parameter's gradient, which may be cleared at any time before backward:
/// whether anything has arrived there, the parameter knows (`has_grad`), not `state`.
template <class T>
struct Node {
  T* value = nullptr;
  T* grad = nullptr;
  Shape shape;
  GradState state = GradState::none;
  // Whole bytes: bits would have to be read before they are set.
  bool requires_grad = false;
  bool part = false;
  bool is_zero = false;    // the value is known to be all zeros (initial states): products with it are skipped
  std::uint8_t depth = 0;  // of parts within parts: bounded, since what walks them is recursive
  Reuse reuse;
  Index row_stride = 0;
  Node* base = nullptr;                      // whose adjoint memory this node shares
  Node* parts = nullptr;                     // first of the parts that cover this node
  Node* next_part = nullptr;                 // the next part of the same base
  ParameterStorage<T>* parameter = nullptr;  // set on leaves
  Recorder<T>* recorder = nullptr;

  Index rows() const { return shape.rows(); }
  Index cols() const { return shape.cols(); }
  bool contiguous() const { return row_stride == cols() || rows() <= 1; }

  static constexpr int max_depth = 16;
  /// True when this node may be cut into parts: it has none yet and its adjoint memory overlaps no other
  /// view's.
  bool divisible() const { return !parts && (!base || part) && !parameter && depth < max_depth; }

  /// The adjoint, to be written (fresh) or added to.
  Adjoint<T> touch();
  /// The adjoint, zeroed if nothing has arrived, to be added to.
  T* touch_add();
  /// The same for a writer that adds to single rows and calls `touched_row` for each of them: the gradient of
  /// a parameter then counts as zero in all other rows.
  T* touch_rows();
  void touched_row(Index row);
  /// The finished adjoint, or null when nothing arrived. For the op that made this node, in backward.
  T* arrived() { return state == GradState::ready && !parameter ? grad : find_arrived(); }

 private:
  T* find_arrived();
  bool ready_by_base();
  bool value_gives_way() const;
  void give_way();
  bool any_part_arrived() const;
  void ensure_memory();
  void zero_grad(const Adjoint<T>& a);
};

/// The node of a parameter. On the inner tape of a recomputation (core/recompute.hpp) it stands for the leaf of the
/// tape around it: they share value, gradient, and what has been learned of its uses.
template <class T>
struct Leaf : Node<T> {
  Leaf* around = nullptr;     // that leaf
  void* waiting = nullptr;    // products with this weight whose gradient waits (ops/linear.cpp)
  // Other forms of the value, in the outermost leaf (ops/linear.cpp), and the version of the value that each was made of.
  struct Form {
    T* numbers = nullptr;
    std::uint64_t version = 0;
  };
  Form transposed, packed, packed_back;
  int uses = 0;               // by products in this recording so far
  int uses_before = 0;        // those of them that are older than this leaf

  Leaf& outermost() {
    Leaf* leaf = this;
    while (leaf->around) leaf = leaf->around;
    return *leaf;
  }
};

/// One recorded op: a function that runs it backward; what it needs follows in memory.
struct Record {
  void (*backward)(Record*) = nullptr;
  Record* previous = nullptr;
};

template <class F>
struct UNROLL_PER_ISA RecordOf : Record {
  F run;
  explicit RecordOf(const F& f) : run(f) {}
  static void call(Record* r) { static_cast<RecordOf*>(r)->run(); }
};

}  // namespace detail
}  // namespace unroll
