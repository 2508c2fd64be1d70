#pragma once
/// \file
/// Initial values of parameters. Each fills in place and throws ShapeError where the shape does not allow it.

#include "../core/parameter.hpp"
#include "../core/random.hpp"

namespace unroll::init {

/// Inputs and outputs a weight connects: for a matrix (O, I) fan_in = I and fan_out = O; a tensor of higher rank counts
/// its last axes as the input; a vector (O) has both O.
struct Fan {
  Index in, out;
};
Fan fan(const Shape& shape);

template <class T>
void zeros(Parameter<T>& p);
template <class T>
void constant(Parameter<T>& p, std::type_identity_t<T> value);
/// Uniform in [low, high).
template <class T>
void uniform(Parameter<T>& p, Rng& rng, std::type_identity_t<T> low, std::type_identity_t<T> high);
/// Normal with this mean and standard deviation.
template <class T>
void normal(Parameter<T>& p, Rng& rng, std::type_identity_t<T> mean = 0, std::type_identity_t<T> deviation = 1);
/// Uniform in +-gain sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010; PyTorch's xavier_uniform_).
template <class T>
void glorot_uniform(Parameter<T>& p, Rng& rng, double gain = 1);
/// Normal with deviation gain sqrt(2 / (fan_in + fan_out)) (PyTorch's xavier_normal_).
template <class T>
void glorot_normal(Parameter<T>& p, Rng& rng, double gain = 1);
/// Uniform in +-sqrt(6 / fan_in), for relu units (He et al., 2015; PyTorch's kaiming_uniform_).
template <class T>
void he_uniform(Parameter<T>& p, Rng& rng);
/// Normal with deviation sqrt(2 / fan_in) (PyTorch's kaiming_normal_).
template <class T>
void he_normal(Parameter<T>& p, Rng& rng);
/// A matrix (O, I) with orthonormal rows (O <= I) or columns, times gain: the Q of a random normal matrix with signs
/// that make it uniform over the orthogonal group (Saxe et al., 2013). A matrix of G stacked gates (G*H, H) is made gate
/// by gate with `blocks` = G.
template <class T>
void orthogonal(Parameter<T>& p, Rng& rng, double gain = 1, int blocks = 1);
/// Ones on the diagonal times `scale`, zeros elsewhere (the identity start of relu RNNs, Le et al., 2015).
template <class T>
void identity(Parameter<T>& p, double scale = 1);

}  // namespace unroll::init
