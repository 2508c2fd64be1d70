#include "lbfgs.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "../core/error.hpp"
#include "../core/simd/kernels.hpp"
#include "line_search_detail.hpp"

namespace unroll {
namespace {

template <class T>
double dot(const std::vector<T>& x, const std::vector<T>& y) {
  return detail::kernels<T>().dot(x.data(), y.data(), x.size());
}

template <class T>
void add(std::vector<T>& y, double a, const std::vector<T>& x) {
  detail::kernels<T>().axpy(y.data(), static_cast<T>(a), x.data(), x.size());
}

/// The largest |x_i|; NaN if one is NaN.
template <class T>
double largest(const std::vector<T>& x) {
  double m = 0;
  for (const T v : x) {
    const double size = std::abs(static_cast<double>(v));
    if (!(size <= m)) m = size;
    if (std::isnan(m)) break;
  }
  return m;
}

/// Calls f(p, offset) for each parameter with its place in the vector of all.
template <class T, class F>
void each_place(const ParameterList<T>& parameters, const F& f) {
  std::size_t offset = 0;
  for (const NamedParameter<T>& p : parameters) {
    f(*p.storage, offset);
    offset += static_cast<std::size_t>(p.storage->shape.size());
  }
}

template <class T>
void take_values(const ParameterList<T>& parameters, std::vector<T>& x) {
  each_place<T>(parameters, [&](const ParameterStorage<T>& p, std::size_t offset) {
    std::copy_n(p.value, p.shape.size(), x.data() + offset);
  });
}

template <class T>
void take_gradients(const ParameterList<T>& parameters, std::vector<T>& g) {
  std::ranges::fill(g, T(0));
  each_place<T>(parameters, [&](const ParameterStorage<T>& p, std::size_t offset) {
    if (p.frozen || !p.has_grad) return;
    detail::each_reached(
        p, [&](Index first, Index count) { std::copy_n(p.grad + first, count, g.data() + offset + first); });
  });
}

/// Sets the parameters to x + t d.
template <class T>
void place(const ParameterList<T>& parameters, const std::vector<T>& x, double t, const std::vector<T>& d) {
  each_place<T>(parameters, [&](ParameterStorage<T>& p, std::size_t offset) {
    if (p.frozen) return;
    std::copy_n(x.data() + offset, p.shape.size(), p.value);
    detail::kernels<T>().axpy(p.value, static_cast<T>(t), d.data() + offset, p.shape.size());
    ++p.version;
  });
}

}  // namespace

template <class T>
LBFGS<T>::LBFGS(const ParameterList<T>& parameters, const LBFGSOptions& options)
    : Optimizer<T>("LBFGS", parameters, options.lr, 0, {}, {}), options_(options) {
  const auto at_least = [](const char* what, Index value, Index low) {
    if (value < low) throw ValueError("[LBFGS] ", what, " ", value, ", expected ", low, " or more");
  };
  at_least("max_iter", options.max_iter, 1);
  if (options.max_eval) at_least("max_eval", *options.max_eval, 1);
  at_least("history_size", options.history_size, 1);
  this->check("tolerance_grad", options.tolerance_grad, 0, 1e308);
  this->check("tolerance_change", options.tolerance_change, 0, 1e308);
  for (const auto& p : this->parameters()) size_ += static_cast<std::size_t>(p.storage->shape.size());
}

template <class T>
double LBFGS<T>::run(double (*closure)(void*), void* f) {
  const ParameterList<T>& parameters = this->parameters();
  const Index most_evaluations = options_.max_eval.value_or(options_.max_iter * 5 / 4);
  Vector grad(size_), x(size_);
  const auto evaluate = [&](Vector& g) {
    this->zero_grad();
    const double loss = closure(f);
    take_gradients(parameters, g);
    return loss;
  };

  const double first = evaluate(grad);
  double loss = first;
  Index evaluations = 1;
  ++counts_[1];
  for (Index k = 1; !(largest(grad) <= options_.tolerance_grad); ++k) {
    if (++counts_[0] == 1) {
      d_.assign(size_, T(0));
      add(d_, -1, grad);
    } else {
      remember(grad);
      next_direction(grad);
    }
    prev_grad_ = grad;
    numbers_[2] = loss;

    double& t = numbers_[0];
    t = this->lr();
    if (counts_[0] == 1) {
      double sum = 0;
      for (const T g : grad) sum += std::abs(static_cast<double>(g));
      t *= std::min(1.0, 1 / sum);
    }
    const double slope = dot(grad, d_), reach = largest(d_);
    if (slope > -options_.tolerance_change) break;

    take_values(parameters, x);
    Index spent = 0;
    if (options_.line_search == LineSearch::strong_wolfe) {
      const auto at = [&](double length) {
        detail::LinePoint<T> p = {length, 0, 0, Vector(size_)};
        place(parameters, x, length, d_);
        p.loss = evaluate(p.grad);
        p.slope = dot(p.grad, d_);
        return p;
      };
      detail::LinePoint<T> best =
          detail::strong_wolfe<T>(at, {0, loss, slope, grad}, t, reach, options_.tolerance_change, spent);
      t = best.t;
      loss = best.loss;
      grad = std::move(best.grad);
      place(parameters, x, t, d_);
    } else {
      place(parameters, x, t, d_);
      if (k < options_.max_iter) {  // nobody would look at the last one
        loss = evaluate(grad);
        spent = 1;
      }
    }
    evaluations += spent;
    counts_[1] += spent;
    if (k >= options_.max_iter || evaluations >= most_evaluations) break;
    if (reach * t <= options_.tolerance_change || std::abs(loss - numbers_[2]) < options_.tolerance_change) break;
  }
  this->zero_grad();
  return first;
}

template <class T>
void LBFGS<T>::remember(const Vector& grad) {
  Vector y = grad, s(size_);
  add(y, -1, prev_grad_);
  add(s, numbers_[0], d_);
  const double ys = dot(y, s);
  if (!(ys > 1e-10)) return;
  if (counts_[2] == options_.history_size) {
    old_dirs_.erase(old_dirs_.begin());
    old_stps_.erase(old_stps_.begin());
    ro_.erase(ro_.begin());
  }
  numbers_[1] = ys / dot(y, y);
  ro_.push_back(1 / ys);
  old_dirs_.push_back(std::move(y));
  old_stps_.push_back(std::move(s));
  counts_[2] = static_cast<Index>(ro_.size());
}

template <class T>
void LBFGS<T>::next_direction(const Vector& grad) {
  std::vector<double> alpha(ro_.size());
  d_.assign(size_, T(0));
  add(d_, -1, grad);
  for (std::size_t i = ro_.size(); i-- > 0;) {
    alpha[i] = dot(old_stps_[i], d_) * ro_[i];
    add(d_, -alpha[i], old_dirs_[i]);
  }
  detail::kernels<T>().scale(d_.data(), static_cast<T>(numbers_[1]), static_cast<Index>(size_));
  for (std::size_t i = 0; i < ro_.size(); ++i) add(d_, alpha[i] - dot(old_dirs_[i], d_) * ro_[i], old_stps_[i]);
  each_place<T>(this->parameters(), [&](const ParameterStorage<T>& p, std::size_t offset) {
    if (p.frozen) std::fill_n(d_.data() + offset, p.shape.size(), T(0));
  });
}

template <class T>
void LBFGS<T>::update(std::size_t, ParameterStorage<T>&, Index) {
  throw ValueError("[LBFGS] step() without a closure, expected step(closure): see LBFGS::step");
}

template <class T>
void LBFGS<T>::each_state(StateVisitor& visitor) {
  double lr = this->lr();
  visitor.array("lr", std::span(&lr, 1));
  this->set_lr(lr);
  visitor.array("counts", std::span(counts_));
  if (counts_[0] == 0) return;
  if (counts_[2] < 0 || counts_[2] > options_.history_size)
    throw ValueError("[LBFGS] state with ", counts_[2], " pairs, expected 0 to history_size ", options_.history_size);
  const auto pairs = static_cast<std::size_t>(counts_[2]);
  ro_.resize(pairs);
  old_dirs_.resize(pairs);
  old_stps_.resize(pairs);
  d_.resize(size_);
  prev_grad_.resize(size_);
  visitor.array("numbers", std::span(numbers_));
  visitor.array("ro", std::span(ro_));
  visitor.array("d", std::span(d_));
  visitor.array("prev_flat_grad", std::span(prev_grad_));
  for (std::size_t k = 0; k < pairs; ++k) {
    old_dirs_[k].resize(size_);
    old_stps_[k].resize(size_);
    visitor.array("old_dirs." + std::to_string(k), std::span(old_dirs_[k]));
    visitor.array("old_stps." + std::to_string(k), std::span(old_stps_[k]));
  }
}

template class LBFGS<float>;
template class LBFGS<double>;

}  // namespace unroll
