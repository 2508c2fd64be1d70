#pragma once
/// \file
/// For who writes operations: the tape itself, the list of records and the memory of nodes. `Op` (core/op.hpp) is the
/// way to it.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "arena.hpp"
#include "node.hpp"
#include "observer.hpp"
#include "parameter.hpp"
#include "tape.hpp"
#include "variable.hpp"

namespace unroll {
template <class T>
class Loop;
}

namespace unroll::detail {

template <class T>
class ApartRun;
template <class T>
bool can_run_apart(Tape<T>& tape);

/// The part of a tape that does not depend on its scalar: who may use it now, and which handles are still good.
///
/// Every scope has a serial of its own: the number of its tape in the upper 32 bits, a count in the lower. A handle
/// stores the serial of the scope that made it, which is enough to say later what became of it.
class Scopes {
 public:
  Scopes();
  ~Scopes();
  Scopes(const Scopes&) = delete;
  Scopes& operator=(const Scopes&) = delete;

  /// True when a handle with this serial may be used in the innermost scope.
  bool live(std::uint64_t serial) const { return serial == serial_ || live_in_outer_scope(serial); }
  /// Throws the error that says why a handle with this serial cannot be used, in `op`, or with `read` set, read.
  /// Returns when it can be read after all.
  static void diagnose(const char* op, std::uint64_t serial, const Scopes* current, bool read);

 protected:
  void claim_thread(const char* scope);
  void release_thread();
  std::uint64_t next_serial();
  bool live_in_outer_scope(std::uint64_t serial) const;

  Scopes* around_ = nullptr;                   // of an inner tape: whose Variables may be used here too
  std::uint64_t serial_ = 0;                   // of the innermost open scope; 0 with none open
  std::uint64_t quick_serial_ = 0;             // the same; of nobody while the tape is watched
  static constexpr std::uint64_t no_serial = ~std::uint64_t{0};
  std::atomic<std::uint64_t> readable_{0};     // of the last outermost scope, until the next one begins
  std::atomic<const void*> owner_{nullptr};    // the thread whose scopes are open
  std::vector<std::uint64_t> outer_serials_;   // of the scopes around the innermost one

 private:
  std::uint64_t last_serial_ = 0;
  std::vector<std::uint32_t> old_numbers_;     // numbers used up by 2^32 scopes each
};

/// What stands behind a `Tape`.
template <class T>
class Recorder : public Scopes {
 public:
  explicit Recorder(Tape<T>& tape) : tape_(tape) {}

  Tape<T>& tape() { return tape_; }
  bool recording() const { return frame_.recording; }
  bool training() const { return frame_.training; }

  // Handles ---------------------------------------------------------------------------------------------------------

  /// The node of operand `x` of `op`, on the innermost scope of this thread, `current`. Throws what using it throws.
  static Node<T>* use(Recorder* current, const char* op, const Variable<T>& x) {
    if (current && x.serial_ == current->quick_serial_)
      return x.node_->reuse.note_use() ? x.node_ : look_at_use(op, x.node_);
    return use_slowly(current, op, x);
  }
  /// The node, to be looked at as `what`: also after its Recording ended, until the tape's next scope begins. With
  /// `value` unset only shape and adjoint are asked for.
  static Node<T>& look(const Variable<T>& x, const char* what, bool value);
  /// The handle on what an operation made: its last act, when the value is computed and its records are on the tape.
  Variable<T> handle(Node<T>* node) {
    if (observer_) [[unlikely]] observer_->makes(node);
    return handle_unwritten(node);
  }
  /// The same for a value that is written later.
  Variable<T> handle_unwritten(Node<T>* node) const {
    Variable<T> x;
    x.node_ = node, x.serial_ = serial_;
    return x;
  }
  /// True when the innermost scope made it.
  bool made(const Variable<T>& x) const { return x.serial_ == serial_; }

  // Memory and nodes ------------------------------------------------------------------------------------------------

  /// Memory for `n` objects until the innermost scope is rewound; not initialised.
  template <class U>
  UNROLL_PER_ISA U* allocate(Index n) {
    const std::size_t bytes = static_cast<std::size_t>(n) * sizeof(U);
    return static_cast<U*>(arena_.allocate(bytes, bytes < Arena::alignment ? 16 : Arena::alignment));
  }
  /// A node with memory for its value.
  Node<T>* new_node(const Shape& shape, bool requires_grad);
  /// A node over part of another one's value (and adjoint).
  Node<T>* new_view(Node<T>* base, T* value, const Shape& shape, Index row_stride);
  /// A view that is one of the parts which together cover `base`; a plain view where `base` cannot be divided.
  Node<T>* new_part(Node<T>* base, bool divisible, T* value, const Shape& shape, Index row_stride);
  /// The same for all of `pieces`, one every `step` elements of a row of the base.
  void new_parts(Node<T>* base, bool divisible, const Shape& shape, Index step, std::span<Variable<T>> pieces);
  /// The node of a parameter: one per recording, shared by all its uses.
  Node<T>* leaf(const Parameter<T>& parameter);
  /// A bare node without memory, for a contiguous `value` held elsewhere.
  Node<T>* node_over(T* value, const Shape& shape);

  // Records ---------------------------------------------------------------------------------------------------------

  /// Puts `backward` on the tape, to be run in reverse order. Captures must be trivially copyable and destructible:
  /// they are never destroyed.
  template <class F>
  UNROLL_PER_ISA void record(const F& backward) {
    static_assert(std::is_trivially_copyable_v<F> && std::is_trivially_destructible_v<F>,
                  "a recorded operation may capture only trivially copyable things: nodes, pointers, numbers");
    if (!frame_.recording) return;
    auto* r = new (arena_.allocate(sizeof(RecordOf<F>), 16)) RecordOf<F>(backward);
    r->backward = &RecordOf<F>::call;
    append(r);
  }
  /// Puts a record on the tape that the operation made itself, in memory of this tape.
  void append(Record* r) {
    r->previous = frame_.last;
    frame_.last = r;
  }

  // For Shards ------------------------------------------------------------------------------------------------------

  /// On: backward() adds to gradients of this tape's own instead of to the parameters', until they are handed over.
  void keep_gradients(bool keep) { keeps_gradients_ = keep; }
  /// Adds the kept gradients to the parameters' and forgets them.
  void hand_over_gradients();
  void forget_kept_gradients();

  // For those who watch (nn/inspect/watch.hpp) ----------------------------------------------------------------------

  /// Tells `observer` from now on what is recorded here; null: nobody. Throws TapeInUseError while a scope is open
  /// and there is somebody.
  void watch(Observer<T>* observer);
  Observer<T>* observer() const { return observer_; }
  /// An operation begins that has no operands.
  void begin_op(const char* op) {
    if (observer_) [[unlikely]] observer_->begins(op);
  }
  Record* last_record() const { return frame_.last; }
  /// Bytes in use, without those of the inner tape.
  std::size_t own_bytes_used() const { return arena_.bytes_used(); }
  Index nodes() const { return nodes_; }

 private:
  friend class Tape<T>;
  friend class Loop<T>;
  friend class ApartRun<T>;
  friend bool can_run_apart<T>(Tape<T>&);

  struct Frame {
    Arena::Mark mark{};
    Record* last = nullptr;
    Loop<T>* loop = nullptr;
    Recorder* previous_current = nullptr;
    bool recording = false;
    bool training = false;
    bool backward_done = false;
    bool looped = false;  // a Loop was open
  };

  // Values below this many elements lie directly behind their node.
  static constexpr Index small_value = static_cast<Index>(Arena::alignment / sizeof(T));
  static_assert(sizeof(Node<T>) % 16 == 0, "what follows a node is aligned to 16 bytes");

  [[noreturn]] static void refuse_overwritten(const char* what, Node<T>& node);
  static Node<T>* use_slowly(Recorder* current, const char* op, const Variable<T>& x);
  static Node<T>* look_at_use(const char* op, Node<T>* node);
  Node<T>* node_at(void* memory) {
    ++nodes_;
    auto* node = new (memory) Node<T>;
    node->recorder = this;
    return node;
  }
  /// A node for `shape` in the slab of this place, or null.
  Node<T>* place_in_loop(const Shape& shape);
  Node<T>* bare_node() { return node_at(arena_.allocate(sizeof(Node<T>), 16)); }
  ParameterStorage<T>* kept_gradient(const std::shared_ptr<ParameterStorage<T>>& parameter);
  void open(bool recording, bool training);
  void close() noexcept;
  void backward(Node<T>& loss);
  void run_backward();
  Tape<T>& inner();
  /// What stands behind the tape whose inner tape this is, or null.
  Recorder* around() const { return static_cast<Recorder*>(around_); }

  Tape<T>& tape_;
  Observer<T>* observer_ = nullptr;
  Arena arena_;
  Frame frame_;
  std::vector<Frame> outer_frames_;
  struct LeafSlot {
    const ParameterStorage<T>* parameter = nullptr;
    Node<T>* node = nullptr;
  };
  std::vector<LeafSlot> leaves_;  // open addressing, a power of two
  std::vector<std::shared_ptr<ParameterStorage<T>>> used_;
  struct KeptGradient {
    std::shared_ptr<ParameterStorage<T>> parameter;
    std::unique_ptr<ParameterStorage<T>> own;
  };
  std::vector<KeptGradient> kept_;  // in the order of first use
  bool keeps_gradients_ = false;
  Index nodes_ = 0;
  std::vector<std::pair<void*, void (*)(void*)>> kept_objects_;
  // For recomputation: see core/recompute.hpp.
  std::vector<Leaf<T>*> new_leaves_;  // of an inner tape, in the order in which they were made
  std::span<const int> known_uses_;   // of an inner tape that runs again: their `uses_before`
  const void* backward_frame_ = nullptr;  // below those of all that called backward
  std::unique_ptr<Tape<T>> inner_;
};

/// What the current thread records on, for scalar T; null when no scope is open.
template <class T>
inline constinit thread_local Recorder<T>* current_recorder = nullptr;

template <class T>
inline Node<T>& Recorder<T>::look(const Variable<T>& x, const char* what, bool value) {
  const Recorder* current = current_recorder<T>;
  if (!current || !current->live(x.serial_)) diagnose(what, x.serial_, current, true);
  if (value && x.node_->reuse.overwritten) refuse_overwritten(what, *x.node_);
  return *x.node_;
}

extern template class Recorder<float>;
extern template class Recorder<double>;

}  // namespace unroll::detail
