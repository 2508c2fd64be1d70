#pragma once
/// \file
/// Trainable tensors: a value and the gradient that backward() adds up in it.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "arena.hpp"
#include "shape.hpp"

namespace unroll {

/// Asks for a ParameterStorage without a value.
struct GradientOnly {};

/// The tensor itself, pinned on the heap; shared by the module that named it, by every module tied to it and by the
/// optimizers that step it.
///
/// Invariant of the gradient memory: with `has_grad` false it counts as zero, whatever is in it, and `grad_is_zero`
/// says whether it really is. With `dense` false only `touched_rows` differ from zero.
template <class T>
struct ParameterStorage {
  explicit ParameterStorage(const Shape& s);
  /// No value: a place to collect a gradient in.
  ParameterStorage(const Shape& s, GradientOnly) : shape(s) {}
  ~ParameterStorage();
  ParameterStorage(const ParameterStorage&) = delete;
  ParameterStorage& operator=(const ParameterStorage&) = delete;

  /// Makes the gradient memory (zeroed) if there is none yet.
  void ensure_grad();
  /// Forgets the gradient. Costs nothing for a dense one, the touched rows for a sparse one.
  void clear_grad();
  void touched_densely() { dense = has_grad = true; }
  /// Adds another tensor's gradient, of the same shape.
  void add_grad(const ParameterStorage& from);
  /// Notes that row `row` of the gradient was added to, when it was not noted before.
  void touched_row(Index row);

  Shape shape;
  T* value = nullptr;
  T* grad = nullptr;
  bool has_grad = false;
  bool dense = false;
  bool grad_is_zero = false;
  bool frozen = false;        ///< takes no part in training: no gradient is computed, no step changes it
  std::uint64_t version = 0;  ///< grows with every change of the value, so that derived copies know they are old
  std::vector<Index> touched_rows;

 private:
  std::vector<bool> row_noted_;
};

/// A handle on a trainable tensor, member of a module.
///
/// Moves freely; a second handle on the same tensor (tied weights) is made by `tie()`, and a module with tensors of its
/// own by `clone(module)`. Copying a Parameter any other way throws CopyError.
template <class T = float>
class Parameter {
 public:
  using value_type = T;

  /// No tensor: `defined()` is false. For optional weights (a bias that is switched off).
  Parameter() = default;
  /// A tensor of zeros.
  explicit Parameter(const Shape& shape) : storage_(std::make_shared<ParameterStorage<T>>(shape)) {}
  Parameter(Parameter&&) noexcept = default;
  Parameter& operator=(Parameter&&) noexcept = default;
  /// Inside clone(): a new tensor with the same value, one for all handles on the old one. Elsewhere: CopyError.
  Parameter(const Parameter& other);
  Parameter& operator=(const Parameter& other) { return *this = Parameter(other); }

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return storage().shape; }
  Index size() const { return storage().shape.size(); }

  /// The elements, row-major.
  UNROLL_PER_ISA std::span<const T> values() const { return {storage().value, static_cast<std::size_t>(size())}; }
  /// The elements, to be written.
  UNROLL_PER_ISA std::span<T> mutable_values() {
    ++storage().version;
    return {storage().value, static_cast<std::size_t>(size())};
  }
  /// The gradient collected since it was last cleared; zeros when nothing was.
  std::span<const T> grads() const;
  /// The gradient, to be changed (clipping, noise). Zeros when nothing was collected.
  std::span<T> mutable_grads();

  /// True when backward() has added something since the gradient was last cleared.
  bool has_grad() const { return storage().has_grad; }
  void clear_grad() { storage().clear_grad(); }

  /// A frozen parameter is a constant: backward computes nothing for it and no optimizer changes it.
  void freeze(bool frozen = true) { storage().frozen = frozen; }
  bool frozen() const { return storage().frozen; }

  /// Another handle on the same tensor: used in two places, counted, saved and stepped once.
  UNROLL_PER_ISA Parameter tie() const {
    Parameter p;
    p.storage_ = storage_;
    return p;
  }

  /// The tensor; throws ValueError when there is none.
  ParameterStorage<T>& storage() const;
  /// Shared ownership of the tensor.
  const std::shared_ptr<ParameterStorage<T>>& share() const { return storage_; }

 private:
  std::shared_ptr<ParameterStorage<T>> storage_;
};

namespace detail {

/// While one lives, copying a Parameter of this thread makes a new tensor; ties among the copies are kept.
class CloneScope {
 public:
  CloneScope();
  ~CloneScope();
  CloneScope(const CloneScope&) = delete;
  CloneScope& operator=(const CloneScope&) = delete;

 private:
  void* outer_;
};

}  // namespace detail
}  // namespace unroll
