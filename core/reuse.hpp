#pragma once
/// \file
/// For who writes operations: the rules by which memory of the tape is used a second time.

#include <cstdint>

namespace unroll::detail {

/// What is known of a value's memory, so that something else may be put there.
///
/// Only time loops give memory away. There a value is mostly read once, so its place can take the result of the
/// operation that reads it, or in backward its own adjoint. An operation that knows nothing of this is right: it counts
/// its uses (`Op::use`), makes results of which nothing is said, and so keeps all memory as it is.
///
/// | member      | who sets it                                                        | who reads it       |
/// | ----------- | ------------------------------------------------------------------ | ------------------ |
/// | used        | every operation, of each operand                                   | both rules below   |
/// | spare       | an operation whose backward does not read its result: map, linear  | gives_way, TimeLoop |
/// | mapped      | map in a Recording, of operands that have the result's shape       | gives_way          |
/// | slab        | Loop, of all steps' values of one place; TimeLoop, of projections  | Node, in backward  |
/// | kept        | TimeLoop, of final states                                          | Node, in backward  |
/// | given       | TimeLoop, of a step's piece of what the cell's project() has made  | takes_result       |
/// | overwritten | linear_onto, of its sum; Node in backward, of what gave way        | every use and look |
///
/// Rule 1, forward: linear_onto computes its result over its sum when that `takes_result()`, can be cut into parts, and
/// was made in the scope at hand.
/// Rule 2, backward: when the first adjoint reaches a slab all of whose parts give way, it lies where the values were.
/// A part gives way by `gives_way()`, or when it is kept: then its own adjoint lies elsewhere. A part that has parts
/// itself gives way when all of those do and it was an operand at most once, or was overwritten.
/// Rule 3: who uses or reads an overwritten value gets a StaleVariableError.
struct Reuse {
  bool spare = false;        ///< backward of the operation that made the value does not read it
  bool mapped = false;       ///< its reader reads each element before it writes the element's adjoint
  bool slab = false;         ///< values of all steps of a time loop, seen through their parts alone
  bool kept = false;         ///< a final state: users read it after the loop
  bool given = false;        ///< to the one operation that uses it
  bool overwritten = false;  ///< something else lies there: nobody may read it any more
  std::uint8_t used = 0;     ///< how often it was an operand; at some number above 1 the count stands still

  /// Notes a use. False when that needs a look: at every use of what is overwritten, and when the count is full.
  bool note_use() { return ++used != 0; }
  /// Goes on counting after such a look. It is only ever asked whether the count is 0 or 1.
  void count_on() { used = 128; }
  /// Something else is written there; the next note_use is false.
  void overwrite() {
    overwritten = true;
    used = 255;
  }
  /// The same after a use that was refused.
  void stay_overwritten() { used = 255; }

  /// The operation that has just used it may put a result of the same shape there.
  bool takes_result() const { return given && used == 1; }
  /// Its adjoint may be put there.
  bool gives_way() const { return used == 1 && mapped && spare; }
};

}  // namespace unroll::detail
