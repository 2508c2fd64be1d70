#pragma once
/// \file
/// Every error the library throws: one type a cause, all derived from `Error`.

#include <exception>
#include <string>
#include <type_traits>
#include <utility>

#include "simd/per_isa.hpp"

namespace unroll {
namespace detail {

/// The parts in a row: texts and single characters as they are, numbers as std::to_string writes them, shapes as "(2,3)".
template <class... Parts>
[[gnu::cold, gnu::noinline]] UNROLL_PER_ISA std::string text(const Parts&... parts) {
  std::string all;
  const auto append = [&all]<class Part>(const Part& part) {
    if constexpr (std::is_arithmetic_v<Part> && !std::is_same_v<Part, char>) {
      all += std::to_string(part);
    } else if constexpr (requires { part.str(); }) {
      all += part.str();
    } else {
      all += part;
    }
  };
  (append(parts), ...);
  return all;
}

}  // namespace detail

/// Base of everything the library throws. `what()` is one line: the operation in brackets, what it got, what it
/// expected.
class Error : public std::exception {
 public:
  explicit Error(std::string message) : message_(std::move(message)) {}
  const char* what() const noexcept override { return message_.c_str(); }

  /// Puts `where` in front of the message; for layers that pass an error on and know the layer and the time step.
  void add_context(const std::string& where) { message_ = where + ": " + message_; }

 private:
  std::string message_;
};

/// The message is put together from the parts: throw ValueError("[fit] epochs ", n, ", expected 0 or more").
#define UNROLL_ERROR_TYPE(Name)                                                            \
  class Name : public Error {                                                              \
   public:                                                                                 \
    template <class... Parts>                                                              \
    UNROLL_PER_ISA explicit Name(const Parts&... parts) : Error(detail::text(parts...)) {} \
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
/// A scope opened on a tape that cannot take it: one is open on another thread, or a Recording is open already.
UNROLL_ERROR_TYPE(TapeInUseError);
/// A Variable that was never given a value (default-constructed).
UNROLL_ERROR_TYPE(EmptyVariableError);
/// backward() of something that is not a scalar.
UNROLL_ERROR_TYPE(NonScalarError);
/// backward() twice in one Recording.
UNROLL_ERROR_TYPE(BackwardTwiceError);
/// backward() of something that no parameter and no differentiable input leads to, or inside an Evaluation.
UNROLL_ERROR_TYPE(NotRecordedError);
/// A module copied other than by clone().
UNROLL_ERROR_TYPE(CopyError);
/// A file or a text that is not what its reader expects; the message starts with `file:line`.
UNROLL_ERROR_TYPE(DataError);
/// A file that cannot be opened, read or written, or whose bytes are not those of its format; the message names it.
UNROLL_ERROR_TYPE(FileError);

#undef UNROLL_ERROR_TYPE

}  // namespace unroll
