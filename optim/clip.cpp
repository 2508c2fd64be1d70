#include "clip.hpp"

#include <cmath>
#include <string>

#include "../core/error.hpp"
#include "../core/simd/kernels.hpp"

namespace unroll {
namespace {

// Calls f(data, n) for every piece of gradient that may differ from zero, each once.
template <class T, class F>
void each_gradient(const ParameterList<T>& parameters, const F& f) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const ParameterStorage<T>* p = parameters[i].storage.get();
    if (!p || p->frozen || !p->has_grad) continue;
    bool seen = false;
    for (std::size_t k = 0; k < i && !seen; ++k) seen = parameters[k].storage.get() == p;
    if (seen) continue;
    detail::each_reached(*p, [&](Index first, Index count) { f(p->grad + first, count); });
  }
}

void check_limit(const char* op, const char* what, double limit) {
  if (!(limit >= 0)) throw ValueError("[", op, "] ", what, " ", limit, ", expected 0 or more");
}

}  // namespace

template <class T>
double clip_grad_norm(const ParameterList<T>& parameters, double max_norm, const ClipOptions& options) {
  check_limit("clip_grad_norm", "max_norm", max_norm);
  const auto& kernels = detail::kernels<T>();
  double squares = 0;
  each_gradient(parameters, [&](const T* g, Index n) { squares += kernels.sum_of_squares(g, n); });
  const double norm = std::sqrt(squares);
  if (!std::isfinite(norm)) {
    if (options.error_if_nonfinite)
      throw ValueError("[clip_grad_norm] the norm of the gradients is ", norm, ", expected a finite number");
    return norm;
  }
  const double factor = max_norm / (norm + 1e-6);
  if (factor < 1) each_gradient(parameters, [&](T* g, Index n) { kernels.scale(g, static_cast<T>(factor), n); });
  return norm;
}

template <class T>
void clip_grad_value(const ParameterList<T>& parameters, double limit) {
  check_limit("clip_grad_value", "limit", limit);
  const T high = static_cast<T>(limit), low = -high;
  each_gradient(parameters, [&](T* g, Index n) {
    for (Index i = 0; i < n; ++i) g[i] = g[i] > high ? high : g[i] < low ? low : g[i];
  });
}

template double clip_grad_norm(const ParameterList<float>&, double, const ClipOptions&);
template double clip_grad_norm(const ParameterList<double>&, double, const ClipOptions&);
template void clip_grad_value(const ParameterList<float>&, double);
template void clip_grad_value(const ParameterList<double>&, double);

}  // namespace unroll
