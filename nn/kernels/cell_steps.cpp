#include "../../core/isa.hpp"
#include "../../ops/map.hpp"
#include "cell_steps.hpp"
#include "cells.hpp"

namespace unroll::detail {

// clang-format off
UNROLL_FOR_EACH_ISA(template <class T> const CellKernels<T>& cell_kernels();)
// clang-format on

namespace {

template <class T>
const CellKernels<T>& active_cell_kernels() {
  static const CellKernels<T>& table = UNROLL_PICK_ISA(cell_kernels<T>());
  return table;
}

// The results of one kernel, whose functor is these `numbers`.
template <class T, std::size_t count, class... More>
std::array<Variable<T>, count> outputs_of(const char* name, const MapKernels<T>& kernel, const void* numbers,
                                          std::size_t bytes, const Variable<T>& first, const More&... more) {
  const Variable<T>* const inputs[] = {&first, &more...};
  std::array<Variable<T>, count> outputs;
  map_on_tape<T>(name, kernel, numbers, bytes, inputs, 1 + static_cast<int>(sizeof...(more)), outputs.data(),
                 static_cast<int>(count));
  return outputs;
}

constexpr char no_numbers[1] = {};  // a functor of no bytes still has an address

}  // namespace

template <class T>
std::array<Variable<T>, 2> lstm_gates(const Variable<T>& i, const Variable<T>& f, const Variable<T>& g,
                                      const Variable<T>& o, const Variable<T>& c) {
  return outputs_of<T, 2>("lstm", active_cell_kernels<T>().lstm, no_numbers, 0, i, f, g, o, c);
}

template <class T>
Variable<T> gru_gates(const Variable<T>& xr, const Variable<T>& xz, const Variable<T>& xn, const Variable<T>& hr,
                      const Variable<T>& hz, const Variable<T>& hn, const Variable<T>& h) {
  return outputs_of<T, 1>("gru", active_cell_kernels<T>().gru, no_numbers, 0, xr, xz, xn, hr, hz, hn, h)[0];
}

template <class T>
Variable<T> mean_of_two(const Variable<T>& a, const Variable<T>& b) {
  return outputs_of<T, 1>("mean", active_cell_kernels<T>().mean, no_numbers, 0, a, b)[0];
}

template <class T>
Variable<T> highway_link(const Variable<T>& g, const Variable<T>& y, const Variable<T>& x) {
  return outputs_of<T, 1>("highway", active_cell_kernels<T>().highway, no_numbers, 0, g, y, x)[0];
}

template <class T>
Variable<T> mix(T q, const Variable<T>& a, const Variable<T>& b) {
  return outputs_of<T, 1>("mix", active_cell_kernels<T>().mix, &q, sizeof q, a, b)[0];
}

template <class T>
Variable<T> mix_by(const Variable<T>& q, const Variable<T>& a, const Variable<T>& b) {
  return outputs_of<T, 1>("mix", active_cell_kernels<T>().mix_by, no_numbers, 0, q, a, b)[0];
}

#define UNROLL_INSTANTIATE(T)                                                                                    \
  template std::array<Variable<T>, 2> lstm_gates(const Variable<T>&, const Variable<T>&, const Variable<T>&,     \
                                                 const Variable<T>&, const Variable<T>&);                        \
  template Variable<T> gru_gates(const Variable<T>&, const Variable<T>&, const Variable<T>&, const Variable<T>&, \
                                 const Variable<T>&, const Variable<T>&, const Variable<T>&);                    \
  template Variable<T> mean_of_two(const Variable<T>&, const Variable<T>&);                                      \
  template Variable<T> highway_link(const Variable<T>&, const Variable<T>&, const Variable<T>&);                 \
  template Variable<T> mix(T, const Variable<T>&, const Variable<T>&);                                           \
  template Variable<T> mix_by(const Variable<T>&, const Variable<T>&, const Variable<T>&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::detail
