#pragma once
/// \file
/// Choice by a mask: where, masked_fill.

#include <cstdint>
#include <span>
#include <type_traits>

#include "../core/variable.hpp"

namespace unroll {

/// y_i = a_i where mask_i is not zero, else b_i. `a` and `b` of one shape; gradients go to what was chosen,
/// so that NaN or infinity on the other side does no harm.
///
/// `mask`: a span of bytes or bools (copied to the tape), row-major, as many as `a` has elements, or as many
/// as its last dimension, met again in every row; or a Variable of the shape of `a`, which gets no gradient.
/// Throws ShapeError when the shapes or the length do not fit.
template <class T>
Variable<T> where(std::span<const std::uint8_t> mask, const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> where(std::span<const bool> mask, const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> where(const Variable<T>& mask, const Variable<T>& a, const Variable<T>& b);

/// y_i = value where mask_i is not zero, else x_i; `mask` as in `where`. For attention scores that must not
/// count: masked_fill(scores, padding, -infinity).
template <class T>
Variable<T> masked_fill(const Variable<T>& x, std::span<const std::uint8_t> mask,
                        std::type_identity_t<T> value);
template <class T>
Variable<T> masked_fill(const Variable<T>& x, std::span<const bool> mask, std::type_identity_t<T> value);
template <class T>
Variable<T> masked_fill(const Variable<T>& x, const Variable<T>& mask, std::type_identity_t<T> value);

}  // namespace unroll
