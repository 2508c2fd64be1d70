#pragma once
/// \file
/// The tape: operations in the order they were recorded, and the scopes in which they may be.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "error.hpp"
#include "place.hpp"
#include "random.hpp"
#include "shape.hpp"

namespace unroll {

template <class T>
class Variable;

namespace detail {

/// What stands behind a tape: for who writes operations (core/recorder.hpp).
template <class T>
class Recorder;

/// Throws NoScopeError for `op`.
[[noreturn]] void throw_no_scope(const char* op);

}  // namespace detail

/// The list of recorded operations, the memory they live in, and the generator that random ones draw from.
///
/// Use one per thread. Nothing can be recorded on it directly: open a `Recording` or an `Evaluation`. Destroying it
/// frees its memory; handles that are left over say so when used.
template <class T = float>
class Tape {
 public:
  /// `seed` starts the generator of random masks and samples.
  explicit Tape(std::uint64_t seed = 0);
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

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
  bool training() const;
  /// True when the innermost scope is a Recording.
  bool recording() const;
  /// Nodes made since the outermost scope began, those of finished inner scopes included.
  Index nodes() const;
  /// Bytes in use, and bytes held from the system; with those of the inner tape that `recompute` runs on.
  std::size_t bytes_used() const;
  std::size_t bytes_reserved() const;

  /// Memory for `n` objects until the innermost scope is rewound; not initialised, and nothing in it is destroyed.
  template <class U>
  UNROLL_PER_ISA U* allocate(Index n) {
    return static_cast<U*>(allocate_bytes(static_cast<std::size_t>(n) * sizeof(U), alignof(U)));
  }
  /// Takes an object that backward needs and that cannot simply be forgotten: destroyed when the Recording closes.
  template <class U>
  UNROLL_PER_ISA U* keep(U object) {
    auto* kept = new (allocate_bytes(sizeof(U), alignof(U))) U(std::move(object));
    if constexpr (!std::is_trivially_destructible_v<U>) destroy_later(kept, &destroy<U>);
    return kept;
  }

  /// For who writes operations (core/op.hpp) or watches them.
  detail::Recorder<T>& recorder() { return *recorder_; }

 private:
  template <class, bool>
  friend class Scope;

  template <class U>
  UNROLL_PER_ISA static void destroy(void* object) {
    static_cast<U*>(object)->~U();
  }
  void* allocate_bytes(std::size_t bytes, std::size_t align);
  void destroy_later(void* object, void (*destroy)(void*));
  void open(bool recording, bool training);
  void close() noexcept;

  Rng rng_;
  std::unique_ptr<detail::Recorder<T>> recorder_;
};

/// What the current thread records on, for scalar T; null when no scope is open.
template <class T>
inline constinit thread_local Tape<T>* current_tape = nullptr;

namespace detail {

/// The same. Throws NoScopeError for `op` when no scope is open.
template <class T>
UNROLL_PER_ISA Tape<T>& open_tape(const char* op) {
  if (!current_tape<T>) throw_no_scope(op);
  return *current_tape<T>;
}

}  // namespace detail

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
