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
  const auto& kernels = detail::active_update_kernels<T>();
  const detail::SgdNumbers numbers = {this->rate(i), options_.momentum, options_.dampening,
                                      decay,         options_.nesterov, step == 1};
  T* velocity = options_.momentum != 0 ? this->state(0, i) : nullptr;
  if (velocity || p.dense || decay != 0) {
    kernels.sgd(p.value, p.grad, velocity, p.shape.size(), numbers);
    return;
  }
  const Index cols = p.shape.cols();
  for (const Index row : p.touched_rows) kernels.sgd(p.value + row * cols, p.grad + row * cols, nullptr, cols, numbers);
}

template class SGD<float>;
template class SGD<double>;

}  // namespace unroll
