#pragma once
/// \file
/// Numbers too small for a full exponent, and what they cost in loops.

#include <cstdint>

namespace unroll {

/// While one lives, denormal numbers (below 1.2e-38 in float, 2.2e-308 in double) are zero on this thread: as operands
/// and as results, of float and double, of the library's code and of the user's. At its end the thread has the mode it
/// had before, also when an exception leaves.
///
/// Processors compute slowly with denormal numbers, and a state that decays (a network that hears silence, the moments
/// of a parameter that gets no gradient any more) reaches them and stays there: the smallest one times 0.7 rounds to
/// itself. So time loops (`Rnn`, `teacher_forced`, whatever opens a `Loop`), `backward()` of a Recording with one, and
/// the step of an optimizer open this scope by themselves. Everything else (operations, gates and products outside of
/// loops, and backward through them) computes with denormal numbers as IEEE 754 says. A loop over steps that is written
/// by hand and runs for long opens its own:
///
///     const FlushDenormals flush;
///     for (...) state = cell.step(cell.project(x), state);
///
/// Opening and closing cost some 20 ns: once a loop, not once an operation. They set FTZ and DAZ in x86's MXCSR, FZ in
/// aarch64's FPCR; elsewhere, and after set_flush_denormals(false), nothing. The scope changes the calling thread only;
/// each of `Shards` opens its own. A thread begins in the mode of the thread that starts it, so a thread that is
/// started inside flushes for all its life. That holds for the threads of a BLAS (`set_blas_threads`) too, if a loop is
/// where it starts them. BLAS threads that were started before compute with denormal numbers, which everything else in
/// the loop takes for zero.
class FlushDenormals {
 public:
  /// With `on` = false it is the other way round: the thread computes with denormal numbers, inside a loop too.
  explicit FlushDenormals(bool on = true) noexcept;
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

  /// Whether the calling thread is in the mode now, by this scope or by the user's own doing.
  static bool active() noexcept;

 private:
  std::uint64_t before_ = 0;
  bool changed_ = false;
};

/// Whether a FlushDenormals does anything, for the whole process; at first true.
bool get_flush_denormals() noexcept;

/// Sets that and returns what it was. Scopes that are open stay as they are. May be called from any thread.
bool set_flush_denormals(bool on) noexcept;

}  // namespace unroll
