#include "unroll/optim/optimizer.hpp"

#include <algorithm>
#include <unordered_set>

#include "unroll/core/error.hpp"

namespace unroll {

template <class T>
Optimizer<T>::Optimizer(const char* op, const ParameterList<T>& parameters, double lr,
                        std::vector<std::string> state_names)
    : op_(op) {
  std::unordered_set<const void*> seen;
  for (const NamedParameter<T>& p : parameters)
    if (p.storage && seen.insert(p.storage.get()).second) parameters_.push_back(p);
  if (parameters_.empty())
    throw ValueError("[" + std::string(op) + "] got no parameters, expected at least one: parameters(model)");
  set_lr(lr);
  steps_.resize(parameters_.size());
  for (std::string& name : state_names)
    state_.push_back({std::move(name), std::vector<std::vector<T>>(parameters_.size())});
}

template <class T>
void Optimizer<T>::step() {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    ParameterStorage<T>& p = *parameters_[i].storage;
    if (p.frozen || !p.has_grad) continue;
    update(i, p, ++steps_[i]);
    ++p.version;
    p.clear_grad();
  }
}

template <class T>
void Optimizer<T>::zero_grad() {
  for (const NamedParameter<T>& p : parameters_) p.storage->clear_grad();
}

template <class T>
void Optimizer<T>::set_lr(double lr) {
  if (!(lr >= 0))
    throw ValueError("[" + std::string(op_) + "] learning rate " + std::to_string(lr) +
                     ", expected 0 or more");
  lr_ = lr;
}

template <class T>
T* Optimizer<T>::state(std::size_t k, std::size_t i) {
  std::vector<T>& s = state_[k].values[i];
  if (s.empty()) s.resize(static_cast<std::size_t>(parameters_[i].storage->shape.size()));
  return s.data();
}

template <class T>
void Optimizer<T>::check(const char* what, double value, double low, double high) const {
  if (value >= low && value < high) return;
  std::string message = "[" + std::string(op_) + "] " + what + " " + std::to_string(value) + ", expected ";
  message += high < 1e300 ? std::to_string(low) + " up to, not including, " + std::to_string(high)
                          : std::to_string(low) + " or more";
  throw ValueError(message);
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace unroll
