#pragma once
/// \file
/// What all optimizers have: the parameters they step, a learning rate, and state that can be saved.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "unroll/core/parameter_list.hpp"

namespace unroll {

/// One kind of number that an optimizer keeps for each element of its parameters ("exp_avg"): for parameter i
/// of its list a vector of as many elements, empty until its first step. To be saved and restored with
/// `Optimizer::steps`.
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
template <class T = float>
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Reads every gradient, writes the value, and forgets the gradient. Frozen parameters are left alone. So
  /// are, as in PyTorch, those that no gradient reached since it was last cleared: no decay, no momentum, no
  /// count of a step.
  void step();
  /// Forgets all gradients without a step.
  void zero_grad();

  double lr() const { return lr_; }
  /// Throws ValueError unless 0 <= lr.
  void set_lr(double lr);

  /// What is stepped, each tensor once.
  const ParameterList<T>& parameters() const { return parameters_; }
  /// What is kept, by PyTorch's names; empty for plain SGD.
  std::span<OptimizerState<T>> state() { return state_; }
  /// Steps made, by parameter.
  std::span<Index> steps() { return steps_; }

 protected:
  /// `op` is for messages. Throws ValueError for an empty list or a negative learning rate.
  Optimizer(const char* op, const ParameterList<T>& parameters, double lr,
            std::vector<std::string> state_names);

  /// The update of parameter `i`, which has a gradient; `step` counts from 1.
  virtual void update(std::size_t i, ParameterStorage<T>& p, Index step) = 0;
  /// The k-th kind of state of parameter `i`; zeros at first.
  T* state(std::size_t k, std::size_t i);
  /// Throws ValueError unless low <= value < high.
  void check(const char* what, double value, double low, double high) const;

 private:
  const char* op_;
  ParameterList<T> parameters_;
  std::vector<OptimizerState<T>> state_;
  std::vector<Index> steps_;
  double lr_ = 0;
};

extern template class Optimizer<float>;
extern template class Optimizer<double>;

}  // namespace unroll
