#include "onnx.hpp"

#include "../../core/error.hpp"
#include "gate_order_detail.hpp"

namespace unroll {
namespace {

constexpr int one[] = {0};
constexpr int lstm_from[] = {0, 2, 3, 1};  // i, f, g, o in i, o, f, c
constexpr int lstm_to[] = {0, 3, 1, 2};    // i, o, f, c in i, f, g, o
constexpr int gru_exchanged[] = {1, 0, 2};  // z, r, h and r, z, n

std::span<const int> order_from(RecurrentKind kind) {
  if (kind == RecurrentKind::lstm) return lstm_from;
  if (kind == RecurrentKind::gru) return gru_exchanged;
  return one;
}
std::span<const int> order_to(RecurrentKind kind) {
  if (kind == RecurrentKind::lstm) return lstm_to;
  return order_from(kind);
}

// `count` values from `begin` as a tensor of this shape.
template <class T>
PlainTensor<T> part(const PlainTensor<T>& x, Index begin, std::vector<Index> shape) {
  Index count = 1;
  for (const Index d : shape) count *= d;
  const auto first = x.values.begin() + begin;
  return {std::move(shape), {first, first + count}};
}

template <class T>
void append(PlainTensor<T>& to, const PlainTensor<T>& x, std::size_t count) {
  if (x.defined()) {
    to.values.insert(to.values.end(), x.values.begin(), x.values.end());
  } else {
    to.values.resize(to.values.size() + count);
  }
}

}  // namespace

template <class T>
std::vector<RecurrentTensors<T>> from_onnx(RecurrentKind kind, const OnnxRecurrent<T>& weights) {
  const Index gates = detail::gates_of(kind);
  const auto &w = weights.W.shape, &r = weights.R.shape;
  if (w.size() != 3 || r.size() != 3 || w[0] != r[0] || (w[0] != 1 && w[0] != 2) || w[1] != r[1] ||
      r[1] != gates * r[2])
    throw ShapeError("[from_onnx] W ", detail::shape_text(w), ", R ", detail::shape_text(r), "; expected (D,", gates,
                     "*H,I) and (D,", gates, "*H,H), D 1 or 2");
  detail::check_plain<T>("from_onnx: W", weights.W, w);
  detail::check_plain<T>("from_onnx: R", weights.R, r);
  const Index rows = w[1], input = w[2], hidden = r[2];
  const Index bias[] = {w[0], 2 * rows};
  if (weights.B.defined()) detail::check_plain<T>("from_onnx: B", weights.B, bias);
  const auto order = order_from(kind);
  std::vector<RecurrentTensors<T>> directions;
  for (Index d = 0; d < w[0]; ++d) {
    RecurrentTensors<T> ours{detail::reordered(part(weights.W, d * rows * input, {rows, input}), order),
                             detail::reordered(part(weights.R, d * rows * hidden, {rows, hidden}), order),
                             {},
                             {}};
    if (weights.B.defined()) {
      ours.bias_ih = detail::reordered(part(weights.B, d * 2 * rows, {rows}), order);
      ours.bias_hh = detail::reordered(part(weights.B, d * 2 * rows + rows, {rows}), order);
    }
    directions.push_back(std::move(ours));
  }
  return directions;
}

template <class T>
OnnxRecurrent<T> to_onnx(RecurrentKind kind, std::span<const RecurrentTensors<T>> directions) {
  if (directions.empty() || directions.size() > 2)
    throw ValueError("[to_onnx] ", directions.size(), " directions; expected 1 or 2");
  OnnxRecurrent<T> onnx;
  bool any_bias = false;
  for (const auto& d : directions) {
    detail::check_recurrent<T>("to_onnx", kind, d);
    if (d.weight_ih.shape != directions[0].weight_ih.shape || d.weight_hh.shape != directions[0].weight_hh.shape)
      throw ShapeError("[to_onnx] the two directions differ in shape");
    any_bias = any_bias || d.bias_ih.defined() || d.bias_hh.defined();
  }
  const auto order = order_to(kind);
  const auto count = static_cast<Index>(directions.size());
  const Index rows = directions[0].weight_ih.shape[0];
  onnx.W.shape = {count, rows, directions[0].weight_ih.shape[1]};
  onnx.R.shape = {count, rows, directions[0].weight_hh.shape[1]};
  if (any_bias) onnx.B.shape = {count, 2 * rows};
  for (const auto& d : directions) {
    append(onnx.W, detail::reordered(d.weight_ih, order), 0);
    append(onnx.R, detail::reordered(d.weight_hh, order), 0);
    if (!any_bias) continue;
    append(onnx.B, detail::reordered(d.bias_ih, order), static_cast<std::size_t>(rows));
    append(onnx.B, detail::reordered(d.bias_hh, order), static_cast<std::size_t>(rows));
  }
  return onnx;
}

#define UNROLL_INSTANTIATE(T)                                                                     \
  template std::vector<RecurrentTensors<T>> from_onnx<T>(RecurrentKind, const OnnxRecurrent<T>&); \
  template OnnxRecurrent<T> to_onnx<T>(RecurrentKind, std::span<const RecurrentTensors<T>>);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
