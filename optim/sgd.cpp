#include "sgd.hpp"

#include "../core/error.hpp"
#include "kernels/update.hpp"

namespace unroll {

template <class T>
SGD<T>::SGD(const ParameterList<T>& parameters, const SGDOptions& options, const ParameterGroups& groups)
    : Optimizer<T>("SGD", parameters, options.lr, options.weight_decay, groups,
                   options.momentum != 0 ? std::vector<std::string>{"momentum_buffer"} : std::vector<std::string>{}),
      options_(options) {
  this->check("momentum", options.momentum, 0, 1e308);
  if (options.nesterov && (!(options.momentum > 0) || options.dampening != 0))
    throw ValueError("[SGD] nesterov with momentum ", options.momentum, " and dampening ", options.dampening,
                     ", expected a positive momentum and no dampening");
}

template <class T>
void SGD<T>::update(std::size_t i, ParameterStorage<T>& p, Index step) {
  const double decay = this->decay(i);
  const detail::SgdNumbers numbers = {this->rate(i), options_.momentum, options_.dampening,
                                      decay,         options_.nesterov, step == 1};
  T* velocity = options_.momentum != 0 ? this->state(0, i) : nullptr;
  const auto update = [&](Index first, Index count) {
    detail::active_update_kernels<T>().sgd(p.value + first, p.grad + first, velocity, count, numbers);
  };
  if (velocity || decay != 0) return update(0, p.shape.size());
  detail::each_reached(p, update);
}

template class SGD<float>;
template class SGD<double>;

}  // namespace unroll
