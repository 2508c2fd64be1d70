#include "unroll/core/isa.hpp"
#include "unroll/nn/cell_kernels.hpp"
#include "unroll/nn/cell_steps_detail.hpp"
#include "unroll/ops/map.hpp"

namespace unroll::detail {

// clang-format off
UNROLL_FOR_EACH_ISA(template <class T> const CellKernels<T>& cell_kernels();)
// clang-format on

namespace {

template <class T>
const CellKernels<T>& kernels() {
  static const CellKernels<T>& table = UNROLL_PICK_ISA(cell_kernels<T>());
  return table;
}

constexpr char no_numbers[1] = {};  // a functor of no bytes still has an address

}  // namespace

template <class T>
std::array<Variable<T>, 2> lstm_gates(const Variable<T>& i, const Variable<T>& f, const Variable<T>& g,
                                      const Variable<T>& o, const Variable<T>& c) {
  const Variable<T>* const inputs[] = {&i, &f, &g, &o, &c};
  std::array<Variable<T>, 2> outputs;
  map_on_tape<T>("lstm", kernels<T>().lstm, no_numbers, 0, inputs, 5, outputs.data(), 2);
  return outputs;
}

template <class T>
Variable<T> gru_gates(const Variable<T>& xr, const Variable<T>& xz, const Variable<T>& xn, const Variable<T>& hr,
                      const Variable<T>& hz, const Variable<T>& hn, const Variable<T>& h) {
  const Variable<T>* const inputs[] = {&xr, &xz, &xn, &hr, &hz, &hn, &h};
  Variable<T> output;
  map_on_tape<T>("gru", kernels<T>().gru, no_numbers, 0, inputs, 7, &output, 1);
  return output;
}

template <class T>
Variable<T> mean_of_two(const Variable<T>& a, const Variable<T>& b) {
  const Variable<T>* const inputs[] = {&a, &b};
  Variable<T> output;
  map_on_tape<T>("mean", kernels<T>().mean, no_numbers, 0, inputs, 2, &output, 1);
  return output;
}

template <class T>
Variable<T> highway_link(const Variable<T>& g, const Variable<T>& y, const Variable<T>& x) {
  const Variable<T>* const inputs[] = {&g, &y, &x};
  Variable<T> output;
  map_on_tape<T>("highway", kernels<T>().highway, no_numbers, 0, inputs, 3, &output, 1);
  return output;
}

template <class T>
Variable<T> mix(T q, const Variable<T>& a, const Variable<T>& b) {
  const Variable<T>* const inputs[] = {&a, &b};
  Variable<T> output;
  map_on_tape<T>("mix", kernels<T>().mix, &q, sizeof q, inputs, 2, &output, 1);
  return output;
}

template <class T>
Variable<T> mix_by(const Variable<T>& q, const Variable<T>& a, const Variable<T>& b) {
  const Variable<T>* const inputs[] = {&q, &a, &b};
  Variable<T> output;
  map_on_tape<T>("mix", kernels<T>().mix_by, no_numbers, 0, inputs, 3, &output, 1);
  return output;
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
