#include "adagrad.hpp"

#include "kernels/update.hpp"

namespace unroll {

template <class T>
Adagrad<T>::Adagrad(const ParameterList<T>& parameters, const AdagradOptions& options, const ParameterGroups& groups)
    : Optimizer<T>("Adagrad", parameters, options.lr, options.weight_decay, groups, {"sum"}), options_(options) {
  this->check("lr_decay", options.lr_decay, 0, 1e308);
  this->check("initial_accumulator_value", options.initial_accumulator_value, 0, 1e308);
  this->check("eps", options.eps, 0, 1e308);
}

template <class T>
T Adagrad<T>::initial_state(std::size_t) const {
  return static_cast<T>(options_.initial_accumulator_value);
}

template <class T>
void Adagrad<T>::update(std::size_t i, ParameterStorage<T>& p, Index step) {
  const double lr = this->rate(i) / (1 + static_cast<double>(step - 1) * options_.lr_decay), decay = this->decay(i);
  const detail::AdagradNumbers numbers = {lr, options_.eps, decay};
  T* sum = this->state(0, i);
  const auto update = [&](Index first, Index count) {
    detail::active_update_kernels<T>().adagrad(p.value + first, p.grad + first, sum + first, count, numbers);
  };
  if (decay != 0) return update(0, p.shape.size());
  detail::each_reached(p, update);
}

template class Adagrad<float>;
template class Adagrad<double>;

}  // namespace unroll
