#include "unroll/ops/map.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "unroll/core/error.hpp"

namespace unroll::detail {
namespace {

enum class Operand : std::uint8_t {
  full,    ///< the result's shape
  vector,  ///< its last dimension, met again in every row
  scalar,
};

template <class T>
struct Input {
  Node<T>* node;
  const T* value;  // copies of it, for a scalar
  Index row_stride;
  Operand kind;
};

// What backward needs; inputs, outputs and the functor follow in memory, so that a small operation leaves little.
template <class T>
struct MapRecord {
  MapKernels<T> kernels;
  Index rows, cols;
  int inputs, outputs;

  Input<T>* input() { return reinterpret_cast<Input<T>*>(this + 1); }
  Node<T>** output() { return reinterpret_cast<Node<T>**>(input() + inputs); }
  void* functor() { return output() + outputs; }
};

template <class T>
void fill_inputs(MapCall<T>& call, const Input<T>* inputs, int count) {
  for (int i = 0; i < count; ++i) {
    call.in[i] = inputs[i].value;
    call.in_row[i] = inputs[i].row_stride;
    call.in_col[i] = inputs[i].kind == Operand::scalar ? 0 : ~Index{0};
  }
}

template <class T>
void backward(MapRecord<T>& m) {
  MapCall<T> call;
  bool any = false;
  for (int k = 0; k < m.outputs; ++k) any |= (call.d_out[k] = m.output()[k]->arrived()) != nullptr;
  if (!any) return;
  call.rows = m.rows;
  call.cols = m.cols;
  const Input<T>* inputs = m.input();
  fill_inputs(call, inputs, m.inputs);
  for (int i = 0; i < m.inputs; ++i) {
    call.d_how[i] = MapGrad::none;
    call.d_in[i] = nullptr;
    Node<T>* x = inputs[i].node;
    if (!x->requires_grad) continue;
    if (inputs[i].kind == Operand::full) {
      const Adjoint<T> a = x->touch();
      call.d_in[i] = a.data;
      call.d_how[i] = a.fresh ? MapGrad::write : MapGrad::add;
    } else {
      call.d_in[i] = x->touch_add();
      call.d_how[i] = inputs[i].kind == Operand::scalar ? MapGrad::reduce : MapGrad::add;
    }
  }
  m.kernels.backward(call, m.functor());
}

template <class T>
[[noreturn]] void throw_shapes(const char* name, const Input<T>* inputs, int count) {
  std::string shapes;
  for (int i = 0; i < count; ++i) shapes += (i ? ", " : "") + inputs[i].node->shape.str();
  throw ShapeError(std::string("[") + name + "] operands " + shapes +
                   " do not fit; expected one shape for all, vectors of its last dimension, or scalars ()");
}

}  // namespace

template <class T>
void map_on_tape(const char* name, const MapKernels<T>& kernels, const void* functor, std::size_t functor_bytes,
                 const Variable<T>* operands, int input_count, Variable<T>* outputs, int output_count) {
  Input<T> inputs[max_map_inputs];
  bool requires_grad = false;
  Node<T>* widest = nullptr;
  for (int i = 0; i < input_count; ++i) {
    Node<T>* x = inputs[i].node = operands[i].use(name);
    requires_grad |= x->requires_grad;
    if (!widest || x->shape.rank() > widest->shape.rank()) widest = x;
  }
  Tape<T>& tape = *current_tape<T>;
  const Shape shape = widest->shape;
  bool flat = true;  // everything is one run of memory
  for (int i = 0; i < input_count; ++i) {
    const Node<T>& x = *inputs[i].node;
    inputs[i].value = x.value;
    if (x.shape == shape) {
      inputs[i].kind = Operand::full;
      inputs[i].row_stride = x.row_stride;
      flat = flat && x.contiguous();
    } else if (x.shape.rank() == 0) {
      inputs[i].kind = Operand::scalar;
      inputs[i].row_stride = 0;
      T* copies = tape.template allocate<T>(map_scalar_copies);
      std::fill_n(copies, map_scalar_copies, x.value[0]);
      inputs[i].value = copies;
    } else if (x.shape.rank() == 1 && shape.rank() > 1 && x.shape[0] == shape[-1]) {
      inputs[i].kind = Operand::vector;
      inputs[i].row_stride = 0;
      flat = false;
    } else {
      throw_shapes(name, inputs, input_count);
    }
  }

  MapCall<T> call;
  call.rows = flat ? 1 : shape.rows();
  call.cols = flat ? shape.size() : shape.cols();
  fill_inputs(call, inputs, input_count);
  Node<T>* out[max_map_outputs];
  for (int k = 0; k < output_count; ++k) {
    out[k] = tape.new_node(shape, requires_grad);
    call.out[k] = out[k]->value;
    outputs[k] = tape.handle(out[k]);
  }
  kernels.forward(call, functor);
  if (!tape.recording() || !requires_grad) return;

  const auto in = static_cast<std::size_t>(input_count), outs = static_cast<std::size_t>(output_count);
  const std::size_t bytes =
      sizeof(MapRecord<T>) + in * sizeof(Input<T>) + outs * sizeof(Node<T>*) + functor_bytes;
  auto* m = new (tape.template allocate<std::byte>(static_cast<Index>(bytes)))
      MapRecord<T>{kernels, call.rows, call.cols, input_count, output_count};
  std::uninitialized_copy_n(inputs, input_count, m->input());
  std::uninitialized_copy_n(out, output_count, m->output());
  std::memcpy(m->functor(), functor, functor_bytes);
  tape.record([m] { backward(*m); });
}

template void map_on_tape(const char*, const MapKernels<float>&, const void*, std::size_t, const Variable<float>*, int,
                          Variable<float>*, int);
template void map_on_tape(const char*, const MapKernels<double>&, const void*, std::size_t, const Variable<double>*,
                          int, Variable<double>*, int);

}  // namespace unroll::detail
