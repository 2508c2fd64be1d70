#include "unroll/ops/map.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "unroll/core/error.hpp"

namespace unroll::detail {
namespace {

template <class T>
struct MapOnTape {
  MapKernels<T> kernels;
  const void* functor;
  int inputs, outputs;
  MapCall<T> call;
  Node<T>* in[max_map_inputs];
  Node<T>* out[max_map_outputs];
  bool vector[max_map_inputs];  // a trailing vector: its adjoint is a sum over rows
};

std::string operand_shapes(const char* name, const std::string& shapes) {
  return std::string("[") + name + "] operands " + shapes +
         " do not fit; expected one shape for all, vectors of its last dimension, or scalars ()";
}

template <class T>
void backward(MapOnTape<T>& m) {
  MapCall<T>& call = m.call;
  bool any = false;
  for (int k = 0; k < m.outputs; ++k) any |= (call.d_out[k] = m.out[k]->arrived()) != nullptr;
  if (!any) return;
  for (int i = 0; i < m.inputs; ++i) {
    call.d_how[i] = MapGrad::none;
    call.d_in[i] = nullptr;
    if (!m.in[i]->requires_grad) continue;
    if (m.vector[i] || call.in_col[i] == 0) {
      call.d_in[i] = m.in[i]->touch_add();
      call.d_how[i] = call.in_col[i] == 0 ? MapGrad::reduce : MapGrad::add;
    } else {
      const Adjoint<T> a = m.in[i]->touch();
      call.d_in[i] = a.data;
      call.d_how[i] = a.fresh ? MapGrad::write : MapGrad::add;
    }
  }
  m.kernels.backward(call, m.functor);
}

}  // namespace

template <class T>
void map_on_tape(const char* name, const MapKernels<T>& kernels, const void* functor, std::size_t functor_bytes,
                 const Variable<T>* inputs, int input_count, Variable<T>* outputs, int output_count) {
  MapOnTape<T> local;
  bool requires_grad = false;
  Node<T>* widest = nullptr;
  for (int i = 0; i < input_count; ++i) {
    local.in[i] = inputs[i].use(name);
    requires_grad |= local.in[i]->requires_grad;
    if (!widest || local.in[i]->shape.rank() > widest->shape.rank()) widest = local.in[i];
  }
  Tape<T>& tape = *current_tape<T>;
  const Shape shape = widest->shape;
  bool flat = true;
  for (int i = 0; i < input_count; ++i) {
    const Node<T>& x = *local.in[i];
    const bool full = x.shape == shape;
    local.vector[i] = !full && x.shape.rank() == 1 && shape.rank() > 1 && x.shape[0] == shape[-1];
    if (!full && !local.vector[i] && x.shape.rank() != 0) {
      std::string shapes;
      for (int k = 0; k < input_count; ++k) shapes += (k ? ", " : "") + local.in[k]->shape.str();
      throw ShapeError(operand_shapes(name, shapes));
    }
    flat = flat && (full ? x.contiguous() : !local.vector[i]);
  }

  // Only a recording keeps the call; an evaluation runs it from the stack.
  const bool kept = tape.recording() && requires_grad;
  MapOnTape<T>& m = kept ? *new (tape.template allocate<MapOnTape<T>>(1)) MapOnTape<T> : local;
  if (kept) {
    std::copy_n(local.in, input_count, m.in);
    std::copy_n(local.vector, input_count, m.vector);
  }
  m.kernels = kernels;
  m.inputs = input_count;
  m.outputs = output_count;
  MapCall<T>& call = m.call;
  call.rows = flat ? 1 : shape.rows();
  call.cols = flat ? shape.size() : shape.cols();
  for (int i = 0; i < input_count; ++i) {
    const Node<T>& x = *m.in[i];
    const bool scalar = x.shape.rank() == 0 && shape.rank() != 0;
    call.in[i] = x.value;
    call.in_row[i] = flat || m.vector[i] || scalar ? 0 : x.row_stride;
    call.in_col[i] = scalar ? 0 : ~Index{0};
    if (scalar) {
      T* copies = tape.template allocate<T>(map_scalar_copies);
      std::fill_n(copies, map_scalar_copies, x.value[0]);
      call.in[i] = copies;
    }
  }
  for (int k = 0; k < output_count; ++k) {
    m.out[k] = tape.new_node(shape, requires_grad);
    call.out[k] = m.out[k]->value;
    outputs[k] = tape.handle(m.out[k]);
  }
  kernels.forward(call, functor);
  if (!kept) return;
  void* kept_functor = tape.template allocate<std::byte>(static_cast<Index>(functor_bytes));
  std::memcpy(kept_functor, functor, functor_bytes);
  m.functor = kept_functor;
  tape.record([&m] { backward(m); });
}

template void map_on_tape(const char*, const MapKernels<float>&, const void*, std::size_t, const Variable<float>*, int,
                          Variable<float>*, int);
template void map_on_tape(const char*, const MapKernels<double>&, const void*, std::size_t, const Variable<double>*,
                          int, Variable<double>*, int);

}  // namespace unroll::detail
