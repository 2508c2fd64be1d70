#pragma once
/// \file
/// Where in a model an operation stands.

#include "shape.hpp"

namespace unroll {

/// While one lives, what this thread records stands in this part of the model, or at this time step: reports of a
/// `Watch` name it. For loops and layers of one's own; the library's time loop says its steps itself.
///
///     for (Index t = 0; t < T; ++t) {
///       const Place step(t);
///       state = cell.step(x[t], state);
///     }
class Place {
 public:
  /// Part `name` of the model. The text must outlive it.
  explicit Place(const char* name) : name_(name) { enter(); }
  /// Time step `t`, counted from the start of an enclosing Place::from.
  explicit Place(Index t) : step_(t) { enter(); }
  ~Place() { innermost_ = outer_; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  /// The module at this address, whose name the Watch may know.
  static Place of(const void* module) { return Place(module, nullptr, -1, 0, false); }
  /// Time steps within are counted from here: a segment of a longer sequence.
  static Place from(Index first_step) { return Place(nullptr, nullptr, -1, first_step, false); }
  /// Time step `t`, as a loop says it that puts the step in front of all errors itself: reports leave it out (`told`).
  static Place step_told(Index t) { return Place(nullptr, nullptr, t, 0, true); }

  static const Place* innermost() { return innermost_; }
  const Place* outer() const { return outer_; }
  const void* module() const { return module_; }
  const char* name() const { return name_; }
  Index step() const { return step_; }  ///< -1: this names none
  Index offset() const { return offset_; }
  bool told() const { return told_; }

 private:
  Place(const void* module, const char* name, Index step, Index offset, bool told)
      : module_(module), name_(name), step_(step), offset_(offset), told_(told) {
    enter();
  }
  void enter() {
    outer_ = innermost_;
    innermost_ = this;
  }

  static inline constinit thread_local const Place* innermost_ = nullptr;
  const Place* outer_ = nullptr;
  const void* module_ = nullptr;
  const char* name_ = nullptr;
  Index step_ = -1, offset_ = 0;
  bool told_ = false;
};

}  // namespace unroll
