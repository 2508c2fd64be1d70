#include "rmsprop.hpp"

#include "kernels/update.hpp"

namespace unroll {
namespace {

std::vector<std::string> state_names(const RMSpropOptions& o) {
  std::vector<std::string> names = {"square_avg"};
  if (o.centered) names.push_back("grad_avg");
  if (o.momentum != 0) names.push_back("momentum_buffer");
  return names;
}

}  // namespace

template <class T>
RMSprop<T>::RMSprop(const ParameterList<T>& parameters, const RMSpropOptions& options, const ParameterGroups& groups)
    : Optimizer<T>("RMSprop", parameters, options.lr, options.weight_decay, groups, state_names(options)),
      options_(options) {
  this->check("alpha", options.alpha, 0, 1);
  this->check("eps", options.eps, 0, 1e308);
  this->check("momentum", options.momentum, 0, 1e308);
}

template <class T>
void RMSprop<T>::update(std::size_t i, ParameterStorage<T>& p, Index) {
  const detail::RmspropNumbers numbers = {
      .lr = this->rate(i),
      .alpha = options_.alpha,
      .eps = options_.eps,
      .weight_decay = this->decay(i),
      .momentum = options_.momentum,
  };
  T* mean = options_.centered ? this->state(1, i) : nullptr;
  T* velocity = options_.momentum != 0 ? this->state(options_.centered ? 2 : 1, i) : nullptr;
  detail::active_update_kernels<T>().rmsprop(p.value, p.grad, this->state(0, i), mean, velocity, p.shape.size(),
                                             numbers);
}

template class RMSprop<float>;
template class RMSprop<double>;

}  // namespace unroll
