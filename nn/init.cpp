#include "init.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "../core/error.hpp"

namespace unroll::init {
namespace {

void check_matrix(const char* op, const Shape& shape) {
  if (shape.rank() != 2) throw ShapeError("[", op, "] shape ", shape.str(), "; expected a matrix (outputs, inputs)");
}

// Orthonormal rows, `rows` <= `cols`, by Gram-Schmidt applied twice ("twice is enough": Giraud et al., 2005). A random
// normal matrix orthogonalised with positive diagonal is uniform over the orthogonal group.
std::vector<double> orthonormal_rows(Index rows, Index cols, Rng& rng) {
  std::vector<double> q(static_cast<std::size_t>(rows * cols));
  for (Index r = 0; r < rows; ++r) {
    double* row = q.data() + r * cols;
    double norm = 0;
    do {
      for (Index c = 0; c < cols; ++c) row[c] = rng.normal();
      for (int pass = 0; pass < 2; ++pass) {
        for (Index k = 0; k < r; ++k) {
          const double* other = q.data() + k * cols;
          double dot = 0;
          for (Index c = 0; c < cols; ++c) dot += row[c] * other[c];
          for (Index c = 0; c < cols; ++c) row[c] -= dot * other[c];
        }
      }
      norm = 0;
      for (Index c = 0; c < cols; ++c) norm += row[c] * row[c];
      norm = std::sqrt(norm);
    } while (norm < 1e-8);
    for (Index c = 0; c < cols; ++c) row[c] /= norm;
  }
  return q;
}

}  // namespace

Fan fan(const Shape& shape) {
  if (shape.rank() == 0) return {1, 1};
  if (shape.rank() == 1) return {shape[0], shape[0]};
  return {shape.size() / std::max<Index>(shape[0], 1), shape[0]};
}

template <class T>
void zeros(Parameter<T>& p) {
  constant(p, T(0));
}

template <class T>
void constant(Parameter<T>& p, std::type_identity_t<T> value) {
  std::ranges::fill(p.mutable_values(), value);
}

template <class T>
void uniform(Parameter<T>& p, Rng& rng, std::type_identity_t<T> low, std::type_identity_t<T> high) {
  for (T& v : p.mutable_values()) v = static_cast<T>(rng.uniform<double>(double(low), double(high)));
}

template <class T>
void normal(Parameter<T>& p, Rng& rng, std::type_identity_t<T> mean, std::type_identity_t<T> deviation) {
  for (T& v : p.mutable_values()) v = static_cast<T>(double(mean) + double(deviation) * rng.normal());
}

template <class T>
void glorot_uniform(Parameter<T>& p, Rng& rng, double gain) {
  const Fan f = fan(p.shape());
  const double a = gain * std::sqrt(6.0 / double(f.in + f.out));
  uniform(p, rng, static_cast<T>(-a), static_cast<T>(a));
}

template <class T>
void glorot_normal(Parameter<T>& p, Rng& rng, double gain) {
  const Fan f = fan(p.shape());
  normal(p, rng, T(0), static_cast<T>(gain * std::sqrt(2.0 / double(f.in + f.out))));
}

template <class T>
void he_uniform(Parameter<T>& p, Rng& rng) {
  const double a = std::sqrt(6.0 / double(fan(p.shape()).in));
  uniform(p, rng, static_cast<T>(-a), static_cast<T>(a));
}

template <class T>
void he_normal(Parameter<T>& p, Rng& rng) {
  normal(p, rng, T(0), static_cast<T>(std::sqrt(2.0 / double(fan(p.shape()).in))));
}

template <class T>
void orthogonal(Parameter<T>& p, Rng& rng, double gain, int blocks) {
  check_matrix("orthogonal", p.shape());
  if (blocks < 1 || p.shape()[0] % blocks != 0)
    throw ShapeError("[orthogonal] shape ", p.shape().str(), " does not divide into ", blocks, " blocks of rows");
  const Index rows = p.shape()[0] / blocks, cols = p.shape()[1];
  const auto values = p.mutable_values();
  for (int b = 0; b < blocks; ++b) {
    const bool wide = rows <= cols;
    const auto q = wide ? orthonormal_rows(rows, cols, rng) : orthonormal_rows(cols, rows, rng);
    for (Index r = 0; r < rows; ++r)
      for (Index c = 0; c < cols; ++c)
        values[static_cast<std::size_t>((b * rows + r) * cols + c)] =
            static_cast<T>(gain * q[static_cast<std::size_t>(wide ? r * cols + c : c * rows + r)]);
  }
}

template <class T>
void identity(Parameter<T>& p, double scale) {
  check_matrix("identity", p.shape());
  zeros(p);
  const Index cols = p.shape()[1];
  const auto values = p.mutable_values();
  for (Index i = 0; i < std::min(p.shape()[0], cols); ++i)
    values[static_cast<std::size_t>(i * cols + i)] = static_cast<T>(scale);
}

#define UNROLL_INSTANTIATE(T)                                                          \
  template void zeros(Parameter<T>&);                                                  \
  template void constant(Parameter<T>&, std::type_identity_t<T>);                      \
  template void uniform(Parameter<T>&, Rng&, std::type_identity_t<T>, std::type_identity_t<T>); \
  template void normal(Parameter<T>&, Rng&, std::type_identity_t<T>, std::type_identity_t<T>);  \
  template void glorot_uniform(Parameter<T>&, Rng&, double);                           \
  template void glorot_normal(Parameter<T>&, Rng&, double);                            \
  template void he_uniform(Parameter<T>&, Rng&);                                       \
  template void he_normal(Parameter<T>&, Rng&);                                        \
  template void orthogonal(Parameter<T>&, Rng&, double, int);                          \
  template void identity(Parameter<T>&, double);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::init
