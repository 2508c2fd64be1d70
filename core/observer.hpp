#pragma once
/// \file
/// Who watches a tape (nn/inspect/watch.hpp). It costs nothing while nobody watches but one null pointer that is looked
/// at when an operation is done.

#include <cstdint>

#include "shape.hpp"

namespace unroll {
template <class T>
class Tape;
}

namespace unroll::detail {

template <class T>
struct Node;
struct Record;

/// What a tape tells while it is watched.
///
/// An operation begins when it uses its first operand, or says so (`begins`), and has ended when it has made its last
/// result: its records are on the tape then, its results computed.
template <class T>
class Observer {
 public:
  virtual ~Observer() = default;
  /// A scope has begun; the tape was rewound when it is the outermost one.
  virtual void opened(Tape<T>& tape, bool outermost) = 0;
  /// A scope is about to end.
  virtual void closing() = 0;
  virtual void begins(const char* op) = 0;
  virtual void uses(const char* op, Node<T>* operand) = 0;
  virtual void makes(Node<T>* result) = 0;
  /// What a layer puts out for all time steps.
  virtual void puts_out(const void* module, const Shape& shape) = 0;
  /// Runs the records backward in the tape's place, `last` first.
  virtual void runs_backward(Record* last) = 0;
  /// Who watches the inner tape of this one.
  virtual Observer* of_inner_tape() = 0;
};

}  // namespace unroll::detail
