#include "adam.hpp"

#include <cmath>

#include "kernels/update.hpp"

namespace unroll {
namespace {

std::vector<std::string> state_names(bool amsgrad) {
  std::vector<std::string> names = {"exp_avg", "exp_avg_sq"};
  if (amsgrad) names.push_back("max_exp_avg_sq");
  return names;
}

}  // namespace

template <class T>
Adam<T>::Adam(const char* op, const ParameterList<T>& parameters, const AdamOptions& options,
              const ParameterGroups& groups, bool decoupled)
    : Optimizer<T>(op, parameters, options.lr, options.weight_decay, groups, state_names(options.amsgrad)),
      options_(options),
      decoupled_(decoupled) {
  this->check("beta1", options.beta1, 0, 1);
  this->check("beta2", options.beta2, 0, 1);
  this->check("eps", options.eps, 0, 1e308);
}

template <class T>
void Adam<T>::update(std::size_t i, ParameterStorage<T>& p, Index step) {
  const auto t = static_cast<double>(step);
  const double lr = this->rate(i), decay = this->decay(i);
  const detail::AdamNumbers numbers = {
      .step_size = lr / (1 - std::pow(options_.beta1, t)),
      .beta1 = options_.beta1,
      .beta2 = options_.beta2,
      .inverse_root = 1 / std::sqrt(1 - std::pow(options_.beta2, t)),
      .eps = options_.eps,
      .weight_decay = decoupled_ ? 0 : decay,
      .keep = decoupled_ ? 1 - lr * decay : 1,
  };
  T* largest = options_.amsgrad ? this->state(2, i) : nullptr;
  detail::active_update_kernels<T>().adam(p.value, p.grad, this->state(0, i), this->state(1, i), largest,
                                          p.shape.size(), numbers);
}

template class Adam<float>;
template class Adam<double>;

}  // namespace unroll
