#include "map.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "../core/op.hpp"

namespace unroll::detail {
namespace {

enum class Operand : std::uint8_t {
  full,    ///< the result's shape
  vector,  ///< its last dimension, met again in every row
  scalar,
};

// A node and how it is met, in one word: nodes are aligned.
template <class T>
class Input {
 public:
  Input() = default;
  Input(Node<T>* node, Operand kind)
      : word_(reinterpret_cast<std::uintptr_t>(node) | static_cast<std::uintptr_t>(kind)) {}
  Node<T>* node() const { return reinterpret_cast<Node<T>*>(word_ & ~std::uintptr_t{3}); }
  Operand kind() const { return static_cast<Operand>(word_ & 3); }

 private:
  std::uintptr_t word_;
};

// What backward needs; inputs, outputs and the functor follow in memory, so that a small operation leaves little.
template <class T>
struct MapRecord : Record {
  void (*kernel)(const MapCall<T>&, const void* functor);
  std::uint8_t inputs, outputs;
  bool flat;

  Input<T>* input() { return reinterpret_cast<Input<T>*>(this + 1); }
  Node<T>** output() { return reinterpret_cast<Node<T>**>(input() + inputs); }
  void* functor() { return output() + outputs; }
};

template <class T>
using ScalarCopies = T[max_map_inputs][map_scalar_copies];

// Small operations are a few instructions each, so the most common numbers of operands and outputs are compiled for
// themselves: N of them, or 0 for any number.
template <int N>
constexpr int known(int count) {
  return N ? N : count;
}

// Everything of a call that forward and backward share. Scalars are copied into `copies`.
template <int N, class T>
UNROLL_INLINE void fill_call(MapCall<T>& call, const Input<T>* inputs, int count, const Shape& shape, bool flat,
                             ScalarCopies<T>& copies) {
  call.rows = flat ? 1 : shape.rows();
  call.cols = flat ? shape.size() : shape.cols();
  for (int i = 0; i < known<N>(count); ++i) {
    const Node<T>& x = *inputs[i].node();
    call.in[i] = x.value;
    call.in_row[i] = x.row_stride;
    call.in_col[i] = ~Index{0};
    if (inputs[i].kind() == Operand::full) continue;
    call.in_row[i] = 0;
    if (inputs[i].kind() == Operand::vector) continue;
    std::fill_n(copies[i], map_scalar_copies, x.value[0]);
    call.in[i] = copies[i];
    call.in_col[i] = 0;
  }
}

template <class T, int N, int Outputs>
void backward(Record* record) {
  MapRecord<T>& m = *static_cast<MapRecord<T>*>(record);
  MapCall<T> call;
  bool any = false;
  for (int k = 0; k < known<Outputs>(m.outputs); ++k) any |= (call.d_out[k] = m.output()[k]->arrived()) != nullptr;
  if (!any) return;
  ScalarCopies<T> copies;
  const Input<T>* inputs = m.input();
  fill_call<N>(call, inputs, m.inputs, m.output()[0]->shape, m.flat, copies);
  for (int i = 0; i < known<N>(m.inputs); ++i) {
    call.d_how[i] = MapGrad::none;
    call.d_in[i] = nullptr;
    Node<T>* x = inputs[i].node();
    if (!x->requires_grad) continue;
    if (inputs[i].kind() == Operand::full) {
      const Adjoint<T> a = x->touch();
      call.d_in[i] = a.data;
      call.d_how[i] = a.fresh ? MapGrad::write : MapGrad::add;
    } else {
      call.d_in[i] = x->touch_add();
      call.d_how[i] = inputs[i].kind() == Operand::scalar ? MapGrad::reduce : MapGrad::add;
    }
  }
  m.kernel(call, m.functor());
}

template <class T>
[[noreturn]] void throw_shapes(const char* name, const Input<T>* inputs, int count) {
  std::string shapes;
  for (int i = 0; i < count; ++i) shapes += (i ? ", " : "") + inputs[i].node()->shape.str();
  throw ShapeError(message(name, "operands ", shapes,
                           " do not fit; expected one shape for all, vectors of its last dimension, or scalars ()"));
}

template <int N, int Outputs, class T>
void run_map(const char* name, const MapKernels<T>& kernels, const void* functor, std::size_t functor_bytes,
             const Variable<T>* const* operands, int count, Variable<T>* outputs, int output_count) {
  const int input_count = known<N>(count);
  output_count = known<Outputs>(output_count);

  Input<T> inputs[max_map_inputs];
  Op<T> op(name);
  bool alike = true;
  const Node<T>* widest = nullptr;
  for (int i = 0; i < input_count; ++i) {
    Node<T>* x = op.use(*operands[i]);
    if (!widest) widest = x;
    inputs[i] = {x, Operand::full};
    alike = alike && x->shape == widest->shape;
    if (x->shape.rank() > widest->shape.rank()) widest = x;
  }
  const Shape& shape = widest->shape;
  if (!alike) {
    for (int i = 0; i < input_count; ++i) {
      const Shape& own = inputs[i].node()->shape;
      if (own == shape) continue;
      if (own.rank() == 0) {
        inputs[i] = {inputs[i].node(), Operand::scalar};
      } else if (own.rank() == 1 && shape.rank() > 1 && own[0] == shape[-1]) {
        inputs[i] = {inputs[i].node(), Operand::vector};
      } else {
        throw_shapes(name, inputs, input_count);
      }
    }
  }
  bool flat = true;  // everything is one run of memory
  for (int i = 0; i < input_count && flat; ++i) {
    const Operand kind = inputs[i].kind();
    flat = kind == Operand::full ? inputs[i].node()->contiguous() : kind == Operand::scalar;
  }

  MapCall<T> call;
  ScalarCopies<T> copies;
  fill_call<N>(call, inputs, input_count, shape, flat, copies);
  Node<T>* out[max_map_outputs];
  for (int k = 0; k < output_count; ++k) {
    out[k] = op.result(shape);
    out[k]->reuse.spare = true;
    call.out[k] = out[k]->value;
  }
  kernels.forward(call, functor);
  const auto finish = [&] {
    for (int k = 0; k < output_count; ++k) outputs[k] = op.done(out[k]);
  };
  if (!op.requires_grad()) return finish();

  const auto in = static_cast<std::size_t>(input_count), outs = static_cast<std::size_t>(output_count);
  const std::size_t bytes = sizeof(MapRecord<T>) + in * sizeof(Input<T>) + outs * sizeof(Node<T>*) + functor_bytes;
  auto* m = new (op.template allocate<std::byte>(static_cast<Index>(bytes))) MapRecord<T>;
  m->backward = &backward<T, N, Outputs>;
  m->kernel = kernels.backward;
  m->inputs = static_cast<std::uint8_t>(input_count);
  m->outputs = static_cast<std::uint8_t>(output_count);
  m->flat = flat;
  for (int i = 0; i < input_count; ++i) {
    m->input()[i] = inputs[i];
    // A value of the tape around this one is read again when this one runs again.
    Node<T>* x = inputs[i].node();
    if (inputs[i].kind() == Operand::full && x->recorder == &op.recorder()) x->reuse.mapped = true;
  }
  for (int k = 0; k < output_count; ++k) m->output()[k] = out[k];
  if (functor_bytes > 0) std::memcpy(m->functor(), functor, functor_bytes);
  op.recorder().append(m);
  finish();
}

}  // namespace

template <class T>
void map_on_tape(const char* name, const MapKernels<T>& kernels, const void* functor, std::size_t functor_bytes,
                 const Variable<T>* const* inputs, int input_count, Variable<T>* outputs, int output_count) {
  constexpr auto any = run_map<0, 0, T>;
  const auto run = output_count == 1                       ? (input_count == 1   ? run_map<1, 1, T>
                                                              : input_count == 2 ? run_map<2, 1, T>
                                                                                 : any)
                   : output_count == 2 && input_count == 5 ? run_map<5, 2, T>  // an LSTM's gates and state
                                                           : any;
  run(name, kernels, functor, functor_bytes, inputs, input_count, outputs, output_count);
}

template void map_on_tape(const char*, const MapKernels<float>&, const void*, std::size_t,
                          const Variable<float>* const*, int, Variable<float>*, int);
template void map_on_tape(const char*, const MapKernels<double>&, const void*, std::size_t,
                          const Variable<double>* const*, int, Variable<double>*, int);

}  // namespace unroll::detail
