#pragma once
/// \file
/// Dropout: random zeros while training.

#include "../core/variable.hpp"

namespace unroll {

/// While the scope trains (a Recording unless told otherwise), y_i = x_i / (1 - p) with probability 1 - p and
/// 0 with probability p, each element by itself; elsewhere, and with p = 0, x itself. Masks are drawn from
/// the tape's generator and kept on the tape; with p = 1 everything is 0. Any shape.
///
/// Throws ValueError unless 0 <= p <= 1. (Srivastava and others, "Dropout", 2014.)
template <class T>
Variable<T> dropout(const Variable<T>& x, double p);
/// The same, told whether to drop, whatever the scope says.
template <class T>
Variable<T> dropout(const Variable<T>& x, double p, bool training);

}  // namespace unroll
