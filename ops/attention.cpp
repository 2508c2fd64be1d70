#include "attention.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "../core/op.hpp"
#include "elementwise.hpp"
#include "linear.hpp"
#include "softmax.hpp"
#include "where.hpp"

namespace unroll {

template <class T>
DenseAttended<T> scaled_dot_product_attention(const Variable<T>& q, const Variable<T>& k, const Variable<T>& v,
                                              const ScaledDotProductOptions& options) {
  detail::Op<T> op("scaled_dot_product_attention");
  op.use(q), op.use(k), op.use(v);
  const int rank = q.shape().rank();
  const bool fits = (rank == 2 || rank == 3) && k.shape().rank() == rank && v.shape().rank() == rank &&
                    k.dim(-1) == q.dim(-1) && v.dim(-2) == k.dim(-2) &&
                    (rank == 2 || (k.dim(0) == q.dim(0) && v.dim(0) == q.dim(0)));
  if (!fits)
    throw ShapeError(op.message("q ", q.shape(), ", k ", k.shape(), ", v ", v.shape(),
                                "; expected (S,M,D), (S,N,D), (S,N,F), or all without S"));
  const Index queries = q.dim(-2), keys = k.dim(-2), plane = queries * keys;
  const T scale = static_cast<T>(1 / std::sqrt(static_cast<double>(std::max<Index>(q.dim(-1), 1))));
  Variable<T> scores = matmul(q * scale, k, {.transpose_b = true});
  const auto given = static_cast<Index>(options.allowed.size());
  if (given != 0 && given != plane && given != scores.size())
    throw ShapeError(op.message(given, " numbers in the mask of scores ", scores.shape()));
  if (given != 0 || options.causal) {
    auto* forbidden = op.template allocate<std::uint8_t>(scores.size());
    for (Index i = 0; i < scores.size(); ++i) {
      const bool allowed = given == 0 || options.allowed[static_cast<std::size_t>(given == plane ? i % plane : i)] != 0;
      forbidden[i] = !allowed || (options.causal && i % keys > i / keys % queries);
    }
    scores = masked_fill(scores, std::span<const std::uint8_t>(forbidden, static_cast<std::size_t>(scores.size())),
                         -std::numeric_limits<T>::infinity());
  }
  const Variable<T> weights = softmax(scores);
  return {matmul(weights, v), weights};
}

template DenseAttended<float> scaled_dot_product_attention(const Variable<float>&, const Variable<float>&,
                                                           const Variable<float>&, const ScaledDotProductOptions&);
template DenseAttended<double> scaled_dot_product_attention(const Variable<double>&, const Variable<double>&,
                                                            const Variable<double>&, const ScaledDotProductOptions&);

}  // namespace unroll
