#include "optimizer.hpp"

#include <algorithm>
#include <unordered_set>

#include "../core/denormals.hpp"
#include "../core/error.hpp"

namespace unroll {

template <class T>
Optimizer<T>::Optimizer(const char* op, const ParameterList<T>& parameters, double lr, double weight_decay,
                        const ParameterGroups& groups, std::vector<std::string> state_names)
    : op_(op), groups_(groups) {
  std::unordered_set<const void*> seen;
  std::vector<std::string> names;
  for (const NamedParameter<T>& p : parameters) {
    if (!p.storage || !seen.insert(p.storage.get()).second) continue;
    parameters_.push_back(p);
    names.push_back(p.name);
  }
  if (parameters_.empty()) throw ValueError("[", op, "] got no parameters, expected at least one: parameters(model)");
  check_lr(lr);
  check("weight_decay", weight_decay, 0, 1e308);
  group_of_ = detail::find_groups(op, names, groups);
  lr_.resize(groups.size() + 1);
  set_lr(lr);
  decay_.push_back(weight_decay);
  for (const ParameterGroup& g : groups) decay_.push_back(g.weight_decay.value_or(weight_decay));
  steps_.resize(parameters_.size());
  for (std::string& name : state_names)
    state_.push_back({std::move(name), std::vector<std::vector<T>>(parameters_.size())});
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const auto& p = parameters_[i].storage;
    if (scale(group_of_[i]) != 0 || p->frozen) continue;
    p->clear_grad();
    p->frozen = true;
    frozen_here_.push_back(p);
  }
}

template <class T>
Optimizer<T>::~Optimizer() {
  for (const auto& p : frozen_here_) p->frozen = false;
}

template <class T>
void Optimizer<T>::step() {
  const FlushDenormals flush;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    ParameterStorage<T>& p = *parameters_[i].storage;
    if (p.frozen || !p.has_grad) continue;
    if (scale(group_of_[i]) != 0) {
      update(i, p, ++steps_[i]);
      ++p.version;
    }
    p.clear_grad();
  }
}

template <class T>
void Optimizer<T>::zero_grad() {
  for (const NamedParameter<T>& p : parameters_) p.storage->clear_grad();
}

template <class T>
void Optimizer<T>::set_lr(double lr) {
  check_lr(lr);
  for (std::size_t k = 0; k < lr_.size(); ++k) lr_[k] = lr * scale(k);
}

template <class T>
double Optimizer<T>::group_lr(std::size_t k) const {
  check_group(k);
  return lr_[k];
}

template <class T>
void Optimizer<T>::set_group_lr(std::size_t k, double lr) {
  check_group(k);
  check_lr(lr);
  lr_[k] = lr;
}

template <class T>
void Optimizer<T>::each_state(StateVisitor& visitor) {
  visitor.array("lr", std::span(lr_));
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const std::string prefix = parameters_[i].name + ".";
    visitor.array(prefix + "step", std::span(&steps_[i], 1));
    if (steps_[i] == 0) continue;
    for (std::size_t k = 0; k < state_.size(); ++k) {
      state(k, i);
      visitor.array(prefix + state_[k].name, std::span(state_[k].values[i]));
    }
  }
}

template <class T>
T* Optimizer<T>::state(std::size_t k, std::size_t i) {
  std::vector<T>& s = state_[k].values[i];
  if (s.empty()) s.resize(parameters_[i].storage->shape.size(), initial_state(k));
  return s.data();
}

template <class T>
T Optimizer<T>::initial_state(std::size_t) const {
  return T(0);
}

template <class T>
void Optimizer<T>::check(const char* what, double value, double low, double high) const {
  if (value >= low && value < high) return;
  std::string message = detail::text("[", op_, "] ", what, " ", value, ", expected ");
  message += high < 1e300 ? detail::text(low, " up to, not including, ", high) : std::to_string(low) + " or more";
  throw ValueError(message);
}

template <class T>
void Optimizer<T>::check_lr(double lr) const {
  if (!(lr >= 0)) throw ValueError("[", op_, "] learning rate ", lr, ", expected 0 or more");
}

template <class T>
void Optimizer<T>::check_group(std::size_t k) const {
  if (k >= lr_.size()) throw ValueError("[", op_, "] group ", k, ", expected 0 (no group) to ", groups_.size());
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace unroll
