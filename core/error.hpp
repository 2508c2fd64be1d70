#pragma once
/// \file
/// Every error the library throws: one type a cause, all derived from `Error`.

#include <stdexcept>
#include <string>

namespace unroll {

/// Base of everything the library throws. `what()` is one line: the operation in brackets, what it got, what it
/// expected.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
};

#define UNROLL_ERROR_TYPE(Name)   \
  class Name : public Error {     \
   public:                        \
    using Error::Error;           \
  }

/// Shapes that do not fit the operation, or each other.
UNROLL_ERROR_TYPE(ShapeError);
/// A value out of its range: a negative size, a probability above 1, a class index past the last class.
UNROLL_ERROR_TYPE(ValueError);
/// An operation with neither a Recording nor an Evaluation open on its thread.
UNROLL_ERROR_TYPE(NoScopeError);
/// A Variable used after the scope that made it was rewound.
UNROLL_ERROR_TYPE(StaleVariableError);
/// A Variable that belongs to another tape than the one recording now.
UNROLL_ERROR_TYPE(WrongTapeError);
/// A Variable whose tape was destroyed.
UNROLL_ERROR_TYPE(DeadTapeError);
/// A Variable used on another thread than the one its tape records on.
UNROLL_ERROR_TYPE(WrongThreadError);
/// A scope opened on a tape that has one open already: on another thread, or a second Recording on this one.
UNROLL_ERROR_TYPE(TapeInUseError);
/// A Variable that was never given a value (default-constructed).
UNROLL_ERROR_TYPE(EmptyVariableError);
/// backward() of something that is not a scalar.
UNROLL_ERROR_TYPE(NonScalarError);
/// backward() twice in one Recording.
UNROLL_ERROR_TYPE(BackwardTwiceError);
/// backward() of something no recorded operation with a gradient leads to, or inside an Evaluation.
UNROLL_ERROR_TYPE(NotRecordedError);
/// A file or a text that is not what its reader expects; the message starts with `file:line`.
UNROLL_ERROR_TYPE(DataError);

#undef UNROLL_ERROR_TYPE

}  // namespace unroll
