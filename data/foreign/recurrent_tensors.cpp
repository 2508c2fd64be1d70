#include "recurrent_tensors.hpp"

#include <utility>

#include "../../core/error.hpp"

namespace unroll {

template <class T>
RecurrentTensors<T> take_recurrent(const StateDict<T>& tensors, const std::string& prefix) {
  const std::string dot = prefix.empty() ? "" : prefix + ".";
  const auto optional = [&](const char* name) {
    const auto found = tensors.find(dot + name);
    return found == tensors.end() ? PlainTensor<T>() : found->second;
  };
  return {tensor_named(tensors, dot + "weight_ih"), tensor_named(tensors, dot + "weight_hh"), optional("bias_ih"),
          optional("bias_hh")};
}

template <class T>
void put_recurrent(StateDict<T>& tensors, const std::string& prefix, RecurrentTensors<T> weights) {
  const std::string dot = prefix.empty() ? "" : prefix + ".";
  const auto put = [&](const char* name, PlainTensor<T>& tensor) {
    if (tensor.defined()) tensors[dot + name] = std::move(tensor);
  };
  put("weight_ih", weights.weight_ih);
  put("weight_hh", weights.weight_hh);
  put("bias_ih", weights.bias_ih);
  put("bias_hh", weights.bias_hh);
}

template <class T>
void detail::check_recurrent(const std::string& what, RecurrentKind kind, const RecurrentTensors<T>& weights) {
  const Index gates = gates_of(kind);
  const auto& ih = weights.weight_ih.shape;
  const auto& hh = weights.weight_hh.shape;
  if (ih.size() != 2 || hh.size() != 2 || hh[0] != gates * hh[1] || ih[0] != hh[0])
    throw ShapeError("[", what, "] weight_ih ", shape_text(ih), ", weight_hh ", shape_text(hh), "; expected (", gates,
                     "*H,I) and (", gates, "*H,H)");
  check_plain<T>(what + ": weight_ih", weights.weight_ih, ih);
  check_plain<T>(what + ": weight_hh", weights.weight_hh, hh);
  const Index bias[] = {hh[0]};
  if (weights.bias_ih.defined()) check_plain<T>(what + ": bias_ih", weights.bias_ih, bias);
  if (weights.bias_hh.defined()) check_plain<T>(what + ": bias_hh", weights.bias_hh, bias);
}

#define UNROLL_INSTANTIATE(T)                                                              \
  template RecurrentTensors<T> take_recurrent<T>(const StateDict<T>&, const std::string&); \
  template void put_recurrent<T>(StateDict<T>&, const std::string&, RecurrentTensors<T>);  \
  template void detail::check_recurrent<T>(const std::string&, RecurrentKind, const RecurrentTensors<T>&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
