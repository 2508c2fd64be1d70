#pragma once
/// \file
/// The elementwise part of the built-in cells and layers. Each is one `map`, compiled into the library for every
/// instruction set: so that it is as fast in a program for any machine as in one for this machine, files with different
/// flags share nothing of it, and users' files, which need not instantiate it, compile faster. A cell of one's own with
/// the same lambda runs the same loops.

#include <array>

#include "../../core/variable.hpp"

namespace unroll::detail {

/// c' = sigmoid(f) c + sigmoid(i) tanh(g), h' = sigmoid(o) tanh(c'): h' and c'. All (B, H).
template <class T>
std::array<Variable<T>, 2> lstm_gates(const Variable<T>& i, const Variable<T>& f, const Variable<T>& g,
                                      const Variable<T>& o, const Variable<T>& c);

/// z = sigmoid(xz + hz), n = tanh(xn + sigmoid(xr + hr) hn), h' = n + z (h - n). All (B, H).
template <class T>
Variable<T> gru_gates(const Variable<T>& xr, const Variable<T>& xz, const Variable<T>& xn, const Variable<T>& hr,
                      const Variable<T>& hz, const Variable<T>& hn, const Variable<T>& h);

/// (a + b) / 2.
template <class T>
Variable<T> mean_of_two(const Variable<T>& a, const Variable<T>& b);

/// x + sigmoid(g) (y - x): y where the gate is open, x where it is closed.
template <class T>
Variable<T> highway_link(const Variable<T>& g, const Variable<T>& y, const Variable<T>& x);

/// b + q (a - b): the share q of a, the rest of b.
template <class T>
Variable<T> mix(T q, const Variable<T>& a, const Variable<T>& b);

/// The same with a share of each element.
template <class T>
Variable<T> mix_by(const Variable<T>& q, const Variable<T>& a, const Variable<T>& b);

}  // namespace unroll::detail
