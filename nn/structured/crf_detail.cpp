#include "crf_detail.hpp"

#include <algorithm>
#include <cmath>

namespace unroll::detail {
namespace {

// Terms lost to underflow are below 1e-307 each, and do not count beside a sum of this.
constexpr double smallest_safe_sum = 1e-200;

// log sum_i exp(before_i + A_ij), term by term.
double exact_column(const Chain& chain, const double* before, Index j) {
  const Index k = chain.tags;
  double top = log_zero;
  for (Index i = 0; i < k; ++i) top = std::max(top, before[i] + chain.transitions[i * k + j]);
  if (top == log_zero) return top;
  double sum = 0;
  for (Index i = 0; i < k; ++i) sum += std::exp(before[i] + chain.transitions[i * k + j] - top);
  return top + std::log(sum);
}

void exponentials_and_sums(const Chain& chain, const double* before, double* u, double* sums) {
  const Index k = chain.tags;
  for (Index i = 0; i < k; ++i) u[i] = std::exp(before[i]);
  std::fill_n(sums, k, 0.0);
  for (Index i = 0; i < k; ++i) {
    const double* w = chain.weights + i * k;
    for (Index j = 0; j < k; ++j) sums[j] += u[i] * w[j];
  }
}

}  // namespace

Chain Chain::over(double* memory, Index tags) {
  const Index k = tags;
  double* transitions = memory + 2 * k;
  double* shift = transitions + k * k;
  double* weights = shift + k;
  double* weights_to = weights + k * k;
  std::fill_n(shift, k, log_zero);
  for (Index i = 0; i < k; ++i)
    for (Index j = 0; j < k; ++j) {
      const double a = transitions[i * k + j];
      if (a > shift[j] || a != a) shift[j] = a;  // a NaN wins and stays
    }
  for (Index i = 0; i < k; ++i)
    for (Index j = 0; j < k; ++j)
      weights_to[j * k + i] = weights[i * k + j] =
          shift[j] == log_zero ? 0 : std::exp(transitions[i * k + j] - shift[j]);
  return {k, memory, memory + k, transitions, shift, weights, weights_to};
}

void chain_forward(const Chain& chain, const double* before, double* after, double* u, double* sums) {
  exponentials_and_sums(chain, before, u, sums);
  for (Index j = 0; j < chain.tags; ++j)
    after[j] = sums[j] < smallest_safe_sum ? exact_column(chain, before, j) : std::log(sums[j]) + chain.shift[j];
}

double normalise(double* a, Index tags) {
  const double top = *std::max_element(a, a + tags);
  if (top != log_zero)
    for (Index i = 0; i < tags; ++i) a[i] -= top;
  return top;
}

double log_sum_exp(const double* a, const double* b, Index tags) {
  double top = log_zero;
  for (Index i = 0; i < tags; ++i) top = std::max(top, a[i] + b[i]);
  double sum = 0;
  for (Index i = 0; i < tags; ++i) sum += a[i] + b[i] == log_zero ? 0 : std::exp(a[i] + b[i] - top);
  return sum == 0 ? log_zero : top + std::log(sum);
}

void chain_backward(const Chain& chain, const double* before, const double* g, double* marginals, double* pairs,
                    double scale, double* scratch) {
  const Index k = chain.tags;
  double *u = scratch, *sums = u + k, *scaled_u = sums + k;
  exponentials_and_sums(chain, before, u, sums);
  for (Index i = 0; i < k; ++i) scaled_u[i] = scale * u[i];
  std::fill_n(marginals, k, 0.0);
  for (Index j = 0; j < k; ++j) {
    if (g[j] == 0 || sums[j] < smallest_safe_sum) continue;
    const double q = g[j] / sums[j];
    const double* w = chain.weights_to + j * k;
    if (pairs) {
      double* pair = pairs + j * k;
      for (Index i = 0; i < k; ++i) pair[i] += scaled_u[i] * (w[i] * q);
    }
    for (Index i = 0; i < k; ++i) marginals[i] += w[i] * q;
  }
  for (Index i = 0; i < k; ++i) marginals[i] *= u[i];
  for (Index j = 0; j < k; ++j) {
    if (g[j] == 0 || !(sums[j] < smallest_safe_sum)) continue;
    const double total = exact_column(chain, before, j);
    if (total == log_zero) continue;
    for (Index i = 0; i < k; ++i) {
      const double p = g[j] * std::exp(before[i] + chain.transitions[i * k + j] - total);
      marginals[i] += p;
      if (pairs) pairs[j * k + i] += scale * p;
    }
  }
}

void chain_best(const Chain& chain, const double* before, double* best, std::int32_t* from) {
  const Index k = chain.tags;
  std::fill_n(best, k, log_zero);
  std::fill_n(from, k, 0);
  for (Index i = 0; i < k; ++i) {
    const double* a = chain.transitions + i * k;
    for (Index j = 0; j < k; ++j) {
      const double score = before[i] + a[j];
      if (score > best[j]) {
        best[j] = score;
        from[j] = static_cast<std::int32_t>(i);
      }
    }
  }
}

}  // namespace unroll::detail
