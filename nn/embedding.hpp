#pragma once
/// \file
/// A table of learned vectors, one a symbol.

#include <optional>
#include <span>

#include "unroll/core/random.hpp"
#include "unroll/nn/module.hpp"
#include "unroll/ops/gather.hpp"

namespace unroll {

/// Row `id` of a table: the vector of symbol `id`. The same as a one-hot row times the table, without the product;
/// backward touches only the rows that were used.
///
/// `weight` (count, dim), normal with deviation 1 at the start, as PyTorch's. Throws ValueError on a size below 1, and
/// on an id outside 0 .. count-1 it names its position.
template <class T = float>
class Embedding {
 public:
  using scalar = T;

  Embedding(Index count, Index dim, Rng& rng);

  /// (N) ids to (N, dim).
  Variable<T> operator()(std::span<const Index> ids) const { return gather_rows(use(weight), ids); }
  /// ids of the given shape, row-major, to (shape..., dim): (T, B) to (T, B, dim).
  Variable<T> operator()(std::span<const Index> ids, const Shape& shape) const {
    return gather_rows(use(weight), ids, shape);
  }
  Index output_size() const { return weight.shape()[1]; }
  Index count() const { return weight.shape()[0]; }
  void each(auto&& visit) { visit("weight", weight); }

  Parameter<T> weight;
};

extern template class Embedding<float>;
extern template class Embedding<double>;

}  // namespace unroll
