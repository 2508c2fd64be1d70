#include "shape.hpp"

#include "error.hpp"

namespace unroll {

Shape::Shape(const Index* dims, int rank) : rank_(rank) {
  if (rank < 0 || rank > max_rank) throw ShapeError("[Shape] ", rank, " dimensions; a tensor has at most ", max_rank);
  for (int i = 0; i < rank; ++i) dims_[max_rank - rank + i] = checked_dim(i, dims[i]);
}

void Shape::throw_axis(int axis) const {
  throw ShapeError("[Shape] axis ", axis, " of shape ", str(), ", which has rank ", rank_);
}

void Shape::throw_dim(int axis, Index dim) {
  throw ShapeError("[Shape] dimension ", axis, " is ", dim, "; expected 0 .. ", max_dim);
}

Shape Shape::without(int axis) const {
  Index dims[max_rank];
  const int skip = checked_axis(axis);
  int n = 0;
  for (int i = 0; i < rank_; ++i)
    if (i != skip) dims[n++] = this->dims()[i];
  return Shape(dims, n);
}

Shape Shape::insert(int axis, Index dim) const {
  if (axis < 0 || axis > rank_) throw_axis(axis);
  Index dims[max_rank + 1];
  int n = 0;
  for (int i = 0; i <= rank_; ++i) {
    if (i == axis) dims[n++] = dim;
    if (i < rank_) dims[n++] = this->dims()[i];
  }
  return Shape(dims, n);
}

Shape Shape::from(int axis) const {
  if (axis < 0 || axis > rank_) throw_axis(axis);
  Index dims[max_rank];
  for (int i = axis; i < rank_; ++i) dims[i - axis] = this->dims()[i];
  return Shape(dims, rank_ - axis);
}

std::string Shape::str() const {
  std::string s = "(";
  for (int i = 0; i < rank_; ++i) {
    if (i) s += ',';
    s += std::to_string(dims()[i]);
  }
  return s + ")";
}

}  // namespace unroll
