#pragma once
/// \file
/// What all optimizers have: the parameters they step, learning rates, and state that can be saved.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "../core/parameter_list.hpp"
#include "parameter_groups.hpp"
#include "state.hpp"

namespace unroll {

/// One kind of number that an optimizer keeps for each element of its parameters ("exp_avg"): for parameter i
/// of its list a vector of as many elements, empty until its first step.
template <class T>
struct OptimizerState {
  std::string name;
  std::vector<std::vector<T>> values;
};

/// Changes parameters by their gradients:
///
///     Adam adam(parameters(model), {.lr = 1e-3});
///     for (...) {
///       Recording step(tape);
///       tape.backward(loss(...));   // several times before step() to accumulate
///       adam.step();
///     }
///
/// Shares ownership of the tensors. One that the list holds twice (tied weights) is stepped once. Takes no
/// memory after the first step in which every parameter had a gradient.
///
/// Parameters may be put into groups by their names, with other rates and decays (ParameterGroup). Those of a group
/// with `lr_scale` 0 are frozen while the optimizer lives: backward computes nothing for them, step() passes them by,
/// and they have no state. A rate that is 0 for now (`set_lr(0)`, a warm-up that begins there) is another matter: as in
/// PyTorch the values stay and the state moves on.
template <class T = float>
class Optimizer {
 public:
  /// Thaws what its groups have frozen.
  virtual ~Optimizer();
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Reads every gradient, writes the value, and forgets the gradient. Frozen parameters are left alone. So
  /// are, as in PyTorch, those that no gradient reached since it was last cleared: no decay, no momentum, no
  /// count of a step. Denormal numbers are zero meanwhile (FlushDenormals).
  void step();
  /// Forgets all gradients without a step.
  void zero_grad();

  /// The rate of parameters without a group.
  double lr() const { return lr_[0]; }
  /// Sets that rate, and the rate of every group to its `lr_scale` times it. Throws ValueError unless 0 <= lr.
  void set_lr(double lr);
  /// The rate of group k: 0 for parameters without one, 1 for the first of groups(). Throws ValueError on another k.
  double group_lr(std::size_t k) const;
  /// Sets the rate of group k alone, until the next set_lr(). Throws ValueError unless 0 <= lr.
  void set_group_lr(std::size_t k, double lr);
  const ParameterGroups& groups() const { return groups_; }

  /// What is stepped, each tensor once.
  const ParameterList<T>& parameters() const { return parameters_; }
  /// The number of the group of each parameter, as in group_lr().
  std::span<const std::size_t> group_of() const { return group_of_; }
  /// What is kept, by PyTorch's names; empty for plain SGD.
  std::span<OptimizerState<T>> state() { return state_; }
  /// Steps made, by parameter.
  std::span<Index> steps() { return steps_; }

  /// Shows all that must be kept to go on bit by bit: "lr" (double, one a group), then for each parameter "<name>.step"
  /// (integer) and, when that is not 0, "<name>.exp_avg" and so on by PyTorch's names. See StateVisitor for restoring.
  virtual void each_state(StateVisitor& visitor);

 protected:
  /// `op` is for messages. Throws ValueError for an empty list, a negative rate or decay, and what find_groups does.
  Optimizer(const char* op, const ParameterList<T>& parameters, double lr, double weight_decay,
            const ParameterGroups& groups, std::vector<std::string> state_names);

  /// The update of parameter `i`, which has a gradient; `step` counts from 1.
  virtual void update(std::size_t i, ParameterStorage<T>& p, Index step) = 0;
  /// The k-th kind of state of parameter `i`.
  T* state(std::size_t k, std::size_t i);
  /// What the k-th kind of state begins with.
  virtual T initial_state(std::size_t k) const;
  /// The rate and the decay of parameter `i`.
  double rate(std::size_t i) const { return lr_[group_of_[i]]; }
  double decay(std::size_t i) const { return decay_[group_of_[i]]; }
  /// Throws ValueError unless low <= value < high.
  void check(const char* what, double value, double low, double high) const;

 private:
  double scale(std::size_t group) const { return group == 0 ? 1 : groups_[group - 1].lr_scale; }
  void check_group(std::size_t k) const;
  void check_lr(double lr) const;

  const char* op_;
  ParameterList<T> parameters_;
  ParameterGroups groups_;
  std::vector<std::size_t> group_of_;
  std::vector<double> lr_, decay_;  // of parameters without a group, then of the groups
  std::vector<std::shared_ptr<ParameterStorage<T>>> frozen_here_;
  std::vector<OptimizerState<T>> state_;
  std::vector<Index> steps_;
};

namespace detail {

/// f(first element, count) for every run of elements that the gradient may have reached: all, or a table's rows.
template <class T, class F>
UNROLL_PER_ISA void each_reached(const ParameterStorage<T>& p, const F& f) {
  if (p.dense) return f(Index{0}, p.shape.size());
  for (const Index row : p.touched_rows) f(row * p.shape.cols(), p.shape.cols());
}

}  // namespace detail

extern template class Optimizer<float>;
extern template class Optimizer<double>;

}  // namespace unroll
