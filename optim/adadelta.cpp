#include "adadelta.hpp"

#include "kernels/update.hpp"

namespace unroll {

template <class T>
Adadelta<T>::Adadelta(const ParameterList<T>& parameters, const AdadeltaOptions& options, const ParameterGroups& groups)
    : Optimizer<T>("Adadelta", parameters, options.lr, options.weight_decay, groups, {"square_avg", "acc_delta"}),
      options_(options) {
  this->check("rho", options.rho, 0, 1);
  this->check("eps", options.eps, 0, 1e308);
}

template <class T>
void Adadelta<T>::update(std::size_t i, ParameterStorage<T>& p, Index) {
  const detail::AdadeltaNumbers numbers = {
      .lr = this->rate(i), .rho = options_.rho, .eps = options_.eps, .weight_decay = this->decay(i)};
  detail::active_update_kernels<T>().adadelta(p.value, p.grad, this->state(0, i), this->state(1, i), p.shape.size(),
                                              numbers);
}

template class Adadelta<float>;
template class Adadelta<double>;

}  // namespace unroll
