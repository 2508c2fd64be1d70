#include "gradient_watch.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "../core/error.hpp"
#include "../core/simd/kernels.hpp"
#include "optimizer.hpp"

namespace unroll {
namespace {

template <class T>
double norm_of(const ParameterStorage<T>& p) {
  double sum = 0;
  if (p.has_grad)
    detail::each_reached(
        p, [&](Index first, Index count) { sum += detail::kernels<T>().sum_of_squares(p.grad + first, count); });
  return std::sqrt(sum);
}

std::string short_text(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", x);
  return text;
}

}  // namespace

template <class T>
GradientWatch<T>::GradientWatch(ParameterList<T> parameters, GradientWatchOptions options)
    : parameters_(std::move(parameters)),
      options_(options),
      histories_(parameters_.size()),
      norms_(parameters_.size()) {
  if (options.dead_after < 1 || !(options.exploding > 1))
    throw ValueError("[GradientWatch] dead_after ", options.dead_after, ", exploding ", short_text(options.exploding),
                     "; expected at least 1 step, and a factor above 1");
}

template <class T>
std::vector<GradientWarning> GradientWatch<T>::look() {
  ++steps_;
  std::vector<GradientWarning> warnings;
  for (std::size_t k = 0; k < parameters_.size(); ++k) {
    const std::string& name = parameters_[k].name;
    const auto& storage = parameters_[k].storage;
    History& h = histories_[k];
    const double norm = norms_[k] = norm_of(*storage);
    if (storage->frozen) continue;
    const double usual = h.seen >= options_.warm_up ? std::exp(h.log_usual) : 0;
    const auto tell = [&](bool is, bool& told, GradientTrouble trouble, const std::string& what) {
      if (is && !told)
        warnings.push_back({trouble, name, steps_, norm, usual, detail::text("step ", steps_, ": ", name, ": ", what)});
      told = is;
    };
    tell(!std::isfinite(norm), h.non_finite, GradientTrouble::non_finite, "the gradient is not finite");
    if (!std::isfinite(norm)) continue;
    h.zeros = norm == 0 ? h.zeros + 1 : 0;
    tell(h.zeros >= options_.dead_after, h.dead, GradientTrouble::dead,
         detail::text("the gradient has been zero for ", h.zeros, " steps"));
    if (norm == 0) continue;
    const bool exploding = usual > 0 && norm > options_.exploding * usual;
    tell(exploding, h.exploding, GradientTrouble::exploding,
         "the gradient's norm is " + short_text(norm) + ", usually " + short_text(usual));
    const double counted = std::log(exploding ? options_.exploding * usual : norm);
    ++h.seen;
    h.log_usual += (counted - h.log_usual) / static_cast<double>(std::min<Index>(h.seen, 10));
  }
  return warnings;
}

template class GradientWatch<float>;
template class GradientWatch<double>;

}  // namespace unroll
