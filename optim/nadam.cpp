#include "nadam.hpp"

#include <cmath>

#include "kernels/update.hpp"

namespace unroll {

template <class T>
NAdam<T>::NAdam(const ParameterList<T>& parameters, const NAdamOptions& options, const ParameterGroups& groups)
    : Optimizer<T>("NAdam", parameters, options.lr, options.weight_decay, groups, {"exp_avg", "exp_avg_sq"}),
      options_(options),
      products_(this->parameters().size(), {0, 1.0}) {
  this->check("beta1", options.beta1, 0, 1);
  this->check("beta2", options.beta2, 0, 1);
  this->check("eps", options.eps, 0, 1e308);
  this->check("momentum_decay", options.momentum_decay, 0, 1e308);
}

template <class T>
double NAdam<T>::momentum(Index t) const {
  return options_.beta1 * (1 - 0.5 * std::pow(0.96, static_cast<double>(t) * options_.momentum_decay));
}

template <class T>
void NAdam<T>::update(std::size_t i, ParameterStorage<T>& p, Index step) {
  // Follows from the number of steps, so it is no state: after a restore it is multiplied anew, in the same order.
  auto& [count, product] = products_[i];
  if (count > step) count = 0, product = 1;
  while (count < step) product *= momentum(++count);

  const double lr = this->rate(i), decay = this->decay(i);
  const double now = momentum(step), next = momentum(step + 1);
  const bool decoupled = options_.decoupled_weight_decay;
  const detail::NadamNumbers numbers = {
      .mean_size = lr * next / (1 - product * next),
      .grad_size = lr * (1 - now) / (1 - product),
      .adam = {.step_size = 0,
               .beta1 = options_.beta1,
               .beta2 = options_.beta2,
               .inverse_root = 1 / std::sqrt(1 - std::pow(options_.beta2, static_cast<double>(step))),
               .eps = options_.eps,
               .weight_decay = decoupled ? 0 : decay,
               .keep = decoupled ? 1 - lr * decay : 1},
  };
  detail::active_update_kernels<T>().nadam(p.value, p.grad, this->state(0, i), this->state(1, i), p.shape.size(),
                                           numbers);
}

template class NAdam<float>;
template class NAdam<double>;

}  // namespace unroll
