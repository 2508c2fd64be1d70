#include "keras.hpp"

#include <utility>

#include "../../core/error.hpp"
#include "gate_order_detail.hpp"

namespace unroll {
namespace {

constexpr int same[] = {0, 1, 2, 3};    // i, f, c, o is i, f, g, o
constexpr int gru_order[] = {1, 0, 2};  // z, r, h and r, z, n

std::span<const int> order_of(RecurrentKind kind) {
  if (kind == RecurrentKind::gru) return gru_order;
  return std::span(same).first(detail::gates_of(kind));
}

}  // namespace

template <class T>
RecurrentTensors<T> from_keras(RecurrentKind kind, const KerasRecurrent<T>& weights, bool two_biases) {
  const auto order = order_of(kind);
  RecurrentTensors<T> ours{detail::reordered(transposed(weights.kernel), order),
                           detail::reordered(transposed(weights.recurrent_kernel), order),
                           {},
                           {}};
  detail::check_recurrent<T>("from_keras: kernels, transposed", kind, ours);
  if (!weights.bias.defined()) return ours;
  const Index rows = ours.weight_hh.shape[0];
  if (kind == RecurrentKind::gru) {
    if (weights.bias.shape == std::vector<Index>{rows})
      throw ShapeError("[from_keras] bias ", detail::shape_text(weights.bias.shape),
                       " is that of a GRU with reset_after=False, whose equations are others than GRUCell's; expected "
                       "(2,",
                       rows, ")");
    const Index expected[] = {2, rows};
    detail::check_plain<T>("from_keras: bias", weights.bias, expected);
    const auto half = weights.bias.values.begin() + rows;
    ours.bias_ih = detail::reordered(PlainTensor<T>{{rows}, {weights.bias.values.begin(), half}}, order);
    ours.bias_hh = detail::reordered(PlainTensor<T>{{rows}, {half, weights.bias.values.end()}}, order);
    return ours;
  }
  const Index expected[] = {rows};
  detail::check_plain<T>("from_keras: bias", weights.bias, expected);
  ours.bias_ih = weights.bias;
  if (two_biases) ours.bias_hh = {{rows}, std::vector<T>(rows)};
  return ours;
}

template <class T>
KerasRecurrent<T> to_keras(RecurrentKind kind, const RecurrentTensors<T>& weights) {
  detail::check_recurrent<T>("to_keras", kind, weights);
  const auto order = order_of(kind);  // its own inverse
  KerasRecurrent<T> keras{transposed(detail::reordered(weights.weight_ih, order)),
                          transposed(detail::reordered(weights.weight_hh, order)),
                          {}};
  const PlainTensor<T>&ih = weights.bias_ih, &hh = weights.bias_hh;
  if (!ih.defined() && !hh.defined()) return keras;
  const Index rows = weights.weight_hh.shape[0];
  const auto or_zeros = [&](const PlainTensor<T>& b) {
    return b.defined() ? b : PlainTensor<T>{{rows}, std::vector<T>(rows)};
  };
  if (kind == RecurrentKind::gru) {
    keras.bias = detail::reordered(or_zeros(ih), order);
    const auto state = detail::reordered(or_zeros(hh), order);
    keras.bias.shape = {2, rows};
    keras.bias.values.insert(keras.bias.values.end(), state.values.begin(), state.values.end());
    return keras;
  }
  keras.bias = or_zeros(ih);
  if (hh.defined())
    for (std::size_t i = 0; i < keras.bias.values.size(); ++i)
      if (hh.values[i] != 0) keras.bias.values[i] += hh.values[i];  // -0 + 0 would lose its sign
  return keras;
}

template <class T>
KerasRecurrent<T> take_keras(const StateDict<T>& tensors, const std::string& prefix) {
  const std::string slash = prefix.empty() ? "" : prefix + "/";
  const auto bias = tensors.find(slash + "bias");
  return {tensor_named(tensors, slash + "kernel"), tensor_named(tensors, slash + "recurrent_kernel"),
          bias == tensors.end() ? PlainTensor<T>() : bias->second};
}

#define UNROLL_INSTANTIATE(T)                                                                \
  template RecurrentTensors<T> from_keras<T>(RecurrentKind, const KerasRecurrent<T>&, bool); \
  template KerasRecurrent<T> to_keras<T>(RecurrentKind, const RecurrentTensors<T>&);         \
  template KerasRecurrent<T> take_keras<T>(const StateDict<T>&, const std::string&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
