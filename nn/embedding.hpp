#pragma once
/// \file
/// A table of learned vectors, one a symbol.

#include "../core/random.hpp"
#include "../ops/gather.hpp"
#include "module.hpp"

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

  /// N ids to (N, dim); ids of a shape, row-major, to (shape..., dim): (T, B) to (T, B, dim).
  Variable<T> operator()(const Indices& ids, const Shape& leading = {}) const {
    return gather_rows(weight, ids, {.leading = leading});
  }
  Index output_size() const { return weight.shape()[1]; }
  Index count() const { return weight.shape()[0]; }
  void each(auto&& visit) { visit("weight", weight); }

  Parameter<T> weight;
};

extern template class Embedding<float>;
extern template class Embedding<double>;

}  // namespace unroll
