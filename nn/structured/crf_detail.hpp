#pragma once
/// \file
/// Sums and maxima over the paths of a chain, in double and in log space.

#include <cstdint>
#include <limits>

#include "../../core/shape.hpp"

namespace unroll::detail {

/// The score of what is forbidden.
inline constexpr double log_zero = -std::numeric_limits<double>::infinity();

/// The scores of a chain over K tags, -inf where something is forbidden, and what makes summing over paths cheap: of
/// each column of the transitions its maximum, and the exponentials of the rest.
///
/// A step of the forward recursion is log sum_i exp(a_i + A_ij) = s_j + log sum_i exp(a_i) exp(A_ij - s_j): with `a`
/// normalised to a maximum of 0 that is K exponentials, K logarithms and a product with a matrix, not K^2 exponentials.
/// Where the sum came out so small that terms may have been lost to underflow it is taken again, term by term.
struct Chain {
  Index tags = 0;
  const double* start = nullptr;        // (K)
  const double* end = nullptr;          // (K)
  const double* transitions = nullptr;  // (K,K) [from][to]
  const double* shift = nullptr;        // (K): max over `from`
  const double* weights = nullptr;      // (K,K) [from][to]: exp(transitions - shift)
  const double* weights_to = nullptr;   // the same as [to][from]

  /// Doubles that a chain over K tags takes.
  static Index memory(Index tags) { return 3 * tags * tags + 3 * tags; }
  /// The chain in `memory`, whose first K + K + K*K numbers (start, end, transitions) are set.
  static Chain over(double* memory, Index tags);
};

/// a_j = log sum_i exp(before_i + A_ij), for `before` with maximum 0. `u` (K) gets exp(before), `sums` (K) the sums
/// that went into the logarithms.
void chain_forward(const Chain& chain, const double* before, double* after, double* u, double* sums);
/// Subtracts the maximum of `a` (K) and returns it; all -inf stay so.
double normalise(double* a, Index tags);
/// log sum_i exp(a_i + b_i).
double log_sum_exp(const double* a, const double* b, Index tags);
/// The adjoint of chain_forward: from g_j = P(tag j at step t+1) and `before` of step t, P(tag i at step t) into
/// `marginals` (K), and with `pairs` (K,K) [to][from], `scale` times P(i at t, j at t+1) added to it. `scratch` (3 K).
void chain_backward(const Chain& chain, const double* before, const double* g, double* marginals, double* pairs,
                    double scale, double* scratch);
/// best_j = max_i before_i + A_ij, from_j the first i that has it.
void chain_best(const Chain& chain, const double* before, double* best, std::int32_t* from);

}  // namespace unroll::detail
