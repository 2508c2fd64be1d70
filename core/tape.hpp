#pragma once
/// \file
/// The tape: operations in the order they were recorded, and the scopes in which they may be.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "arena.hpp"
#include "error.hpp"
#include "node.hpp"
#include "observer.hpp"
#include "parameter.hpp"
#include "random.hpp"
#include "shape.hpp"

namespace unroll {

template <class T>
class Variable;
template <class T>
class Loop;

namespace detail {

template <class T>
class ApartRun;
template <class T>
bool can_run_apart(Tape<T>& tape);

/// The part of a tape that does not depend on its scalar: who may use it now, and which handles are still good.
///
/// Every scope has a serial of its own: the number of its tape in the upper 32 bits, a count in the lower. A handle
/// stores the serial of the scope that made it, which is enough to say later what became of it.
class TapeBase {
 public:
  TapeBase();
  ~TapeBase();
  TapeBase(const TapeBase&) = delete;
  TapeBase& operator=(const TapeBase&) = delete;

  /// True when a handle with this serial may be used in the innermost scope.
  bool live(std::uint64_t serial) const { return serial == serial_ || live_in_outer_scope(serial); }
  /// True when the innermost scope made it and nobody watches: nothing needs to be looked at.
  bool quick(std::uint64_t serial) const { return serial == quick_serial_; }
  /// True when the innermost scope made it.
  bool innermost(std::uint64_t serial) const { return serial == serial_; }
  /// Throws the error that says why a handle with this serial cannot be used, in `op`, or with `read` set, read.
  /// Returns when it can be read after all.
  static void diagnose(const char* op, std::uint64_t serial, const TapeBase* current, bool read);

 protected:
  void claim_thread(const char* scope);
  void release_thread();
  std::uint64_t next_serial();
  bool live_in_outer_scope(std::uint64_t serial) const;

  TapeBase* around_ = nullptr;                 // of an inner tape: whose Variables may be used here too
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

/// `op: shape (2,3)`-free helper: throws NoScopeError for `op`.
[[noreturn]] void throw_no_scope(const char* op);

}  // namespace detail

/// What the current thread records on, for scalar T; null when no scope is open.
template <class T>
inline constinit thread_local Tape<T>* current_tape = nullptr;

namespace detail {

/// What the current thread records on. Throws NoScopeError for `op` when no scope is open.
template <class T>
UNROLL_PER_ISA Tape<T>& open_tape(const char* op) {
  if (!current_tape<T>) throw_no_scope(op);
  return *current_tape<T>;
}

}  // namespace detail

/// The list of recorded operations, the memory they live in, and the generator that random ones draw from.
///
/// Use one per thread. Nothing can be recorded on it directly: open a `Recording` or an `Evaluation`. Destroying it
/// frees its memory; handles that are left over say so when used.
template <class T = float>
class Tape : public detail::TapeBase {
 public:
  using Node = detail::Node<T>;

  /// `seed` starts the generator of random masks and samples.
  explicit Tape(std::uint64_t seed = 0) : rng_(seed) {}

  /// Adds d loss / d p into the gradient of every parameter p, and into the adjoint of every differentiable Variable
  /// that led to `loss`. Runs the recorded operations last to first, without recursion. In a Recording
  /// with a time loop denormal numbers are zero meanwhile (FlushDenormals).
  ///
  /// Throws NonScalarError unless `loss` has one element, BackwardTwiceError on the second call in one Recording,
  /// NotRecordedError when nothing differentiable led to `loss` or the innermost scope is an Evaluation.
  void backward(const Variable<T>& loss);

  /// The generator of random masks and samples. Its state can be saved and set, which repeats them.
  Rng& rng() { return rng_; }
  const Rng& rng() const { return rng_; }

  /// True inside a Recording (unless told otherwise): dropout and its kin are at work.
  bool training() const { return frame_.training; }
  /// True when the innermost scope is a Recording.
  bool recording() const { return frame_.recording; }
  /// Nodes made since the outermost scope began, those of finished inner scopes included.
  Index nodes() const { return nodes_; }
  /// Bytes in use, and bytes held from the system; with those of the inner tape that `recompute` runs on.
  std::size_t bytes_used() const { return arena_.bytes_used() + (inner_ ? inner_->bytes_used() : 0); }
  std::size_t bytes_reserved() const { return arena_.bytes_reserved() + (inner_ ? inner_->bytes_reserved() : 0); }

  // For Shards ------------------------------------------------------------------------------------------------------

  /// On: backward() adds to gradients of this tape's own instead of to the parameters', until they are handed over.
  void keep_gradients(bool keep) { keeps_gradients_ = keep; }
  /// Adds the kept gradients to the parameters' and forgets them.
  void hand_over_gradients();
  void forget_kept_gradients();

  // For those who watch (nn/inspect/watch.hpp) ----------------------------------------------------------------------------------

  /// Tells `observer` from now on what is recorded here; null: nobody. Throws TapeInUseError while a scope is open
  /// and there is somebody.
  void watch(detail::Observer<T>* observer);
  detail::Observer<T>* observer() const { return observer_; }
  /// An operation begins that has no operands.
  void begin_op(const char* op) {
    if (observer_) [[unlikely]] observer_->begins(op);
  }
  detail::Record* last_record() const { return frame_.last; }
  /// Bytes in use, without those of the inner tape.
  std::size_t own_bytes_used() const { return arena_.bytes_used(); }

  // For the ops -----------------------------------------------------------------------------------------------------

  /// Memory for `n` objects until the innermost scope is rewound; not initialised.
  template <class U>
  UNROLL_PER_ISA U* allocate(Index n) {
    const std::size_t bytes = static_cast<std::size_t>(n) * sizeof(U);
    return static_cast<U*>(arena_.allocate(bytes, bytes < Arena::alignment ? 16 : Arena::alignment));
  }
  /// A node with memory for its value.
  Node* new_node(const Shape& shape, bool requires_grad);
  /// A node over part of another one's value (and adjoint).
  Node* new_view(Node* base, T* value, const Shape& shape, Index row_stride);
  /// A view that is one of the parts which together cover `base`; a plain view where `base` cannot be divided.
  Node* new_part(Node* base, bool divisible, T* value, const Shape& shape, Index row_stride);
  /// The same for all of `pieces`, one every `step` elements of a row of the base.
  void new_parts(Node* base, bool divisible, const Shape& shape, Index step, std::span<Variable<T>> pieces);
  /// The node of a parameter: one per recording, shared by all its uses.
  Node* leaf(const Parameter<T>& parameter);
  /// A bare node without memory, for `value` held elsewhere.
  Node* bare_node();
  /// Puts `backward` on the tape, to be run in reverse order. Captures must be trivially copyable and destructible:
  /// they are never destroyed.
  template <class F>
  UNROLL_PER_ISA void record(const F& backward) {
    static_assert(std::is_trivially_copyable_v<F> && std::is_trivially_destructible_v<F>,
                  "a recorded operation may capture only trivially copyable things: nodes, pointers, numbers");
    if (!frame_.recording) return;
    auto* r = new (arena_.allocate(sizeof(detail::RecordOf<F>), 16)) detail::RecordOf<F>(backward);
    r->backward = &detail::RecordOf<F>::call;
    append(r);
  }
  /// Puts a record on the tape that the op made itself, in memory of this tape.
  void append(detail::Record* r) {
    r->previous = frame_.last;
    frame_.last = r;
  }
  /// The handle on what an operation made: its last act, when the value is computed and its records are on the tape.
  Variable<T> handle(Node* node) {
    if (observer_) [[unlikely]] observer_->makes(node);
    return Variable<T>(node, serial_);
  }
  /// The same for a value that is written later.
  Variable<T> handle_unwritten(Node* node) { return Variable<T>(node, serial_); }
  /// Takes an object that backward needs and that cannot simply be forgotten: destroyed when the Recording closes.
  template <class U>
  UNROLL_PER_ISA U* keep(U object) {
    auto* kept = new (arena_.allocate(sizeof(U), std::max<std::size_t>(alignof(U), 16))) U(std::move(object));
    if constexpr (!std::is_trivially_destructible_v<U>) kept_objects_.emplace_back(kept, &destroy<U>);
    return kept;
  }

 private:
  template <class, bool>
  friend class Scope;
  friend class Loop<T>;
  friend class detail::ApartRun<T>;
  friend bool detail::can_run_apart<T>(Tape&);

  struct Frame {
    Arena::Mark mark{};
    detail::Record* last = nullptr;
    Loop<T>* loop = nullptr;
    Tape* previous_current = nullptr;
    bool recording = false;
    bool training = false;
    bool backward_done = false;
    bool looped = false;  // a Loop was open
  };

  // Values below this many elements lie directly behind their node.
  static constexpr Index small_value = static_cast<Index>(Arena::alignment / sizeof(T));
  static_assert(sizeof(Node) % 16 == 0, "what follows a node is aligned to 16 bytes");

  Node* node_at(void* memory) {
    ++nodes_;
    auto* node = new (memory) Node;
    node->tape = this;
    return node;
  }
  ParameterStorage<T>* kept_gradient(const std::shared_ptr<ParameterStorage<T>>& parameter);
  template <class U>
  UNROLL_PER_ISA static void destroy(void* object) {
    static_cast<U*>(object)->~U();
  }
  void open(bool recording, bool training);
  void close() noexcept;
  void run_backward();
  Tape& inner();
  /// The tape whose inner tape this is, or null.
  Tape* around() const { return static_cast<Tape*>(around_); }

  detail::Observer<T>* observer_ = nullptr;
  Arena arena_;
  Rng rng_;
  Frame frame_;
  std::vector<Frame> outer_frames_;
  struct LeafSlot {
    const ParameterStorage<T>* parameter = nullptr;
    Node* node = nullptr;
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
  std::vector<detail::Leaf<T>*> new_leaves_;  // of an inner tape, in the order in which they were made
  std::span<const int> known_uses_;           // of an inner tape that runs again: their `uses_before`
  const void* backward_frame_ = nullptr;      // below those of all that called backward
  std::unique_ptr<Tape> inner_;
};

/// A Recording or an Evaluation: see there.
template <class T, bool records>
class UNROLL_PER_ISA Scope {
 public:
  ~Scope() { tape_.close(); }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 protected:
  Scope(Tape<T>& tape, bool training) : tape_(tape) { tape.open(records, training); }

 private:
  Tape<T>& tape_;
};

struct RecordingOptions {
  bool training = true;  ///< false: dropout and its kin let everything through
};
struct EvaluationOptions {
  bool training = false;  ///< true: dropout and its kin are at work
};

/// A scope that keeps what backward needs. One step of training lives in one of these.
///
/// Opening it rewinds the tape: handles of earlier scopes become stale. When it closes, values stay readable until the
/// tape's next scope begins. Throws TapeInUseError while the tape has a Recording open, or any scope on another thread.
template <class T>
class Recording : public Scope<T, true> {
 public:
  explicit Recording(Tape<T>& tape, RecordingOptions options = {}) : Scope<T, true>(tape, options.training) {}
};

/// A scope that keeps values only: for validation, sampling, decoding.
///
/// It may be opened inside a Recording or another Evaluation, reads the values of those around it, and gives back at
/// its end all the memory it took; so an endless loop of evaluations is flat in memory. Values of an outermost
/// Evaluation stay readable until the tape's next scope begins, those of an inner one do not outlive it.
/// Throws TapeInUseError when the tape has a scope open on another thread.
template <class T>
class Evaluation : public Scope<T, false> {
 public:
  explicit Evaluation(Tape<T>& tape, EvaluationOptions options = {}) : Scope<T, false>(tape, options.training) {}
};

extern template class Tape<float>;
extern template class Tape<double>;

}  // namespace unroll

#include "variable.hpp"  // record() and handle() need it complete
