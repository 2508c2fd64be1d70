#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "../../core/error.hpp"
#include "sequence_models.hpp"

namespace unroll {
namespace {

using Size = std::size_t;

// The lower factor L of a positive definite matrix L L^T (n, n); false when it is none.
bool cholesky(std::span<const double> a, Size n, std::vector<double>& l) {
  l.assign(n * n, 0.0);
  for (Size i = 0; i < n; ++i)
    for (Size j = 0; j <= i; ++j) {
      double sum = a[i * n + j];
      for (Size k = 0; k < j; ++k) sum -= l[i * n + k] * l[j * n + k];
      if (i == j) {
        // What rounding leaves of nothing is nothing.
        if (!(sum > 1e-13 * a[i * n + i])) return false;
        l[i * n + i] = std::sqrt(sum);
      } else {
        l[i * n + j] = sum / l[j * n + j];
      }
    }
  return true;
}

// x := L^-1 x
void solve_lower(std::span<const double> l, std::span<double> x) {
  const Size n = x.size();
  for (Size i = 0; i < n; ++i) {
    for (Size k = 0; k < i; ++k) x[i] -= l[i * n + k] * x[k];
    x[i] /= l[i * n + i];
  }
}
// x := L^-T x
void solve_upper(std::span<const double> l, std::span<double> x) {
  const Size n = x.size();
  for (Size i = n; i-- > 0;) {
    for (Size k = i + 1; k < n; ++k) x[i] -= l[k * n + i] * x[k];
    x[i] /= l[i * n + i];
  }
}

double log_gauss(std::span<const double> root, std::span<double> difference) {
  solve_lower(root, difference);
  const Size n = difference.size();
  double sum = static_cast<double>(n) * std::log(2 * std::numbers::pi);
  for (Size i = 0; i < n; ++i) sum += difference[i] * difference[i] + 2 * std::log(root[i * n + i]);
  return -sum / 2;
}

void check_steps(std::span<const std::vector<double>> data, Size results, Index features) {
  if (data.size() != results)
    throw ShapeError("[Autoregression] ", results, " numbers for ", data.size(), " sequences");
  for (const auto& x : data)
    if (static_cast<Index>(x.size()) % features != 0)
      throw ShapeError("[Autoregression] a sequence of ", x.size(), " numbers, steps have ", features);
}

// sum of weight * (y - M z)(y - M z)^T over what `each` hands over, divided by the sum of weights.
struct Residuals {
  explicit Residuals(Size n) : f(n), sum(n * n) {}
  void add(double w, std::span<const double> r) {
    weight += w;
    for (Size i = 0; i < f; ++i)
      for (Size j = 0; j <= i; ++j) sum[i * f + j] += w * r[i] * r[j];
  }
  void finish(bool full, double variance) {
    for (Size i = 0; i < f; ++i)
      for (Size j = 0; j <= i; ++j) {
        const double x = i == j ? sum[i * f + i] + variance : full ? sum[i * f + j] : 0;
        sum[i * f + j] = sum[j * f + i] = x / weight;
      }
  }
  Size f;
  double weight = 0;
  std::vector<double> sum;
};

}  // namespace

Autoregression::Autoregression(Index features, const AutoregressionOptions& options)
    : features_(features), options_(options) {
  if (features < 1) throw ValueError("[Autoregression] ", features, " features, expected at least 1");
  for (const double x : {options.ridge, options.variance})
    if (!(x >= 0) || !std::isfinite(x))
      throw ValueError("[Autoregression] ridge or variance ", x, ", expected 0 or more");
  const auto f = static_cast<Size>(features);
  a_.assign(f * f, 0.0);
  b_.assign(f, 0.0);
  m_ = b_;
  q_ = a_;
  for (Size i = 0; i < f; ++i) q_[i * f + i] = 1;
  p_ = q_;
  factor();
}

void Autoregression::factor() {
  const auto f = static_cast<Size>(features_);
  std::vector<double> q, p;
  if (!cholesky(q_, f, q) || !cholesky(p_, f, p))
    throw ValueError(
        "[Autoregression] a covariance is not positive definite: too few different steps for a component; set "
        "`variance`");
  q_root_ = std::move(q);
  p_root_ = std::move(p);
}

void Autoregression::log_likelihoods(std::span<const std::vector<double>> data, std::span<double> out) const {
  check_steps(data, out.size(), features_);
  const auto f = static_cast<Size>(features_);
  std::vector<double> r(f);
  for (Size n = 0; n < data.size(); ++n) {
    const auto& x = data[n];
    double sum = 0;
    for (Size t = 0; t < x.size() / f; ++t) {
      const double* now = x.data() + t * f;
      const double* before = t > 0 ? now - f : nullptr;
      for (Size i = 0; i < f; ++i) {
        r[i] = now[i] - (t == 0 ? m_[i] : b_[i]);
        if (t > 0 && options_.lagged)
          for (Size j = 0; j < f; ++j) r[i] -= a_[i * f + j] * before[j];
      }
      sum += log_gauss(t == 0 ? p_root_ : q_root_, r);
    }
    out[n] = sum;
  }
}

void Autoregression::fit(std::span<const std::vector<double>> data, std::span<const double> weights) {
  check_steps(data, weights.size(), features_);
  const auto f = static_cast<Size>(features_);
  const auto each_step = [&](auto&& visit) {
    for (Size n = 0; n < data.size(); ++n) {
      if (weights[n] == 0) continue;
      for (Size t = 1; t < data[n].size() / f; ++t) visit(weights[n], data[n].data() + t * f);
    }
  };
  const auto each_start = [&](auto&& visit) {
    for (Size n = 0; n < data.size(); ++n)
      if (weights[n] != 0 && !data[n].empty()) visit(weights[n], data[n].data());
  };

  double starts = 0, steps = 0;
  std::vector<double> mean(f), centre(f), centre_before(f);
  each_start([&](double w, const double* x) {
    starts += w;
    for (Size i = 0; i < f; ++i) mean[i] += w * x[i];
  });
  each_step([&](double w, const double* x) {
    steps += w;
    for (Size i = 0; i < f; ++i) {
      centre[i] += w * x[i];
      centre_before[i] += w * (x - f)[i];
    }
  });
  if (starts > 0) {
    for (double& x : mean) x /= starts;
    Residuals residuals(f);
    std::vector<double> r(f);
    each_start([&](double w, const double* x) {
      for (Size i = 0; i < f; ++i) r[i] = x[i] - mean[i];
      residuals.add(w, r);
    });
    residuals.finish(options_.full, options_.variance);
    m_ = mean;
    p_ = residuals.sum;
  }
  if (steps > 0) {
    for (double& x : centre) x /= steps;
    for (double& x : centre_before) x /= steps;
    std::vector<double> a(f * f, 0.0);
    if (options_.lagged) {
      // Around the means the offset drops out: A (X X^T + l I) = Y X^T.
      std::vector<double> gram(f * f), cross(f * f), root;
      each_step([&](double w, const double* x) {
        for (Size i = 0; i < f; ++i) {
          const double before = (x - f)[i] - centre_before[i];
          for (Size j = 0; j < f; ++j) {
            gram[i * f + j] += w * before * ((x - f)[j] - centre_before[j]);
            cross[j * f + i] += w * before * (x[j] - centre[j]);
          }
        }
      });
      for (Size i = 0; i < f; ++i) gram[i * f + i] += options_.ridge;
      if (!cholesky(gram, f, root))
        throw ValueError("[Autoregression] too few different steps to find A: set `ridge`, or `lagged` to false");
      a = std::move(cross);
      for (Size i = 0; i < f; ++i) {
        const auto row = std::span(a).subspan(i * f, f);
        solve_lower(root, row);
        solve_upper(root, row);
      }
    }
    for (Size i = 0; i < f; ++i) {
      b_[i] = centre[i];
      for (Size j = 0; j < f; ++j) b_[i] -= a[i * f + j] * centre_before[j];
    }
    Residuals residuals(f);
    std::vector<double> r(f);
    each_step([&](double w, const double* x) {
      for (Size i = 0; i < f; ++i) {
        r[i] = x[i] - b_[i];
        for (Size j = 0; j < f; ++j) r[i] -= a[i * f + j] * (x - f)[j];
      }
      residuals.add(w, r);
    });
    for (Size i = 0; i < f && options_.ridge > 0; ++i)
      for (Size j = 0; j <= i; ++j)
        for (Size k = 0; k < f; ++k) residuals.sum[i * f + j] += options_.ridge * a[i * f + k] * a[j * f + k];
    residuals.finish(options_.full, options_.variance);
    a_ = std::move(a);
    q_ = residuals.sum;
  }
  factor();
}

double Autoregression::log_prior() const {
  const auto f = static_cast<Size>(features_);
  double sum = 0;
  std::vector<double> x(f);
  const auto add = [&](std::span<const double> root, double factor) {
    solve_lower(root, x);
    for (const double v : x) sum -= factor / 2 * v * v;
  };
  for (Size i = 0; i < f; ++i) {
    for (const auto* root : {&q_root_, &p_root_}) {
      std::ranges::fill(x, 0.0);
      x[i] = 1;
      add(*root, options_.variance);
    }
    for (Size j = 0; j < f; ++j) x[j] = a_[j * f + i];
    add(q_root_, options_.ridge);
  }
  return sum;
}

std::vector<double> Autoregression::sample(Index length, Rng& rng) const {
  const auto f = static_cast<Size>(features_);
  std::vector<double> x(static_cast<Size>(length) * f), noise(f);
  for (Size t = 0; t < static_cast<Size>(length); ++t) {
    rng.fill_normal(std::span<double>(noise));
    double* now = x.data() + t * f;
    const auto& root = t == 0 ? p_root_ : q_root_;
    for (Size i = 0; i < f; ++i) {
      now[i] = t == 0 ? m_[i] : b_[i];
      for (Size j = 0; j <= i; ++j) now[i] += root[i * f + j] * noise[j];
      for (Size j = 0; j < f && t > 0; ++j) now[i] += a_[i * f + j] * (now - f)[j];
    }
  }
  return x;
}

}  // namespace unroll
